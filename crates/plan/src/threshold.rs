//! Pure: what a run has to keep to. A threshold is a line such as `p95(login) < 150ms over 10s`; it
//! is read and checked before a run, and judged while the run goes on. `docs/thresholds.md` tells
//! how to write one.

use std::{fmt, str::FromStr, time::Duration};

use crowd_core::{
    refusal::{Code, Refusal},
    settings::SettingValue,
};
use crowd_measure::window::Window;

use self::tally::{Piece, Tally};
use crate::profile::Profile;

pub mod bound;
mod fault;
pub mod judge;
pub mod metric;
mod tally;
mod text;

pub use bound::{Bound, Comparator, Unit};
pub use fault::{ThresholdFault, ThresholdFaults};
pub use judge::{Interval, Judge, Judged, Standing};
pub use metric::{Metric, Side, Stat};

/// The longest sliding window.
pub const LONGEST_WINDOW: Duration = Duration::from_secs(3_600);

/// What a run has to keep to.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// What is measured.
    pub metric: Metric,
    /// How it compares with the bound.
    pub comparator: Comparator,
    /// What it compares with.
    pub bound: Bound,
    /// Over what time.
    pub scope: Scope,
    /// Whether the run ends when it does not hold, and how long after its start that begins; for
    /// one of a stage, after the start of that stage.
    pub abort: Option<Duration>,
}

impl Threshold {
    /// What a window alone says of its metric, in that unit, which has to be one of the metric's
    /// kind; `None` if nothing was measured of one that is nothing then. Users and arrivals are in
    /// no window.
    pub fn value_in(&self, unit: Unit, window: &Window) -> Option<f64> {
        let standing = Standing::default();
        let interval = Interval { until: window.span, measured: window, standing, on: true };
        let piece = Piece::of(&self.metric, &interval, &standing);
        let mut tally = Tally::default();
        tally.add(&piece);
        tally.value(&self.metric, unit, piece.has_action())
    }
}

/// The time that a threshold is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    /// The whole run.
    #[default]
    Run,
    /// Any so long a time of it.
    Over(Duration),
    /// A stage of its load profile, from 1.
    Stage(usize),
}

/// The thresholds of a run, at least one; as text, separated by semicolons.
#[derive(Debug, Clone, PartialEq)]
pub struct Thresholds(Vec<Threshold>);

impl Thresholds {
    /// These thresholds; `None` if there are none.
    pub fn new(all: Vec<Threshold>) -> Option<Self> {
        (!all.is_empty()).then_some(Self(all))
    }

    /// All of them, in the order in which they were given.
    pub fn all(&self) -> &[Threshold] {
        &self.0
    }

    /// Checks whether the stages that they name are there.
    ///
    /// # Errors
    /// `parameters-verification-failed`, naming every one whose stage is not.
    pub fn check(&self, profile: Option<&Profile>) -> Result<(), Refusal> {
        let stages = profile.map_or(0, |profile| profile.stages().len());
        let has = match (profile, stages) {
            (None, _) => "the run has no load profile".to_owned(),
            (Some(_), 1) => "the load profile has one stage".to_owned(),
            (Some(_), stages) => format!("the load profile has {stages} stages"),
        };
        let faults: Vec<_> = self
            .0
            .iter()
            .filter(|threshold| matches!(threshold.scope, Scope::Stage(stage) if stage > stages))
            .map(|threshold| format!("`{threshold}` is about a stage that is not there: {has}"))
            .collect();
        if faults.is_empty() {
            return Ok(());
        }
        Err(Refusal::new(Code::ParametersVerificationFailed, faults.join("; ")))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run => Ok(()),
            Self::Over(time) => write!(f, " over {}", time.render()),
            Self::Stage(stage) => write!(f, " in stage {stage}"),
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metric, comparator, bound, scope, abort } = self;
        write!(f, "{metric} {comparator} {bound}{scope}")?;
        match abort {
            None => Ok(()),
            Some(Duration::ZERO) => f.write_str(" abort"),
            Some(grace) => write!(f, " abort after {}", grace.render()),
        }
    }
}

impl fmt::Display for Thresholds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, threshold) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            write!(f, "{separator}{threshold}")?;
        }
        Ok(())
    }
}

impl FromStr for Threshold {
    type Err = ThresholdFault;

    fn from_str(text: &str) -> Result<Self, ThresholdFault> {
        text::one(text)
    }
}

impl FromStr for Thresholds {
    type Err = ThresholdFaults;

    fn from_str(text: &str) -> Result<Self, ThresholdFaults> {
        text::all(text).map(Self)
    }
}

/// Separated by semicolons. A refusal has a line for each fault, with a caret under it.
impl SettingValue for Thresholds {
    fn type_name() -> String {
        "thresholds".into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|faults: ThresholdFaults| {
            let what = if faults.0.len() == 1 { "not a threshold" } else { "not thresholds" };
            format!("{what}:\n{faults}")
        })
    }

    fn render(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_that_is_not_there_is_refused() {
        let read = |text: &str| text.parse::<Thresholds>().unwrap();
        let profile: Profile = "10s: 5, 10s: pause".parse().unwrap();
        let two = read("p95(a) < 1ms in stage 2; error_rate < 1%");
        assert_eq!(two.check(Some(&profile)), Ok(()));
        assert_eq!(read("users >= 3").check(None), Ok(()));
        let refused = |text: &str, profile| read(text).check(profile).unwrap_err().to_string();
        insta::assert_snapshot!(
            refused("p95(a) < 1ms in stage 3; count(b) > 1 in stage 9", Some(&profile)),
            @"`p95(a) < 1ms in stage 3` is about a stage that is not there: the load profile has 2 stages; `count(b) > 1 in stage 9` is about a stage that is not there: the load profile has 2 stages [parameters-verification-failed]"
        );
        insta::assert_snapshot!(
            refused("p95(a) < 1ms in stage 1", None),
            @"`p95(a) < 1ms in stage 1` is about a stage that is not there: the run has no load profile [parameters-verification-failed]"
        );
    }
}
