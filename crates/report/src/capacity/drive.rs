//! Drives a search: once a tick it looks at the run, asks the monitors, and does what the search
//! wants done.

use std::{future::Future, time::Duration};

use crowd_core::refusal::Refusal;
use crowd_measure::window::Window;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    desk::CapacityStatus,
    monitor::{History, Monitor, OwnMonitor, Seen},
    observation::Observation,
    prometheus::PrometheusMonitor,
    reached::Reached,
    result::CapacityResult,
    search::{Command, Search},
    settings::{SearchSettings, Unit},
    signal::OwnSignal,
};

/// How often in a row a rate may be refused: while a node is lost, say.
const REFUSALS: u32 = 5;

/// How many ticks more than any signal looks back are remembered.
const SPARE_TICKS: u32 = 2;

/// The run a search puts its load on: that of a node, or of a cluster.
pub trait Target: Send + Sync + 'static {
    /// How the run stands.
    fn look(&self) -> impl Future<Output = Result<Look, Refusal>> + Send;

    /// All that was measured since the run began.
    fn measured(&self) -> impl Future<Output = Option<Window>> + Send;

    /// Adds users.
    fn add(&self, users: u64) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Tells users to stop: how many were chosen.
    fn remove(&self, users: u64) -> impl Future<Output = Result<u64, Refusal>> + Send;

    /// How many iterations have begun by the throttle `iteration_rate`; `None` if that is not known.
    fn begun(&self) -> impl Future<Output = Option<u64>> + Send;

    /// By how much [`Target::begun`] may be behind.
    fn lag(&self) -> Duration {
        Duration::ZERO
    }

    /// Lets all users together begin so many iterations a second.
    fn set_load(&self, per_second: f64) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Ends the run and waits until it is over.
    fn end(&self) -> impl Future<Output = ()> + Send;
}

/// How a run stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    /// Whether it goes on.
    pub on: bool,
    /// Users not admitted yet.
    pub waiting: u64,
    /// Users running, those that were told to stop among them.
    pub running: u64,
    /// Users that were told to stop and have.
    pub removed: u64,
    /// The nodes that were lost so far.
    pub lost: Vec<Lost>,
}

/// A node that was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Its name.
    pub node: String,
    /// How many users lived on it.
    pub users: u64,
    /// How many of them each of the others has got.
    pub went: Vec<(String, u64)>,
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { node, users, went } = self;
        let went: Vec<_> = went.iter().map(|(node, users)| format!("{users} to {node}")).collect();
        match (users, went.is_empty()) {
            (0, _) => write!(f, "node {node} was lost, without users"),
            (_, true) => write!(f, "node {node} was lost with its {users} users"),
            (_, false) => {
                write!(f, "node {node} was lost and its {users} users moved: {}", went.join(", "))
            }
        }
    }
}

/// The monitors that settings ask for.
///
/// # Errors
/// If a Prometheus server cannot be asked at all.
pub fn monitors(settings: &SearchSettings) -> Result<Vec<Box<dyn Monitor>>, String> {
    let mut monitors: Vec<Box<dyn Monitor>> = vec![Box::new(OwnMonitor::new(settings))];
    if let Some(url) = &settings.prometheus {
        monitors.push(Box::new(PrometheusMonitor::new(url, &settings.queries)?));
    }
    Ok(monitors)
}

/// Sees a search to its end, which is the one it finds, or `stop`, or that of the run.
pub async fn drive(
    target: &impl Target,
    settings: SearchSettings,
    mut monitors: Vec<Box<dyn Monitor>>,
    view: &watch::Sender<CapacityStatus>,
    stop: &CancellationToken,
) -> CapacityResult {
    let began = Instant::now();
    let mut ticks = interval(settings.tick);
    // A slow monitor slows the search; rounds that are out of date do not queue up.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut driver = Driver::new(target, settings);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return driver.search.stop(began.elapsed()),
            _ = ticks.tick() => {}
        }
        let seen = tokio::select! {
            biased;
            () = stop.cancelled() => return driver.search.stop(began.elapsed()),
            seen = driver.see(began.elapsed(), &mut monitors) => seen,
        };
        let Some(observation) = seen else {
            return driver.search.cut(began.elapsed(), "the run ended");
        };
        if driver.reached.as_ref().is_some_and(Reached::is_ignored) {
            let why = "the search ended, for no user has begun an iteration: a rate can only be \
                       searched where users loop over `next_iteration`";
            return driver.search.cut(began.elapsed(), why);
        }
        let result = driver.step(&observation, began.elapsed()).await;
        driver.show(&observation, began.elapsed(), view);
        if let Some(result) = result {
            return result;
        }
    }
}

struct Driver<'a, T> {
    target: &'a T,
    search: Search,
    history: History,
    /// The actions that signals are about; empty: all.
    actions: Vec<String>,
    /// Users that were told to stop.
    chosen: u64,
    /// What was known of lost nodes before.
    lost: Vec<Lost>,
    /// Whether the rate asked for is that of the iterations, for searches by rate.
    reached: Option<Reached>,
    /// How often in a row a rate was refused.
    refusals: u32,
}

impl<'a, T: Target> Driver<'a, T> {
    fn new(target: &'a T, settings: SearchSettings) -> Self {
        let longest = settings.signals.iter().map(|signal| settings.span_of(signal)).max();
        let keep = longest.unwrap_or(settings.window).saturating_add(settings.tick * SPARE_TICKS);
        let named = |signal: &OwnSignal| signal.action().map(str::to_owned);
        let actions: Option<Vec<_>> = settings.signals.iter().map(named).collect();
        let by_rate = settings.unit == Unit::Rate;
        Self {
            target,
            reached: by_rate.then(|| Reached::new(settings.window, target.lag())),
            refusals: 0,
            search: Search::new(settings),
            history: History::new(keep),
            actions: actions.unwrap_or_default(),
            chosen: 0,
            lost: Vec::new(),
        }
    }

    /// What the search is shown; `None` when the run is over.
    async fn see(
        &mut self,
        now: Duration,
        monitors: &mut [Box<dyn Monitor>],
    ) -> Option<Observation> {
        if let Some(sum) = self.target.measured().await {
            self.history.push(now, sum);
        }
        let mut signals = Vec::new();
        for monitor in monitors {
            signals.extend(monitor.observe(Seen { now, history: &self.history }).await);
        }
        if let Some(reached) = &mut self.reached {
            if let Some(begun) = self.target.begun().await {
                reached.see(now, begun);
            }
            signals.extend(reached.signal());
        }
        let wanted =
            |name: &str| self.actions.is_empty() || self.actions.iter().any(|all| all == name);
        let measured = self.history.last(wanted);
        let mut observation = Observation { signals, measured, ..Observation::default() };
        match self.target.look().await {
            Ok(look) if !look.on => return None,
            Ok(look) => {
                // Those that are told to stop and run on are among the running.
                let leaving = self.chosen.saturating_sub(look.removed).min(look.running);
                observation.active = Some(look.waiting + look.running - leaving);
                observation.waiting = look.waiting;
                // First that it was lost, and once that is known where its users went.
                let news = look.lost.iter().filter(|lost| !self.lost.contains(lost));
                let new: Vec<_> = news.map(Lost::to_string).collect();
                self.lost = look.lost;
                observation.disturbed = (!new.is_empty()).then(|| new.join("; "));
            }
            Err(refusal) => tracing::warn!("the run cannot be looked at: {refusal}"),
        }
        Some(observation)
    }

    async fn step(&mut self, observation: &Observation, now: Duration) -> Option<CapacityResult> {
        for command in self.search.step(observation, now) {
            let done = match command {
                Command::Add(users) => self.target.add(users).await,
                Command::Remove(users) => match self.target.remove(users).await {
                    Ok(chosen) => {
                        self.chosen += chosen;
                        Ok(())
                    }
                    Err(refusal) => Err(refusal),
                },
                Command::SetRate(rate) => match self.target.set_load(rate).await {
                    Ok(()) => {
                        self.refusals = 0;
                        self.reached.iter_mut().for_each(|reached| reached.ask(rate));
                        Ok(())
                    }
                    // Without its load a search by rate would find anything.
                    Err(refusal) if self.refusals == REFUSALS => {
                        return Some(self.search.cut(now, &refusal.message));
                    }
                    Err(refusal) => {
                        self.refusals += 1;
                        Err(refusal)
                    }
                },
                Command::Finish(result) => return Some(*result),
            };
            if let Err(refusal) = done {
                tracing::warn!("the load cannot be changed: {refusal}");
                self.search.note(format!("the load could not be changed: {}", refusal.message));
                self.search.refused();
            }
        }
        None
    }

    fn show(&self, observation: &Observation, now: Duration, view: &watch::Sender<CapacityStatus>) {
        view.send_modify(|status| {
            status.active_users = observation.active.unwrap_or(status.active_users);
            status.errors = self.history.failed();
            status.seconds = now.as_secs_f64();
            if !self.search.is_over() {
                status.supported = self.search.supported();
            }
            status.signals = observation.signals.iter().map(Into::into).collect();
        });
    }
}
