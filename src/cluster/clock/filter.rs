//! What is known of another node's clock from messages that went there and back.
//!
//! A probe leaves at `sent`, arrives at `arrived` on the other clock, is answered at `answered`,
//! and the answer is back at `back`. Whatever took long on the way: when it was sent the other
//! clock showed no more than `arrived`, and when it was back no less than `answered`. Two probes
//! also tell how fast the other clock runs. So a good round trip says much for a long time, and
//! those are kept that say most now. Until round trips say otherwise, the speed is taken for a
//! usual one.

use std::collections::VecDeque;

use super::{ClockReading, speed::Speed};

/// How many round trips are kept.
const KEPT: usize = 32;

/// How much the speed of a clock may change, in parts in a million: how far its mean over one time
/// may be from that over another.
const WANDER_PPM: i128 = 100;

/// If so much is not known, in nanoseconds, for the age of what is, it is worth a probe.
const WORTH_A_PROBE: u64 = 500_000;

/// Times are whole nanoseconds, on both clocks.
const ROUNDING: i128 = 2;

/// The round trips to one node that say most.
#[derive(Debug, Clone)]
pub(crate) struct ClockFilter {
    /// In the order in which they came back.
    samples: VecDeque<Sample>,
    /// Also by round trips that are not kept.
    seen: Seen,
    slowest: Speed,
    fastest: Speed,
    /// The last round trip, kept or not.
    round_trip: u64,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    sent: i128,
    arrived: i128,
    answered: i128,
    back: i128,
    round_trip: u64,
}

/// How fast the other clock ran at the least and at the most, as pairs of round trips tell.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    least: Option<Speed>,
    most: Option<Speed>,
}

impl Seen {
    fn and(self, other: Self) -> Self {
        let most = self.most.into_iter().chain(other.most).min();
        Self { least: self.least.max(other.least), most }
    }
}

impl Sample {
    /// How fast the other clock ran between that round trip and this one.
    fn speed_since(&self, former: &Self) -> Seen {
        Seen {
            least: Speed::of(self.answered - former.arrived, self.back - former.sent),
            most: Speed::of(self.arrived - former.answered, self.sent - former.back),
        }
    }
}

impl Default for ClockFilter {
    fn default() -> Self {
        Self {
            samples: VecDeque::new(),
            seen: Seen::default(),
            slowest: Speed::USUAL[0],
            fastest: Speed::USUAL[1],
            round_trip: 0,
        }
    }
}

impl ClockFilter {
    /// A probe came back. All times in nanoseconds: `sent` and `back` on our clock, `arrived` and
    /// `answered` on the other. Times that cannot be are ignored.
    pub(crate) fn sample(&mut self, sent: u64, arrived: u64, answered: u64, back: u64) {
        let (Some(away), Some(held)) = (back.checked_sub(sent), answered.checked_sub(arrived))
        else {
            return;
        };
        // Held a little longer than away: the clocks run at different speeds, and the way was short.
        if held > away.saturating_add(away / 8).saturating_add(1) {
            return;
        }
        self.round_trip = away.saturating_sub(held);
        self.samples.push_back(Sample {
            sent: sent.into(),
            arrived: i128::from(arrived) + ROUNDING,
            answered: i128::from(answered) - ROUNDING,
            back: back.into(),
            round_trip: self.round_trip,
        });
        self.learn(back.into());
        if self.samples.len() > KEPT {
            self.drop_worst(back.into());
        }
    }

    /// How many round trips are known, at most [`KEPT`].
    pub(crate) fn samples(&self) -> usize {
        self.samples.len()
    }

    /// The best that is known at `now`, on our clock.
    pub(crate) fn reading(&self, now: u64) -> Option<ClockReading> {
        let (least, most) = self.bounds(now.into())?;
        let error = (most - least).max(0) / 2 + 1;
        Some(ClockReading {
            at: now,
            offset: i64::try_from((least + most).div_euclid(2) - i128::from(now)).ok()?,
            error: u64::try_from(error).ok()?,
            slowest: self.slowest,
            fastest: self.fastest,
            round_trip: self.round_trip,
        })
    }

    /// Whether another probe would tell more: much of what is not known comes from its age.
    pub(crate) fn is_stale(&self, now: u64) -> bool {
        let best = self.samples.iter().map(|sample| sample.round_trip).min();
        self.reading(now)
            .zip(best)
            .is_some_and(|(reading, best)| reading.error > (best / 2).saturating_add(WORTH_A_PROBE))
    }

    /// What the other clock shows at least and at most.
    fn bounds(&self, now: i128) -> Option<(i128, i128)> {
        let samples = || self.samples.iter();
        let least = samples().map(|one| one.answered + self.slowest.pass(now - one.back)).max()?;
        let most = samples().map(|one| one.arrived - self.fastest.pass(one.sent - now)).min()?;
        Some((least, most))
    }

    /// Finds how fast the other clock runs, a round trip having been added. If no speed explains
    /// all of them it has changed: what was seen before says nothing more.
    fn learn(&mut self, now: i128) {
        let Some((&new, former)) = self.samples.make_contiguous().split_last() else { return };
        self.seen = former.iter().fold(self.seen, |seen, former| seen.and(new.speed_since(former)));
        while ![Speed::USUAL, Speed::ANY].into_iter().any(|range| self.explains(range, now))
            && self.samples.len() > 1
        {
            self.samples.drain(..self.samples.len() / 2);
            let kept = self.samples.make_contiguous();
            self.seen = Seen::default();
            for (index, later) in kept.iter().enumerate() {
                let pairs = kept[..index].iter().map(|former| later.speed_since(former));
                self.seen = pairs.fold(self.seen, Seen::and);
            }
        }
    }

    /// Takes for the speed what was seen of it within a range, and whether that explains all.
    fn explains(&mut self, range: [Speed; 2], now: i128) -> bool {
        let least = self.seen.least.unwrap_or(range[0]);
        let most = self.seen.most.unwrap_or(range[1]);
        self.slowest = least.max(range[0]).plus_ppm(-WANDER_PPM);
        self.fastest = most.min(range[1]).plus_ppm(WANDER_PPM);
        least <= range[1]
            && most >= range[0]
            && least.plus_ppm(-WANDER_PPM) <= most
            && self.bounds(now).is_none_or(|(least, most)| least <= most)
    }

    /// Drops the round trip that says least: half of it, and what the speed may have changed since.
    fn drop_worst(&mut self, now: i128) {
        let error = |sample: &Sample| {
            i128::from(sample.round_trip / 2) + (now - sample.back) * WANDER_PPM / 1_000_000
        };
        let all = self.samples.iter().enumerate();
        if let Some((worst, _)) = all.max_by_key(|(_, sample)| error(sample)) {
            self.samples.remove(worst);
        }
    }
}

#[cfg(test)]
mod tests;
