//! Which node a user is on. Pure.

use std::collections::BTreeMap;

use crowd_core::user_id::UserId;

use crate::cluster::member::MemberId;

/// Id → member, kept as ranges: a million users dealt in blocks are a few entries.
///
/// A user that has ended need not be taken out: its node says so when it is written to. So a hole
/// within a range is not cut, which would make one entry two for nothing; only what stands at an
/// end of an entry is taken out.
#[derive(Debug, Default)]
pub(crate) struct Whereabouts {
    /// First id of a range → its last id and the member. Ranges do not overlap; those that touch
    /// have different members.
    ranges: BTreeMap<u64, (u64, MemberId)>,
}

impl Whereabouts {
    /// Where that user is, or was last. `None`: nowhere.
    pub(crate) fn of(&self, user: UserId) -> Option<&MemberId> {
        let (_, (last, member)) = self.ranges.range(..=user.0).next_back()?;
        (user.0 <= *last).then_some(member)
    }

    /// These users are on that member from now on; on none if it is `None`.
    pub(crate) fn learn(&mut self, first: u64, last: u64, member: Option<&MemberId>) {
        if first > last {
            return;
        }
        match member {
            Some(member) => self.put(first, last, member),
            None => self.take_out(first, last),
        }
    }

    #[cfg(test)]
    /// How many entries there are.
    pub(crate) fn entries(&self) -> usize {
        self.ranges.len()
    }

    fn put(&mut self, mut first: u64, mut last: u64, member: &MemberId) {
        self.cut_at(first);
        if let Some(next) = last.checked_add(1) {
            self.cut_at(next);
        }
        self.remove_within(first, last);
        if let Some((&before, (end, who))) = self.ranges.range(..first).next_back()
            && end.checked_add(1) == Some(first)
            && who == member
        {
            self.ranges.remove(&before);
            first = before;
        }
        if let Some(next) = last.checked_add(1)
            && let Some((end, who)) = self.ranges.get(&next)
            && who == member
        {
            last = *end;
            self.ranges.remove(&next);
        }
        self.ranges.insert(first, (last, member.clone()));
    }

    fn take_out(&mut self, first: u64, last: u64) {
        // An entry that goes beyond both ends stays as it is.
        if let Some((_, (end, _))) = self.ranges.range_mut(..first).next_back() {
            if *end > last {
                return;
            }
            if *end >= first {
                *end = first - 1;
            }
        }
        if let Some(next) = last.checked_add(1) {
            self.cut_at(next);
        }
        self.remove_within(first, last);
    }

    /// Makes an entry begin at `id` if one goes over it.
    fn cut_at(&mut self, id: u64) {
        let Some((_, (end, member))) = self.ranges.range_mut(..id).next_back() else { return };
        if *end >= id {
            let rest = (*end, member.clone());
            *end = id - 1;
            self.ranges.insert(id, rest);
        }
    }

    /// Removes the entries that begin in the range; none goes over its end.
    fn remove_within(&mut self, first: u64, last: u64) {
        while let Some((&start, _)) = self.ranges.range(first..=last).next() {
            self.ranges.remove(&start);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn member(n: u64) -> MemberId {
        MemberId::new(format!("node-{n}"), n)
    }

    proptest! {
        /// Who runs is found where it is; who does not is found nowhere, or where it was last.
        #[test]
        fn equals_a_plain_map(
            steps in prop::collection::vec((1..120_u64, 0..40_u64, prop::option::of(0..4_u64)), 0..60),
        ) {
            let mut now = BTreeMap::new();
            let mut last_on = BTreeMap::new();
            let mut table = Whereabouts::default();
            for (first, size, on) in steps {
                let on = on.map(member);
                let last = first + size;
                let before = table.entries();
                table.learn(first, last, on.as_ref());
                for id in first..=last {
                    match &on {
                        Some(member) => {
                            now.insert(id, member.clone());
                            last_on.insert(id, member.clone());
                        }
                        None => { now.remove(&id); }
                    }
                }
                if on.is_none() {
                    prop_assert!(table.entries() <= before, "taking out made more entries");
                } else {
                    prop_assert!(table.entries() <= before + 2);
                }
                for id in 0..170 {
                    let found = table.of(UserId(id));
                    match now.get(&id) {
                        Some(member) => prop_assert_eq!(found, Some(member)),
                        None => prop_assert!(found.is_none() || found == last_on.get(&id)),
                    }
                }
                let mut end_before = None;
                for (first, (last, member)) in &table.ranges {
                    prop_assert!(first <= last);
                    if let Some((end, who)) = end_before {
                        prop_assert!(end < *first);
                        prop_assert!(end + 1 < *first || who != member, "not merged");
                    }
                    end_before = Some((*last, member));
                }
            }
        }
    }

    #[test]
    fn a_million_users_in_blocks_are_a_few_entries() {
        let mut table = Whereabouts::default();
        for block in 0..1_000 {
            let first = block * 1_000 + 1;
            table.learn(first, first + 999, Some(&member(block / 250)));
        }
        assert_eq!(table.entries(), 4);
        // Every other user ends.
        for id in (1..=1_000_000).step_by(2) {
            table.learn(id, id, None);
        }
        assert!(table.entries() <= 4, "{} entries", table.entries());
        assert_eq!(table.of(UserId(500_002)), Some(&member(2)));
    }

    #[test]
    fn the_highest_id_is_an_id() {
        let mut table = Whereabouts::default();
        table.learn(5, u64::MAX, Some(&member(1)));
        table.learn(u64::MAX, u64::MAX, Some(&member(2)));
        assert_eq!(table.of(UserId(u64::MAX)), Some(&member(2)));
        table.learn(0, u64::MAX, None);
        assert_eq!(table.entries(), 0);
    }
}
