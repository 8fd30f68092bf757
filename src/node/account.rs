//! What the node tells of a run: gathered once a second while it goes on, put together at its end.

use std::{sync::Weak, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{Account, Inner, Node, cluster::report::totals};
use crate::{
    cluster::measure::feed::{MeasureFeed, Reading, Source},
    controller::{machine::RunState, run::is_over},
    coordinator::CoordinatorInfo,
    measure::{
        health::monitor::{HealthMonitor, Lateness},
        series::Activity,
    },
    report::{
        RunReport,
        input::{Arrivals, CoordinatorRow, Outcome, ReportInput, RunFacts, ThrottleRow},
    },
    scenario::settings::USER_RATE,
    throttle::ThrottleInfo,
};

/// How often what is measured is gathered.
const INTERVAL: Duration = Duration::from_secs(1);

/// The generator's health during the run of that number.
#[derive(Debug, Default)]
pub(super) struct Health {
    run: u64,
    monitor: HealthMonitor,
}

impl Health {
    /// That of the run of that number: it may be over before the first second was.
    fn of(&mut self, run: u64) -> &HealthMonitor {
        if self.run != run {
            *self = Self { run, monitor: HealthMonitor::new() };
        }
        &self.monitor
    }
}

/// Gathers once a second, for as long as it is polled; what is measured goes to `feed`, on a node
/// that has one.
pub(super) async fn keep_time(node: &Node, feed: Option<&MeasureFeed>) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut probe = None;
    let mut watched = 0;
    loop {
        ticks.tick().await;
        let Some(account) = node.account().await else { continue };
        if is_over(account.state) {
            probe = None;
            continue;
        }
        if watched != account.number || probe.is_none() {
            watched = account.number;
            probe = Some(watch(node, watched));
        }
        gather(node, &account, feed).await;
    }
}

/// Looks at the event loop until it is dropped.
struct Probe(tokio::task::AbortHandle);

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn watch(node: &Node, run: u64) -> Probe {
    let monitor = HealthMonitor::new();
    let probe = node.inner.tasks.spawn(monitor.probe().run());
    *node.health() = Health { run, monitor };
    Probe(probe.abort_handle())
}

async fn gather(node: &Node, account: &Account, feed: Option<&MeasureFeed>) {
    let now = Instant::now();
    if feed.is_none() {
        account.measure.tick(now, activity(account));
    }
    let throttles = node.throttles().list().await;
    node.health().monitor.sample(now, lateness(&throttles));
    if let Some(feed) = feed {
        feed.tick(Instant::now(), reading(node, account)).await;
    }
}

fn activity(account: &Account) -> Activity {
    let users = account.users;
    Activity {
        running: users.running,
        started: users.started,
        ended: users.started - users.running,
    }
}

/// Where the last reading of a run comes from.
pub(super) fn source(node: Weak<Inner>) -> Source {
    Box::new(move || {
        let node = node.clone();
        Box::pin(async move {
            let node = Node { inner: node.upgrade()? };
            let account = node.account().await?;
            Some(reading(&node, &account))
        })
    })
}

/// What was measured and how this node fares, now.
pub(super) fn reading(node: &Node, account: &Account) -> Reading {
    let health = account.measure.with_total(|measured| {
        let mut health = node.health();
        health.of(account.number).summary(measured)
    });
    Reading { measure: account.measure.clone(), activity: activity(account), health }
}

fn lateness(throttles: &[ThrottleInfo]) -> Lateness {
    let admission = throttles.iter().find(|info| info.name == USER_RATE);
    Lateness {
        admission_lag: Duration::from_micros(admission.map_or(0, |info| info.lateness.p99_us)),
        slots_granted: throttles.iter().map(|info| info.granted).sum(),
        slots_forfeited: throttles.iter().map(|info| info.forfeited).sum(),
    }
}

/// The result of a run, as of now.
pub(super) async fn report(node: &Node, account: Account, interrupted: bool) -> RunReport {
    let (throttles, coordinators) = match &account.ended {
        Some(ended) => (ended.throttles.clone(), ended.coordinators.clone()),
        None => (node.throttles().list().await, node.coordinators().list()),
    };
    let measured = account.measure.snapshot().total;
    let health = node.health().of(account.number).summary(&measured);
    let outcome = match (&account.reason, account.state, interrupted) {
        (_, _, true) => Outcome::Interrupted,
        (reason, RunState::Failed, _) => Outcome::Failed(reason.clone().unwrap_or_default()),
        _ => Outcome::Ended,
    };
    let (users, endings) = (account.users, account.endings);
    RunReport::build(ReportInput {
        run: RunFacts {
            id: run_id(node, &account),
            scenario: account.scenario.to_owned(),
            user_rate: setting(&account, USER_RATE),
            settings: account.settings,
            nodes: vec![node.name().to_owned()],
            start: account.started,
            end: account.started + account.elapsed,
            duration: account.elapsed,
        },
        outcome,
        users: totals(&users, &endings),
        arrivals: Arrivals::default(),
        measured,
        throttles: throttles.iter().map(throttle_row).collect(),
        coordinators: coordinators.iter().map(coordinator_row).collect(),
        health,
        nodes: Vec::new(),
        gaps: Vec::new(),
    })
}

/// Unique among the runs of all nodes: when it began, where, and which run of that node it is.
fn run_id(node: &Node, account: &Account) -> String {
    let since = account.started.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{}-{}-{}", node.name(), since.as_millis(), account.number)
}

fn setting(account: &Account, name: &str) -> Option<String> {
    let (_, value) = account.settings.iter().find(|(key, _)| key == name)?;
    value.clone()
}

pub(super) fn throttle_row(info: &ThrottleInfo) -> ThrottleRow {
    ThrottleRow {
        name: info.name.clone(),
        rate: info.rate.clone(),
        requested: info.requested,
        granted: info.granted,
        forfeited: info.forfeited,
        asked_per_second: info.asked_per_second_overall,
        given_per_second: info.given_per_second_overall,
        lateness_p99_ms: info.lateness.p99_us as f64 / 1000.0,
    }
}

pub(super) fn coordinator_row(info: &CoordinatorInfo) -> CoordinatorRow {
    CoordinatorRow {
        name: info.name.clone(),
        added: info.adds,
        groups: info.events.coordinate,
        timeouts: info.events.timeout,
        faults: info.faults,
    }
}
