//! How late the event loop is.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use crate::measure::timing::Timing;

/// How often the probe wants to wake.
pub const PROBE_INTERVAL: Duration = Duration::from_millis(10);

/// A task that wants to wake every 10 ms and notes how late it does. What makes it late makes
/// every user late: too much to do, or user code that does not await. Tokio's timers alone are
/// about a millisecond late. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct LoopProbe {
    lag: Arc<Mutex<Timing>>,
}

impl LoopProbe {
    /// Runs the probe for as long as it is polled; its owner drops it.
    pub async fn run(self) {
        loop {
            let due = Instant::now() + PROBE_INTERVAL;
            sleep_until(due).await;
            self.note(Instant::now().saturating_duration_since(due));
        }
    }

    /// The lateness so far, as shares of the time.
    pub fn lag(&self) -> Timing {
        self.lag.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, late: Duration) {
        let mut lag = self.lag.lock().unwrap_or_else(PoisonError::into_inner);
        lag.record_with_gaps(late, PROBE_INTERVAL);
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
        // Nobody polls it for half a second: as if other code held the loop.
        tokio::time::advance(Duration::from_millis(500)).await;
        let _ = tokio::time::timeout(Duration::from_millis(20), &mut run).await;
        let lag = probe.lag();
        assert!(lag.max() >= Duration::from_millis(480), "{:?}", lag.max());
        // And weighs as half a second of one and a half.
        assert!(lag.quantile(0.90) >= Duration::from_millis(200), "{:?}", lag.quantile(0.90));
    }
}
