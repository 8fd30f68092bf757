//! A node without users, for the tests of what stands in front of a node.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use crowd_core::{
    failure::Failure,
    refusal::{Code, Refusal},
    user_id::UserId,
};
use crowd_measure::{health::HealthSummary, series::Series, window::Window};
use tokio::sync::watch;

use super::{
    command::{Pair, RampText, RateText},
    operations::{Operations, RunEnd},
    view::{Changed, Chosen, CoordinatorView, Dealt, Listing, MetricsView, NodeView, ThrottleView},
};
use crate::{
    capacity::Desk,
    node::{Added, RunState, SetOutcome, SettingView, Status, UserCounts, UserView},
    report::{
        ReportInput, RunReport,
        input::{Outcome, RunFacts, UserTotals},
        live::Screen,
    },
    scenario::{Run, Scenario, catalog::Catalog},
    user::User,
};

/// A scenario to be listed; nobody runs it.
pub(super) struct Idle;

impl Scenario for Idle {
    const NAME: &'static str = "idle";
    const ABOUT: &'static str = "Users that only wait.\nThey show what users cost.";
    const DESCRIPTORS_PER_USER: u64 = 1;
    type Settings = ();
    type Message = ();

    async fn init(_: &Run<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn start(&self, _: User<Self>) -> Result<(), Failure> {
        Ok(())
    }
}

/// What the fake node is like now.
#[derive(Debug, Clone)]
pub(super) struct Inside {
    pub(super) state: RunState,
    pub(super) users: UserCounts,
    pub(super) settings: Vec<Pair>,
    pub(super) throttles: BTreeMap<String, String>,
    /// What was done, in order.
    pub(super) log: Vec<String>,
    /// Users that are told to stop go on.
    pub(super) stubborn: bool,
    /// A run that is told to end goes on.
    pub(super) frozen: bool,
    /// How long it takes to tell what came of a run.
    pub(super) telling: Duration,
    /// How long `init` takes.
    pub(super) init: Duration,
    /// All that was measured.
    pub(super) measured: Window,
}

/// The node. Its users end when they are told to, or when a test says so.
#[derive(Clone)]
pub(super) struct Fake {
    catalog: Catalog,
    desk: Desk,
    inside: Arc<Mutex<Inside>>,
    state: watch::Sender<RunState>,
}

impl Fake {
    pub(super) fn new() -> Self {
        let inside = Inside {
            state: RunState::Idle,
            users: UserCounts::default(),
            settings: Vec::new(),
            throttles: BTreeMap::new(),
            log: Vec::new(),
            stubborn: false,
            frozen: false,
            telling: Duration::ZERO,
            init: Duration::ZERO,
            measured: Window::default(),
        };
        Self {
            catalog: Catalog::new().with::<Idle>(),
            desk: Desk::default(),
            inside: Arc::new(Mutex::new(inside)),
            state: watch::Sender::new(RunState::Idle),
        }
    }

    /// Changes or reads what is inside.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut Inside) -> T) -> T {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = change(&mut inside);
        self.state.send_replace(inside.state);
        answer
    }

    fn in_run<T>(&self, change: impl FnOnce(&mut Inside) -> T) -> Result<T, Refusal> {
        self.with(|inside| match inside.state {
            RunState::Running => Ok(change(inside)),
            state => Err(Refusal::new(Code::InvalidStatus, format!("the run is {state:?}"))),
        })
    }

    fn on_throttle(&self, name: &str, what: &str) -> Result<(), Refusal> {
        self.with(|inside| {
            if !inside.throttles.contains_key(name) {
                return Err(Refusal::new(Code::NoThrottle, format!("no throttle `{name}`")));
            }
            inside.log.push(format!("{what} {name}"));
            Ok(())
        })
    }
}

fn add(inside: &mut Inside, count: u64) -> Added {
    let first = inside.users.asked + 1;
    inside.users.asked += count;
    inside.users.running += count;
    if count == 0 { Added { first: 0, last: 0 } } else { Added { first, last: first + count - 1 } }
}

impl Operations for Fake {
    fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    fn user_rate(&self) -> String {
        "1200/min".to_owned()
    }

    async fn nodes(&self) -> Result<Vec<NodeView>, Refusal> {
        Ok(self.with(|inside| {
            vec![NodeView {
                name: "here".to_owned(),
                here: true,
                state: "up".to_owned(),
                run: Some(inside.state),
                running: Some(inside.users.running),
                ..NodeView::default()
            }]
        }))
    }

    async fn start_run(
        &self,
        scenario: &str,
        users: u64,
        settings: Vec<Pair>,
    ) -> Result<Dealt, Refusal> {
        self.catalog.get(scenario)?;
        tokio::time::sleep(self.with(|inside| inside.init)).await;
        self.with(|inside| {
            if inside.state != RunState::Idle {
                return Err(Refusal::new(Code::InvalidStatus, "there is a run already"));
            }
            if settings.iter().any(|(key, _)| key == "nonsense") {
                return Err(Refusal::new(Code::UndefinedParameters, "`nonsense` is not declared"));
            }
            inside.state = RunState::Running;
            inside.settings = settings;
            inside.log.push(format!("do {scenario} {users}"));
            Ok(add(inside, users).into())
        })
    }

    async fn add(&self, count: u64, _: &[String]) -> Result<Dealt, Refusal> {
        self.in_run(|inside| add(inside, count).into())
    }

    async fn add_range(&self, first: u64, last: u64) -> Result<Added, Refusal> {
        self.in_run(|inside| {
            inside.users.asked += last - first + 1;
            inside.users.running += last - first + 1;
            Added { first, last }
        })
    }

    async fn remove(&self, count: u64, force: bool, _: &[String]) -> Result<Chosen, Refusal> {
        self.in_run(|inside| {
            let chosen = count.min(inside.users.running);
            if force || !inside.stubborn {
                inside.users.running -= chosen;
                inside.users.removed += chosen;
            }
            inside.log.push(format!("remove {count}{}", if force { " force" } else { "" }));
            Chosen { chosen, ..Chosen::default() }
        })
    }

    async fn stop(&self) -> Result<(), Refusal> {
        self.in_run(|inside| {
            inside.log.push("stop".to_owned());
            if inside.frozen {
                return;
            }
            inside.users.removed += inside.users.running;
            inside.users.running = 0;
            inside.state = RunState::Finished;
        })
    }

    async fn stop_gracefully(&self) -> Result<(), Refusal> {
        self.in_run(|inside| inside.log.push("stop gracefully".to_owned()))?;
        self.stop().await
    }

    async fn reset(&self) -> Result<(), Refusal> {
        self.with(|inside| {
            inside.state = RunState::Idle;
            inside.users = UserCounts::default();
        });
        Ok(())
    }

    async fn set(&self, settings: Vec<Pair>, _: &[String]) -> Result<Changed, Refusal> {
        self.in_run(|inside| {
            let changed = settings.iter().map(|(key, _)| key.clone()).collect();
            inside.settings = settings;
            SetOutcome { changed, faults: Vec::new() }.into()
        })
    }

    async fn status(&self) -> Result<Status, Refusal> {
        Ok(self.with(|inside| Status {
            node: "here".to_owned(),
            state: inside.state,
            reason: None,
            scenario: (inside.state != RunState::Idle).then(|| "idle".to_owned()),
            users: inside.users,
            highest_user_id: inside.users.asked,
            user_rate: Some("1200/min".to_owned()),
            elapsed: Duration::from_secs(75),
            profile: None,
        }))
    }

    async fn ended(&self) -> RunState {
        let over = |state: &RunState| {
            matches!(state, RunState::Idle | RunState::Finished | RunState::Failed)
        };
        *self.state.subscribe().wait_for(over).await.expect("the sender lives in self")
    }

    async fn settings(&self) -> Result<Vec<SettingView>, Refusal> {
        Ok(Vec::new())
    }

    async fn users(&self, limit: usize) -> Result<Listing, Refusal> {
        let running = self.with(|inside| inside.users.running);
        let shown = (1..=running).take(limit).map(|id| UserView {
            id: UserId(id),
            state: "running".to_owned(),
            age: Some(Duration::from_millis(2500)),
            node: "here".to_owned(),
            failure: None,
        });
        Ok(shown.collect::<Vec<_>>().into())
    }

    async fn user(&self, id: UserId) -> Result<UserView, Refusal> {
        let all = self.users(usize::MAX).await?.shown;
        all.into_iter()
            .find(|user| user.id == id)
            .ok_or_else(|| Refusal::new(Code::NoSuchUser, format!("no user {id} is running")))
    }

    async fn throttles(&self) -> Vec<ThrottleView> {
        self.with(|inside| {
            inside
                .throttles
                .iter()
                .map(|(name, rate)| ThrottleView {
                    name: name.clone(),
                    rate: rate.clone(),
                    ramp: None,
                    state: "running".to_owned(),
                    waiting: 7,
                    in_flight: 1,
                    granted: 1234,
                    tolerance_us: 4_375,
                    forfeited: 2,
                    asked_per_second: 120.0,
                    given_per_second: 99.96,
                })
                .collect()
        })
    }

    async fn throttle(&self, name: &str) -> Result<ThrottleView, Refusal> {
        self.on_throttle(name, "info")?;
        let all = self.throttles().await;
        Ok(all.into_iter().find(|throttle| throttle.name == name).expect("it was just there"))
    }

    async fn throttle_start(&self, name: &str, rate: &RateText) -> Result<bool, Refusal> {
        let rate = rate.to_string();
        Ok(self.with(|inside| inside.throttles.insert(name.to_owned(), rate).is_none()))
    }

    async fn throttle_rate(&self, name: &str, rate: &RateText) -> Result<(), Refusal> {
        self.on_throttle(name, &format!("rate {rate}"))
    }

    async fn throttle_ramp(&self, name: &str, ramp: &RampText) -> Result<(), Refusal> {
        self.on_throttle(name, &format!("ramp {ramp}"))
    }

    async fn throttle_pause(&self, name: &str) -> Result<(), Refusal> {
        self.on_throttle(name, "pause")
    }

    async fn throttle_resume(&self, name: &str) -> Result<(), Refusal> {
        self.on_throttle(name, "resume")
    }

    async fn throttle_unlock(&self, name: &str) -> Result<(), Refusal> {
        self.on_throttle(name, "unlock")
    }

    async fn throttle_stop(&self, name: &str) -> Result<(), Refusal> {
        self.on_throttle(name, "stop")
    }

    async fn coordinators(&self) -> Vec<CoordinatorView> {
        vec![CoordinatorView {
            name: "pairs".to_owned(),
            state: "running".to_owned(),
            plan: "2, all".to_owned(),
            waiting: 1,
            adds: 41,
            faults: 0,
            last_fault: None,
        }]
    }

    async fn coordinator_reset(&self, name: &str) -> Result<(), Refusal> {
        if name == "pairs" {
            Ok(())
        } else {
            Err(Refusal::new(Code::NoCoordinator, format!("no coordinator `{name}`")))
        }
    }

    async fn coordinator_stop(&self, name: &str) -> Result<(), Refusal> {
        self.coordinator_reset(name).await
    }

    async fn metrics(&self, name: Option<&str>) -> Result<MetricsView, Refusal> {
        let text = format!("all about {}", name.unwrap_or("everything"));
        Ok(MetricsView { text, document: serde_json::Map::new() })
    }

    fn desk(&self) -> &Desk {
        &self.desk
    }

    async fn measured(&self) -> Option<Window> {
        Some(self.with(|inside| inside.measured.clone()))
    }

    async fn live(&self, _: Option<Duration>, _: Screen) -> String {
        "live".to_owned()
    }

    async fn finish_report(&self, end: RunEnd) -> Option<RunReport> {
        let outcome = match end {
            RunEnd::Interrupted => Outcome::Interrupted,
            RunEnd::Complete => Outcome::Ended,
        };
        let (users, telling) = self.with(|inside| (inside.users, inside.telling));
        tokio::time::sleep(telling).await;
        // As users of the scenario `idle` leave it.
        let mut measured = Window::default();
        *measured.counter(&"waited".into()) = users.asked;
        Some(RunReport::build(ReportInput {
            run: RunFacts {
                id: "fake-1".to_owned(),
                scenario: "idle".to_owned(),
                settings: Vec::new(),
                nodes: vec!["fake".to_owned()],
                user_rate: None,
                start: SystemTime::UNIX_EPOCH,
                end: SystemTime::UNIX_EPOCH,
                duration: Duration::ZERO,
                profile: None,
            },
            outcome,
            users: UserTotals {
                asked: users.asked,
                started: users.started,
                finished: users.finished,
                removed: users.removed,
                ..UserTotals::default()
            },
            measured,
            thresholds: Vec::new(),
            series: Series::default(),
            throttles: Vec::new(),
            coordinators: Vec::new(),
            health: HealthSummary::default(),
            nodes: Vec::new(),
            gaps: Vec::new(),
        }))
    }

    async fn broken(&self) {
        std::future::pending().await
    }

    async fn shutdown(&self) {
        self.with(|inside| inside.log.push("shutdown".to_owned()));
    }
}
