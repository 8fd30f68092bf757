//! The bootstrap (Efron and Tibshirani, 1993) on recorded distributions: what a percentile or a mean
//! would have been in other runs of the same kind.
//!
//! The plain bootstrap draws as many times as were recorded, with replacement, again and again. For a
//! percentile that is not needed: it is the k-th smallest of n draws, and the k-th smallest of n
//! uniform numbers is Beta(k, n - k + 1), so one such number, looked up in the recorded
//! distribution, is one replicate: exactly, and for a billion times as quickly as for a hundred. For a
//! mean the replicates are drawn from the bootstrap distribution's own first three cumulants (mean,
//! variance / n, skewness / √n) by the expansion of Cornish and Fisher (Hall, 1992).

use super::{blocks::inflation, interval::Interval, normal::upper_point, random::Draws};
use crate::measure::timing::Timing;

/// An interval's end should have at least so many replicates beyond it. Further out, its tail is
/// continued as that of a normal distribution.
const BEYOND: f64 = 20.0;

/// A mean whose bootstrap distribution is more skewed than this is decided by a few extreme times.
const MOST_SKEWED: f64 = 0.5;

/// Fewer times than this say nothing of a mean or a median.
const FEWEST: u64 = 50;

/// So many times must lie on each side of a percentile.
const FEWEST_BESIDE: f64 = 10.0;

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
            Statistic::Mean => self.cumulants().0,
            Statistic::Quantile(share) => self.ranked(rank(share, self.count())),
        }
    }

    /// Whether enough was recorded to say how far the number can be trusted.
    pub(super) fn suffices(&self, statistic: Statistic) -> bool {
        let count = self.count();
        let enough = match statistic {
            Statistic::Mean => self.cumulants().2.abs() <= MOST_SKEWED,
            Statistic::Quantile(share) => {
                let beside = count as f64 * share.min(1.0 - share);
                // 200 × (1 - 0.95) is a little less than 10 in binary.
                beside >= FEWEST_BESIDE - 1e-6
            }
        };
        count >= FEWEST && enough
    }

    /// The logarithms of so many replicates.
    fn replicates(&self, statistic: Statistic, count: usize, draws: &mut Draws) -> Vec<f64> {
        match statistic {
            Statistic::Quantile(share) => {
                let n = self.count();
                let rank = rank(share, n);
                let (below, above) = (rank as f64, (n - rank + 1) as f64);
                (0..count)
                    .map(|_| {
                        let at = draws.beta(below, above) * n as f64;
                        self.ranked(at.ceil() as u64).ln()
                    })
                    .collect()
            }
            Statistic::Mean => {
                let (mean, deviation, skewness) = self.cumulants();
                (0..count)
                    .map(|_| {
                        let z = draws.normal();
                        let replicate = mean + deviation * (z + skewness / 6.0 * (z * z - 1.0));
                        // No mean is less than the shortest time.
                        replicate.max(self.ranked(1)).ln()
                    })
                    .collect()
            }
        }
    }

    /// The time of that rank, from 1.
    fn ranked(&self, rank: u64) -> f64 {
        let at = self.upto.partition_point(|upto| *upto < rank.max(1));
        let last = self.times.len().saturating_sub(1);
        self.times.get(at.min(last)).copied().unwrap_or(0.0)
    }

    /// The mean, the standard deviation of the mean, and the skewness of its distribution.
    fn cumulants(&self) -> (f64, f64, f64) {
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
        (mean, (variance / n).sqrt(), skewness / n.sqrt())
    }
}

fn rank(share: f64, count: u64) -> u64 {
    ((share * count as f64).ceil() as u64).clamp(1, count.max(1))
}

/// One of the two runs in a comparison of times.
#[derive(Debug)]
pub(super) struct Sampled<'a> {
    pub(super) recorded: &'a Recorded,
    /// The number in each interval of the run, if that is known.
    pub(super) intervals: &'a [f64],
    pub(super) draws: Draws,
}

/// The relative change from one distribution to another, with so much probability in each tail: the
/// percentile interval of the replicates' ratios.
pub(super) fn change(
    [from, to]: [Sampled<'_>; 2],
    statistic: Statistic,
    replicates: usize,
    tail: f64,
) -> Interval {
    let drawn = |mut side: Sampled<'_>| {
        let drawn = side.recorded.replicates(statistic, replicates, &mut side.draws);
        // Widened about the number itself where samples of one run resemble their neighbours.
        let factor = inflation(side.intervals, variance(&drawn)).sqrt();
        let middle = side.recorded.value(statistic).ln();
        drawn.into_iter().map(move |log| middle + (log - middle) * factor)
    };
    let both = drawn(to).zip(drawn(from));
    let mut ratios: Vec<f64> = both.map(|(after, before)| after - before).collect();
    ratios.sort_by(f64::total_cmp);
    Interval { low: end(&ratios, tail).exp_m1(), high: end_above(&ratios, tail).exp_m1() }
}

/// The low end of the percentile interval.
fn end(sorted: &[f64], tail: f64) -> f64 {
    reach(sorted, tail, |sorted, share| {
        let at = (share * sorted.len() as f64).floor() as usize;
        sorted[at.min(sorted.len() - 1)]
    })
}

/// The high end.
fn end_above(sorted: &[f64], tail: f64) -> f64 {
    reach(sorted, tail, |sorted, share| {
        let at = ((1.0 - share) * sorted.len() as f64).ceil() as usize;
        sorted[at.clamp(1, sorted.len()) - 1]
    })
}

fn reach(sorted: &[f64], tail: f64, at: impl Fn(&[f64], f64) -> f64) -> f64 {
    if sorted.is_empty() {
        return f64::NAN;
    }
    let shown = (BEYOND / sorted.len() as f64).min(0.25);
    if tail >= shown {
        return at(sorted, tail);
    }
    let middle = sorted[sorted.len() / 2];
    middle + (at(sorted, shown) - middle) * upper_point(tail) / upper_point(shown)
}

fn variance(numbers: &[f64]) -> f64 {
    let n = numbers.len().max(1) as f64;
    let mean = numbers.iter().sum::<f64>() / n;
    numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / n
}

#[cfg(test)]
pub(super) mod tests;
