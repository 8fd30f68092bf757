//! How many a throttle may let through now: what the schedule has released, less what was given.
//!
//! The bound, whatever is asked and however late the clock is looked at: in any time from `s` to
//! `e` no more is given than the schedule releases from `s − tolerance` to `e`, and one. It holds
//! because what is left ungiven never exceeds what was released within the tolerance, and one.

use super::{
    exact::Slots,
    ramp::Ramp,
    rate::{Pace, Rate},
    schedule::Schedule,
};

/// The state of a throttle, without its queue.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    mode: Mode,
    /// Slots up to here are given or gone.
    given: Slots,
    /// What may be given although time stands still: while paused, or while the rate is no rate
    /// over time.
    saved: Slots,
    paused: bool,
    /// What was ready when the queue ran empty, and when that was.
    left: (Slots, u64),
    tolerance: u64,
    /// When the first slot to be given next was due, if the schedule does not know any more.
    first_due: Option<u64>,
    forfeited: Slots,
}

#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there is one per throttle")]
enum Mode {
    Timed(Schedule),
    Unlimited,
    AtOnce(u64),
}

impl Bucket {
    /// A bucket that lets the first one through at once.
    pub(crate) fn new(rate: Rate, tolerance: u64, now: u64) -> Self {
        let mut bucket = Self {
            mode: Mode::Unlimited,
            given: Slots::ZERO,
            saved: Slots::ONE,
            paused: false,
            left: (Slots::ONE, now),
            tolerance,
            first_due: None,
            forfeited: Slots::ZERO,
        };
        bucket.set_mode(rate, now);
        bucket
    }

    /// How many may be given now, if so many are in flight.
    pub(crate) fn available(&self, now: u64, in_flight: u64) -> u64 {
        match &self.mode {
            _ if self.paused => 0,
            Mode::Unlimited => u64::MAX,
            Mode::AtOnce(limit) => limit.saturating_sub(in_flight),
            Mode::Timed(schedule) => schedule.at(now).minus(self.given).whole(),
        }
    }

    /// Gives so many slots, which must be available. The answer is when the first was due: `now`
    /// if the rate has no schedule.
    pub(crate) fn give(&mut self, now: u64, slots: u64) -> u64 {
        let Mode::Timed(schedule) = &self.mode else { return now };
        let first = self.given.plus(Slots::ONE);
        let due = self.first_due.take().or_else(|| schedule.due(first)).unwrap_or(now);
        self.given = self.given.plus_whole(slots);
        due.min(now)
    }

    /// Somebody comes while nobody waits: whatever was saved up while nobody came is one slot, or
    /// none if the rate is zero by now.
    pub(crate) fn first_comes(&mut self, now: u64) {
        let Mode::Timed(schedule) = &self.mode else { return };
        let (left, since) = self.left;
        if schedule.at(now) >= self.given.plus(Slots::ONE) && schedule.rate_at(now) == Rate::ZERO {
            self.given = schedule.at(now);
            return;
        }
        // Who comes back within the tolerance was not idle: it was let through late.
        let keep = if now.saturating_sub(since) <= self.tolerance { left } else { Slots::ONE };
        let keep = keep.max(Slots::ONE).min(self.most(schedule, now));
        self.given = self.given.max(schedule.at(now).minus(keep));
        self.first_due = None;
    }

    /// Nobody waits any more.
    pub(crate) fn last_went(&mut self, now: u64) {
        if let Mode::Timed(schedule) = &self.mode {
            self.left = (schedule.at(now).minus(self.given), now);
        }
    }

    /// Forfeits what was missed by more than the tolerance; to be called before slots are given
    /// to those that wait. The answer is how many whole slots are gone since the last answer.
    pub(crate) fn forfeit(&mut self, now: u64) -> u64 {
        let Mode::Timed(schedule) = &self.mode else { return 0 };
        if self.paused {
            return 0;
        }
        let ready = schedule.at(now).minus(self.given);
        let excess = ready.minus(self.most(schedule, now));
        if excess == Slots::ZERO {
            return 0;
        }
        // The oldest that stays. It is later than the tolerance if it is the only one: who is
        // always late would never be served otherwise.
        self.first_due = schedule.due(self.given.plus_whole(excess.whole()).plus(Slots::ONE));
        self.given = self.given.plus(excess);
        let before = self.forfeited.whole();
        self.forfeited = self.forfeited.plus(excess);
        self.forfeited.whole() - before
    }

    /// The most slots that may be ready: one, and those of the tolerance.
    fn most(&self, schedule: &Schedule, now: u64) -> Slots {
        let before = schedule.at(now.saturating_sub(self.tolerance));
        schedule.at(now).minus(before).plus(Slots::ONE)
    }

    /// When the slot after the next `reserved` ones is due, if time alone can bring it.
    pub(crate) fn next_due(&self, reserved: u64) -> Option<u64> {
        match &self.mode {
            Mode::Timed(schedule) if !self.paused => {
                schedule.due(self.given.plus_whole(reserved).plus(Slots::ONE))
            }
            _ => None,
        }
    }

    /// When the next step of a ramp begins, or a ramp ends.
    pub(crate) fn next_change(&self) -> Option<u64> {
        match &self.mode {
            Mode::Timed(schedule) => schedule.next_change(),
            _ => None,
        }
    }

    /// Moves a ramp on; the rate, if it is another than before.
    pub(crate) fn advance(&mut self, now: u64) -> Option<Rate> {
        match &mut self.mode {
            Mode::Timed(schedule) => schedule.advance(now).then(|| schedule.rate_at(now)),
            _ => None,
        }
    }

    /// Changes the rate, paused or not. Give what is due first. The part of a slot that has grown
    /// goes on growing, but a slot that lies ready is not taken over: after a change to `every
    /// 30s` the next one comes in 30 s at the latest, and not at once.
    pub(crate) fn set_rate(&mut self, rate: Rate, now: u64) {
        self.leave_mode(now);
        self.set_mode(rate, now);
    }

    /// Starts a ramp, paused or not. Give what is due first.
    pub(crate) fn set_ramp(&mut self, ramp: Ramp, now: u64) {
        self.leave_mode(now);
        self.mode = Mode::Timed(Schedule::ramp(now, self.given.plus(self.saved), ramp));
    }

    /// Stands still. Says whether it did not already.
    pub(crate) fn pause(&mut self, now: u64) -> bool {
        if self.paused {
            return false;
        }
        self.save(now);
        self.paused = true;
        true
    }

    /// Goes on where it stood, with one slot at most. Says whether it stood.
    pub(crate) fn resume(&mut self, now: u64) -> bool {
        if !self.paused {
            return false;
        }
        self.paused = false;
        if let Mode::Timed(schedule) = &self.mode {
            // What the schedule released meanwhile is gone, and no place is given twice.
            self.given = schedule.at(now).minus(self.saved).max(self.given);
            self.first_due = None;
        }
        true
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether everybody passes at once.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.mode, Mode::Unlimited) && !self.paused
    }

    /// Whether the end of something in flight may let somebody through.
    pub(crate) fn limits_flight(&self) -> bool {
        matches!(self.mode, Mode::AtOnce(_))
    }

    /// Whether slots are due at times.
    pub(crate) fn is_timed(&self) -> bool {
        matches!(self.mode, Mode::Timed(_))
    }

    /// The rate now; on a continuous ramp rounded for people.
    pub(crate) fn rate_at(&self, now: u64) -> Rate {
        match &self.mode {
            Mode::Timed(schedule) => schedule.rate_at(now),
            Mode::Unlimited => Rate::UNLIMITED,
            Mode::AtOnce(limit) => Rate::at_once(*limit),
        }
    }

    /// The ramp under way and the nanoseconds left of it.
    pub(crate) fn ramp_at(&self, now: u64) -> Option<(Ramp, u64)> {
        match &self.mode {
            Mode::Timed(schedule) => schedule.ramp_at(now),
            _ => None,
        }
    }

    /// How many slots were forfeited, ever; parts of slots add up.
    pub(crate) fn forfeited(&self) -> u64 {
        self.forfeited.whole()
    }

    /// Keeps the part of a slot that has grown, so that frequent changes neither lose nor win.
    fn save(&mut self, now: u64) {
        self.saved = match &self.mode {
            Mode::Timed(schedule) => schedule.at(now).minus(self.given).min(Slots::ONE),
            Mode::Unlimited | Mode::AtOnce(_) => Slots::ONE,
        };
    }

    fn leave_mode(&mut self, now: u64) {
        if !self.paused {
            self.save(now);
        }
        if self.saved >= Slots::ONE {
            self.saved = Slots::ZERO;
        }
        self.left = (Slots::ZERO, now);
        self.first_due = None;
    }

    fn set_mode(&mut self, rate: Rate, now: u64) {
        self.mode = match rate.pace() {
            Pace::Unlimited => Mode::Unlimited,
            Pace::AtOnce(limit) => Mode::AtOnce(limit),
            Pace::Timed { count, interval } => {
                Mode::Timed(Schedule::flat(now, self.given.plus(self.saved), count, interval))
            }
        };
    }
}

#[cfg(test)]
mod tests;
