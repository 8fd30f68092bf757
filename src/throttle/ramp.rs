//! Gradual changes of a rate.

use std::{fmt, time::Duration};

use crowd_core::refusal::{Code, Refusal};

use super::{
    exact::{Slots, floor_sum, gcd, mul_div_rem},
    rate::{Pace, Rate},
};

/// A gradual change of a rate: from one to another over a time, continuously or in steps.
///
/// In steps (amoc's way) the rate takes `steps + 1` values: `from` at once, `to` at the end, and
/// between them the straight line, rounded to whole numbers per minute, halves away from zero. If
/// one of the ends is no whole number per minute, to whole numbers per the ends' common interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ramp {
    from: Rate,
    to: Rate,
    over: Duration,
    steps: Option<u32>,
    line: Line,
}

impl Ramp {
    /// A ramp. `steps: None` is a continuous one.
    ///
    /// # Errors
    /// If an end is `unlimited` or `… at once`, if it takes no time or more than 30 years, if it
    /// has no steps, or if the ends are too fast or too odd to be computed exactly together.
    pub fn new(
        from: Rate,
        to: Rate,
        over: Duration,
        steps: Option<u32>,
    ) -> Result<Self, RampError> {
        let ends = (timed_end(from)?, timed_end(to)?);
        if over.is_zero() {
            return Err(RampError::NoTime);
        }
        let nanos = u64::try_from(over.as_nanos())
            .ok()
            .filter(|&nanos| nanos <= MAX_NANOS)
            .ok_or(RampError::TooLong(over))?;
        if steps == Some(0) {
            return Err(RampError::NoSteps);
        }
        let line = Line::new(ends, nanos, steps).ok_or(RampError::NoCommonInterval { from, to })?;
        Ok(Self { from, to, over, steps, line })
    }

    /// The rate at the start.
    pub fn from(&self) -> Rate {
        self.from
    }

    /// The rate at the end and from then on.
    pub fn to(&self) -> Rate {
        self.to
    }

    /// How long it takes.
    pub fn over(&self) -> Duration {
        self.over
    }

    /// In how many steps, unless it is continuous.
    pub fn steps(&self) -> Option<u32> {
        self.steps
    }

    pub(crate) fn line(&self) -> Line {
        self.line
    }
}

impl fmt::Display for Ramp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over = humantime::format_duration(self.over);
        write!(f, "{} to {} over {over}", self.from, self.to)?;
        match self.steps {
            Some(1) => f.write_str(" in 1 step"),
            Some(steps) => write!(f, " in {steps} steps"),
            None => Ok(()),
        }
    }
}

/// Thirty years, near enough: what keeps the squares of times within 128 bits.
const MAX_NANOS: u64 = 1 << 60;

fn timed_end(rate: Rate) -> Result<(u64, u64), RampError> {
    match rate.pace() {
        Pace::Timed { count, interval } => Ok((count, interval)),
        Pace::Unlimited | Pace::AtOnce(_) => Err(RampError::NoRate(rate)),
    }
}

/// A ramp that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RampError {
    /// An end is no rate over time.
    #[error("a ramp cannot start or end at `{0}`: both ends must be so many per time, or 0")]
    NoRate(Rate),
    /// It takes no time.
    #[error("a ramp must take some time; to change the rate at once, set it")]
    NoTime,
    /// It takes too long.
    #[error("a ramp over {} is too long: at most 30 years", humantime::format_duration(*.0))]
    TooLong(Duration),
    /// It has no steps.
    #[error("a ramp in steps needs at least 1 step")]
    NoSteps,
    /// The ends cannot be put over one interval.
    #[error(
        "cannot ramp exactly from {from} to {to}: their intervals have no common multiple, or \
             one is too fast; choose rounder rates"
    )]
    NoCommonInterval {
        /// One end.
        from: Rate,
        /// The other.
        to: Rate,
    },
}

impl From<RampError> for Refusal {
    fn from(error: RampError) -> Self {
        Self::new(Code::InvalidThrottle, error.to_string())
    }
}

/// A ramp as numbers: the rate goes from `from ÷ interval` to `to ÷ interval` (per nanosecond)
/// in `over` nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    from: u64,
    to: u64,
    interval: u64,
    over: u64,
    steps: Option<u32>,
}

/// The part of a stepped ramp over which the rate stands still. Times count from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) index: u32,
    pub(crate) start: u64,
    /// First moment of the next step.
    pub(crate) end: u64,
    /// What was released before it.
    pub(crate) base: Slots,
    pub(crate) count: u64,
}

impl Line {
    fn new(ends: ((u64, u64), (u64, u64)), over: u64, steps: Option<u32>) -> Option<Self> {
        let ((from, from_interval), (to, to_interval)) = ends;
        let per_minute = steps.and_then(|_| {
            let from = Rate::whole_per_minute(from, from_interval)?;
            Some((from, Rate::whole_per_minute(to, to_interval)?, u128::from(Rate::MINUTE)))
        });
        let (from, to, interval) = match per_minute {
            Some(line) => line,
            None => {
                let (a, b) = (u128::from(from_interval), u128::from(to_interval));
                let common = a / gcd(a, b) * b;
                (u128::from(from) * (common / a), u128::from(to).checked_mul(common / b)?, common)
            }
        };
        let small = |value: u128| u64::try_from(value).ok().filter(|&value| value <= 1 << 63);
        let interval = u64::try_from(interval).ok()?;
        Some(Self { from: small(from)?, to: small(to)?, interval, over, steps })
    }

    pub(crate) fn over(&self) -> u64 {
        self.over
    }

    pub(crate) fn interval(&self) -> u64 {
        self.interval
    }

    pub(crate) fn end_count(&self) -> u64 {
        self.to
    }

    pub(crate) fn steps(&self) -> Option<u32> {
        self.steps
    }

    /// The rate at `time`, exact in steps, rounded for people on a continuous line.
    pub(crate) fn rate_at(&self, time: u64) -> Rate {
        match self.steps {
            Some(steps) => {
                Rate::timed(self.count_of(self.index_at(steps, time), steps), self.interval)
            }
            None => {
                let (time, over) = (u128::from(time.min(self.over)), u128::from(self.over));
                let (from, to) = (u128::from(self.from), u128::from(self.to));
                // A mean of the ends, weighed by time: no difference that could be negative.
                let weighed = from * (over - time) + to * time;
                Rate::rounded(weighed, over * u128::from(self.interval))
            }
        }
    }

    /// What is released from the start until `time`, which is within the ramp.
    pub(crate) fn area(&self, time: u64) -> Slots {
        match self.steps {
            Some(steps) => {
                let step = self.step(self.index_at(steps, time), steps);
                step.base.plus(self.flat(step.count, time - step.start))
            }
            None => {
                let (time, over) = (u128::from(time), u128::from(self.over));
                let (from, to) = (u128::from(self.from), u128::from(self.to));
                // Twice the mean rate until `time`, times `over`.
                let doubled = from * (2 * over - time) + to * time;
                Slots::ratio(doubled, time, 2 * over * u128::from(self.interval))
            }
        }
    }

    pub(crate) fn flat(&self, count: u64, time: u64) -> Slots {
        Slots::ratio(u128::from(count), u128::from(time), u128::from(self.interval))
    }

    /// The earliest time within the ramp when `slots` are released; `None` if that is later.
    pub(crate) fn reaches(&self, slots: Slots) -> Option<u64> {
        if self.area(self.over) < slots {
            return None;
        }
        match self.steps {
            Some(steps) => {
                // The last step that begins with less than `slots`.
                let (mut low, mut high) = (0, steps);
                while high - low > 1 {
                    let middle = low + (high - low) / 2;
                    if self.step(middle, steps).base < slots { low = middle } else { high = middle }
                }
                let step = self.step(low, steps);
                let after = slots.minus(step.base).least_factor(step.count, self.interval);
                Some(
                    after
                        .map_or(step.end, |after| (step.start.saturating_add(after)).min(step.end)),
                )
            }
            None => Some(self.search(slots, self.estimate(slots))),
        }
    }

    /// The step at `time`.
    pub(crate) fn step_at(&self, steps: u32, time: u64) -> Step {
        self.step(self.index_at(steps, time), steps)
    }

    fn index_at(&self, steps: u32, time: u64) -> u32 {
        // Not more than `steps`, because the time is cut to the ramp's.
        let time = u128::from(time.min(self.over));
        (time * u128::from(steps) / u128::from(self.over)) as u32
    }

    fn step(&self, index: u32, steps: u32) -> Step {
        let (k, n, over) = (u128::from(index), u128::from(steps), u128::from(self.over));
        let start = (k * over).div_ceil(n);
        // Steps begin at whole nanoseconds; the area is that of steps of exactly equal length.
        let (whole, rest) = mul_div_rem(self.sum_before(k, n), over, n * u128::from(self.interval));
        let divisor = n * u128::from(self.interval);
        let count = self.count_of(index, steps);
        let rest = rest + u128::from(count) * (start * n - k * over);
        Step {
            index,
            start: start as u64,
            end: ((k + 1) * over).div_ceil(n) as u64,
            base: Slots::from_parts(whole.saturating_add(rest / divisor), rest % divisor, divisor),
            count,
        }
    }

    /// amoc's rounding: the line at `index`, halves away from zero.
    fn count_of(&self, index: u32, steps: u32) -> u64 {
        let (k, n) = (u128::from(index), u128::from(steps));
        let distance = u128::from(self.from.abs_diff(self.to));
        let gone = ((2 * distance * k + n) / (2 * n)) as u64;
        if self.from <= self.to { self.from + gone } else { self.from - gone }
    }

    /// The sum of the counts of the steps before `k`.
    fn sum_before(&self, k: u128, n: u128) -> u128 {
        let distance = u128::from(self.from.abs_diff(self.to));
        let gone = floor_sum(k, 2 * n, 2 * distance, n);
        let level = k * u128::from(self.from);
        if self.from <= self.to { level + gone } else { level - gone }
    }

    /// About when a continuous ramp has released `slots`: the root of a quadratic.
    fn estimate(&self, slots: Slots) -> u64 {
        let (over, interval) = (self.over as f64, self.interval as f64);
        let (from, to) = (self.from as f64 / interval, self.to as f64 / interval);
        let slots = slots.to_f64();
        let root = (from * from + 2.0 * (to - from) / over * slots).max(0.0).sqrt();
        let time = 2.0 * slots / (from + root);
        // A float that is no time becomes 0 or the greatest, and the search goes on from there.
        (time as u64).min(self.over)
    }

    /// The exact answer, searched from an estimate that is almost always right to a nanosecond.
    fn search(&self, slots: Slots, estimate: u64) -> u64 {
        let enough = |time: u64| self.area(time) >= slots;
        let (mut low, mut high) = (estimate, estimate);
        let mut stride = 1;
        // Afterwards: `low` is 0 or not enough, `high` is enough.
        while low > 0 && enough(low) {
            high = low;
            low = low.saturating_sub(stride);
            stride *= 2;
        }
        stride = 1;
        while !enough(high) {
            low = high;
            high = high.saturating_add(stride).min(self.over);
            stride = stride.saturating_mul(2);
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if enough(middle) { high = middle } else { low = middle + 1 }
        }
        high
    }
}

#[cfg(test)]
mod tests;
