//! Measuring: what users do is counted and timed where they run and brought together once a
//! second.
//!
//! Every worker thread records into a shard of its own, so that users of different
//! workers never wait for each other. Each interval the shards are swapped for empty ones and
//! merged on the node: see [`Measure::tick`]. Distributions are HDR histograms; they are added,
//! never averaged. `docs/measuring.md` tells what the numbers mean.

use std::{
    fmt, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crowd_core::{
    failure::Failure,
    telemetry::{Telemetry, event::GeneratorWarning},
};
use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

pub mod attempt;
pub mod blocked;
pub mod collect;
pub mod encode;
pub mod gather;
pub mod health;
pub mod lifetimes;
pub mod merge;
pub mod names;
mod polls;
pub mod series;
mod shard;
pub mod target_names;
pub mod timing;
mod under_way;
pub mod window;
pub mod wire;

pub use attempt::{Attempt, Phase};
pub use attempt::{Fate, Place, give_up_at, given_up};
pub use blocked::Blocked;
use blocked::Blocking;
use collect::Collector;
pub use collect::Unsent;
use polls::{Polls, thread_number};
use series::{Activity, Series};
use shard::Shard;
use under_way::{Copied, UnderWay};
use window::{StallNumbers, Window};

/// One timed action.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// From send to answer.
    pub service: Duration,
    /// From when it should have started to answer.
    pub response: Duration,
    /// Its failure.
    pub failure: Option<&'a Failure>,
}

/// What failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A user ended with it.
    User,
    /// A timed action failed.
    Action,
    /// The scenario noted it.
    Noted,
}

impl Source {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 3] = [Self::User, Self::Action, Self::Noted];
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Action => "action",
            Self::Noted => "noted",
        })
    }
}

/// What was measured so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// Since the start of the run.
    pub total: Window,
    /// In the last complete interval.
    pub last: Window,
}

/// More shards than this save no time but cost memory.
const MAX_SHARDS: usize = 16;

/// Where measurements go. Cheap to clone; one per run, made when the run starts. Nothing here
/// fails or panics, whatever it is given.
#[derive(Clone)]
pub struct Measure {
    inner: Arc<Inner>,
}

struct Inner {
    shards: Box<[OwnLine]>,
    polls: Polls,
    /// The load is over: stalls disturb nothing any more.
    over: AtomicBool,
    stalls: Mutex<StallNumbers>,
    blocking: Mutex<Blocking>,
    collector: Mutex<Collector>,
    telemetry: Telemetry,
    started: Instant,
}

/// A shard in cache lines of its own, so that workers do not disturb each other's.
#[derive(Default)]
#[repr(align(128))]
struct OwnLine {
    lane: Mutex<Lane>,
}

/// What one worker records into. An attempt is under way in one lane and ends in the same one, so each
/// lane alone holds every attempt in exactly one place.
#[derive(Default)]
struct Lane {
    shard: Shard,
    under_way: UnderWay,
}

impl fmt::Debug for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Measure").field("shards", &self.inner.shards.len()).finish_non_exhaustive()
    }
}

impl Default for Measure {
    fn default() -> Self {
        Self::new(Telemetry::default())
    }
}

impl Measure {
    /// Measurements of a run that starts now. What is wrong with the measurements themselves, such
    /// as too many names, is told to `telemetry`, once.
    pub fn new(telemetry: Telemetry) -> Self {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let shards = (0..workers.min(MAX_SHARDS)).map(|_| OwnLine::default()).collect();
        Self {
            inner: Arc::new(Inner {
                shards,
                polls: Polls::default(),
                over: AtomicBool::new(false),
                stalls: Mutex::default(),
                blocking: Mutex::default(),
                collector: Mutex::default(),
                telemetry,
                started: Instant::now(),
            }),
        }
    }

    /// Records one timed action, and its failure if it failed.
    pub fn record(&self, action: &str, sample: Sample<'_>) {
        self.lane().shard.record(action, &sample, 1, std::iter::empty());
    }

    /// An attempt at an action begins, which was due at `due`; `user` is whose it is.
    pub fn begin<'m>(&'m self, action: &'m str, due: Instant, user: Option<u64>) -> Attempt<'m> {
        Attempt::new(self, action, Instant::now(), due, user)
    }

    /// An attempt is under way from `began` on.
    pub fn enter(&self, action: &str, began: Instant, due: Instant, user: Option<u64>) -> Place {
        let since = |then: Instant| then.saturating_duration_since(self.inner.started);
        let line = self.line();
        let slot = lock(&self.inner.shards[line].lane).under_way.begin(
            action,
            since(began),
            since(due),
            user,
        );
        Place { line: line as u32, slot }
    }

    /// An attempt has come to its end; `place` is where it was under way, if it ever had to wait.
    pub fn leave(
        &self,
        action: &str,
        place: Option<Place>,
        sample: Sample<'_>,
        fate: Fate<'_>,
        times: u64,
        phases: impl Iterator<Item = (Phase, Duration)>,
    ) {
        let mut lane = match place {
            Some(place) => {
                let mut lane = lock(&self.inner.shards[place.line as usize].lane);
                lane.under_way.end(place.slot);
                lane
            }
            None => self.lane(),
        };
        match fate {
            Fate::Ended(failure) => {
                lane.shard.record(action, &Sample { failure, ..sample }, times.max(1), phases);
            }
            Fate::Unfinished => lane.shard.unfinished(action, &sample),
        }
    }

    /// Whose attempts are under way now.
    pub fn users_under_way(&self) -> FxHashSet<u64> {
        let mut users = FxHashSet::default();
        for line in &self.inner.shards {
            let copied = lock(&line.lane).under_way.copy();
            users.extend(copied.users());
        }
        users
    }

    /// Adds to a counter.
    pub fn count(&self, name: &str, by: u64) {
        self.lane().shard.count(name, by);
    }

    /// Sets a gauge. A value that is no finite number is ignored.
    pub fn gauge(&self, name: &str, value: f64) {
        if value.is_finite() {
            self.lane().shard.gauge(name, value, self.now());
        }
    }

    /// Counts whether a check held.
    pub fn check(&self, name: &str, passed: bool) {
        self.lane().shard.check(name, passed);
    }

    /// Counts a failure by owner and reason. That of a timed action is counted by
    /// [`Measure::record`] already; and one that only says the user was told to stop is none.
    pub fn failure(&self, source: Source, failure: &Failure) {
        if !failure.is_stop() {
            self.lane().shard.failure(source, failure);
        }
    }

    /// Counts a user that ends now and took so long, by when it started.
    pub fn lifetime(&self, took: Duration) {
        self.lane().shard.lifetime(self.now().saturating_sub(took), took);
    }

    /// Notes that user code ran for `duration` without awaiting, where nobody else could run. Once
    /// the load is over, that is no harm, and is not noted.
    pub fn stalled(&self, scenario_or_action: &str, duration: Duration) {
        if self.inner.over.load(Ordering::Relaxed) {
            return;
        }
        lock(&self.inner.stalls).add(scenario_or_action, duration);
        lock(&self.inner.blocking).add(scenario_or_action, duration, self.now());
    }

    /// The load is over: users are only told to stop, killed and dropped from now on.
    pub fn load_over(&self) {
        self.inner.over.store(true, Ordering::Relaxed);
    }

    /// A user is polled on this thread, from `began` on. [`Measure::polled`] ends it.
    pub fn polling(&self, began: Instant) {
        self.inner.polls.begin(began.saturating_duration_since(self.inner.started));
    }

    /// The user that was polled on this thread is not any more.
    pub fn polled(&self) {
        self.inner.polls.end();
    }

    /// For how long user code held up workers since this was last asked; what still does counts.
    /// Needs nothing of the event loop.
    pub fn take_blocked(&self) -> Blocked {
        let now = self.now();
        lock(&self.inner.blocking).take(now, self.inner.polls.under_way())
    }

    /// Ends an interval at `now`; call it about once a second while the run goes on. Takes about
    /// 0.1 ms for each action, so a run with hundreds of actions should call it on a blocking
    /// thread.
    pub fn tick(&self, now: Instant, activity: Activity) {
        let mut collector = self.collect();
        let now = now.saturating_duration_since(self.inner.started);
        collector.close_interval(now, activity);
        let overflows = collector.overflows();
        // Subscribers are other people's code: no lock is held while they run.
        drop(collector);
        self.tell(overflows);
    }

    /// Ends an interval at `now`, as [`Measure::tick`] does, and hands out what was measured in this
    /// one and in all before that were not handed out. Each sample is handed out exactly once,
    /// whenever this is called first.
    pub fn take_unsent(&self, now: Instant, activity: Activity) -> Unsent {
        let mut collector = self.collect();
        let now = now.saturating_duration_since(self.inner.started);
        collector.close_interval(now, activity);
        let unsent = collector.take_unsent();
        let overflows = collector.overflows();
        drop(collector);
        self.tell(overflows);
        unsent
    }

    /// When the run began here; times of gauges and rows count from there.
    pub fn started(&self) -> Instant {
        self.inner.started
    }

    /// Whether these are the measurements of one run.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Looks at everything measured up to now, without a copy of it; the span means nothing.
    pub fn with_total<R>(&self, look: impl FnOnce(&Window) -> R) -> R {
        look(self.collect().so_far())
    }

    /// Everything measured up to now.
    pub fn snapshot(&self) -> Snapshot {
        let collector = self.collect();
        Snapshot { total: collector.total(self.now()), last: collector.last() }
    }

    /// How the run went over time, up to the last tick.
    pub fn series(&self) -> Series {
        lock(&self.inner.collector).series()
    }

    /// How the run went over time, up to `now`, with a last row for what was measured since the last
    /// tick. `activity` is that of now.
    pub fn series_until(&self, now: Instant, activity: Activity) -> Series {
        let now = now.saturating_duration_since(self.inner.started);
        self.collect().series_until(now, activity)
    }

    fn tell(&self, warnings: Vec<String>) {
        for reason in warnings {
            self.inner.telemetry.emit(&GeneratorWarning { reason });
        }
    }

    /// Time since the start of the run.
    fn now(&self) -> Duration {
        self.inner.started.elapsed()
    }

    /// Brings in what the lanes hold.
    fn collect(&self) -> MutexGuard<'_, Collector> {
        let mut collector = lock(&self.inner.collector);
        for line in &self.inner.shards {
            let mut copied = Copied::default();
            collector.collect(|spare| {
                let mut lane = lock(&line.lane);
                mem::swap(&mut lane.shard, spare);
                // Under the same lock, so that nothing is in two places, or in none.
                copied = lane.under_way.copy();
            });
            collector.collect_waiting(copied);
        }
        collector.collected(self.now());
        collector.collect_stalls(&mem::take(&mut *lock(&self.inner.stalls)));
        collector
    }

    /// The lane of this thread. Another thread may use it too if there are more threads than lanes.
    fn lane(&self) -> MutexGuard<'_, Lane> {
        lock(&self.inner.shards[self.line()].lane)
    }

    /// The number of this thread's lane.
    fn line(&self) -> usize {
        // A thread that is ending has no number; any lane will do.
        thread_number().unwrap_or(0) % self.inner.shards.len()
    }
}

/// A panic while a lock was held spoils at most one measurement; the rest is still good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
