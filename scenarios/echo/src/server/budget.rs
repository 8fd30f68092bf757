//! How many lines there may be in any window of time.

use std::time::Duration;

use crate::clock::Moment;

/// A rate that changes, and what it allows: in any window no more than the rate over it and the
/// tolerance before it, and one.
#[derive(Debug, Clone)]
pub struct Budget {
    /// From when on how many per second, in the order of time; the first from the beginning.
    steps: Vec<(Moment, f64)>,
    tolerance: Moment,
}

/// A window with more in it than allowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Excess {
    /// Its first moment.
    pub from: Moment,
    /// Its last moment.
    pub to: Moment,
    /// How many there were in it.
    pub count: u64,
    /// How many there might have been.
    pub allowed: f64,
}

impl Budget {
    /// So many per second, always.
    pub fn steady(per_second: f64, tolerance: Duration) -> Self {
        let tolerance = u64::try_from(tolerance.as_nanos()).unwrap_or(Moment::MAX);
        Self { steps: vec![(0, per_second)], tolerance }
    }

    /// And so many from some moment between those two on, the second of which must be later than
    /// any before. In between, the higher of the two rates is allowed.
    #[must_use]
    pub fn then(mut self, between: (Moment, Moment), per_second: f64) -> Self {
        let before = self.steps.last().map_or(0.0, |step| step.1);
        // The change may be made to take effect a moment after it was asked for, and not before.
        self.steps.push((between.0, before.max(per_second)));
        self.steps.push((between.1, per_second));
        self
    }

    /// How many the rate makes from the beginning to that moment.
    fn made_until(&self, moment: Moment) -> f64 {
        let ends = self.steps.iter().skip(1).map(|step| step.0).chain([Moment::MAX]);
        let parts = self.steps.iter().zip(ends).map(|(&(from, rate), to)| {
            let length = to.min(moment).saturating_sub(from);
            Duration::from_nanos(length).as_secs_f64() * rate
        });
        parts.sum()
    }

    /// The window with the most above what is allowed, if there is any. `moments` are in order.
    pub fn worst_excess(&self, moments: &[Moment]) -> Option<Excess> {
        // From moment i to moment j there may be made(j) − made(i − tolerance) + 1; there are
        // j − i + 1. So the best i for any j is the one before it with the least
        // i − made(i − tolerance).
        let mut worst: Option<(f64, Excess)> = None;
        let mut best: Option<(f64, usize)> = None;
        // Rounding of sums must not make an excess.
        let mut least = 1e-6;
        for (j, &to) in moments.iter().enumerate() {
            let before = self.made_until(to.saturating_sub(self.tolerance));
            let start = j as f64 - before;
            if best.is_none_or(|(value, _)| start < value) {
                best = Some((start, j));
            }
            let Some((_, i)) = best else { continue };
            let from = moments[i];
            let made_before = self.made_until(from.saturating_sub(self.tolerance));
            let allowed = self.made_until(to) - made_before + 1.0;
            let count = j - i + 1;
            let above = count as f64 - allowed;
            if above > least {
                least = above;
                worst = Some((above, Excess { from, to, count: count as u64, allowed }));
            }
        }
        worst.map(|(_, excess)| excess)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Moment = 1_000_000_000;
    const TOLERANCE: Duration = Duration::from_millis(5);

    #[test]
    fn an_even_stream_fits_exactly() {
        let moments: Vec<_> = (0..1000).map(|k| 5 * SECOND + k * SECOND / 100).collect();
        assert_eq!(Budget::steady(100.0, TOLERANCE).worst_excess(&moments), None);
        assert!(Budget::steady(99.0, TOLERANCE).worst_excess(&moments).is_some());
    }

    #[test]
    fn a_burst_is_found_where_it_is() {
        let mut moments: Vec<_> = (0..100).map(|k| k * SECOND / 10).collect();
        moments.extend([SECOND * 3 + 1, SECOND * 3 + 2]);
        moments.sort_unstable();
        let excess = Budget::steady(10.0, TOLERANCE).worst_excess(&moments).unwrap();
        assert!(excess.from <= 3 * SECOND && excess.to >= 3 * SECOND + 2, "{excess:?}");
    }

    #[test]
    fn a_change_counts_from_when_it_may_have_been() {
        let slow = (0..10).map(|k| k * SECOND / 10);
        let fast = (0..100).map(|k| SECOND + k * SECOND / 100);
        let moments: Vec<_> = slow.chain(fast).collect();
        let budget = Budget::steady(10.0, TOLERANCE);
        let change = |from, to| budget.clone().then((from, to), 100.0);
        assert_eq!(change(SECOND * 99 / 100, SECOND * 11 / 10).worst_excess(&moments), None);
        assert!(change(SECOND * 3 / 2, SECOND * 8 / 5).worst_excess(&moments).is_some());
    }

    proptest! {
        /// The quick search finds what trying all windows finds.
        #[test]
        fn equals_trying_all_windows(
            mut moments in prop::collection::vec(0..SECOND, 1..60),
            rate in 1u32..100,
        ) {
            moments.sort_unstable();
            let budget = Budget::steady(f64::from(rate), TOLERANCE);
            let mut most = 0.0_f64;
            for i in 0..moments.len() {
                for j in i..moments.len() {
                    let from = moments[i].saturating_sub(budget.tolerance);
                    let allowed = budget.made_until(moments[j]) - budget.made_until(from) + 1.0;
                    most = most.max((j - i + 1) as f64 - allowed);
                }
            }
            let found = budget.worst_excess(&moments);
            prop_assert_eq!(found.is_some(), most > 1e-6);
            if let Some(excess) = found {
                prop_assert!((excess.count as f64 - excess.allowed - most).abs() < 1e-6);
            }
        }
    }
}
