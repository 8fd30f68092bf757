//! Intervals for shares, from counts alone.

use super::interval::Interval;
use crate::normal::upper_point;

/// So many of so many.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Share {
    pub(super) part: f64,
    pub(super) of: f64,
}

impl Share {
    pub(super) fn new(part: u64, of: u64) -> Self {
        Self { part: part as f64, of: of as f64 }
    }

    pub(super) fn value(self) -> f64 {
        if self.of > 0.0 { self.part / self.of } else { 0.0 }
    }

    /// Its variance if all were independent.
    pub(super) fn variance(self) -> f64 {
        let share = self.value();
        share * (1.0 - share) / self.of.max(1.0)
    }

    /// The same share of so many times fewer.
    pub(super) fn thinned(self, times: f64) -> Self {
        Self { part: self.part / times, of: self.of / times }
    }

    /// The score interval (Wilson, 1927): it holds its level where the share is near 0, too, as those
    /// of failures are.
    fn wilson(self, z: f64) -> Interval {
        let n = self.of.max(1.0);
        let p = self.value();
        let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
        let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        // Where nothing was counted the end is exact; rounding must not put it beyond the share.
        Interval { low: (middle - half).clamp(0.0, p), high: (middle + half).clamp(p, 1.0) }
    }
}

/// By how much the second share is greater, with so much probability in each tail: from the score
/// intervals of both (Newcombe, 1998, method 10).
pub(super) fn difference(from: Share, to: Share, tail: f64) -> Interval {
    let z = upper_point(tail);
    let (a, b) = (from.wilson(z), to.wilson(z));
    let (p, q) = (from.value(), to.value());
    Interval {
        low: q - p - (q - b.low).hypot(a.high - p),
        high: q - p + (b.high - q).hypot(p - a.low),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn as_published() {
        // Newcombe's example (a): 56/70 against 48/80, method 10, 95 %.
        let interval = difference(Share::new(48, 80), Share::new(56, 70), 0.025);
        assert!((interval.low - 0.0524).abs() < 5e-5, "{interval:?}");
        assert!((interval.high - 0.3339).abs() < 5e-5, "{interval:?}");
        // And (g): 0/10 against 5/56 has its low end below zero.
        let interval = difference(Share::new(0, 10), Share::new(5, 56), 0.025);
        assert!(interval.low < 0.0 && interval.high > 0.08, "{interval:?}");
    }

    proptest! {
        #[test]
        fn the_change_seen_is_in_its_interval(
            of in 1..100_000u64, a in 0.0..=1.0f64, b in 0.0..=1.0f64, tail in 1e-6..0.4f64,
        ) {
            let share = |p: f64| Share::new((p * of as f64) as u64, of);
            let (from, to) = (share(a), share(b));
            let seen = to.value() - from.value();
            let found = difference(from, to, tail);
            prop_assert!(found.low <= seen + 1e-12 && seen <= found.high + 1e-12, "{found:?}");
            prop_assert!(found.low >= -1.0 - 1e-12 && found.high <= 1.0 + 1e-12, "{found:?}");
            // A smaller tail is a wider interval.
            let wider = difference(from, to, tail / 2.0);
            prop_assert!(wider.low <= found.low + 1e-12 && wider.high >= found.high - 1e-12);
        }
    }
}
