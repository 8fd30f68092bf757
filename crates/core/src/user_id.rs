//! User ids and ordered sets of them.

use std::{collections::BTreeMap, fmt, ops::RangeInclusive, str::FromStr};

use serde::{Deserialize, Serialize};

/// The identity of a virtual user: unique over the run, given in increasing order from 1, never
/// used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(pub u64);

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for UserId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A set of user ids kept as disjoint ranges: a million waiting users are one entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(u64, u64)>", into = "Vec<(u64, u64)>")]
pub struct IdSet {
    /// First id of a range → its last id. Ranges neither touch nor overlap.
    ranges: BTreeMap<u64, u64>,
    len: u64,
}

impl IdSet {
    /// How many ids the set holds.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the set holds no id.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The disjoint ranges, lowest first.
    pub fn ranges(&self) -> impl DoubleEndedIterator<Item = RangeInclusive<u64>> + '_ {
        self.ranges.iter().map(|(&first, &last)| first..=last)
    }

    /// The ids, lowest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = UserId> + '_ {
        self.ranges().flatten().map(UserId)
    }

    /// Whether the id is in the set.
    pub fn contains(&self, id: UserId) -> bool {
        self.range_of(id.0).is_some()
    }

    /// Adds a range of ids, none of which may be in the set already. An empty range adds nothing.
    pub fn insert(&mut self, range: RangeInclusive<u64>) {
        let (mut first, mut last) = (*range.start(), *range.end());
        if first > last {
            return;
        }
        self.len += last - first + 1;
        if let Some((&before, &end)) = self.ranges.range(..first).next_back() {
            debug_assert!(end < first, "ids {first}..={last} overlap {before}..={end}");
            if end + 1 == first {
                self.ranges.remove(&before);
                first = before;
            }
        }
        if let Some(next) = last.checked_add(1)
            && let Some(end) = self.ranges.remove(&next)
        {
            last = end;
        }
        self.ranges.insert(first, last);
    }

    /// Takes one id out; says whether it was there.
    pub fn remove(&mut self, id: UserId) -> bool {
        let Some((first, last)) = self.range_of(id.0) else { return false };
        self.ranges.remove(&first);
        if first < id.0 {
            self.ranges.insert(first, id.0 - 1);
        }
        if id.0 < last {
            self.ranges.insert(id.0 + 1, last);
        }
        self.len -= 1;
        true
    }

    /// The ids that are not in the other set.
    pub fn without(&self, other: &Self) -> Self {
        let mut left = Self::default();
        for range in self.ranges() {
            let (mut first, last) = range.into_inner();
            let from = other.range_of(first).map_or(first, |(before, _)| before);
            // Only what lies under this range is looked at, however much there is elsewhere.
            for (&taken, &end) in other.ranges.range(from..=last) {
                if first < taken {
                    left.insert(first..=taken - 1);
                }
                first = first.max(end.saturating_add(1));
            }
            left.insert(first..=last);
        }
        left
    }

    /// The ids that are in the other set too.
    pub fn within(&self, other: &Self) -> Self {
        self.without(&self.without(other))
    }

    /// Takes up to `count` of the lowest ids out.
    pub fn take_lowest(&mut self, count: u64) -> IdSet {
        self.take(
            count,
            |ranges| ranges.pop_first(),
            |first, last, n| ((first, first + n - 1), (first + n, last)),
        )
    }

    /// Takes up to `count` of the highest ids out.
    pub fn take_highest(&mut self, count: u64) -> IdSet {
        self.take(
            count,
            |ranges| ranges.pop_last(),
            |first, last, n| ((last - n + 1, last), (first, last - n)),
        )
    }

    fn take(
        &mut self,
        count: u64,
        pop: impl Fn(&mut BTreeMap<u64, u64>) -> Option<(u64, u64)>,
        split: impl Fn(u64, u64, u64) -> ((u64, u64), (u64, u64)),
    ) -> IdSet {
        let mut taken = IdSet::default();
        let mut left = count.min(self.len);
        self.len -= left;
        while left > 0
            && let Some((first, last)) = pop(&mut self.ranges)
        {
            let size = last - first + 1;
            if size <= left {
                taken.insert(first..=last);
                left -= size;
            } else {
                let (out, rest) = split(first, last, left);
                taken.insert(out.0..=out.1);
                self.ranges.insert(rest.0, rest.1);
                left = 0;
            }
        }
        taken
    }

    fn range_of(&self, id: u64) -> Option<(u64, u64)> {
        let (&first, &last) = self.ranges.range(..=id).next_back()?;
        (id <= last).then_some((first, last))
    }
}

/// Its ranges: first and last id of each.
impl From<IdSet> for Vec<(u64, u64)> {
    fn from(set: IdSet) -> Self {
        set.ranges.into_iter().collect()
    }
}

/// Ranges may come in any order, and overlap. 0 is no id, so that all ids there can be are a number
/// that can be counted.
impl From<Vec<(u64, u64)>> for IdSet {
    fn from(mut ranges: Vec<(u64, u64)>) -> Self {
        ranges.sort_unstable();
        let mut set = Self::default();
        let mut next = 1;
        for (first, last) in ranges {
            let first = first.max(next);
            if first <= last {
                set.insert(first..=last);
                let Some(after) = last.checked_add(1) else { break };
                next = after;
            }
        }
        set
    }
}

impl FromIterator<UserId> for IdSet {
    fn from_iter<I: IntoIterator<Item = UserId>>(ids: I) -> Self {
        let mut set = Self::default();
        for UserId(id) in ids {
            if !set.contains(UserId(id)) {
                set.insert(id..=id);
            }
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_up_to_the_last_number_may_overlap() {
        let set = IdSet::from(vec![(u64::MAX, u64::MAX), (1, u64::MAX), (0, 5)]);
        assert_eq!(Vec::from(set.clone()), [(1, u64::MAX)]);
        assert_eq!(set.len(), u64::MAX);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u64, u64),
        Remove(u64),
        Lowest(u64),
        Highest(u64),
        Without(u64, u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (1..200u64, 0..20u64).prop_map(|(first, size)| Step::Insert(first, first + size)),
            (1..220u64).prop_map(Step::Remove),
            (0..30u64).prop_map(Step::Lowest),
            (0..30u64).prop_map(Step::Highest),
            (1..220u64, 0..30u64).prop_map(|(first, size)| Step::Without(first, first + size)),
        ]
    }

    proptest! {
        /// The set behaves like a plain set of numbers.
        #[test]
        fn equals_a_plain_set(steps in prop::collection::vec(step(), 0..80)) {
            let mut model = BTreeSet::new();
            let mut set = IdSet::default();
            for step in steps {
                match step {
                    Step::Insert(first, last) => {
                        if (first..=last).all(|id| !model.contains(&id)) {
                            set.insert(first..=last);
                            model.extend(first..=last);
                        }
                    }
                    Step::Remove(id) => prop_assert_eq!(set.remove(UserId(id)), model.remove(&id)),
                    Step::Lowest(n) => {
                        let taken: Vec<_> = set.take_lowest(n).iter().map(|id| id.0).collect();
                        let wanted: Vec<_> = model.iter().copied().take(n as usize).collect();
                        prop_assert_eq!(&taken, &wanted);
                        wanted.iter().for_each(|id| { model.remove(id); });
                    }
                    Step::Highest(n) => {
                        let taken: Vec<_> = set.take_highest(n).iter().rev().map(|id| id.0).collect();
                        let wanted: Vec<_> = model.iter().rev().copied().take(n as usize).collect();
                        prop_assert_eq!(&taken, &wanted);
                        wanted.iter().for_each(|id| { model.remove(id); });
                    }
                    Step::Without(first, last) => {
                        let mut other = IdSet::default();
                        other.insert(first..=last);
                        let rest = other.without(&set);
                        prop_assert_eq!(rest.len(), other.iter().filter(|id| !set.contains(*id)).count() as u64);
                        prop_assert!(rest.iter().all(|id| other.contains(id) && !set.contains(id)));
                        let both = other.within(&set);
                        prop_assert_eq!(both.len() + rest.len(), other.len());
                        prop_assert!(both.iter().all(|id| other.contains(id) && set.contains(id)));
                        set = set.without(&other);
                        model.retain(|id| !(first..=last).contains(id));
                    }
                }
                prop_assert_eq!(set.len(), model.len() as u64);
                let ids: Vec<_> = set.iter().map(|id| id.0).collect();
                prop_assert_eq!(ids, model.iter().copied().collect::<Vec<_>>());
            }
        }
    }
}
