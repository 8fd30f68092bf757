//! Moments that can be compared between processes of one machine, containers included.

use std::sync::OnceLock;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

/// How far apart two readings may be to count as one, in nanoseconds.
const AT_ONCE: u128 = 20_000;

/// A moment on the machine's monotonic clock, in nanoseconds.
pub type Moment = u64;

/// Now.
pub fn now() -> Moment {
    let now = clock_gettime(ClockId::Monotonic);
    // Never negative: it counts from the start of the machine.
    let [seconds, nanos] = [now.tv_sec, now.tv_nsec].map(|part| u64::try_from(part).unwrap_or(0));
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// When that was on the machine's clock.
///
/// `Instant` runs on the same clock but does not tell its reading; so the two are read side by side
/// once, until nothing came in between.
pub fn moment(instant: Instant) -> Moment {
    static SAME: OnceLock<(Instant, Moment)> = OnceLock::new();
    let (then, reading) = *SAME.get_or_init(|| {
        let readings = std::iter::repeat_with(|| {
            let before = Instant::now();
            (before, now(), before.elapsed().as_nanos())
        });
        // A machine too busy even for this gives the best of a thousand.
        let mut best = (Instant::now(), now(), u128::MAX);
        for (instant, reading, took) in readings.take(1000) {
            if took < best.2 {
                best = (instant, reading, took);
            }
            if took < AT_ONCE {
                break;
            }
        }
        (best.0, best.1)
    });
    let nanos = |duration: std::time::Duration| u64::try_from(duration.as_nanos()).unwrap_or(0);
    match instant.checked_duration_since(then) {
        Some(later) => reading.saturating_add(nanos(later)),
        None => reading.saturating_sub(nanos(then - instant)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_tell_the_same() {
        for _ in 0..100 {
            let before = now();
            let between = moment(Instant::now());
            let after = now();
            let error = u64::try_from(AT_ONCE).unwrap();
            assert!(before <= between + error && between <= after + error);
        }
    }
}
