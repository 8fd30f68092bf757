//! What a rate, or a ramp between rates, has released by a time, and when it releases the next.
//!
//! Times are nanoseconds on the throttle's clock. The answer is always computed from the last
//! change, never summed up tick by tick, so that neither rounding nor frequent asking matters.

use super::{
    exact::Slots,
    ramp::{Ramp, Step},
    rate::Rate,
};

/// The slots released since a throttle began.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    since: u64,
    base: Slots,
    course: Course,
}

#[derive(Debug, Clone)]
enum Course {
    Flat {
        count: u64,
        interval: u64,
    },
    /// Also when it is over: what was due just before its end must stay known.
    Ramp {
        ramp: Ramp,
        /// All it releases.
        total: Slots,
        /// The step of the last look, kept because the next look is most often at it again.
        step: Option<Step>,
        over: bool,
    },
}

impl Schedule {
    /// A schedule that has released `base` at time `now`.
    pub(crate) fn flat(now: u64, base: Slots, count: u64, interval: u64) -> Self {
        Self { since: now, base, course: Course::Flat { count, interval } }
    }

    /// A schedule on a ramp that begins now.
    pub(crate) fn ramp(now: u64, base: Slots, ramp: Ramp) -> Self {
        let total = ramp.line().area(ramp.line().over());
        let mut schedule = Self {
            since: now,
            base,
            course: Course::Ramp { ramp, total, step: None, over: false },
        };
        schedule.advance(now);
        schedule
    }

    /// Everything released until `time`. Before the last change that is what it began with.
    pub(crate) fn at(&self, time: u64) -> Slots {
        let time = time.saturating_sub(self.since);
        let released = match &self.course {
            Course::Flat { count, interval } => {
                Slots::ratio(u128::from(*count), u128::from(time), u128::from(*interval))
            }
            Course::Ramp { ramp, total, step, .. } => {
                let line = ramp.line();
                match step {
                    _ if time >= line.over() => {
                        total.plus(line.flat(line.end_count(), time - line.over()))
                    }
                    Some(step) if (step.start..step.end).contains(&time) => {
                        step.base.plus(line.flat(step.count, time - step.start))
                    }
                    _ => line.area(time),
                }
            }
        };
        self.base.plus(released)
    }

    /// The earliest time at which `slots` are released; `None` if never.
    pub(crate) fn due(&self, slots: Slots) -> Option<u64> {
        let wanted = slots.minus(self.base);
        let after = match &self.course {
            Course::Flat { count, interval } => wanted.least_factor(*count, *interval)?,
            Course::Ramp { ramp, total, step, .. } => {
                let line = ramp.line();
                let in_step = step.as_ref().and_then(|step| {
                    let more = wanted.minus(step.base);
                    let after = more.least_factor(step.count, line.interval())?;
                    let time = step.start.checked_add(after)?;
                    (wanted > step.base && time < step.end).then_some(time)
                });
                if let Some(time) = in_step {
                    time
                } else if wanted <= *total {
                    line.reaches(wanted)?
                } else {
                    let more = wanted.minus(*total);
                    let after = more.least_factor(line.end_count(), line.interval())?;
                    line.over().checked_add(after)?
                }
            }
        };
        self.since.checked_add(after)
    }

    /// Moves on to `now`. Says whether the rate is another than at the last call: a step was
    /// passed, or the ramp ended.
    pub(crate) fn advance(&mut self, now: u64) -> bool {
        let time = now.saturating_sub(self.since);
        let Course::Ramp { ramp, step, over, .. } = &mut self.course else { return false };
        let line = ramp.line();
        if time >= line.over() {
            *step = None;
            return !std::mem::replace(over, true);
        }
        let Some(steps) = line.steps() else { return false };
        if step.as_ref().is_some_and(|step| (step.start..step.end).contains(&time)) {
            return false;
        }
        step.replace(line.step_at(steps, time)).is_some()
    }

    /// When the next step of a ramp begins, or a continuous one ends.
    pub(crate) fn next_change(&self) -> Option<u64> {
        let Course::Ramp { ramp, step, over: false, .. } = &self.course else { return None };
        let end = step.as_ref().map_or(ramp.line().over(), |step| step.end);
        Some(self.since.saturating_add(end))
    }

    /// The rate at a time; on a continuous ramp rounded for people.
    pub(crate) fn rate_at(&self, time: u64) -> Rate {
        match &self.course {
            Course::Flat { count, interval } => Rate::timed(*count, *interval),
            Course::Ramp { ramp, .. } => {
                let time = time.saturating_sub(self.since);
                if time < ramp.line().over() { ramp.line().rate_at(time) } else { ramp.to() }
            }
        }
    }

    /// The ramp under way, and how many nanoseconds are left of it.
    pub(crate) fn ramp_at(&self, time: u64) -> Option<(Ramp, u64)> {
        let Course::Ramp { ramp, .. } = &self.course else { return None };
        let left = ramp.line().over().checked_sub(time.saturating_sub(self.since))?;
        (left > 0).then_some((*ramp, left))
    }
}

#[cfg(test)]
mod tests;
