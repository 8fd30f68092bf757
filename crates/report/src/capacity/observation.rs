//! Pure: what a search is shown each tick.

use std::time::Duration;

use crowd_core::settings::SettingValue;
use crowd_measure::timing::Timing;
use serde::{Deserialize, Serialize};

/// What is done about signals that have no value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, SettingValue)]
#[setting(crate = crowd_core)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// The load is not raised: growing blindly is dangerous.
    #[default]
    Hold,
    /// They count as healthy.
    Ignore,
    /// They count as alerts.
    Alert,
}

/// What a signal is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignalKind {
    /// Failures; they are named first when several signals alert at once.
    Errors,
    /// Times.
    Latency,
    /// Anything else.
    #[default]
    Other,
}

/// Something that is watched while the load changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// What people call it.
    pub name: String,
    /// What it is about.
    pub kind: SignalKind,
    /// Its value now, in its own unit; `None` if there is none.
    pub value: Option<f64>,
    /// What its value is compared with.
    pub limit: f64,
    /// Whether the value is within the limit; `None` without a value.
    pub healthy: Option<bool>,
}

/// What was measured since the last observation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured {
    /// How long ago that was.
    pub span: Duration,
    /// How many requests (timed actions) ended.
    pub count: u64,
    /// How many of them failed.
    pub failed: u64,
    /// Their response times.
    pub response: Timing,
}

/// What a search is shown each tick.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observation {
    /// How many users there are: asked for, not told to stop, and not ended. `None` if that could
    /// not be learned: the tick is then good for nothing but its alerts.
    pub active: Option<u64>,
    /// How many of them are not admitted yet.
    pub waiting: u64,
    /// The signals. One that is still warming up is not among them.
    pub signals: Vec<Signal>,
    /// What was measured since the last observation.
    pub measured: Measured,
    /// What has disturbed the load since the last observation: a lost node, say.
    pub disturbed: Option<String>,
}

/// What signals say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All are within their limits.
    Healthy,
    /// Some are not.
    Alert,
    /// None is beyond its limit, but of some nothing is known, and nothing may be assumed.
    Unknown,
}

impl Signal {
    /// How far beyond its limit the value is, as a factor: 2 is twice the limit, 0.5 half of it.
    /// `None` without a value, or where that makes no sense. A signal that has to stay above its
    /// limit is turned round.
    fn excess(&self) -> Option<f64> {
        let (value, healthy) = (self.value?, self.healthy?);
        let factor = value / self.limit;
        let factor = if healthy == (factor <= 1.0) { factor } else { 1.0 / factor };
        (!factor.is_nan()).then_some(factor)
    }
}

impl Observation {
    /// What the signals say together.
    pub fn verdict(&self, missing: Missing) -> Verdict {
        if self.signals.iter().any(|signal| signal.healthy == Some(false)) {
            return Verdict::Alert;
        }
        if self.signals.iter().all(|signal| signal.healthy.is_some()) {
            return Verdict::Healthy;
        }
        match missing {
            Missing::Hold => Verdict::Unknown,
            Missing::Ignore => Verdict::Healthy,
            Missing::Alert => Verdict::Alert,
        }
    }

    /// The signal an alert is put down to: failures come first, then the order of the signals.
    pub fn culprit(&self, missing: Missing) -> Option<&Signal> {
        let beyond = |signal: &&Signal| signal.healthy == Some(false);
        let errors = |signal: &&Signal| signal.kind == SignalKind::Errors;
        self.signals
            .iter()
            .filter(beyond)
            .find(errors)
            .or_else(|| self.signals.iter().find(beyond))
            .or_else(|| {
                let lost = |signal: &&Signal| signal.healthy.is_none();
                self.signals.iter().filter(|_| missing == Missing::Alert).find(lost)
            })
    }

    /// The names of the signals without a value.
    pub fn without_value(&self) -> Vec<&str> {
        let lost = self.signals.iter().filter(|signal| signal.healthy.is_none());
        lost.map(|signal| signal.name.as_str()).collect()
    }

    /// How far beyond its limit the worst signal is, as a factor; `None` if nobody can tell.
    pub fn worst_excess(&self) -> Option<f64> {
        self.signals.iter().filter_map(Signal::excess).reduce(f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(name: &str, kind: SignalKind, healthy: Option<bool>) -> Signal {
        let value = healthy.map(|healthy| if healthy { 50.0 } else { 200.0 });
        Signal { name: name.to_owned(), kind, value, limit: 100.0, healthy }
    }

    fn seen(signals: &[Signal]) -> Observation {
        Observation { signals: signals.to_vec(), ..Observation::default() }
    }

    #[test]
    fn missing_data_is_judged_as_the_policy_says() {
        let fine = signal("p95", SignalKind::Latency, Some(true));
        let bad = signal("p95", SignalKind::Latency, Some(false));
        let lost = signal("cpu", SignalKind::Other, None);
        for (policy, verdict) in [
            (Missing::Hold, Verdict::Unknown),
            (Missing::Ignore, Verdict::Healthy),
            (Missing::Alert, Verdict::Alert),
        ] {
            assert_eq!(seen(&[fine.clone(), lost.clone()]).verdict(policy), verdict);
            assert_eq!(seen(&[bad.clone(), lost.clone()]).verdict(policy), Verdict::Alert);
            assert_eq!(seen(std::slice::from_ref(&fine)).verdict(policy), Verdict::Healthy);
            assert_eq!(seen(&[]).verdict(policy), Verdict::Healthy);
        }
        let culprit = seen(&[fine, lost]);
        assert_eq!(culprit.culprit(Missing::Alert).unwrap().name, "cpu");
        assert_eq!(culprit.culprit(Missing::Hold), None);
    }

    #[test]
    fn failures_are_named_first() {
        let late = signal("p95", SignalKind::Latency, Some(false));
        let failing = signal("error_rate", SignalKind::Errors, Some(false));
        let seen = seen(&[late, failing]);
        assert_eq!(seen.culprit(Missing::Hold).unwrap().name, "error_rate");
    }

    #[test]
    fn excess_is_a_factor_in_either_direction() {
        let late = signal("p95", SignalKind::Latency, Some(false));
        assert_eq!(late.excess(), Some(2.0));
        assert_eq!(signal("p95", SignalKind::Latency, Some(true)).excess(), Some(0.5));
        // A rate that has to stay above 100 and is 50.
        let slow = Signal { value: Some(50.0), healthy: Some(false), ..late };
        assert_eq!(slow.excess(), Some(2.0));
    }
}
