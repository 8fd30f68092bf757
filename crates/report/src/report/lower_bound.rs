//! Pure: which numbers of a distribution are only lower bounds, because attempts are among them that
//! did not end.

use crowd_measure::timing::Timing;

/// The quantiles of a report by name.
const QUANTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999)];

/// A number rests on the attempts that did not end if it could be more than this much higher, were
/// each of them to take for ever. Below that it is no more than the resolution of the histogram.
const MATTERS: f64 = 1.01;

/// The longest or the mean may be any higher if so great a share did not end.
const SHARE: f64 = 0.01;

/// The names of the numbers that are lower bounds. `all` is the sum of those that ended and of those
/// that waited.
pub(super) fn names(ended: &Timing, waited: &Timing, all: &Timing) -> Vec<&'static str> {
    if waited.count() == 0 {
        return Vec::new();
    }
    let mut names = Vec::new();
    let long = waited.max() >= ended.max();
    let many = waited.count() as f64 >= all.count() as f64 * SHARE;
    if many || long {
        names.push("mean");
    }
    for (name, quantile) in QUANTILES {
        let known = all.quantile(quantile).as_secs_f64();
        // The rank that it has among those that ended if all others took longer than any of them.
        let rank = quantile * all.count() as f64 / ended.count().max(1) as f64;
        let endless = rank > 1.0 || ended.count() == 0;
        if endless || ended.quantile(rank).as_secs_f64() > known * MATTERS {
            names.push(name);
        }
    }
    if many || long {
        names.push("max");
    }
    names
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn timing(times: impl IntoIterator<Item = u64>) -> Timing {
        let mut timing = Timing::default();
        times.into_iter().for_each(|millis| timing.record(Duration::from_millis(millis)));
        timing
    }

    fn of(ended: &Timing, waited: &Timing) -> Vec<&'static str> {
        let mut all = ended.clone();
        all.merge(waited);
        names(ended, waited, &all)
    }

    #[test]
    fn what_rests_on_nothing_unfinished_is_exact() {
        let ended = timing(std::iter::repeat_n(5, 1_900));
        assert!(of(&ended, &timing([])).is_empty());
        // Five of two thousand say nothing of the median, nor of the 99th percentile.
        let few = of(&ended, &timing([6_000; 5]));
        assert_eq!(few, ["mean", "p999", "max"]);
    }

    #[test]
    fn a_percentile_among_the_unfinished_is_a_lower_bound() {
        let ended = timing(std::iter::repeat_n(5, 100));
        assert_eq!(of(&ended, &timing([6_000; 5])), ["mean", "p99", "p999", "max"]);
        assert_eq!(
            of(&timing([]), &timing([3_000])),
            ["mean", "p50", "p90", "p95", "p99", "p999", "max"]
        );
    }

    #[test]
    fn what_was_cut_short_early_may_have_been_long() {
        let ended = timing(1..=100);
        let names = of(&ended, &timing([1; 20]));
        assert!(names.contains(&"p90") && names.contains(&"max"), "{names:?}");
    }
}
