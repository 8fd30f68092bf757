//! How long a target that fails is let alone, and what its users would have asked of it meanwhile.

use std::time::Duration;

/// The wait after the first failure.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(30);

/// The wait after `failures` failures in a row, the first being 1. It doubles up to half a minute;
/// `luck`, between 0 and 1, takes up to half of it off, so that users who failed together do not
/// come back together.
pub(crate) fn delay(failures: u32, luck: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let whole = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    whole.mul_f64(1.0 - luck.clamp(0.0, 1.0) / 2.0)
}

/// The shortest pause between two requests that are not sent.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// How long a user's own requests took when they worked: how often it would have asked.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace {
    total: Duration,
    requests: u32,
}

impl Pace {
    /// One request worked, and took so long.
    pub(crate) fn worked(&mut self, took: Duration) {
        // What four billion requests took on average, the next ones will not change much.
        if let Some(requests) = self.requests.checked_add(1) {
            self.requests = requests;
            self.total = self.total.saturating_add(took);
        }
    }

    fn mean(self) -> Option<Duration> {
        self.total.checked_div(self.requests).map(|mean| mean.max(Duration::from_micros(1)))
    }

    /// How long to wait in place of requests that are not sent, while the target is let alone for
    /// another `left`: as long as one takes, or as several if one is over so soon that the waiting
    /// would be work. If it is not known how long one takes, until `left` is over.
    pub(crate) fn pause(self, left: Duration) -> Duration {
        let whole = self.mean().map(|mean| {
            let times = SHORTEST_PAUSE.as_nanos().div_ceil(mean.as_nanos());
            mean.saturating_mul(u32::try_from(times).unwrap_or(u32::MAX))
        });
        whole.map_or(left, |whole| whole.min(left))
    }

    /// How many requests the user would have made in `paused`: at least the one that it is about,
    /// and no more than are `left`.
    pub(crate) fn missed(self, paused: Duration, left: u64) -> u64 {
        let mean = self.mean().unwrap_or(paused.max(SHORTEST_PAUSE)).as_nanos();
        let times = u64::try_from(paused.as_nanos() / mean).unwrap_or(u64::MAX);
        times.clamp(1, left.max(1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pace(took: &[u64]) -> Pace {
        let mut pace = Pace::default();
        took.iter().for_each(|took| pace.worked(Duration::from_micros(*took)));
        pace
    }

    #[test]
    fn a_pause_is_as_long_as_a_request() {
        let left = Duration::from_secs(2);
        assert_eq!(pace(&[]).pause(left), left);
        assert_eq!(pace(&[]).missed(left, 9), 1);
        let slow = pace(&[40_000, 60_000]);
        assert_eq!(slow.pause(left), Duration::from_millis(50));
        assert_eq!(slow.missed(Duration::from_millis(50), 9), 1);
        assert_eq!(slow.pause(Duration::from_millis(7)), Duration::from_millis(7));
    }

    #[test]
    fn a_user_that_was_quick_misses_several_in_a_pause() {
        let quick = pace(&[5000, 7000]);
        let pause = quick.pause(Duration::from_secs(2));
        assert_eq!(pause, Duration::from_millis(12));
        assert_eq!(quick.missed(pause, u64::MAX), 2);
        assert_eq!(quick.missed(pause, 1), 1);
        assert_eq!(pace(&[0]).pause(Duration::from_secs(2)), SHORTEST_PAUSE);
    }

    proptest! {
        /// While a target is let alone it is missed as many requests as a user makes in that time;
        /// the last one may be cut short.
        #[test]
        fn as_many_are_missed_as_would_have_been_made(
            took in 1u64..2_000_000,
            whole in 1u64..30_000_000,
        ) {
            let pace = pace(&[took]);
            let (mut left, mut missed) = (whole, 0);
            while left > 0 {
                let pause = pace.pause(Duration::from_micros(left));
                prop_assert!(!pause.is_zero());
                missed += pace.missed(pause, u64::MAX);
                left -= u64::try_from(pause.as_micros()).unwrap();
            }
            prop_assert!((whole / took..=whole / took + 1).contains(&missed), "{missed}");
        }
    }
}
