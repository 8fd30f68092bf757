//! What a document's series tells of an action second by second.

use super::{Metric, blocks::variance_of_mean};
use crate::report::over_time::{ActionSeries, SeriesReport};

/// An action over time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seconds<'a> {
    action: &'a ActionSeries,
    spans: &'a [f64],
}

impl<'a> Seconds<'a> {
    /// Those of that action, if the document followed it.
    pub(super) fn of(series: &'a SeriesReport, action: &str) -> Option<Self> {
        let action = series.actions.get(action)?;
        Some(Self { action, spans: &series.span_ms })
    }

    /// The variance of the logarithm of a number of times, from its value in each second; `None` if
    /// too few are known. The mean is taken to vary as the p95 does: a series has no means.
    pub(super) fn of_times(&self, metric: Metric) -> Option<f64> {
        let times =
            if metric == Metric::ServiceP95 { &self.action.service } else { &self.action.response };
        let numbers = match metric {
            Metric::ResponseP50 => &times.p50,
            Metric::ResponseP99 => &times.p99,
            _ => &times.p95,
        };
        // Nothing was done in a second without a time.
        let logs: Vec<f64> =
            numbers.iter().filter(|number| **number > 0.0).map(|number| number.ln()).collect();
        variance_of_mean(&logs)
    }

    /// The variance of the logarithm of how often it was done per second.
    pub(super) fn of_rate(&self) -> Option<f64> {
        // The last second of a run is mostly a part of one.
        let longest = self.spans.iter().copied().fold(0.0, f64::max);
        let whole =
            self.action.count.iter().zip(self.spans).filter(|(_, span)| **span > longest / 2.0);
        let rates: Vec<f64> = whole.map(|(count, span)| *count as f64 / span).collect();
        let mean = rates.iter().sum::<f64>() / rates.len().max(1) as f64;
        variance_of_mean(&rates).filter(|_| mean > 0.0).map(|variance| variance / (mean * mean))
    }

    /// The variance of the share that failed.
    /// What had not ended is not in a series, as there is no second that it ended in.
    pub(super) fn of_failures(&self) -> Option<f64> {
        let ActionSeries { count, failed, .. } = self.action;
        of_share(failed, count)
    }
}

/// The variance of a share, given its part and what it is of, second by second: that of the ratio of
/// two means.
pub(super) fn of_share(part: &[u64], of: &[u64]) -> Option<f64> {
    let sum = |numbers: &[u64]| numbers.iter().sum::<u64>() as f64;
    let share = sum(part) / sum(of);
    let mean = sum(of) / of.len().max(1) as f64;
    let off: Vec<f64> =
        part.iter().zip(of).map(|(part, of)| *part as f64 - share * *of as f64).collect();
    variance_of_mean(&off).filter(|_| mean > 0.0).map(|variance| variance / (mean * mean))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_that_come_in_bursts_leave_their_share_open() {
        // A tenth fails: every tenth time, or all of it in six seconds one after the other.
        let of = [100; 60];
        let spread = of_share(&[10; 60], &of).unwrap();
        let burst: Vec<u64> = (0..60).map(|second| if second < 6 { 100 } else { 0 }).collect();
        let burst = of_share(&burst, &of).unwrap();
        assert_eq!(spread, 0.0);
        // As if a few seconds were all there is: 0.1 × 0.9 / 6,000 would be 0.000015.
        assert!(burst > 0.003, "{burst}");
        assert_eq!(of_share(&[0; 30], &[0; 30]), None);
    }

    #[test]
    fn a_part_of_a_second_is_no_second() {
        let mut action = ActionSeries { count: vec![100; 30], ..ActionSeries::default() };
        let mut spans = vec![1_000.0; 30];
        action.count.push(1);
        spans.push(20.0);
        let seconds = Seconds { action: &action, spans: &spans };
        assert!(seconds.of_rate().is_some_and(|variance| variance < 1e-20));
    }
}
