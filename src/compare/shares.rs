//! Intervals for shares and rates, from counts alone.

use super::{interval::Interval, normal::upper_point};

/// So many of so many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) part: u64,
    pub(super) of: u64,
}

impl Share {
    pub(super) fn value(self) -> f64 {
        if self.of == 0 { 0.0 } else { self.part as f64 / self.of as f64 }
    }

    /// The score interval (Wilson, 1927): it holds its level where the share is near 0, too, as those
    /// of failures are.
    fn wilson(self, z: f64) -> Interval {
        let n = self.of.max(1) as f64;
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

/// The relative change from one rate to another, each a count over a time in seconds: given how much
/// was counted in all, the count of the second run is binomial, and its share has a score interval.
pub(super) fn rate_change(from: (u64, f64), to: (u64, f64), tail: f64) -> Interval {
    let share = Share { part: to.0, of: from.0.saturating_add(to.0) };
    let Interval { low, high } = share.wilson(upper_point(tail));
    let change = |share: f64| share / (1.0 - share) * from.1 / to.1 - 1.0;
    Interval { low: change(low), high: if high < 1.0 { change(high) } else { f64::INFINITY } }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn as_published() {
        // Newcombe's example (a): 56/70 against 48/80, method 10, 95 %.
        let interval = difference(Share { part: 48, of: 80 }, Share { part: 56, of: 70 }, 0.025);
        assert!((interval.low - 0.0524).abs() < 5e-5, "{interval:?}");
        assert!((interval.high - 0.3339).abs() < 5e-5, "{interval:?}");
        // And (g): 0/10 against 5/56 has its low end below zero.
        let interval = difference(Share { part: 0, of: 10 }, Share { part: 5, of: 56 }, 0.025);
        assert!(interval.low < 0.0 && interval.high > 0.08, "{interval:?}");
    }

    #[test]
    fn a_rate_that_doubles() {
        let interval = rate_change((10_000, 60.0), (20_000, 60.0), 0.025);
        assert!(interval.low > 0.94 && interval.low < 1.0, "{interval:?}");
        assert!(interval.high < 1.06 && interval.high > 1.0, "{interval:?}");
        let other_time = rate_change((10_000, 60.0), (20_000, 120.0), 0.025);
        assert!(other_time.low < 0.0 && other_time.high > 0.0, "{other_time:?}");
    }

    proptest! {
        #[test]
        fn the_change_seen_is_in_its_interval(
            of in 1..100_000u64, a in 0.0..=1.0f64, b in 0.0..=1.0f64, tail in 1e-6..0.4f64,
        ) {
            let share = |p: f64| Share { part: (p * of as f64) as u64, of };
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
