//! How many messages of each node may wait. Pure.

use std::{collections::BTreeMap, mem};

use crate::cluster::member::MemberId;

/// Counts what waits of each node, and what was dropped because too much did.
#[derive(Debug)]
pub(super) struct Quota {
    of_each: u64,
    waiting: BTreeMap<MemberId, Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: u64,
    /// How many were dropped, which was not told.
    dropped: u64,
}

impl Quota {
    /// So many messages of each node may wait.
    pub(super) fn of_each(of_each: u64) -> Self {
        Self { of_each, waiting: BTreeMap::new() }
    }

    /// Whether another message of that node may wait. If not, it is counted as dropped.
    pub(super) fn enter(&mut self, from: &MemberId) -> bool {
        let waiting = self.waiting.entry(from.clone()).or_default();
        let has_room = waiting.messages < self.of_each;
        let count = if has_room { &mut waiting.messages } else { &mut waiting.dropped };
        *count += 1;
        has_room
    }

    /// A message of that node waits no longer. Answers how many of its were dropped since this was
    /// last asked.
    pub(super) fn leave(&mut self, from: &MemberId) -> u64 {
        let Some(waiting) = self.waiting.get_mut(from) else { return 0 };
        waiting.messages = waiting.messages.saturating_sub(1);
        let dropped = mem::take(&mut waiting.dropped);
        if waiting.messages == 0 {
            self.waiting.remove(from);
        }
        dropped
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What came = what was taken out + what waits + what was told to be dropped, of each node.
        #[test]
        fn every_message_is_taken_or_told(steps in prop::collection::vec((0..3u64, any::<bool>()), 0..200)) {
            let nodes = ["a", "b", "c"].map(|name| MemberId::new(name, 1));
            let mut quota = Quota::of_each(4);
            let (mut came, mut waits, mut lost) = ([0u64; 3], [0u64; 3], [0u64; 3]);
            let mut taken = [0u64; 3];
            let drain = [(0, false), (1, false), (2, false)].repeat(4);
            for (node, comes) in steps.into_iter().chain(drain) {
                let at = node as usize;
                if comes {
                    came[at] += 1;
                    let entered = quota.enter(&nodes[at]);
                    prop_assert_eq!(entered, waits[at] < 4, "no node takes the room of another");
                    waits[at] += u64::from(entered);
                } else if waits[at] > 0 {
                    waits[at] -= 1;
                    taken[at] += 1;
                    lost[at] += quota.leave(&nodes[at]);
                }
            }
            for at in 0..3 {
                prop_assert_eq!(came[at], taken[at] + lost[at]);
            }
            prop_assert!(quota.waiting.is_empty(), "nothing is kept of nodes of which nothing waits");
        }
    }
}
