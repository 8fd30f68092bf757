//! Pure: one span of time with steps or with a spike in it, written out as stages that hold.

use std::time::Duration;

use super::{
    plan::MOST_STAGES,
    stage::{Load, Span, Stage},
};

/// What happens within the time of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It goes from one value to the other in so many equal steps, each held for an equal time; a
    /// single step holds the first value. Steps of users are rounded to whole users, halves up.
    Steps(u32),
    /// It holds the first value, but for a while the other one.
    Spike {
        /// From when, since the stage began.
        at: Duration,
        /// For how long.
        lasts: Duration,
    },
}

impl Phase {
    /// The stages of it; those that take no time are left out.
    ///
    /// # Errors
    /// If it does not fit the stage, with what would.
    pub fn stages(self, stage: &Stage) -> Result<Vec<Stage>, String> {
        let Stage { load, duration } = *stage;
        let span = match load {
            Load::Users(span) | Load::Rate { span, .. } => span,
            Load::Pause => return Err("a pause has no steps and no spike".to_owned()),
        };
        let hold = |value, duration| {
            let load = match load {
                Load::Rate { most_users, .. } => Load::Rate { span: Span::hold(value), most_users },
                _ => Load::Users(Span::hold(value).rounded()),
            };
            Stage { load, duration }
        };
        let mut stages = match self {
            Self::Steps(0) => return Err("0 steps make no sense; 1 is the least".to_owned()),
            Self::Steps(steps) if steps as usize > MOST_STAGES => {
                return Err(format!("{steps} steps are too many; {MOST_STAGES} are the most"));
            }
            Self::Steps(steps) => {
                let border = |step: u32| {
                    let nanos = duration.as_nanos() * u128::from(step) / u128::from(steps);
                    let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
                    Duration::new(seconds as u64, rest as u32)
                };
                let part = |step: u32| f64::from(step) / f64::from(steps.max(2) - 1);
                (0..steps)
                    .map(|step| {
                        let value = span.curve.value_at(span.from, span.to, part(step));
                        hold(value, border(step + 1) - border(step))
                    })
                    .collect()
            }
            Self::Spike { at, lasts } => {
                let ends = at.checked_add(lasts).filter(|ends| *ends <= duration);
                let Some(ends) = ends else {
                    return Err(format!(
                        "the spike ends after the stage: it lasts {} from {}, and the stage {}",
                        humantime::format_duration(lasts),
                        humantime::format_duration(at),
                        humantime::format_duration(duration),
                    ));
                };
                if lasts.is_zero() {
                    return Err("the spike takes no time".to_owned());
                }
                vec![hold(span.from, at), hold(span.to, lasts), hold(span.from, duration - ends)]
            }
        };
        stages.retain(|stage| !stage.duration.is_zero());
        Ok(stages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Curve, Profile};

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn steps_are_equal_in_height_and_in_time() {
        let ramp = Stage::ramp_rate(10.0, 40.0, Curve::Linear, seconds(40));
        let stages = Phase::Steps(4).stages(&ramp).unwrap();
        assert_eq!(stages, [10.0, 20.0, 30.0, 40.0].map(|rate| Stage::rate(rate, seconds(10))));
        assert_eq!(Phase::Steps(1).stages(&ramp).unwrap(), [Stage::rate(10.0, seconds(40))]);
        // i = min(⌊t ÷ D × steps⌋, steps − 1), also where a step takes no whole number of anything.
        let ramp = Stage::ramp_rate(1.0, 7.0, Curve::Linear, seconds(10));
        let profile = Profile::new(Phase::Steps(7).stages(&ramp).unwrap()).unwrap();
        assert_eq!(profile.duration(), seconds(10));
        for tenth in 0..100_u32 {
            let step = (f64::from(tenth) / 100.0 * 7.0).floor().min(6.0);
            let at = Duration::from_millis(u64::from(tenth) * 100);
            assert_eq!(profile.target_rate(at), 1.0 + step, "{at:?}");
        }
    }

    #[test]
    fn steps_of_users_are_whole() {
        let ramp = Stage::ramp_users(0, 10, Curve::Linear, seconds(4));
        let stages = Phase::Steps(4).stages(&ramp).unwrap();
        assert_eq!(stages, [0, 3, 7, 10].map(|users| Stage::users(users, seconds(1))));
    }

    #[test]
    fn a_spike_is_there_from_its_begin_and_gone_at_its_end() {
        let stage = Stage::ramp_rate(5.0, 50.0, Curve::Linear, seconds(30));
        let spike = Phase::Spike { at: seconds(10), lasts: seconds(5) };
        let profile = Profile::new(spike.stages(&stage).unwrap()).unwrap();
        let at = |time| profile.target_rate(Duration::from_millis(time));
        assert_eq!([9_999, 10_000, 14_999, 15_000].map(at), [5.0, 50.0, 50.0, 5.0]);
        assert_eq!((profile.duration(), profile.arrivals()), (seconds(30), 5 * 25 + 250));
        let whole = Phase::Spike { at: Duration::ZERO, lasts: seconds(30) };
        assert_eq!(whole.stages(&stage).unwrap(), [Stage::rate(50.0, seconds(30))]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let stage = Stage::ramp_users(1, 9, Curve::Linear, seconds(30));
        let fault = |phase: Phase, stage: &Stage| phase.stages(stage).unwrap_err();
        let late = Phase::Spike { at: seconds(20), lasts: seconds(11) };
        assert_eq!(
            fault(late, &stage),
            "the spike ends after the stage: it lasts 11s from 20s, and the stage 30s"
        );
        let nothing = Phase::Spike { at: seconds(20), lasts: Duration::ZERO };
        assert_eq!(fault(nothing, &stage), "the spike takes no time");
        assert_eq!(fault(Phase::Steps(0), &stage), "0 steps make no sense; 1 is the least");
        let many = "4000000000 steps are too many; 1000 are the most";
        assert_eq!(fault(Phase::Steps(4_000_000_000), &stage), many);
        let pause = Stage::pause(seconds(1));
        assert_eq!(fault(Phase::Steps(2), &pause), "a pause has no steps and no spike");
    }
}
