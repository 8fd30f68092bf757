//! Pure: random choices that come out alike whenever a run is repeated.
//!
//! A stream is known by the run's seed, by the user, and by how many streams that user has drawn
//! before; nothing else goes into it, neither the node nor the time. Its numbers are those of
//! ChaCha with eight rounds (D. J. Bernstein, "ChaCha, a variant of Salsa20", 2008), which knows no
//! difference between keys that are near each other and ones that are not, and stay the same from
//! version to version.

use std::convert::Infallible;

use rand::{SeedableRng, TryRng, rngs::ChaCha8Rng};

use crate::user_id::UserId;

/// Says what keys are for, so that another use of the same seed gives other numbers.
const PURPOSE: &[u8; 8] = b"user    ";

/// A stream of random numbers. Everything of `rand` takes it; with the prelude at hand,
/// `random_range`, `random_bool` and `random` are methods of it.
///
/// ```
/// use crowd_core::{random::Random, user_id::UserId};
/// use rand::RngExt as _;
///
/// let mut dice = Random::of(1, UserId(7), 0);
/// let thrown: u32 = dice.random_range(1..=6);
/// assert_eq!(thrown, Random::of(1, UserId(7), 0).random_range(1..=6));
/// ```
#[derive(Debug)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// The stream of that number, from 0, of a user in a run of that seed.
    pub fn of(seed: u64, user: UserId, number: u64) -> Self {
        let mut key = [0; 32];
        let words = [seed.to_le_bytes(), user.0.to_le_bytes(), number.to_le_bytes(), *PURPOSE];
        for (place, word) in key.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word);
        }
        Self(ChaCha8Rng::from_seed(key))
    }
}

impl TryRng for Random {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.0.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0.try_next_u64()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.try_fill_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use rand::{Rng, RngExt};

    use super::*;

    fn some(seed: u64, user: u64, number: u64) -> Vec<u64> {
        let mut random = Random::of(seed, UserId(user), number);
        std::iter::repeat_with(|| random.next_u64()).take(4).collect()
    }

    /// A run of yesterday is repeated with the version of tomorrow.
    #[test]
    fn numbers_stay_the_same_from_version_to_version() {
        let mut random = Random::of(1, UserId(1), 0);
        let first: Vec<u32> = (0..8).map(|_| random.random_range(0..1_000)).collect();
        assert_eq!(first, FIRST);
    }

    const FIRST: [u32; 8] = [816, 282, 275, 347, 920, 490, 268, 623];

    #[test]
    fn users_seeds_and_numbers_differ() {
        let mut seen = BTreeSet::new();
        for seed in 0..10 {
            for user in 1..=10 {
                for number in 0..10 {
                    assert!(seen.insert(some(seed, user, number)), "{seed} {user} {number}");
                }
            }
        }
    }

    /// Over many users, too, a choice is as likely as it should be: 10 classes, 10,000 users,
    /// chi-squared with 9 degrees of freedom under 27.9 (1 in 1,000).
    #[test]
    fn first_choices_of_users_are_spread_evenly() {
        let mut counts = [0_u32; 10];
        for user in 1..=10_000 {
            let choice: usize = Random::of(1, UserId(user), 0).random_range(0..10);
            counts[choice] += 1;
        }
        let chi: f64 = counts.iter().map(|&n| (f64::from(n) - 1_000.0).powi(2) / 1_000.0).sum();
        assert!(chi < 27.9, "{chi}: {counts:?}");
    }

    proptest! {
        #[test]
        fn the_same_is_the_same(seed: u64, user: u64, number: u64) {
            prop_assert_eq!(some(seed, user, number), some(seed, user, number));
        }
    }
}
