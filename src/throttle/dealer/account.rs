//! What one node wants, and what it was given.

use std::collections::VecDeque;

use super::{MILLISECOND, MOST_LAG};
use crate::cluster::protocol::throttle::Demand;

/// What a node wanted so long ago it may want no more.
const STALE: u64 = 250 * MILLISECOND;

#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) era: u64,
    /// Whether it knows of this era.
    pub(super) knows: bool,
    /// What it said last.
    said: Demand,
    /// And until when that counts.
    fresh_until: u64,
    /// How many slots it was dealt.
    pub(super) dealt: u64,
    /// Those it may not have heard of: how many had been dealt with them, and when the last of
    /// them is due.
    on_the_way: VecDeque<(u64, u64)>,
    /// Its due when there is less than one for everybody.
    pub(super) credit: i128,
    /// How many permits it was given.
    pub(super) permits: u64,
    /// How many of those it holds are wanted back.
    pub(super) recall: u64,
    /// Permits and cap as it was told last.
    pub(super) told: (u64, u64),
}

impl Account {
    pub(super) fn new(era: u64) -> Self {
        Self {
            era,
            knows: false,
            said: Demand::default(),
            fresh_until: 0,
            dealt: 0,
            on_the_way: VecDeque::new(),
            credit: 0,
            permits: 0,
            recall: 0,
            told: (0, 0),
        }
    }

    /// It says what it wants. Whether it speaks of this era.
    pub(super) fn hear(&mut self, demand: &Demand, now: u64) -> bool {
        if demand.era != self.era {
            return false;
        }
        if !self.knows {
            self.knows = true;
            // What is in flight there counts, whatever let it through.
            self.permits = demand.in_flight;
        }
        let returned = demand.returned.min(self.permits);
        self.recall = self.recall.saturating_sub(returned.saturating_sub(self.said.returned));
        self.said = Demand { returned: returned.max(self.said.returned), ..*demand };
        self.fresh_until = now.saturating_add(STALE).saturating_add(self.lag());
        while self.on_the_way.front().is_some_and(|(dealt, _)| *dealt <= demand.received) {
            self.on_the_way.pop_front();
        }
        true
    }

    pub(super) fn forget_demand(&mut self) {
        self.fresh_until = 0;
    }

    fn is_fresh(&self, now: u64) -> bool {
        self.knows && now < self.fresh_until
    }

    /// Whether it wants anything.
    pub(super) fn wants(&self, now: u64) -> bool {
        self.is_fresh(now) && self.said.waiting.max(self.said.expected) > 0
    }

    /// How many slots those who wait there want.
    pub(super) fn waiting(&self, now: u64) -> u64 {
        if self.is_fresh(now) { self.said.waiting } else { 0 }
    }

    /// How long what is dealt is on its way to it.
    pub(super) fn lag(&self) -> u64 {
        self.said.lag.min(MOST_LAG)
    }

    /// How many slots it wants more than it has: for those who wait, and for those who will.
    pub(super) fn lacks(&mut self, now: u64) -> (u64, u64) {
        if !self.is_fresh(now) {
            return (0, 0);
        }
        while self.on_the_way.front().is_some_and(|(_, due)| due.saturating_add(STALE) < now) {
            self.on_the_way.pop_front();
        }
        let heard_of = match self.on_the_way.front() {
            Some(_) => self.said.received,
            None => self.dealt,
        };
        let has = self.said.stock.saturating_add(self.dealt.saturating_sub(heard_of));
        let real = self.said.waiting.saturating_sub(has);
        let all = self.said.waiting.saturating_add(self.said.expected).saturating_sub(has);
        (real, all - real)
    }

    /// It is dealt so many slots, the last due then.
    pub(super) fn deal(&mut self, slots: u64, due: u64) {
        self.dealt = self.dealt.saturating_add(slots);
        self.on_the_way.push_back((self.dealt, due));
    }

    /// How many permits it holds.
    pub(super) fn holds(&self) -> u64 {
        self.permits.saturating_sub(self.said.returned)
    }

    /// How many of them it may use.
    pub(super) fn cap(&self) -> u64 {
        self.holds().saturating_sub(self.recall)
    }

    /// How many permits it wants more than it has.
    pub(super) fn lacks_permits(&self, now: u64) -> u64 {
        let unused = self.holds().saturating_sub(self.said.in_flight);
        self.waiting(now).saturating_sub(unused)
    }

    /// What it could use: those in flight and those that wait.
    pub(super) fn could_use(&self, now: u64) -> u64 {
        if self.is_fresh(now) { self.said.waiting.saturating_add(self.said.in_flight) } else { 0 }
    }
}
