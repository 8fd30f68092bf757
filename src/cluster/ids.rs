//! Pure: what is taken out of sets of ids, and sets cut into parts that fit a message.

use crowd_core::user_id::IdSet;

/// The most ranges in one message: two numbers of at most nine bytes each, so that a message stays
/// well below [`super::codec::MOST_BYTES`].
pub(crate) const MOST_RANGES: usize = 20_000;

/// Below so many ids it is cheaper to look each of them up than to walk through the whole set.
const FEW: u64 = 64;

/// Takes out of a set what another has too, and says what that was.
pub(crate) fn take(set: &mut IdSet, other: &IdSet) -> IdSet {
    if set.is_empty() || other.is_empty() {
        return IdSet::default();
    }
    if other.len() <= FEW {
        return other.iter().filter(|id| set.remove(*id)).collect();
    }
    let (mut taken, mut left) = (IdSet::default(), IdSet::default());
    let mut others = other.ranges().peekable();
    for range in set.ranges() {
        let (mut first, last) = range.into_inner();
        while first <= last {
            while others.next_if(|other| *other.end() < first).is_some() {}
            match others.peek() {
                Some(other) if *other.start() <= last => {
                    let from = first.max(*other.start());
                    let to = last.min(*other.end());
                    if first < from {
                        left.insert(first..=from - 1);
                    }
                    taken.insert(from..=to);
                    first = to + 1;
                }
                _ => {
                    left.insert(first..=last);
                    break;
                }
            }
        }
    }
    *set = left;
    taken
}

/// Puts ids into a set; those that are in it already change nothing.
pub(crate) fn put(set: &mut IdSet, other: &IdSet) {
    let _there = take(set, other);
    other.ranges().for_each(|range| set.insert(range));
}

/// The set in parts of at most `most` ranges each.
pub(crate) fn parts(set: &IdSet, most: usize) -> Vec<IdSet> {
    let mut parts = vec![(0, IdSet::default())];
    for range in set.ranges() {
        if parts.last().is_some_and(|(ranges, _)| *ranges >= most) {
            parts.push((0, IdSet::default()));
        }
        if let Some((ranges, part)) = parts.last_mut() {
            *ranges += 1;
            part.insert(range);
        }
    }
    parts.into_iter().map(|(_, part)| part).filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crowd_core::user_id::UserId;

    fn ids() -> impl Strategy<Value = BTreeSet<u64>> {
        prop::collection::vec((1..400_u64, 1..60_u64), 0..12).prop_map(|ranges| {
            ranges.into_iter().flat_map(|(first, size)| first..first + size).collect()
        })
    }

    fn set(ids: &BTreeSet<u64>) -> IdSet {
        ids.iter().map(|id| UserId(*id)).collect()
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_is_made_up(a in ids(), b in ids(), most in 1..5_usize) {
            let (mut left, other) = (set(&a), set(&b));
            let taken = take(&mut left, &other);
            prop_assert_eq!(&taken, &set(&a.intersection(&b).copied().collect()));
            prop_assert_eq!(&left, &set(&a.difference(&b).copied().collect()));
            put(&mut left, &taken);
            prop_assert_eq!(&left, &set(&a));
            put(&mut left, &other);
            prop_assert_eq!(&left, &set(&a.union(&b).copied().collect()));
            let parts = parts(&left, most);
            prop_assert!(parts.iter().all(|part| part.ranges().count() <= most));
            let all: IdSet = parts.iter().flat_map(|part| part.iter()).collect();
            prop_assert_eq!(all, left);
        }
    }
}
