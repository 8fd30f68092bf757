//! Whom a user talks to.

/// The ids around `id`, `number` in all, half of them below and half above; an odd one is above.
/// There are no ids below 1, so the first users have fewer.
pub(crate) fn neighbours(id: u64, number: u64) -> Vec<u64> {
    let below = number / 2;
    let above = number - below;
    (id.saturating_sub(below).max(1)..id)
        .chain((1..=above).map_while(|k| id.checked_add(k)))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn half_below_and_half_above() {
        assert_eq!(neighbours(10, 4), [8, 9, 11, 12]);
        assert_eq!(neighbours(10, 3), [9, 11, 12]);
        assert_eq!(neighbours(1, 4), [2, 3]);
        assert_eq!(neighbours(2, 4), [1, 3, 4]);
        assert_eq!(neighbours(u64::MAX, 2), [u64::MAX - 1]);
    }

    proptest! {
        /// With an even number, whoever I talk to talks to me.
        #[test]
        fn even_neighbourhoods_are_mutual(id in 1u64..1000, half in 1u64..20) {
            for other in neighbours(id, 2 * half) {
                prop_assert!(neighbours(other, 2 * half).contains(&id));
                prop_assert!(other >= 1 && other != id);
            }
        }
    }
}
