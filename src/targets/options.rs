//! How targets are scored and checked. Pure.

use std::{ops::RangeInclusive, time::Duration};

use crowd_core::moment;

use super::score::{Rules, Score};

/// The shortest wait between two rounds of checks, however the jitter falls.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// How targets are scored and checked. The defaults are those of the system this is modelled on:
/// a target that was well survives one failure, is out after two, and after a long outage comes
/// back with the third check that it passes.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetOptions {
    /// The lowest score there is; 0 or less. −3.
    pub low_score: f64,
    /// The highest score there is; 0 or more. 3.
    pub high_score: f64,
    /// The score of a target that nothing is known about, from `low_score` to `high_score`. Below 0
    /// it is out until it has passed a check. 1.
    pub initial_score: f64,
    /// What a success adds to a score; more than 0. 1.
    pub success_delta: f64,
    /// What a failure adds to a score; less than 0. −1.
    pub fail_delta: f64,
    /// From one round of checks to the next. 1 s.
    pub interval: Duration,
    /// How long a single check may take. 100 ms.
    pub timeout: Duration,
    /// From 0 to 1. Above 0 the second round comes at any time within one interval, and each later
    /// one after an interval that is longer or shorter by up to this share: then several nodes do
    /// not check in step. 0.
    pub jitter: f64,
    /// The tiers there are. 0 to 4.
    pub tiers: RangeInclusive<u8>,
    /// The tier of a target of which no check has told another. 0.
    pub initial_tier: u8,
}

impl Default for TargetOptions {
    fn default() -> Self {
        Self {
            low_score: -3.0,
            high_score: 3.0,
            initial_score: 1.0,
            success_delta: 1.0,
            fail_delta: -1.0,
            interval: Duration::from_secs(1),
            timeout: Duration::from_millis(100),
            jitter: 0.0,
            tiers: 0..=4,
            initial_tier: 0,
        }
    }
}

impl TargetOptions {
    /// The rules these options make.
    ///
    /// # Errors
    /// Every fault, as sentences that name the value and say what would be right.
    pub(crate) fn rules(&self) -> Result<Rules, Vec<String>> {
        let mut faults = Vec::new();
        let mut score = |what: &str, value: f64, right: bool, wanted: &str| match Score::of(value) {
            Some(score) if right => Some(score),
            Some(_) => {
                faults.push(format!("the {what} {value} is not {wanted}"));
                None
            }
            None => {
                faults.push(format!("the {what} {value} is no number up to a million"));
                None
            }
        };
        let low = score("low score", self.low_score, self.low_score <= 0.0, "0 or less");
        let high = score("high score", self.high_score, self.high_score >= 0.0, "0 or more");
        let initial = score("initial score", self.initial_score, true, "");
        let success = score(
            "success delta",
            self.success_delta,
            self.success_delta >= Score::FINEST,
            "more than 0 (0.000001 at least)",
        );
        let fail = score(
            "fail delta",
            self.fail_delta,
            self.fail_delta <= -Score::FINEST,
            "less than 0 (-0.000001 at most)",
        );
        if let (Some(low), Some(high), Some(initial)) = (low, high, initial)
            && !(low..=high).contains(&initial)
        {
            faults.push(format!(
                "the initial score {} is not between the low score {} and the high score {}",
                self.initial_score, self.low_score, self.high_score
            ));
        }
        for (what, time) in [("interval", self.interval), ("timeout", self.timeout)] {
            if time.is_zero() {
                faults.push(format!("the {what} is no time at all; give it 1ms or more"));
            }
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            faults.push(format!("the jitter {} is not between 0 and 1", self.jitter));
        }
        let (first, last) = (self.tiers.start(), self.tiers.end());
        if self.tiers.is_empty() {
            faults.push(format!("the tiers {first} to {last} are none; the first comes first"));
        } else if !self.tiers.contains(&self.initial_tier) {
            let tier = self.initial_tier;
            faults
                .push(format!("the initial tier {tier} is not one of the tiers {first} to {last}"));
        }
        match (low, high, initial, success, fail) {
            (Some(low), Some(high), Some(initial), Some(success), Some(fail))
                if faults.is_empty() =>
            {
                Ok(Rules { low, high, initial, success, fail, tier: self.initial_tier })
            }
            _ => Err(faults),
        }
    }

    /// How long after the start of round `round` of the checks, counted from 0, the next one
    /// begins; `luck` is a random number from 0 to 1.
    pub(crate) fn wait(&self, round: u64, luck: f64) -> Duration {
        let share = match round {
            _ if self.jitter == 0.0 => return self.interval,
            0 => luck,
            _ => 1.0 + self.jitter * (2.0 * luck - 1.0),
        };
        moment::times(self.interval, share.clamp(0.0, 2.0)).max(SHORTEST_WAIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_model() {
        let rules = TargetOptions::default().rules().unwrap();
        let scores = [rules.low, rules.high, rules.initial, rules.success, rules.fail];
        assert_eq!(scores.map(Score::value), [-3.0, 3.0, 1.0, 1.0, -1.0]);
        assert_eq!(rules.tier, 0);
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let options = TargetOptions {
            low_score: 2.0,
            high_score: -2.0,
            initial_score: f64::NAN,
            success_delta: -1.0,
            fail_delta: 0.0,
            interval: Duration::ZERO,
            timeout: Duration::ZERO,
            jitter: 1.5,
            tiers: RangeInclusive::new(3, 1),
            initial_tier: 0,
        };
        insta::assert_snapshot!(options.rules().unwrap_err().join("\n"), @r"
        the low score 2 is not 0 or less
        the high score -2 is not 0 or more
        the initial score NaN is no number up to a million
        the success delta -1 is not more than 0 (0.000001 at least)
        the fail delta 0 is not less than 0 (-0.000001 at most)
        the interval is no time at all; give it 1ms or more
        the timeout is no time at all; give it 1ms or more
        the jitter 1.5 is not between 0 and 1
        the tiers 3 to 1 are none; the first comes first
        ");
        let options =
            TargetOptions { initial_score: 4.0, initial_tier: 9, ..TargetOptions::default() };
        insta::assert_snapshot!(options.rules().unwrap_err().join("\n"), @r"
        the initial score 4 is not between the low score -3 and the high score 3
        the initial tier 9 is not one of the tiers 0 to 4
        ");
    }

    /// The model looked at the fields as they were before, so that bad arguments passed.
    #[test]
    fn it_is_the_arguments_that_are_looked_at() {
        for options in [
            TargetOptions { fail_delta: 1.0, ..TargetOptions::default() },
            TargetOptions { success_delta: -1.0, ..TargetOptions::default() },
        ] {
            assert_eq!(options.rules().unwrap_err().len(), 1);
        }
        let good = TargetOptions { low_score: 0.0, high_score: 1.0, ..TargetOptions::default() };
        assert!(good.rules().is_ok());
    }

    #[test]
    fn without_jitter_rounds_come_at_even_intervals() {
        let options = TargetOptions::default();
        for (round, luck) in [(0, 0.0), (0, 1.0), (1, 0.3), (70, 0.9)] {
            assert_eq!(options.wait(round, luck), options.interval);
        }
    }

    #[test]
    fn with_jitter_the_second_round_comes_at_any_time_within_an_interval() {
        let options = TargetOptions { jitter: 0.2, ..TargetOptions::default() };
        let millis = |round, luck| options.wait(round, luck).as_millis();
        assert_eq!([millis(0, 0.0), millis(0, 0.25), millis(0, 1.0)], [1, 250, 1000]);
        assert_eq!([millis(1, 0.0), millis(1, 0.5), millis(9, 1.0)], [800, 1000, 1200]);
        let whole = TargetOptions { jitter: 1.0, ..TargetOptions::default() };
        assert_eq!(whole.wait(1, 0.0), SHORTEST_WAIT);
        assert_eq!(whole.wait(1, 1.0), Duration::from_secs(2));
    }
}
