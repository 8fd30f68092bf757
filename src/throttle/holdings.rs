//! Pure: what a node was given of a throttle of the cluster, instead of a schedule of its own.
//!
//! Slots come with the time at which they are due on the master's clock, and stay so: that clock is
//! looked at when they are used. It is known to within a doubt. A slot is used once it is due for
//! certain, and until the tolerance, less the doubt, is over. What is not due at a time is let
//! through as long as the master's word holds for certain.

use super::{block::Blocks, ramp::Ramp, rate::Rate};
use crate::cluster::{
    clock::ClockReading,
    protocol::throttle::{Demand, Grant, Kind, Terms, ThrottleId},
};

mod pulse;

use self::pulse::Pulse;

const MILLISECOND: u64 = 1_000_000;

/// A long way counts for about so many grants.
const LASTING: u64 = 32;

/// More blocks than a node that is served as it should be ever has in stock.
const MOST_BLOCKS: usize = 50_000;

/// All times are this node's.
#[derive(Debug, Clone)]
pub(crate) struct Holdings {
    id: ThrottleId,
    era: u64,
    /// The master knows that this node knows of the era.
    told: bool,
    /// The master is to hear again what was given back: the last word may not have arrived.
    repeat: bool,
    revision: u64,
    kind: Kind,
    paused: bool,
    /// The master's clock, as it was known last.
    clock: ClockReading,
    /// Until when, on the master's clock, what is not due at a time may be let through.
    until: u64,
    /// And whether that is still to come.
    holds: bool,
    rate: Rate,
    /// The ramp under way, and when it ends.
    ramp: Option<(Ramp, u64)>,
    /// How late a slot may be given, if the master's clock were known.
    tolerance: u64,
    /// On the master's clock.
    blocks: Blocks,
    /// What was due before, on the master's clock, is over.
    over: u64,
    /// How many slots were dealt to this node.
    received: u64,
    forfeited: u64,
    /// Permits given in this era, those of them given back, and how many may be used.
    permits: u64,
    returned: u64,
    cap: u64,
    /// How much too late for use a slot would come that is due when it is sent.
    lag: u64,
    /// Something was given since the master repeated its terms.
    heard: bool,
    pulse: Pulse,
}

impl Holdings {
    /// Under these terms, with nothing given yet.
    pub(crate) fn new(terms: &Terms, clock: ClockReading, now: u64) -> Self {
        let mut holdings = Self {
            id: terms.id,
            era: 0,
            told: false,
            repeat: false,
            revision: 0,
            kind: Kind::Timed,
            paused: false,
            clock,
            until: 0,
            holds: false,
            rate: terms.rate,
            ramp: None,
            tolerance: 0,
            blocks: Blocks::default(),
            over: 0,
            received: 0,
            forfeited: 0,
            permits: 0,
            returned: 0,
            cap: 0,
            lag: 0,
            heard: false,
            pulse: Pulse::default(),
        };
        holdings.accept(terms, clock, now);
        holdings
    }

    /// Which throttle it is.
    pub(crate) fn id(&self) -> ThrottleId {
        self.id
    }

    /// Other terms hold, or the same for longer. Says whether the rate is another.
    pub(crate) fn accept(&mut self, terms: &Terms, clock: ClockReading, now: u64) -> bool {
        if terms.era < self.era || terms.era == self.era && terms.revision < self.revision {
            return false;
        }
        if terms.era != self.era {
            self.era = terms.era;
            self.told = false;
            self.blocks.clear();
            self.received = 0;
            (self.permits, self.returned, self.cap) = (0, 0, 0);
            self.pulse.restart();
        }
        self.revision = terms.revision;
        self.repeat = terms.kind == Kind::Permits;
        (self.kind, self.paused) = (terms.kind, terms.paused);
        self.look_at(clock, now);
        if !std::mem::take(&mut self.heard) {
            // Nobody deals to who is too far away: it may be near again.
            self.lag = self.lag.min(clock.round_trip);
        }
        self.until = terms.until;
        self.tolerance = terms.tolerance;
        self.ramp = terms.ramp.and_then(|(ramp, end)| {
            let ramp = Ramp::new(ramp.from, ramp.to, ramp.over, ramp.steps).ok()?;
            Some((ramp, clock.here(end)))
        });
        self.advance(now);
        std::mem::replace(&mut self.rate, terms.rate) != terms.rate
    }

    /// Something was given to this node.
    pub(crate) fn receive(&mut self, grant: &Grant, sent: u64, clock: ClockReading, now: u64) {
        if grant.era != self.era || !self.told {
            return;
        }
        self.look_at(clock, now);
        self.lag = clock.least(now).saturating_sub(sent).max(self.lag - self.lag / LASTING);
        self.heard = true;
        let slots = grant.dealt.saturating_sub(self.received);
        let permits = grant.permits.saturating_sub(self.permits);
        self.pulse.served(slots.saturating_add(permits));
        self.received = self.received.max(grant.dealt);
        self.permits = self.permits.max(grant.permits);
        self.cap = grant.cap;
        for block in &grant.blocks {
            if self.blocks.len() < MOST_BLOCKS {
                self.blocks.insert(*block);
            }
        }
    }

    /// What this node wants, if it is time to say so, and when it will be.
    pub(crate) fn demand(&mut self, now: u64, want: Want) -> (Option<Demand>, Option<u64>) {
        let unused = self.hold().saturating_sub(want.in_flight);
        let stock = match self.kind {
            Kind::Timed => self.blocks.count(),
            Kind::Open => u64::MAX,
            Kind::Permits => unused,
        };
        let surplus = match self.kind {
            Kind::Permits if self.told => self.surplus(want, unused),
            _ => 0,
        };
        let waiting = if self.kind == Kind::Open { 0 } else { want.slots };
        let urgent = !self.told || self.repeat;
        let (due, next) = self.pulse.look(now, waiting, waiting > stock, surplus > 0, urgent);
        if !due {
            return (None, next);
        }
        if !self.told {
            self.told = true;
            // What is in flight here counts, until it has ended.
            (self.permits, self.returned, self.cap) = (want.in_flight, 0, 0);
        }
        self.repeat = false;
        self.returned += surplus;
        let expected = self.pulse.beat(now, want.asked, waiting);
        let demand = Demand {
            id: self.id,
            era: self.era,
            waiting,
            expected: if self.kind == Kind::Timed { expected } else { 0 },
            stock: if self.kind == Kind::Timed { stock } else { 0 },
            received: self.received,
            missed: self.forfeited,
            returned: self.returned,
            in_flight: want.in_flight,
            lag: self.lag,
        };
        (Some(demand), self.pulse.look(now, waiting, false, false, false).1)
    }

    /// Whether whoever carries demands is to be woken: somebody waits that the master may not
    /// know of, or something happened after a time of quiet. Says so once.
    pub(crate) fn poke(&mut self, waiting: u64) -> bool {
        (!self.told || self.repeat) && self.pulse.poke() || self.pulse.stirs(waiting)
    }

    /// How many permits this node holds.
    fn hold(&self) -> u64 {
        self.permits.saturating_sub(self.returned)
    }

    /// How many permits go back: those nobody waits for, and those that are wanted back.
    fn surplus(&self, want: Want, unused: u64) -> u64 {
        let wanted_back = self.hold().saturating_sub(self.cap);
        unused.saturating_sub(want.slots).max(wanted_back.min(unused))
    }

    /// How many may be let through now, if so many are in flight.
    pub(crate) fn available(&self, now: u64, in_flight: u64) -> u64 {
        match self.kind {
            Kind::Timed => self.blocks.due_by(self.clock.least(now)),
            _ if self.paused || !self.is_word_good(now) => 0,
            Kind::Open => u64::MAX,
            Kind::Permits => self.hold().min(self.cap).saturating_sub(in_flight),
        }
    }

    /// Gives so many slots, which must be available; when the first was due.
    pub(crate) fn give(&mut self, now: u64, slots: u64) -> u64 {
        if self.kind != Kind::Timed {
            return now;
        }
        let due = self.next_due(0).unwrap_or(now).min(now);
        let (mut left, time) = (slots, self.clock.least(now));
        while left > 0
            && let Some(taken) = self.blocks.take_due(left, time)
        {
            left -= taken;
        }
        due
    }

    /// Somebody comes while nobody waits: what is over by now was not missed.
    pub(crate) fn first_comes(&mut self, now: u64) {
        self.blocks.drop_before(self.over_at(now));
    }

    /// Forfeits slots that are over; how many they are.
    pub(crate) fn forfeit(&mut self, now: u64) -> u64 {
        let over = self.blocks.drop_before(self.over_at(now));
        self.forfeited = self.forfeited.saturating_add(over);
        over
    }

    /// When the slot after the next `reserved` ones is due.
    pub(crate) fn next_due(&self, reserved: u64) -> Option<u64> {
        self.blocks.due(reserved).map(|due| self.clock.certain(due))
    }

    /// When the master's word ends, if that matters.
    pub(crate) fn next_change(&self) -> Option<u64> {
        (self.kind != Kind::Timed && self.holds).then(|| self.clock.possible(self.until))
    }

    /// Notices that the master's word has ended.
    pub(crate) fn advance(&mut self, now: u64) {
        self.holds = self.is_word_good(now);
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused
    }

    pub(crate) fn is_open(&self) -> bool {
        self.kind == Kind::Open && !self.paused && self.holds
    }

    pub(crate) fn limits_flight(&self) -> bool {
        self.kind == Kind::Permits
    }

    pub(crate) fn is_timed(&self) -> bool {
        self.kind == Kind::Timed
    }

    /// The rate as the master said it last.
    pub(crate) fn rate(&self) -> Rate {
        self.rate
    }

    pub(crate) fn ramp_at(&self, now: u64) -> Option<(Ramp, u64)> {
        let (ramp, end) = self.ramp?;
        let left = end.checked_sub(now)?;
        (left > 0).then_some((ramp, left))
    }

    pub(crate) fn forfeited(&self) -> u64 {
        self.forfeited
    }

    /// How late a slot may be given: what the doubt about the master's clock leaves.
    pub(crate) fn tolerance(&self, now: u64) -> u64 {
        self.tolerance.saturating_sub(self.clock.doubt(now)).max(MILLISECOND)
    }

    /// What was due before, on the master's clock, is over.
    fn over_at(&self, now: u64) -> u64 {
        self.over.max(self.clock.least(now).saturating_sub(self.tolerance(now)))
    }

    fn is_word_good(&self, now: u64) -> bool {
        self.clock.most(now) < self.until
    }

    /// The master's clock is known anew.
    fn look_at(&mut self, clock: ClockReading, now: u64) {
        let (doubtful, before) = (self.tolerance(now) == MILLISECOND, self.clock.least(now));
        self.clock = clock;
        // If little was known of it, what is known now may be far ahead. What became due by that
        // is over: used at once it would exceed the rate.
        let ahead = clock.least(now).saturating_sub(before);
        if doubtful && ahead > 0 {
            let late = self.tolerance(now).saturating_sub(ahead);
            self.over = self.over.max(clock.least(now).saturating_sub(late));
        }
    }
}

/// What a node wants of a throttle at some time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Want {
    /// How many slots those who wait want.
    pub(crate) slots: u64,
    pub(crate) in_flight: u64,
    /// How many were asked for, ever.
    pub(crate) asked: u64,
}
