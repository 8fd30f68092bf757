//! Pure: whose a cell is. Numbers are spread over a circle by a step that is the golden ratio of it,
//! so that those of any row of numbers lie evenly (Knuth, *The Art of Computer Programming*, volume
//! 3, section 6.4), and each node holds an arc. So every number is of exactly one node, each node
//! has its part of any second, and nothing is sent but two ends.

use serde::{Deserialize, Serialize};

/// The size of the circle.
const WHOLE: u64 = 1 << 32;

/// The step: the whole divided by the golden ratio, to the nearest odd number.
const STEP: u32 = 2_654_435_769;

/// An arc of the circle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Where it begins.
    from: u64,
    /// Where it is over.
    to: u64,
}

impl Share {
    /// All of it.
    pub const ALL: Self = Self { from: 0, to: WHOLE };

    /// Nothing of it.
    pub const NONE: Self = Self { from: 0, to: 0 };

    /// Whether it has that number.
    pub fn has(self, number: u64) -> bool {
        // Only the last 32 bits of a number decide, which is what wraps around the circle.
        let place = u64::from((number as u32).wrapping_mul(STEP));
        (self.from..self.to).contains(&place)
    }

    /// Shares in proportion to weights, in their order; together they are the whole. Without any
    /// weight nobody has a share.
    pub fn split(weights: &[u64]) -> Vec<Option<Self>> {
        let sum: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
        let mut below: u128 = 0;
        let end =
            |below: u128| u64::try_from(u128::from(WHOLE) * below / sum.max(1)).unwrap_or(WHOLE);
        let share = |weight: &u64| {
            let from = end(below);
            below += u128::from(*weight);
            let to = end(below);
            (from < to).then_some(Self { from, to })
        };
        weights.iter().map(share).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_number_is_of_exactly_one_share(
            weights in prop::collection::vec(0..1_000_u64, 1..16),
            numbers in prop::collection::vec(any::<u64>(), 1..200),
        ) {
            prop_assume!(weights.iter().any(|weight| *weight > 0));
            let shares = Share::split(&weights);
            for number in numbers {
                let owners = shares.iter().flatten().filter(|share| share.has(number)).count();
                prop_assert_eq!(owners, 1);
            }
            let without = weights.iter().zip(&shares).filter(|(weight, _)| **weight == 0);
            for (_, share) in without {
                prop_assert!(share.is_none());
            }
        }

        /// Of any thousand numbers in a row each share has its part, give or take very few.
        #[test]
        fn a_share_has_its_part_of_any_row_of_numbers(
            weights in prop::collection::vec(1..10_u64, 1..16), first in 0..1_u64 << 40,
        ) {
            let sum: u64 = weights.iter().sum();
            for (weight, share) in weights.iter().zip(Share::split(&weights)) {
                let has = |number| share.is_some_and(|share| share.has(number));
                let count = (first..first + 1_000).filter(|number| has(*number)).count();
                let part = 1_000.0 * *weight as f64 / sum as f64;
                prop_assert!((count as f64 - part).abs() <= 6.0, "{count} of {part}");
            }
        }
    }
}
