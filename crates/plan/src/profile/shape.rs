//! Pure: well-known shapes of load, written out as stages.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    curve::Curve,
    stage::{Load, Span, Stage},
};

/// What the values of a shape count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Users at a time.
    #[default]
    Users,
    /// Arrivals a second.
    Rate,
}

/// A well-known shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// From a base up to a peak, which is held, and down again.
    Spike {
        /// Before and after.
        baseline: f64,
        /// At the top.
        peak: f64,
        /// How long the way up takes.
        ramp_up: Duration,
        /// How long the peak is held.
        hold: Duration,
        /// How long the way down takes.
        ramp_down: Duration,
        /// How long the base is held after that.
        recovery: Duration,
    },
    /// Steps of equal height, each held.
    Stairs {
        /// The first step.
        start: f64,
        /// What each further one adds.
        step: f64,
        /// How many steps there are.
        steps: u32,
        /// How long each is held.
        each: Duration,
    },
    /// From nothing up to a value, which is held.
    RampHold {
        /// The value.
        target: f64,
        /// How long the way up takes.
        ramp: Duration,
        /// How long it is held.
        hold: Duration,
    },
}

impl Shape {
    /// The stages of it; those that take no time are left out, and numbers of users are rounded to
    /// whole ones, halves up.
    pub fn stages(&self, metric: Metric) -> Vec<Stage> {
        let span = |span: Span, duration| {
            let load = match metric {
                Metric::Users => Load::Users(span.rounded()),
                Metric::Rate => Load::Rate { span, most_users: 0 },
            };
            Stage { load, duration }
        };
        let ramp = |from, to, duration| span(Span::ramp(from, to, Curve::Linear), duration);
        let hold = |value, duration| span(Span::hold(value), duration);
        let mut stages = match *self {
            Self::Spike { baseline, peak, ramp_up, hold: held, ramp_down, recovery } => vec![
                ramp(baseline, peak, ramp_up),
                hold(peak, held),
                ramp(peak, baseline, ramp_down),
                hold(baseline, recovery),
            ],
            Self::Stairs { start, step, steps, each } => {
                (0..steps).map(|n| hold(start + f64::from(n) * step, each)).collect()
            }
            Self::RampHold { target, ramp: up, hold: held } => {
                vec![ramp(0.0, target, up), hold(target, held)]
            }
        };
        stages.retain(|stage| !stage.duration.is_zero());
        stages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_spike_goes_up_and_down() {
        let spike = Shape::Spike {
            baseline: 5.0,
            peak: 50.0,
            ramp_up: seconds(10),
            hold: seconds(20),
            ramp_down: seconds(5),
            recovery: Duration::ZERO,
        };
        let stages = spike.stages(Metric::Users);
        assert_eq!(
            stages,
            [
                Stage::ramp_users(5, 50, Curve::Linear, seconds(10)),
                Stage::users(50, seconds(20)),
                Stage::ramp_users(50, 5, Curve::Linear, seconds(5)),
            ]
        );
    }

    #[test]
    fn stairs_are_held_steps() {
        let stairs = Shape::Stairs { start: 10.0, step: 5.0, steps: 3, each: seconds(60) };
        let rates = [10.0, 15.0, 20.0].map(|rate| Stage::rate(rate, seconds(60)));
        assert_eq!(stairs.stages(Metric::Rate), rates);
    }

    #[test]
    fn users_are_rounded_and_rates_are_not() {
        let stairs = Shape::Stairs { start: 1.0, step: 1.5, steps: 4, each: seconds(1) };
        let users = [1, 3, 4, 6].map(|count| Stage::users(count, seconds(1)));
        assert_eq!(stairs.stages(Metric::Users), users);
        let rates = [1.0, 2.5, 4.0, 5.5].map(|rate| Stage::rate(rate, seconds(1)));
        assert_eq!(stairs.stages(Metric::Rate), rates);
    }

    #[test]
    fn ramp_and_hold_starts_at_nothing() {
        let shape = Shape::RampHold { target: 8.0, ramp: seconds(4), hold: seconds(6) };
        let stages =
            [Stage::ramp_users(0, 8, Curve::Linear, seconds(4)), Stage::users(8, seconds(6))];
        assert_eq!(shape.stages(Metric::Users), stages);
    }
}
