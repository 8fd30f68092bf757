//! How long something took, as a distribution.

use std::{fmt, time::Duration};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// What every distribution can hold. Distributions merge exactly only if these are equal, so all
/// nodes of a run share them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// The finest step, in microseconds.
    pub lowest_us: u64,
    /// The longest time kept, in microseconds; a longer one counts as this long.
    pub highest_us: u64,
    /// How many decimal digits of a time are kept.
    pub digits: u8,
}

/// 1 µs to 1 h with three digits.
pub const BOUNDS: Bounds = Bounds { lowest_us: 1, highest_us: 3_600_000_000, digits: 3 };

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {} µs with {} digits", self.lowest_us, self.highest_us, self.digits)
    }
}

/// A distribution of durations: an HDR histogram of microseconds within [`BOUNDS`].
///
/// It starts at 16 KiB and grows by 8 KiB with each doubling of the longest time, to 184 KiB for
/// an hour.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing {
    histogram: Histogram<u64>,
    clamped: u64,
}

impl Default for Timing {
    fn default() -> Self {
        // Starts as small as a histogram can be, and grows by itself.
        let mut histogram = Histogram::new(BOUNDS.digits)
            .unwrap_or_else(|_| unreachable!("three digits are within the library's limits"));
        histogram.auto(true);
        Self { histogram, clamped: 0 }
    }
}

impl Timing {
    /// Counts one duration, to the nearest microsecond.
    pub fn record(&mut self, duration: Duration) {
        let value = self.fit(duration);
        if self.histogram.record(value).is_err() {
            self.clamped += 1;
        }
    }

    /// Counts one duration so many times.
    pub fn record_times(&mut self, duration: Duration, times: u64) {
        let value = to_micros(duration);
        if value > BOUNDS.highest_us {
            self.add_clamped(times);
        }
        self.add(value.min(BOUNDS.highest_us), times);
    }

    /// Counts one late wake-up of something that should wake every `interval`, and with it the
    /// wake-ups that did not happen meanwhile, each as late as it would have been. So the
    /// percentiles are shares of the time and not of the wake-ups that did happen.
    pub fn record_with_gaps(&mut self, late: Duration, interval: Duration) {
        let value = self.fit(late);
        if self.histogram.record_correct(value, to_micros(interval)).is_err() {
            self.clamped += 1;
        }
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// How many of them were longer than the bounds allow, and count as the longest.
    pub fn clamped(&self) -> u64 {
        self.clamped
    }

    /// The duration that a share `quantile` (0 to 1) of all does not exceed; zero if there are
    /// none.
    pub fn quantile(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.histogram.value_at_quantile(quantile))
    }

    /// The durations that these shares do not exceed, found in one pass; the shares in increasing
    /// order.
    pub fn quantiles<const N: usize>(&self, quantiles: [f64; N]) -> [Duration; N] {
        let mut found = [Duration::ZERO; N];
        for (found, micros) in found.iter_mut().zip(self.histogram.value_at_quantiles(quantiles)) {
            *found = Duration::from_micros(micros);
        }
        found
    }

    /// The shortest; zero if there are none. As all times here it is the longest of those that three
    /// digits do not tell apart, so that it is never longer than a percentile or the maximum, and the
    /// same where there is but one time.
    pub fn min(&self) -> Duration {
        Duration::from_micros(self.histogram.highest_equivalent(self.histogram.min()))
    }

    /// The longest; zero if there are none.
    pub fn max(&self) -> Duration {
        Duration::from_micros(self.histogram.max())
    }

    /// The mean; zero if there are none.
    pub fn mean(&self) -> Duration {
        let mean = Duration::try_from_secs_f64(self.histogram.mean() / 1e6).unwrap_or_default();
        // It is counted from the middle of each step, all else from the end.
        mean.max(self.min()).min(self.max())
    }

    /// Adds another distribution to this one, exactly.
    pub fn merge(&mut self, other: &Self) {
        self.add_clamped(other.clamped);
        // Both keep the same digits and this one grows, so there is nothing to refuse; should the
        // library think otherwise, the loss shows.
        if self.histogram.add(&other.histogram).is_err() {
            self.add_clamped(other.count());
        }
    }

    /// Takes another distribution, which was added to this one before, out of it again, exactly.
    pub fn subtract(&mut self, other: &Self) {
        self.clamped = self.clamped.saturating_sub(other.clamped);
        // What was added fits; should the library think otherwise, too much is kept, and none lost.
        let _ = self.histogram.subtract(&other.histogram);
    }

    /// What was counted since `earlier`, which this one has grown from; everything if it has not.
    pub fn since(&self, earlier: &Self) -> Self {
        let mut later = self.clone();
        if later.histogram.subtract(&earlier.histogram).is_err() {
            return self.clone();
        }
        later.clamped = self.clamped.saturating_sub(earlier.clamped);
        later
    }

    /// The times that were counted, each as one of its bucket in microseconds, with how often;
    /// the shortest first.
    pub fn recorded(&self) -> impl Iterator<Item = (u64, u64)> {
        self.histogram
            .iter_recorded()
            .map(|bucket| (bucket.value_iterated_to(), bucket.count_at_value()))
    }

    /// Counts a time within the bounds, in microseconds, so many times.
    pub fn add(&mut self, micros: u64, count: u64) {
        // As with merging: should the library refuse, the loss shows.
        if self.histogram.record_n(micros, count).is_err() {
            self.add_clamped(count);
        }
    }

    /// So many times were longer than can be told.
    pub fn add_clamped(&mut self, count: u64) {
        self.clamped = self.clamped.saturating_add(count);
    }

    /// Forgets everything but keeps the memory.
    pub fn reset(&mut self) {
        self.histogram.reset();
        self.clamped = 0;
    }

    /// The distribution, in microseconds.
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }

    /// Times from their distribution.
    pub fn from_histogram(mut histogram: Histogram<u64>) -> Self {
        histogram.auto(true);
        Self { histogram, clamped: 0 }
    }

    fn fit(&mut self, duration: Duration) -> u64 {
        let value = to_micros(duration);
        if value > BOUNDS.highest_us {
            self.clamped += 1;
            return BOUNDS.highest_us;
        }
        value
    }
}

fn to_micros(duration: Duration) -> u64 {
    u64::try_from((duration.as_nanos() + 500) / 1_000).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_than_an_hour_counts_as_an_hour() {
        let mut timing = Timing::default();
        timing.record(Duration::from_secs(7_200));
        timing.record(Duration::MAX);
        assert_eq!((timing.count(), timing.clamped()), (2, 2));
        let hour = Duration::from_secs(3_600);
        assert!(timing.max() >= hour && timing.max() < hour * 1_001 / 1_000);
    }

    #[test]
    fn times_are_rounded_to_microseconds() {
        let mut timing = Timing::default();
        timing.record(Duration::from_nanos(1_499));
        timing.record(Duration::from_nanos(1_500));
        assert_eq!(timing.min(), Duration::from_micros(1));
        assert_eq!(timing.max(), Duration::from_micros(2));
    }

    #[test]
    fn one_time_is_all_there_is() {
        for micros in [0, 1, 2_047, 2_048, 123_457, 59_999_999, 3_600_000_000] {
            let mut timing = Timing::default();
            timing.record(Duration::from_micros(micros));
            let [least, half, most] = [timing.min(), timing.quantile(0.5), timing.max()];
            assert_eq!((least, timing.mean()), (half, half), "{micros}");
            assert_eq!(half, most, "{micros}");
            let exact = Duration::from_micros(micros);
            assert!(exact <= least && least <= exact * 1_001 / 1_000, "{micros}: {least:?}");
        }
    }

    #[test]
    fn a_stall_weighs_as_much_as_it_lasted() {
        let mut timing = Timing::default();
        let every = Duration::from_millis(10);
        for _ in 0..900 {
            timing.record_with_gaps(Duration::from_micros(500), every);
        }
        // One second of ten is lost.
        timing.record_with_gaps(Duration::from_secs(1), every);
        assert!(timing.quantile(0.99) >= Duration::from_millis(850));
        assert!(timing.quantile(0.90) < Duration::from_millis(20));
    }

    #[test]
    fn what_was_counted_since_is_the_difference() {
        let mut timing = Timing::default();
        timing.record(Duration::from_millis(1));
        let earlier = timing.clone();
        timing.record(Duration::from_secs(5));
        let since = timing.since(&earlier);
        assert_eq!(since.count(), 1);
        assert!(since.quantile(0.01) > Duration::from_secs(4));
        assert_eq!(timing.since(&timing).count(), 0);
        assert_eq!(earlier.since(&timing), earlier);
    }

    #[test]
    fn nothing_recorded_is_all_zero() {
        let timing = Timing::default();
        assert_eq!(timing.quantiles([0.5, 0.99]), [Duration::ZERO; 2]);
        assert_eq!(timing.mean(), Duration::ZERO);
        assert_eq!(timing.min(), Duration::ZERO);
    }
}
