//! Pure: one stage of a load profile.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::curve::Curve;

/// One stage: a load that is held, or goes from one value to another, for a time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// What is held or ramped.
    pub load: Load,
    /// How long it takes.
    pub duration: Duration,
}

/// What a stage holds or ramps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Load {
    /// Closed load: so many users run at a time; those that end are replaced.
    Users(Span),
    /// Open load: so many arrivals a second, whatever became of those before.
    Rate {
        /// Arrivals per second.
        span: Span,
        /// How many users may serve them at once; 0: as many as it takes.
        most_users: u64,
    },
    /// Nobody.
    Pause,
}

/// A value that is held, or goes along a curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// At the start.
    pub from: f64,
    /// At the end; the same as at the start if it is held.
    pub to: f64,
    /// On the way.
    pub curve: Curve,
}

impl Span {
    /// A value that is held.
    pub const fn hold(value: f64) -> Self {
        Self { from: value, to: value, curve: Curve::Linear }
    }

    /// A value that changes.
    pub const fn ramp(from: f64, to: f64, curve: Curve) -> Self {
        Self { from, to, curve }
    }

    /// Both ends as whole numbers, halves rounded up.
    pub(super) fn rounded(self) -> Self {
        let whole = |value: f64| (value + 0.5).floor();
        Self { from: whole(self.from), to: whole(self.to), curve: self.curve }
    }

    /// The higher end.
    pub fn peak(&self) -> f64 {
        self.from.max(self.to)
    }

    fn at(&self, progress: f64) -> f64 {
        self.curve.value_at(self.from, self.to, progress)
    }
}

impl Stage {
    /// So many users, held.
    pub const fn users(count: u64, duration: Duration) -> Self {
        Self { load: Load::Users(Span::hold(count as f64)), duration }
    }

    /// From so many users to so many.
    pub const fn ramp_users(from: u64, to: u64, curve: Curve, duration: Duration) -> Self {
        Self { load: Load::Users(Span::ramp(from as f64, to as f64, curve)), duration }
    }

    /// So many arrivals a second.
    pub const fn rate(per_second: f64, duration: Duration) -> Self {
        Self { load: Load::Rate { span: Span::hold(per_second), most_users: 0 }, duration }
    }

    /// From so many arrivals a second to so many.
    pub const fn ramp_rate(from: f64, to: f64, curve: Curve, duration: Duration) -> Self {
        Self { load: Load::Rate { span: Span::ramp(from, to, curve), most_users: 0 }, duration }
    }

    /// Nobody for a while.
    pub const fn pause(duration: Duration) -> Self {
        Self { load: Load::Pause, duration }
    }

    /// The same stage; what does not change has no curve.
    pub(super) fn normal(mut self) -> Self {
        match &mut self.load {
            Load::Users(span) | Load::Rate { span, .. } if span.from == span.to => {
                span.curve = Curve::Linear;
            }
            _ => {}
        }
        self
    }

    /// How far it is after this time, from 0 to 1. A stage without duration is over.
    fn progress(&self, elapsed: Duration) -> f64 {
        if self.duration.is_zero() {
            return 1.0;
        }
        (elapsed.as_secs_f64() / self.duration.as_secs_f64()).min(1.0)
    }

    /// How many users are to run after this time, halves rounded up; 0 but in a stage of users.
    pub fn target_users(&self, elapsed: Duration) -> u64 {
        match &self.load {
            Load::Users(span) => (span.at(self.progress(elapsed)) + 0.5).floor() as u64,
            Load::Rate { .. } | Load::Pause => 0,
        }
    }

    /// How many arrivals a second there are to be at this time; 0 but in a stage of a rate.
    pub fn target_rate(&self, elapsed: Duration) -> f64 {
        match &self.load {
            Load::Rate { span, .. } => span.at(self.progress(elapsed)),
            Load::Users(_) | Load::Pause => 0.0,
        }
    }

    /// The most users it asks for.
    pub fn peak_users(&self) -> u64 {
        match &self.load {
            Load::Users(span) => (span.peak() + 0.5).floor() as u64,
            Load::Rate { most_users, .. } => *most_users,
            Load::Pause => 0,
        }
    }

    /// The most arrivals a second it asks for.
    pub fn peak_rate(&self) -> f64 {
        match &self.load {
            Load::Rate { span, .. } => span.peak(),
            Load::Users(_) | Load::Pause => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Duration = Duration::from_secs(10);

    #[test]
    fn targets_are_on_the_curve_and_users_are_rounded() {
        let ramp = Stage::ramp_users(0, 10, Curve::Linear, TEN);
        let at = |seconds| ramp.target_users(Duration::from_secs_f64(seconds));
        assert_eq!([0.0, 0.4, 0.5, 5.0, 9.5, 10.0, 99.0].map(at), [0, 0, 1, 5, 10, 10, 10]);
        assert_eq!(ramp.target_rate(TEN), 0.0);
        let rate = Stage::ramp_rate(0.0, 5.0, Curve::Linear, TEN);
        assert_eq!(rate.target_rate(Duration::from_secs(3)), 1.5);
        assert_eq!(rate.target_users(TEN), 0);
        assert_eq!((rate.peak_rate(), ramp.peak_users()), (5.0, 10));
        let pause = Stage::pause(TEN);
        assert_eq!((pause.target_users(TEN), pause.target_rate(TEN)), (0, 0.0));
    }

    #[test]
    fn a_stage_without_duration_is_over() {
        assert_eq!(Stage::ramp_users(3, 7, Curve::Linear, Duration::ZERO).target_users(TEN), 7);
    }
}
