//! Pure: how another node's clock stands to ours, from messages that went there and back.
//!
//! A probe leaves at `t0`, arrives at `t1` on the other clock, is answered at `t2`, and the answer
//! is back at `t3`. Wherever the time on the way was spent, the true offset is at most half of it
//! away from the middle; so the shortest of the last round trips says most.

use std::collections::VecDeque;

use super::member::ClockReading;

/// How many round trips are kept.
const KEPT: usize = 32;

/// How fast two clocks may drift apart: one nanosecond in so many (100 ppm).
const DRIFT: u64 = 10_000;

/// The last round trips to one node.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClockFilter {
    samples: VecDeque<Sample>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    sent: u64,
    offset: i64,
    round_trip: u64,
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
        let round_trip = away.saturating_sub(held);
        if held > away + away / DRIFT + 1 {
            return;
        }
        let forth = i128::from(arrived) - i128::from(sent);
        let home = i128::from(answered) - i128::from(back);
        let Ok(offset) = i64::try_from((forth + home) / 2) else { return };
        if self.samples.len() == KEPT {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample { sent, offset, round_trip });
    }

    /// How many round trips are known, at most [`KEPT`].
    pub(crate) fn samples(&self) -> usize {
        self.samples.len()
    }

    /// The best that is known at `now`, on our clock.
    pub(crate) fn reading(&self, now: u64) -> Option<ClockReading> {
        let last = self.samples.back()?;
        let best = self.samples.iter().min_by_key(|sample| error(sample, now))?;
        Some(ClockReading {
            offset: best.offset,
            error: error(best, now),
            round_trip: last.round_trip,
        })
    }
}

/// Half the way, the rounding, and what the clocks may have drifted apart since it was sent.
fn error(sample: &Sample, now: u64) -> u64 {
    (sample.round_trip / 2)
        .saturating_add(2)
        .saturating_add(now.saturating_sub(sample.sent) / DRIFT)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// The other clock at the true time `at`: off by `offset`, and faster by so many ppm.
    fn theirs(at: u64, offset: i64, ppm: i64) -> u64 {
        let drifted = i128::from(at) + i128::from(at) * i128::from(ppm) / 1_000_000;
        u64::try_from(drifted + i128::from(offset)).unwrap()
    }

    proptest! {
        /// However long the way takes in either direction, however long the answer is held, and
        /// whatever the clocks' speed within bounds: the true offset lies within the stated error.
        #[test]
        fn the_true_offset_lies_within_the_stated_error(
            offset in -1_000_000 * 1_000_000_000_i64..1_000_000 * 1_000_000_000,
            ppm in -99..=99_i64,
            trips in prop::collection::vec((0..SECOND, 0..SECOND, 0..SECOND, 0..SECOND), 1..60),
            later in 0..100 * SECOND,
        ) {
            let mut filter = ClockFilter::default();
            let mut now = 2_000_000 * SECOND;
            for (pause, forth, held, home) in trips {
                let sent = now + pause;
                let (arrived, answered) = (sent + forth, sent + forth + held);
                now = answered + home;
                filter.sample(
                    sent,
                    theirs(arrived, offset, ppm),
                    theirs(answered, offset, ppm),
                    now,
                );
            }
            let now = now + later;
            let reading = filter.reading(now).unwrap();
            let truth = i128::from(theirs(now, offset, ppm)) - i128::from(now);
            let off = (truth - i128::from(reading.offset)).unsigned_abs();
            prop_assert!(off <= u128::from(reading.error), "{off} > {}", reading.error);
        }

        #[test]
        fn nonsense_is_harmless(times in prop::collection::vec(any::<[u64; 4]>(), 0..50), now: u64) {
            let mut filter = ClockFilter::default();
            for [sent, arrived, answered, back] in times {
                filter.sample(sent, arrived, answered, back);
            }
            let _ = filter.reading(now);
        }
    }

    #[test]
    fn the_shortest_round_trip_is_believed_until_it_is_old() {
        let mut filter = ClockFilter::default();
        assert_eq!(filter.reading(0), None);
        filter.sample(0, 1_100, 1_100, 200);
        filter.sample(1_000, 2_800, 2_800, 2_000);
        let reading = filter.reading(2_000).unwrap();
        assert_eq!((reading.offset, reading.round_trip), (1_000, 1_000));
        for _ in 0..KEPT {
            filter.sample(3_000, 5_000, 5_000, 5_000);
        }
        assert_eq!(filter.reading(5_000).unwrap().offset, 1_000);
        assert_eq!(filter.samples(), KEPT);
        assert_eq!(filter.reading(5_000).unwrap().error, 1_002);
    }
}
