//! What one node wants, and what it was given.

use std::collections::VecDeque;

use super::{MILLISECOND, MOST_LAG};
use crate::cluster::protocol::throttle::Demand;

/// What a node wanted so long ago it may want no more.
const STALE: u64 = 250 * MILLISECOND;

/// How much longer than before it may take a node to confirm what it was dealt.
const SLACK: u64 = 50 * MILLISECOND;

/// What is told of slots counts for about so many words.
const MEMORY: f64 = 64.0;

/// So many slots count as used beside those it received: what it missed long ago, when it received
/// few, says little.
const TRUST: f64 = 4.0;

/// The weight of a node that uses all slots it is dealt.
const FULL: u64 = 16;

/// What was dealt at once.
#[derive(Debug, Clone, Copy)]
struct Dealt {
    /// When.
    at: u64,
    /// How many slots had been dealt with these.
    count: u64,
    /// When the last of these is due.
    due: u64,
}

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
    /// Those it may not have heard of.
    on_the_way: VecDeque<Dealt>,
    /// How long it takes to confirm what it was dealt.
    round: u64,
    /// How many slots it received of late, and how many of them it missed.
    received: f64,
    missed: f64,
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
            round: 0,
            received: 0.0,
            missed: 0.0,
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
            // What was missed before is of another time.
            self.said.missed = demand.missed;
        }
        let returned = demand.returned.min(self.permits);
        self.recall = self.recall.saturating_sub(returned.saturating_sub(self.said.returned));
        self.remember(demand);
        self.said = Demand { returned: returned.max(self.said.returned), ..*demand };
        self.fresh_until = now.saturating_add(STALE).saturating_add(self.said.lag.min(MOST_LAG));
        let mut confirmed = None;
        while let Some(dealt) = self.on_the_way.front()
            && dealt.count <= demand.received
        {
            confirmed = Some(dealt.at);
            self.on_the_way.pop_front();
        }
        if let Some(at) = confirmed {
            self.round = now.saturating_sub(at).max(self.round - self.round / 8);
        }
        true
    }

    /// What became of the slots it received since its last word.
    fn remember(&mut self, demand: &Demand) {
        let more = |now: u64, before: u64| now.saturating_sub(before) as f64;
        let fade = 1.0 - 1.0 / MEMORY;
        self.received = self.received * fade + more(demand.received, self.said.received);
        self.missed = self.missed * fade + more(demand.missed, self.said.missed);
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

    /// How long what is dealt is on its way to it; `None` if that is too long to be of use.
    pub(super) fn way(&self) -> Option<u64> {
        (self.said.lag <= MOST_LAG).then_some(self.said.lag)
    }

    /// Whether it does not confirm what it was dealt as soon as before: what it is dealt may come
    /// too late.
    pub(super) fn is_late(&self, now: u64) -> bool {
        let oldest = self.on_the_way.front();
        oldest.is_some_and(|dealt| dealt.at.saturating_add(self.round).saturating_add(SLACK) < now)
    }

    /// What its share goes by: how many wait there, and what part of its slots it uses.
    pub(super) fn weight(&self, now: u64) -> u64 {
        let used = 1.0 - (self.missed / (self.received + TRUST)).min(1.0);
        // At least a little, or it could never show that it uses more.
        let part = ((FULL as f64 * used).round() as u64).max(1);
        self.waiting(now).saturating_add(1).saturating_mul(part)
    }

    /// How many slots it wants more than it has: for those who wait, and for those who will.
    pub(super) fn lacks(&mut self, now: u64) -> (u64, u64) {
        if !self.is_fresh(now) {
            return (0, 0);
        }
        let round = self.round.max(self.said.lag.min(MOST_LAG) * 2);
        let lost = now.saturating_sub(STALE).saturating_sub(round);
        while self.on_the_way.front().is_some_and(|dealt| dealt.due < lost) {
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
    pub(super) fn deal(&mut self, slots: u64, due: u64, now: u64) {
        self.dealt = self.dealt.saturating_add(slots);
        self.on_the_way.push_back(Dealt { at: now, count: self.dealt, due });
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
