//! How late the event loop is.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use super::{LOOP_LAG_DEGRADED, overdue::Overdue};
use crate::timing::Timing;

/// How often the probe wants to wake.
pub const PROBE_INTERVAL: Duration = Duration::from_millis(10);

/// A task that wants to wake every 10 ms and notes how late it does. What makes it late makes
/// every user late: too much to do, or user code that does not await. Tokio's timers alone are
/// about a millisecond late. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct LoopProbe {
    origin: Instant,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    lag: Timing,
    overdue: Overdue,
    /// When it should wake next: it is late if that is over.
    due: Instant,
    /// Nothing is noted any more.
    over: bool,
}

impl Default for LoopProbe {
    fn default() -> Self {
        let origin = Instant::now();
        let state =
            State { lag: Timing::default(), overdue: Overdue::default(), due: origin, over: false };
        Self { origin, state: Arc::new(Mutex::new(state)) }
    }
}

impl LoopProbe {
    /// Runs the probe for as long as it is polled; its owner drops it.
    pub async fn run(self) {
        loop {
            let due = Instant::now() + PROBE_INTERVAL;
            self.state().due = due;
            sleep_until(due).await;
            self.note(due, Instant::now());
        }
    }

    /// The lateness so far, as shares of the time.
    pub fn lag(&self) -> Timing {
        self.state().lag.clone()
    }

    /// For how long it was more than [`LOOP_LAG_DEGRADED`] late since this was last asked. If it is
    /// late at this moment, that counts: whoever asks from another thread learns of a loop that
    /// stands still.
    pub fn take_overdue(&self, now: Instant) -> Duration {
        let mut state = self.state();
        let due = state.due;
        self.count(&mut state, due, now);
        state.overdue.take()
    }

    /// Notes how late the loop is at this moment, and nothing later.
    pub fn end(&self, now: Instant) {
        let due = self.state().due;
        if now > due {
            self.note(due, now);
        }
        self.state().over = true;
    }

    fn note(&self, due: Instant, now: Instant) {
        let mut state = self.state();
        if state.over {
            return;
        }
        self.count(&mut state, due, now);
        state.lag.record_with_gaps(now.saturating_duration_since(due), PROBE_INTERVAL);
    }

    /// As if it had woken so late.
    #[cfg(test)]
    pub(super) fn note_late(&self, late: Duration) {
        self.state().lag.record_with_gaps(late, PROBE_INTERVAL);
    }

    /// As if it had gone to sleep.
    #[cfg(test)]
    pub(super) fn sleeps_until(&self, due: Instant) {
        self.state().due = due;
    }

    fn count(&self, state: &mut State, due: Instant, now: Instant) {
        let since = |moment: Instant| moment.saturating_duration_since(self.origin);
        state.overdue.note(since(due), since(now), LOOP_LAG_DEGRADED);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stall_shows_as_lag() {
        let probe = LoopProbe::default();
        let mut run = Box::pin(probe.clone().run());
        // Wakes on time as long as it is polled.
        let _ = tokio::time::timeout(Duration::from_secs(1), &mut run).await;
        assert!(probe.lag().count() >= 90);
        assert!(probe.lag().max() <= Duration::from_millis(1));
        assert_eq!(probe.take_overdue(Instant::now()), Duration::ZERO);
        // Nobody polls it for half a second: as if other code held the loop.
        tokio::time::advance(Duration::from_millis(500)).await;
        // That can be seen before it is over.
        let so_far = probe.take_overdue(Instant::now());
        assert!(so_far >= Duration::from_millis(430), "{so_far:?}");
        let _ = tokio::time::timeout(Duration::from_millis(20), &mut run).await;
        let lag = probe.lag();
        assert!(lag.max() >= Duration::from_millis(480), "{:?}", lag.max());
        // And weighs as half a second of one and a half.
        assert!(lag.quantile(0.90) >= Duration::from_millis(200), "{:?}", lag.quantile(0.90));
        assert_eq!(probe.take_overdue(Instant::now()), Duration::ZERO, "counted once");
    }
}
