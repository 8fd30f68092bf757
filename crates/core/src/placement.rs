//! Pure: how users are dealt to workers. Loads become as equal as can be, like water that finds its
//! level, and equal cases are settled by the order of the workers, so that the same question always
//! has the same answer.

/// Deals `count` users: to the least loaded first, until all are level. The answer has one share a
/// worker, in their order; without workers nobody is dealt.
pub fn deal(count: u64, loads: &[u64]) -> Vec<u64> {
    if loads.is_empty() {
        return Vec::new();
    }
    let filled = |level: u64| sum(loads.iter().map(|load| level.saturating_sub(*load)));
    // The highest level that the users fill up.
    let (mut low, mut high) = (0, loads.iter().max().map_or(0, |most| most.saturating_add(count)));
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if filled(middle) <= u128::from(count) { low = middle } else { high = middle - 1 }
    }
    let level = low;
    let mut left = count - u64::try_from(filled(level)).unwrap_or(count);
    let share = |load: &u64| {
        let one_more = u64::from(left > 0 && *load <= level);
        left -= one_more;
        level.saturating_sub(*load) + one_more
    };
    loads.iter().map(share).collect()
}

/// Takes `count` users away, or as many as there are: from the most loaded first, until all are
/// level. The answer has one share a worker, in their order.
pub fn collect(count: u64, loads: &[u64]) -> Vec<u64> {
    let above = |level: u64| sum(loads.iter().map(|load| load.saturating_sub(level)));
    // The lowest level that can be reached.
    let (mut low, mut high) = (0, loads.iter().max().copied().unwrap_or(0));
    while low < high {
        let middle = low + (high - low) / 2;
        if above(middle) <= u128::from(count) { high = middle } else { low = middle + 1 }
    }
    let level = low;
    let mut left = u128::from(count) - above(level);
    let share = |load: &u64| {
        let one_more = u64::from(left > 0 && *load >= level && level > 0);
        left -= u128::from(one_more);
        load.saturating_sub(level) + one_more
    };
    loads.iter().map(share).collect()
}

/// How many users each worker has to give up so that, dealt again together with `extra` users that
/// come from elsewhere, all have their fair share, and no more are moved than must be.
pub fn excess(loads: &[u64], extra: u64) -> Vec<u64> {
    let Some(workers) = u64::try_from(loads.len()).ok().filter(|workers| *workers > 0) else {
        return Vec::new();
    };
    let all = sum(loads.iter().copied()) + u128::from(extra);
    let fair = u64::try_from(all / u128::from(workers)).unwrap_or(u64::MAX);
    // So many workers may keep one more than the others: those that have it already.
    let mut more = u64::try_from(all % u128::from(workers)).unwrap_or(0);
    let give = |load: &u64| {
        let keeps = u64::from(more > 0 && *load > fair);
        more -= keeps;
        load.saturating_sub(fair + keeps)
    };
    loads.iter().map(give).collect()
}

fn sum(numbers: impl Iterator<Item = u64>) -> u128 {
    numbers.map(u128::from).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn loads() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec(0..200_u64, 1..12)
    }

    proptest! {
        #[test]
        fn all_are_dealt_and_those_who_get_any_are_level(count in 0..3000_u64, loads in loads()) {
            let shares = deal(count, &loads);
            prop_assert_eq!(shares.iter().sum::<u64>(), count);
            let after: Vec<_> = loads.iter().zip(&shares).map(|(load, share)| load + share).collect();
            let least = after.iter().min().unwrap();
            for (share, after) in shares.iter().zip(&after) {
                prop_assert!(*share == 0 || after - least <= 1, "{loads:?} {shares:?}");
            }
        }

        #[test]
        fn removal_takes_from_the_most_loaded(count in 0..3000_u64, loads in loads()) {
            let shares = collect(count, &loads);
            let there: u64 = loads.iter().sum();
            prop_assert_eq!(shares.iter().sum::<u64>(), count.min(there));
            let after: Vec<_> = loads.iter().zip(&shares).map(|(load, share)| load - share).collect();
            let most = after.iter().max().unwrap();
            for (share, after) in shares.iter().zip(&after) {
                prop_assert!(*share == 0 || most - after <= 1, "{loads:?} {shares:?}");
            }
        }

        #[test]
        fn rebalancing_evens_out_and_moves_no_more_than_it_must(
            loads in loads(),
            extra in 0..500_u64,
        ) {
            let given = excess(&loads, extra);
            let moved: u64 = given.iter().sum();
            let kept: Vec<_> = loads.iter().zip(&given).map(|(load, given)| load - given).collect();
            let shares = deal(moved + extra, &kept);
            let after: Vec<_> = kept.iter().zip(&shares).map(|(load, share)| load + share).collect();
            prop_assert!(after.iter().max().unwrap() - after.iter().min().unwrap() <= 1);
            // Whoever is above the fair share, rounded up for as many as it comes out uneven for,
            // has to give the rest away, however it is done.
            let (all, workers) = (loads.iter().sum::<u64>() + extra, loads.len() as u64);
            let (fair, uneven) = (all / workers, all % workers);
            let above = loads.iter().filter(|load| **load > fair).count() as u64;
            let least = loads.iter().map(|load| load.saturating_sub(fair)).sum::<u64>() - above.min(uneven);
            prop_assert_eq!(moved, least);
        }
    }

    #[test]
    fn the_same_as_people_would_deal() {
        assert_eq!(deal(10, &[0, 0]), [5, 5]);
        assert_eq!(deal(10, &[0, 0, 0]), [4, 3, 3]);
        assert_eq!(deal(10, &[10, 0, 4]), [0, 7, 3]);
        assert_eq!(deal(0, &[1, 2]), [0, 0]);
        assert_eq!(deal(8, &[0]), [8]);
        assert_eq!(deal(8, &[1, 5]), [6, 2]);
        assert!(deal(10, &[]).is_empty());
        assert_eq!(collect(4, &[10, 0, 8]), [3, 0, 1]);
        assert_eq!(collect(100, &[10, 0, 8]), [10, 0, 8]);
        assert_eq!(collect(8, &[0]), [0]);
        assert_eq!(collect(8, &[3, 9, 0]), [1, 7, 0]);
        assert_eq!(excess(&[10, 0], 0), [5, 0]);
        assert_eq!(deal(u64::MAX, &[0]), [u64::MAX]);
    }
}
