//! Pure: who in a cluster gets which slot of a throttle, and when it is due.
//!
//! The master has one for each throttle. Slots are minted from the schedule a little ahead of time
//! and dealt to nodes that want them, each to one node, with the time at which it is due. A node
//! lets through between that time and the tolerance after it, or not at all. So in any time from
//! `s` to `e` all nodes together let through no more than the schedule releases from
//! `s − tolerance` to `e`, and one, whatever happens to messages and nodes.
//!
//! A change of the rate concerns what is not dealt yet: the new schedule begins where the last
//! slot that was dealt is due. What is not due at a time (everything, or so many at once) is let
//! through under a standing lease; before slots follow on it, every node must have said that it
//! knows, or its lease be over.
//!
//! `mint` makes slots, `share` says who gets how many, `permits` deals what is not due at a time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    block::Block,
    exact::Slots,
    ramp::Ramp,
    rate::{Pace, Rate},
    schedule::Schedule,
};
use crate::cluster::{
    member::MemberId,
    protocol::throttle::{Demand, Grant, Kind},
};

mod account;
mod mint;
mod permits;
mod share;

use self::{account::Account, mint::Lot};

const MILLISECOND: u64 = 1_000_000;

/// How far ahead slots are dealt to those that wait, beyond the way to them.
pub(crate) const HORIZON: u64 = 30 * MILLISECOND;

/// And to those that may soon.
const STOCK_HORIZON: u64 = 12 * MILLISECOND;

/// How often there is something to deal, as long as anything is wanted.
pub(crate) const TICK: u64 = 10 * MILLISECOND;

/// A longer way than this is not made up for by dealing further ahead: changes take effect as far
/// ahead as slots are dealt.
const MOST_LAG: u64 = 500 * MILLISECOND;

/// How long a standing lease holds after it was given.
pub(crate) const STANDING: u64 = 4_000 * MILLISECOND;

/// One throttle of a cluster. All times are the master's.
#[derive(Debug, Clone)]
pub(crate) struct Dealer {
    /// How late a slot may be given.
    tolerance: u64,
    plan: Plan,
    paused: bool,
    /// Grows with every change.
    revision: u64,
    next_era: u64,
    /// Slots that are minted and not dealt, in order.
    pool: VecDeque<Lot>,
    /// Slots up to here are minted or gone.
    minted: Slots,
    /// The last slot that was dealt, and when it is due.
    dealt: (Slots, u64),
    /// The part of a slot that had grown when it was paused.
    saved: Slots,
    /// Who must have heard of the plan before anything is dealt by it.
    barrier: Option<Barrier>,
    accounts: BTreeMap<MemberId, Account>,
    /// Until when somebody may hold a standing lease.
    standing: u64,
    /// Somebody wanted more than there was when it was dealt last.
    wanting: bool,
    forfeited: Slots,
    recalled_at: u64,
}

#[derive(Debug, Clone)]
enum Plan {
    Timed(Schedule),
    /// Timed once the barrier is gone.
    Soon(Course),
    Open,
    AtOnce(u64),
}

/// What a schedule is made of.
#[derive(Debug, Clone, Copy)]
enum Course {
    Flat(Rate),
    Ramp(Ramp),
}

#[derive(Debug, Clone)]
struct Barrier {
    nodes: BTreeSet<MemberId>,
    /// Even if they never say anything; `None`: they must.
    until: Option<u64>,
}

impl Dealer {
    /// A throttle that lets the first one through at once.
    pub(crate) fn new(rate: Rate, tolerance: u64, now: u64) -> Self {
        let mut dealer = Self {
            tolerance,
            plan: Plan::Open,
            paused: false,
            revision: 0,
            next_era: 1,
            pool: VecDeque::new(),
            minted: Slots::ZERO,
            dealt: (Slots::ZERO, now),
            saved: if rate == Rate::ZERO { Slots::ZERO } else { Slots::ONE },
            barrier: None,
            accounts: BTreeMap::new(),
            standing: 0,
            wanting: false,
            forfeited: Slots::ZERO,
            recalled_at: 0,
        };
        dealer.plan = match rate.pace() {
            Pace::Unlimited => Plan::Open,
            Pace::AtOnce(limit) => Plan::AtOnce(limit),
            Pace::Timed { .. } => Plan::Timed(dealer.schedule(Course::Flat(rate), now)),
        };
        dealer
    }

    /// That node takes part. What it may have been given before counts no more: its users are
    /// dead. Does nothing if it does already.
    pub(crate) fn join(&mut self, node: &MemberId) {
        if !self.accounts.contains_key(node) {
            let era = self.draw_era();
            self.accounts.insert(node.clone(), Account::new(era));
        }
    }

    /// That node's users are dead.
    pub(crate) fn leave(&mut self, node: &MemberId) {
        self.accounts.remove(node);
        self.heard(node);
    }

    /// That node cannot be reached: nothing is dealt to it until it is heard again. What it holds
    /// it keeps.
    pub(crate) fn lose_sight(&mut self, node: &MemberId) {
        if let Some(account) = self.accounts.get_mut(node) {
            account.forget_demand();
        }
    }

    /// What a node wants. Not looked at if it speaks of an era that is over.
    pub(crate) fn demand(&mut self, node: &MemberId, demand: &Demand, now: u64) {
        let Some(account) = self.accounts.get_mut(node) else { return };
        if account.hear(demand, now) {
            self.heard(node);
        }
    }

    /// Changes the rate, paused or not; when that takes effect.
    pub(crate) fn set_rate(&mut self, rate: Rate, now: u64) -> u64 {
        let from = self.leave_plan(now);
        match rate.pace() {
            Pace::Timed { .. } => self.set_course(Course::Flat(rate), from, now),
            Pace::Unlimited => {
                if !matches!(self.plan, Plan::Open) {
                    // Who has not heard of it lets through less, not more.
                    self.begin_era(None);
                    self.plan = Plan::Open;
                }
            }
            Pace::AtOnce(limit) => {
                if !matches!(self.plan, Plan::AtOnce(_)) {
                    // What is in flight counts, so everybody must tell.
                    self.begin_era(Some(None));
                }
                self.plan = Plan::AtOnce(limit);
            }
        }
        from
    }

    /// Starts a ramp, paused or not; when that takes effect.
    pub(crate) fn set_ramp(&mut self, ramp: Ramp, now: u64) -> u64 {
        let from = self.leave_plan(now);
        self.set_course(Course::Ramp(ramp), from, now);
        from
    }

    /// Stands still. What is dealt is let through all the same. Says whether it did not already.
    pub(crate) fn pause(&mut self, now: u64) -> bool {
        if self.paused {
            return false;
        }
        self.save(now);
        self.paused = true;
        self.revision += 1;
        true
    }

    /// Goes on where it stood, with one slot at most. Says whether it stood.
    pub(crate) fn resume(&mut self, now: u64) -> bool {
        if !self.paused {
            return false;
        }
        self.paused = false;
        self.revision += 1;
        let from = now.max(self.dealt.1);
        if let Plan::Timed(schedule) = &self.plan {
            // What the schedule released meanwhile is gone, and no place is given twice.
            self.minted = schedule.at(from).minus(self.saved).max(self.minted);
        }
        true
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused
    }

    /// The rate now; on a continuous ramp rounded for people.
    pub(crate) fn rate_at(&self, now: u64) -> Rate {
        match &self.plan {
            Plan::Timed(schedule) => schedule.rate_at(now),
            Plan::Soon(Course::Flat(rate)) => *rate,
            Plan::Soon(Course::Ramp(ramp)) => ramp.from(),
            Plan::Open => Rate::UNLIMITED,
            Plan::AtOnce(limit) => Rate::at_once(*limit),
        }
    }

    /// The ramp under way and the nanoseconds left of it.
    pub(crate) fn ramp_at(&self, now: u64) -> Option<(Ramp, u64)> {
        match &self.plan {
            Plan::Timed(schedule) => schedule.ramp_at(now),
            Plan::Soon(Course::Ramp(ramp)) => Some((*ramp, ramp.line().over())),
            _ => None,
        }
    }

    /// Moves a ramp on; the rate, if it is another than before.
    pub(crate) fn advance(&mut self, now: u64) -> Option<Rate> {
        match &mut self.plan {
            Plan::Timed(schedule) => schedule.advance(now).then(|| schedule.rate_at(now)),
            _ => None,
        }
    }

    /// How it lets through.
    pub(crate) fn kind(&self) -> Kind {
        match self.plan {
            Plan::Timed(_) | Plan::Soon(_) => Kind::Timed,
            Plan::Open => Kind::Open,
            Plan::AtOnce(_) => Kind::Permits,
        }
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// The era of a node.
    pub(crate) fn era(&self, node: &MemberId) -> Option<u64> {
        self.accounts.get(node).map(|account| account.era)
    }

    /// Until when a standing lease given now holds.
    pub(crate) fn renew(&mut self, now: u64) -> u64 {
        let until = now.saturating_add(STANDING);
        if self.kind() != Kind::Timed {
            self.standing = self.standing.max(until);
        }
        until
    }

    /// How many slots were missed while somebody waited, ever.
    pub(crate) fn forfeited(&self) -> u64 {
        self.forfeited.whole()
    }

    /// Whether it is to be dealt again before anybody says anything new.
    pub(crate) fn is_wanted(&self, now: u64) -> bool {
        self.barrier.is_some() || self.accounts.values().any(|account| account.wants(now))
    }

    /// Deals what there is to those that want it.
    pub(crate) fn deal(&mut self, now: u64) -> Vec<(MemberId, Grant)> {
        self.pass_barrier(now);
        if self.barrier.is_some() {
            return Vec::new();
        }
        match self.plan {
            Plan::Timed(_) if !self.paused => self.deal_slots(now),
            Plan::AtOnce(limit) => self.deal_permits(limit, now),
            _ => Vec::new(),
        }
    }

    fn draw_era(&mut self) -> u64 {
        self.next_era += 1;
        self.next_era
    }

    /// What all nodes were given counts no more. With `Some`, nothing is dealt until they know
    /// that, or until the time within.
    fn begin_era(&mut self, barrier: Option<Option<u64>>) {
        self.pool.clear();
        for account in self.accounts.values_mut() {
            self.next_era += 1;
            *account = Account::new(self.next_era);
        }
        self.barrier =
            barrier.map(|until| Barrier { nodes: self.accounts.keys().cloned().collect(), until });
    }

    fn heard(&mut self, node: &MemberId) {
        if let Some(barrier) = &mut self.barrier {
            barrier.nodes.remove(node);
        }
    }

    fn pass_barrier(&mut self, now: u64) {
        let Some(barrier) = &self.barrier else { return };
        if !barrier.nodes.is_empty() && barrier.until.is_none_or(|until| now < until) {
            return;
        }
        self.barrier = None;
        if let Plan::Soon(course) = self.plan {
            self.plan = Plan::Timed(self.schedule(course, now.max(self.dealt.1)));
        }
    }

    fn schedule(&self, course: Course, from: u64) -> Schedule {
        let base = self.minted.plus(self.saved);
        match course {
            Course::Ramp(ramp) => Schedule::ramp(from, base, ramp),
            Course::Flat(rate) => match rate.pace() {
                Pace::Timed { count, interval } => Schedule::flat(from, base, count, interval),
                Pace::Unlimited | Pace::AtOnce(_) => Schedule::flat(from, base, 0, 1),
            },
        }
    }

    fn set_course(&mut self, course: Course, from: u64, now: u64) {
        if matches!(self.plan, Plan::Open | Plan::AtOnce(_)) {
            // A lease may be on its way.
            let until = self.standing.max(now);
            self.begin_era(Some(Some(until)));
        }
        self.plan = match self.barrier {
            Some(_) => Plan::Soon(course),
            None => Plan::Timed(self.schedule(course, from)),
        };
        self.pass_barrier(now);
    }

    /// Keeps the part of a slot that has grown, and nothing of what is minted for after the last
    /// slot that was dealt; from when on that is.
    fn save(&mut self, now: u64) -> u64 {
        let from = now.max(self.dealt.1);
        let before = self.pool.partition_point(|lot| lot.last <= self.dealt.0);
        if let Some(first) = self.pool.get(before) {
            self.minted = first.last.minus_whole(first.block.count).max(self.dealt.0);
            self.pool.truncate(before);
        }
        self.saved = match &self.plan {
            Plan::Timed(schedule) => schedule.at(from).minus(self.minted).min(Slots::ONE),
            Plan::Soon(_) => self.saved,
            Plan::Open | Plan::AtOnce(_) => Slots::ONE,
        };
        from
    }

    fn leave_plan(&mut self, now: u64) -> u64 {
        self.revision += 1;
        let from = if self.paused { now.max(self.dealt.1) } else { self.save(now) };
        // A slot that lies ready is not taken over.
        if self.saved >= Slots::ONE {
            self.saved = Slots::ZERO;
        }
        from
    }
}

#[cfg(test)]
mod tests;
