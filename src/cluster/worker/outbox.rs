//! Pure: word of users that are gone, until the master has said that it has it, in parts that fit
//! into a message.

use std::{collections::VecDeque, time::Duration};

use crowd_core::user_id::IdSet;

use crate::controller::population::Gone;

/// How many ranges of ids one beat tells of, at the most: a third of a mebibyte.
const MOST_RANGES: usize = 20_000;

/// What the master has not been told yet, or has not answered.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    ended: Vec<(u64, u64)>,
    released: Vec<(u64, u64)>,
    /// What was told in beats that are not answered, by when they were sent.
    told: VecDeque<(Duration, Gone)>,
}

impl Outbox {
    /// More users are gone, or could not be told of.
    pub(super) fn put(&mut self, gone: Gone) {
        for (kept, new) in [(&mut self.ended, gone.ended), (&mut self.released, gone.released)] {
            if kept.is_empty() {
                *kept = new.into();
            } else if !new.is_empty() {
                kept.extend(Vec::from(new));
                // What touches becomes one range again, so that it does not grow for nothing.
                *kept = IdSet::from(std::mem::take(kept)).into();
            }
        }
    }

    /// As much as fits into one beat, and whether there is more.
    pub(super) fn take(&mut self) -> (Gone, bool) {
        let ended = take(&mut self.ended, MOST_RANGES);
        let released = take(&mut self.released, MOST_RANGES - ended.len());
        let gone = Gone { ended: ended.into(), released: released.into() };
        (gone, !self.is_empty())
    }

    /// That was told in a beat.
    pub(super) fn told(&mut self, sent: Duration, gone: Gone) {
        if !gone.ended.is_empty() || !gone.released.is_empty() {
            self.told.push_back((sent, gone));
        }
    }

    /// The master has answered the beat that was sent then, and so has heard all before it.
    pub(super) fn answered(&mut self, sent: Duration) {
        while self.told.pop_front_if(|(told, _)| *told <= sent).is_some() {}
    }

    /// The link has changed: what was not answered may not have been heard.
    pub(super) fn tell_again(&mut self) {
        for (_, gone) in std::mem::take(&mut self.told) {
            self.put(gone);
        }
    }

    /// Whether there is nothing to tell.
    pub(super) fn is_empty(&self) -> bool {
        self.ended.is_empty() && self.released.is_empty()
    }
}

/// The last ones, which costs the others nothing.
fn take(from: &mut Vec<(u64, u64)>, most: usize) -> Vec<(u64, u64)> {
    from.split_off(from.len().saturating_sub(most))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cluster::protocol::run::Beat;
    use crowd_core::{codec::encode, user_id::UserId};

    proptest! {
        /// Everything is told exactly once, whatever is put back in between.
        #[test]
        fn all_is_told_once(
            sets in prop::collection::vec((prop::collection::btree_set(1..2_000_u64, 0..50), any::<bool>()), 0..8),
        ) {
            let mut outbox = Outbox::default();
            let (mut ended, mut released) = (IdSet::default(), IdSet::default());
            let mut all = IdSet::default();
            for (ids, back) in sets {
                let new = ids.into_iter().map(UserId).collect::<IdSet>().without(&all);
                new.ranges().for_each(|range| all.insert(range));
                let half = IdSet::from_iter(new.iter().filter(|id| id.0 % 2 == 0));
                outbox.put(Gone { released: new.without(&half), ended: half });
                let (gone, more) = outbox.take();
                prop_assert!(!more);
                if back {
                    outbox.put(gone);
                } else {
                    gone.ended.ranges().for_each(|range| ended.insert(range));
                    gone.released.ranges().for_each(|range| released.insert(range));
                }
            }
            let (gone, _) = outbox.take();
            gone.ended.ranges().for_each(|range| ended.insert(range));
            gone.released.ranges().for_each(|range| released.insert(range));
            prop_assert!(ended.iter().all(|id| id.0 % 2 == 0));
            prop_assert!(released.iter().all(|id| id.0 % 2 == 1));
            prop_assert_eq!(ended.len() + released.len(), all.len());
        }
    }

    #[test]
    fn a_mass_of_scattered_ends_is_told_in_parts_that_fit() {
        let mut outbox = Outbox::default();
        let start = crate::controller::population::HIGHEST_ID - 400_000;
        let scattered: Vec<_> =
            (0..100_000).map(|n| (start + n * 4, start + n * 4 + n % 2)).collect();
        let (ended, released) = scattered.split_at(70_000);
        outbox.put(Gone { ended: ended.to_vec().into(), released: released.to_vec().into() });
        let (mut told, mut parts) = (Gone::default(), 0);
        loop {
            let (gone, more) = outbox.take();
            gone.ended.ranges().for_each(|range| told.ended.insert(range));
            gone.released.ranges().for_each(|range| told.released.insert(range));
            let beat = Beat { ended: gone.ended, released: gone.released, ..Beat::default() };
            assert!(encode(&beat).unwrap().len() <= 512 * 1024);
            parts += 1;
            if !more {
                break;
            }
        }
        assert_eq!(parts, 5);
        assert_eq!(told.ended, ended.to_vec().into());
        assert_eq!(told.released, released.to_vec().into());
        assert!(outbox.is_empty());
    }
}
