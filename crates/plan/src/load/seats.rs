//! Pure: a number of users over several nodes. Together they never have more than that number,
//! though each does what it is told later than it is told, and is heard of later still: whoever is
//! to have more has to wait until others are known to have less.

use std::collections::VecDeque;

use crowd_core::placement::deal;
use serde::{Deserialize, Serialize};

/// What one node may have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seats {
    /// What it was told by which message, as far as it may not have heard the next one.
    told: VecDeque<(u64, u64)>,
    /// What it had when it was heard last.
    has: u64,
}

impl Seats {
    /// How many it may have, now or soon.
    pub fn holds(&self) -> u64 {
        self.told.iter().map(|(_, seats)| *seats).fold(self.has, u64::max)
    }

    /// What it was told last.
    pub fn given(&self) -> u64 {
        self.told.back().map_or(0, |(_, seats)| *seats)
    }

    /// It is told so by a message of that number; messages are numbered upwards.
    pub fn tell(&mut self, message: u64, seats: u64) {
        if self.told.is_empty() || self.given() != seats {
            self.told.push_back((message, seats));
        }
    }

    /// It had heard all messages up to that one, and had so many.
    pub fn heard(&mut self, message: u64, has: u64) {
        self.has = has;
        while self.told.get(1).is_some_and(|(number, _)| *number <= message) {
            self.told.pop_front();
        }
    }
}

/// What each node is to be told, in their order, so that they come to have their equal shares of
/// `total` and never more than that together. `lost` are held by nodes that are told nothing.
pub fn shares<'a>(
    total: u64,
    nodes: impl Iterator<Item = &'a Seats> + Clone,
    lost: u64,
) -> Vec<u64> {
    let holds: Vec<u64> = nodes.map(Seats::holds).collect();
    let wanted = deal(total, &vec![0; holds.len()]);
    let held: u64 = holds.iter().sum::<u64>().saturating_add(lost);
    let mut free = total.saturating_sub(held);
    let share = |(wanted, holds): (u64, &u64)| {
        let more = wanted.saturating_sub(*holds).min(free);
        free -= more;
        wanted.min(*holds + more)
    };
    wanted.into_iter().zip(&holds).map(share).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A node as it really is: it hears messages in order, some time after they are sent.
    #[derive(Debug, Default)]
    struct Node {
        seats: Seats,
        way: VecDeque<(u64, u64)>,
        heard: u64,
        most: u64,
        has: u64,
    }

    #[derive(Debug, Clone)]
    enum Step {
        Total(u64),
        Join,
        Tick,
        Hear(usize),
        Leave(usize, u64),
        Report(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            1 => (0..40_u64).prop_map(Step::Total),
            1 => Just(Step::Join),
            6 => Just(Step::Tick),
            6 => any::<usize>().prop_map(Step::Hear),
            4 => (any::<usize>(), 0..9_u64).prop_map(|(node, users)| Step::Leave(node, users)),
            6 => any::<usize>().prop_map(Step::Report),
        ];
        prop::collection::vec(step, 1..150)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// What nodes may have together never grows above the number asked for; no node has more than
        /// it may; and once all is said and heard each has its share.
        #[test]
        fn nodes_never_have_more_than_they_may_together(steps in steps()) {
            let (mut total, mut message) = (10, 0);
            let mut nodes = vec![Node::default()];
            let settle = (0..40).flat_map(|_| {
                [Step::Tick].into_iter().chain((0..16).flat_map(|node| {
                    // All that was on its way is heard in the end.
                    let hear = std::iter::repeat_n(Step::Hear(node), 8);
                    hear.chain([Step::Leave(node, 100), Step::Report(node)])
                }))
            });
            for step in steps.into_iter().chain(settle) {
                let count = nodes.len();
                let held = |nodes: &[Node]| nodes.iter().map(|node| node.seats.holds()).sum::<u64>();
                let before = held(&nodes);
                match step {
                    Step::Total(number) => total = number,
                    Step::Join if count < 16 => nodes.push(Node::default()),
                    Step::Join => {}
                    Step::Tick => {
                        let told = shares(total, nodes.iter().map(|node| &node.seats), 0);
                        message += 1;
                        for (node, seats) in nodes.iter_mut().zip(told) {
                            node.seats.tell(message, seats);
                            node.way.push_back((message, seats));
                        }
                    }
                    Step::Hear(node) => {
                        let node = &mut nodes[node % count];
                        if let Some((message, seats)) = node.way.pop_front() {
                            (node.heard, node.most) = (message, seats);
                            // Who may have more takes them at once.
                            node.has = node.has.max(seats);
                        }
                    }
                    // Users above what it may have leave in their time.
                    Step::Leave(node, users) => {
                        let node = &mut nodes[node % count];
                        node.has -= users.min(node.has - node.has.min(node.most));
                    }
                    Step::Report(node) => {
                        let node = &mut nodes[node % count];
                        node.seats.heard(node.heard, node.has);
                    }
                }
                let after = held(&nodes);
                prop_assert!(after <= total.max(before), "{after} of {total}, {before} before");
                for node in &nodes {
                    prop_assert!(node.seats.holds() >= node.has);
                }
            }
            let wanted = deal(total, &vec![0; nodes.len()]);
            let has: Vec<_> = nodes.iter().map(|node| node.has).collect();
            prop_assert_eq!(has, wanted);
        }
    }
}
