//! Pure: the tickets of one feeder, dealt over the nodes of a cluster by the master.
//!
//! A node gets what its users wait for, and a little more if it needs many: what it will use up
//! soon, as long as there is much left. So the last rows go to those who want them, however few
//! they are. What a node does not use it gives back. Until every ticket is known to be used nobody
//! is told that there are no more.
//!
//! Each ticket is given once. What a lost node held and did not tell to be used is lost with it: it
//! may have been used.

use std::collections::{BTreeMap, VecDeque};

use crate::cluster::protocol::feed::{Ask, Given, Left, Tickets};

/// One answer has no more pieces than this.
const MOST_PIECES: usize = 1_000;

/// The tickets of one feeder.
#[derive(Debug)]
pub(super) struct Dealer<N> {
    /// How many tickets there are; `None`: they never end.
    end: Option<u64>,
    /// The first that was never given.
    next: u64,
    /// Given back.
    back: VecDeque<Tickets>,
    hands: BTreeMap<u64, Hand<N>>,
}

/// What one node has.
#[derive(Debug)]
struct Hand<N> {
    node: N,
    given: u64,
    used: u64,
    returned: u64,
    /// The last ask, and how it was answered.
    last: (u64, Given),
}

impl<N> Hand<N> {
    fn held(&self) -> u64 {
        self.given.saturating_sub(self.used).saturating_sub(self.returned)
    }
}

impl<N: PartialEq> Dealer<N> {
    /// So many tickets; without end if it is `None`.
    pub(super) fn new(end: Option<u64>) -> Self {
        Self { end, next: 0, back: VecDeque::new(), hands: BTreeMap::new() }
    }

    /// A node takes part, under that lease.
    pub(super) fn join(&mut self, node: N, lease: u64) {
        self.hands.insert(
            lease,
            Hand { node, given: 0, used: 0, returned: 0, last: (0, Given::default()) },
        );
    }

    /// A node is gone: how many tickets are lost with it. Of those that never end none is missed.
    pub(super) fn leave(&mut self, node: &N) -> u64 {
        let (mut lost, ends) = (0, self.end.is_some());
        self.hands.retain(|_, hand| {
            let leaves = hand.node == *node;
            lost += if leaves && ends { hand.held() } else { 0 };
            !leaves
        });
        lost
    }

    /// A node asks. `None`: nobody of that lease takes part, or it asks what is long answered.
    pub(super) fn ask(&mut self, ask: &Ask) -> Option<Given> {
        let hand = self.hands.get_mut(&ask.lease)?;
        if ask.number <= hand.last.0 {
            return (ask.number == hand.last.0).then(|| hand.last.1.clone());
        }
        hand.used = ask.used;
        hand.returned += ask.back.iter().map(|tickets| tickets.count).sum::<u64>();
        self.back.extend(&ask.back);

        let left = self.left();
        let waiting = ask.waiting.min(left);
        let nodes = self.hands.len() as u64;
        let ahead = match self.end {
            Some(_) => ask.expected.min((left - waiting) / (2 * nodes)),
            None => ask.expected,
        };
        let tickets = self.deal(waiting.saturating_add(ahead));
        if let Some(hand) = self.hands.get_mut(&ask.lease) {
            hand.given += tickets.iter().map(|tickets| tickets.count).sum::<u64>();
        }
        let left = match self.left() {
            0 if self.held() == 0 => Left::Nothing,
            0 => Left::Later,
            _ => Left::More,
        };
        let given = Given { tickets, left };
        if let Some(hand) = self.hands.get_mut(&ask.lease) {
            hand.last = (ask.number, given.clone());
        }
        Some(given)
    }

    /// How many tickets nodes hold that are not known to be used.
    pub(super) fn held(&self) -> u64 {
        self.hands.values().map(Hand::held).sum()
    }

    /// How many can be given.
    fn left(&self) -> u64 {
        let back: u64 = self.back.iter().map(|tickets| tickets.count).sum();
        back.saturating_add(self.end.unwrap_or(u64::MAX) - self.next)
    }

    /// As many, as far as there are; those that came back first.
    fn deal(&mut self, mut wanted: u64) -> Vec<Tickets> {
        let mut dealt = Vec::new();
        while wanted > 0 && dealt.len() < MOST_PIECES {
            let Some(tickets) = self.back.front_mut() else { break };
            let count = tickets.count.min(wanted);
            dealt.push(Tickets { first: tickets.first, count });
            tickets.first += count;
            tickets.count -= count;
            wanted -= count;
            if tickets.count == 0 {
                self.back.pop_front();
            }
        }
        let count = wanted.min(self.end.unwrap_or(u64::MAX) - self.next);
        if count > 0 && dealt.len() < MOST_PIECES {
            dealt.push(Tickets { first: self.next, count });
            self.next += count;
        }
        dealt
    }
}

#[cfg(test)]
mod tests;
