//! Moments that are a duration away, whatever the duration. `Instant + Duration` panics where
//! the clock ends, and a timer cannot be set beyond it; what anybody may type has to be safe.

use std::time::Duration;

use tokio::time::Instant;

/// What is longer than this is for ever: a hundred years.
pub const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The moment that is `duration` after `start`, or [`FOR_EVER`] after it if the duration is longer.
/// Timers take it.
pub fn after(start: Instant, duration: Duration) -> Instant {
    start.checked_add(duration.min(FOR_EVER)).unwrap_or(start)
}

/// So many times a duration; the longest there is, where it would be longer, and zero if `factor` is
/// negative or no number.
pub fn times(duration: Duration, factor: f64) -> Duration {
    let seconds = duration.as_secs_f64() * factor;
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn products_are_cut_at_both_ends() {
        assert_eq!(times(3 * SECOND, 0.5), Duration::from_millis(1_500));
        assert_eq!(times(Duration::MAX, 1.5), Duration::MAX);
        assert_eq!(times(SECOND, -1.0), Duration::ZERO);
        assert_eq!(times(SECOND, f64::NAN), Duration::ZERO);
    }

    /// However long: the timer is set, and does not go off.
    #[tokio::test(start_paused = true)]
    async fn a_timer_takes_any_duration() {
        for seconds in [FOR_EVER.as_secs(), 1 << 62, i64::MAX as u64, u64::MAX] {
            let far = after(Instant::now(), Duration::new(seconds, 999_999_999));
            let timer = tokio::time::sleep_until(far);
            let later = Duration::from_secs(50 * 365 * 86_400);
            assert!(tokio::time::timeout(later, timer).await.is_err(), "{seconds}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shorter_than_for_ever_is_exact(seconds: u64, nanos in 0..1_000_000_000_u32) {
            let (start, duration) = (Instant::now(), Duration::new(seconds, nanos));
            prop_assert_eq!(after(start, duration) - start, duration.min(FOR_EVER));
        }
    }
}
