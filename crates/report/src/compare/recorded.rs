//! Distributions of times as a document holds them: a number of one, and how far the samples it
//! rests on leave it open.

use crowd_measure::timing::Timing;

/// Fewer times than this say nothing of a mean or a median.
const FEWEST: u64 = 50;

/// So many times must lie on each side of a percentile.
const FEWEST_BESIDE: f64 = 10.0;

/// A mean whose distribution is more skewed than this is decided by a few extreme times.
const MOST_SKEWED: f64 = 0.5;

/// Times are kept to three digits and to the microsecond.
const RESOLUTION: f64 = 1e-3;

/// A distribution of times in milliseconds, as recorded.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Recorded {
    /// The times, the shortest first.
    times: Vec<f64>,
    /// How many were not longer.
    upto: Vec<u64>,
}

/// What of a distribution is compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Statistic {
    Mean,
    /// The time that this share does not exceed.
    Quantile(f64),
}

impl Recorded {
    pub(super) fn of(timing: &Timing) -> Self {
        let mut recorded = Self::default();
        let mut all = 0;
        for (micros, count) in timing.recorded() {
            all += count;
            // A time of less than a microsecond is no time at all; a ratio needs some.
            recorded.times.push(micros.max(1) as f64 / 1e3);
            recorded.upto.push(all);
        }
        recorded
    }

    pub(super) fn count(&self) -> u64 {
        self.upto.last().copied().unwrap_or(0)
    }

    /// The number itself; 0 if nothing was recorded.
    pub(super) fn value(&self, statistic: Statistic) -> f64 {
        match statistic {
            Statistic::Mean => self.moments().0,
            Statistic::Quantile(share) => self.at(share),
        }
    }

    /// Whether enough was recorded to say how far the number can be trusted.
    pub(super) fn suffices(&self, statistic: Statistic) -> bool {
        let count = self.count();
        let enough = match statistic {
            Statistic::Mean => (self.moments().2 / (count as f64).sqrt()).abs() <= MOST_SKEWED,
            Statistic::Quantile(share) => {
                let beside = count as f64 * share.min(1.0 - share);
                // 200 × (1 - 0.95) is a little less than 10 in binary.
                beside >= FEWEST_BESIDE - 1e-6
            }
        };
        count >= FEWEST && enough
    }

    /// The variance of the number's logarithm, if the samples were independent. Of a percentile it is
    /// half the distance, squared, between the times at the ranks one deviation below and above
    /// (Woodruff, 1952).
    pub(super) fn log_variance(&self, statistic: Statistic) -> f64 {
        let n = self.count().max(1) as f64;
        let value = self.value(statistic);
        if value <= 0.0 {
            return 0.0;
        }
        let sampled = match statistic {
            Statistic::Mean => self.moments().1 / n / (value * value),
            Statistic::Quantile(share) => {
                let deviation = (share * (1.0 - share) / n).sqrt();
                let ends = self.at(share + deviation) / self.at(share - deviation);
                (ends.ln() / 2.0).powi(2)
            }
        };
        let rounded = (RESOLUTION / value).max(RESOLUTION).powi(2) / 12.0;
        sampled + rounded
    }

    /// The time that this share does not exceed.
    fn at(&self, share: f64) -> f64 {
        let rank = ((share * self.count() as f64).ceil().max(1.0) as u64).min(self.count());
        let at = self.upto.partition_point(|upto| *upto < rank);
        self.times.get(at).copied().unwrap_or(0.0)
    }

    /// Mean, variance and skewness.
    fn moments(&self) -> (f64, f64, f64) {
        let n = self.count() as f64;
        if n == 0.0 {
            return (0.0, 0.0, 0.0);
        }
        let mut before = 0;
        let counted = self.times.iter().zip(&self.upto).map(|(time, upto)| {
            let count = upto - std::mem::replace(&mut before, *upto);
            (*time, count as f64)
        });
        let counted: Vec<_> = counted.collect();
        let about = |centre: f64, power: i32| {
            counted.iter().map(|(time, count)| count * (time - centre).powi(power)).sum::<f64>() / n
        };
        let mean = about(0.0, 1);
        let variance = about(mean, 2);
        let skewness = if variance > 0.0 { about(mean, 3) / variance.powf(1.5) } else { 0.0 };
        (mean, variance, skewness)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::compare::random::times;

    const STATISTICS: [Statistic; 3] =
        [Statistic::Mean, Statistic::Quantile(0.5), Statistic::Quantile(0.95)];

    #[test]
    fn the_variance_told_is_that_between_samples() {
        for statistic in STATISTICS {
            let samples: Vec<_> =
                (0..400).map(|seed| Recorded::of(&times(1_000, 10.0, seed))).collect();
            let logs: Vec<f64> = samples.iter().map(|one| one.value(statistic).ln()).collect();
            let mean = logs.iter().sum::<f64>() / 400.0;
            let seen = logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / 399.0;
            let told = samples.iter().map(|one| one.log_variance(statistic)).sum::<f64>() / 400.0;
            assert!((told / seen - 1.0).abs() < 0.25, "{statistic:?}: {told} for {seen}");
        }
    }

    #[test]
    fn what_is_too_few_is_said() {
        let suffices = |count, statistic| Recorded::of(&times(count, 10.0, 1)).suffices(statistic);
        assert!(!suffices(49, Statistic::Quantile(0.5)) && suffices(50, Statistic::Quantile(0.5)));
        let p95 = Statistic::Quantile(0.95);
        assert!(!suffices(199, p95) && suffices(200, p95));
        let p99 = Statistic::Quantile(0.99);
        assert!(!suffices(999, p99) && suffices(1_000, p99));
        assert!(!suffices(0, Statistic::Mean) && suffices(200, Statistic::Mean));
        // One time of ten thousand that makes up the mean.
        let mut heavy = times(10_000, 1.0, 1);
        heavy.record(Duration::from_secs(60));
        assert!(!Recorded::of(&heavy).suffices(Statistic::Mean));
        assert!(Recorded::of(&heavy).suffices(p99));
    }

    #[test]
    fn nothing_recorded_is_no_number() {
        let nothing = Recorded::of(&Timing::default());
        for statistic in STATISTICS {
            assert_eq!(nothing.value(statistic), 0.0);
            assert_eq!(nothing.log_variance(statistic), 0.0);
            assert!(!nothing.suffices(statistic));
        }
    }
}
