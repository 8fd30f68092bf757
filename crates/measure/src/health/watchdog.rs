//! The thread that looks at the generator, whatever holds up the event loop.
//!
//! A starved event loop would look at itself when it is too late. So a thread of its own wakes every
//! `PULSE` while a run goes on, and once a second judges what it sees. Its own lateness tells
//! whether the whole machine stood still or the event loop alone. Nothing here waits for the loop.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    thread::{self, Thread},
    time::Duration,
};

use crowd_core::telemetry::{Telemetry, event::GeneratorWarning};
use tokio::{task::AbortHandle, time::Instant};

use super::{
    GeneratorVerdict, HealthSummary, Trust,
    monitor::{HealthMonitor, Lateness},
};
use crate::{Measure, window::Window};

/// How often the thread wants to wake during a run.
const PULSE: Duration = Duration::from_millis(20);

/// How often it judges.
const SECOND: Duration = Duration::from_secs(1);

/// How long it sleeps without a run, unless it is woken.
const IDLE: Duration = Duration::from_secs(3_600);

/// Looks at the generator during the runs of a node. Cheap to clone; all clones are one. The thread
/// ends with the last of them.
#[derive(Clone)]
pub struct Watchdog {
    inner: Arc<Inner>,
}

struct Inner {
    telemetry: Telemetry,
    state: Mutex<Option<Watched>>,
    thread: OnceLock<Thread>,
}

/// A run that is watched.
struct Watched {
    measure: Measure,
    monitor: HealthMonitor,
    probe: Option<Probe>,
    /// When the thread should wake, and when it should judge.
    due: Instant,
    judges: Instant,
    /// Whether it was said that the generator is INVALID.
    told: bool,
}

/// The task that looks at the event loop; ends when it is dropped.
struct Probe(AbortHandle);

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl fmt::Debug for Watchdog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watchdog").finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

impl Watchdog {
    /// Starts the thread. Should that fail, the generator is not judged, which is told.
    pub fn start(telemetry: Telemetry) -> Self {
        let inner = Arc::new(Inner { telemetry, state: Mutex::default(), thread: OnceLock::new() });
        let weak = Arc::downgrade(&inner);
        let started =
            thread::Builder::new().name("crowd-watchdog".to_owned()).spawn(|| watch(weak));
        match started {
            Ok(handle) => {
                // Nobody else sets it.
                let _ = inner.thread.set(handle.thread().clone());
            }
            Err(error) => {
                let reason =
                    format!("the generator is not judged: no thread can be started: {error}");
                inner.telemetry.emit(&GeneratorWarning { reason });
            }
        }
        Self { inner }
    }

    /// Watches the run of a scenario with these measurements from now on. To be called on the runtime of its users.
    pub fn begin(&self, scenario: &'static str, measure: &Measure) {
        let monitor = HealthMonitor::new(scenario, measure.started());
        let probe = tokio::spawn(monitor.probe().run());
        let now = Instant::now();
        let watched = Watched {
            measure: measure.clone(),
            monitor,
            probe: Some(Probe(probe.abort_handle())),
            due: now + PULSE,
            judges: now + SECOND,
            told: false,
        };
        let before = self.inner.state().replace(watched);
        drop(before);
        if let Some(thread) = self.inner.thread.get() {
            thread.unpark();
        }
    }

    /// The run is over; what is known of it stays.
    pub fn rest(&self) {
        let probe = self.inner.state().as_mut().and_then(|watched| watched.probe.take());
        drop(probe);
    }

    /// Takes in what others know of a run.
    pub fn told(&self, measure: &Measure, lateness: Lateness, measured: &Window) {
        if let Some(watched) = self.inner.state().as_mut()
            && watched.measure.is_same(measure)
        {
            watched.monitor.told(Instant::now(), lateness, measured);
        }
    }

    /// The load of a run is over: what this node does from now on is not judged.
    pub fn load_over(&self, measure: &Measure, lateness: Lateness) {
        let mut state = self.inner.state();
        let Some(watched) = state.as_mut().filter(|watched| watched.measure.is_same(measure))
        else {
            return;
        };
        measure.load_over();
        watched.monitor.load_over(Instant::now(), lateness, measure.take_blocked());
        let probe = watched.probe.take();
        drop(state);
        drop(probe);
        // What is left to be done takes long where there are many actions.
        if let Some(thread) = self.inner.thread.get() {
            thread.unpark();
        }
    }

    /// What is known of a run; nothing if it is not the last one watched.
    pub fn summary(&self, measure: &Measure, measured: &Window) -> HealthSummary {
        let state = self.inner.state();
        let watched = state.as_ref().filter(|watched| watched.measure.is_same(measure));
        watched.map(|watched| watched.monitor.summary(measured)).unwrap_or_default()
    }

    /// The verdict on the last run, so far.
    pub fn verdict(&self) -> GeneratorVerdict {
        let state = self.inner.state();
        state.as_ref().map(|watched| watched.monitor.verdict()).unwrap_or_default()
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, Option<Watched>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what failed until the load was over.
    fn settle(&self) {
        let unsettled = |watched: &&mut Watched| watched.monitor.is_unsettled();
        let measure =
            self.state().as_mut().filter(unsettled).map(|watched| watched.measure.clone());
        let Some(measure) = measure else { return };
        measure.with_total(|measured| {
            if let Some(watched) = self.state().as_mut()
                && watched.measure.is_same(&measure)
            {
                watched.monitor.settle(measured);
            }
        });
    }

    /// Looks, judges if it is time, and says how long to sleep.
    fn pulse(&self, now: Instant) -> Duration {
        let mut state = self.state();
        let Some(watched) = state.as_mut().filter(|watched| watched.probe.is_some()) else {
            return IDLE;
        };
        watched.monitor.woke(watched.due, now);
        let mut news = None;
        if now >= watched.judges {
            let blocked = watched.measure.take_blocked();
            watched.monitor.sample(now, blocked);
            watched.judges = now + SECOND;
            if !watched.told {
                let judged = watched.monitor.verdict();
                if judged.verdict == Trust::Invalid {
                    watched.told = true;
                    news = judged.reasons.into_iter().next();
                }
            }
        }
        watched.due = now + PULSE;
        drop(state);
        if let Some(reason) = news {
            // Subscribers are other people's code: no lock is held while they run.
            let reason = format!("the generator is INVALID: {reason}");
            self.telemetry.emit(&GeneratorWarning { reason });
        }
        PULSE
    }
}

fn watch(inner: Weak<Inner>) {
    while let Some(strong) = inner.upgrade() {
        strong.settle();
        let sleep = strong.pulse(Instant::now());
        drop(strong);
        thread::park_timeout(sleep);
    }
}
