//! Pure: signals of a run's own measurements: thresholds, such as `p95(login) < 150ms over 10s`, that
//! are looked at over and over.

use std::{fmt, str::FromStr, time::Duration};

use crowd_measure::{names::clip, window::Window};
use crowd_plan::threshold::{Metric, Scope, Threshold, ThresholdFault, Unit, metric::Kind};

use super::observation::{Signal, SignalKind};

/// A signal of the run's own measurements: it is healthy while its threshold holds.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnSignal {
    threshold: Threshold,
    /// Whether it is about the worst of all actions, and not about all of them together.
    each: bool,
}

impl OwnSignal {
    /// Whether it says how many errors are too many.
    pub fn speaks_of_errors(&self) -> bool {
        matches!(self.threshold.metric, Metric::ErrorRate(_))
    }

    /// The same of each action: it is healthy while its threshold holds for all of them.
    #[must_use]
    pub fn of_each_action(self) -> Self {
        Self { each: true, ..self }
    }

    /// The timed action that it is about; none: all together, or none.
    pub fn action(&self) -> Option<&str> {
        match &self.threshold.metric {
            Metric::Time { action, .. } => action.as_deref(),
            Metric::ErrorRate(action) | Metric::Rate(action) => action.as_deref(),
            _ => None,
        }
    }

    /// How far back it looks; none: as long as the search's window.
    pub fn over(&self) -> Option<Duration> {
        match self.threshold.scope {
            Scope::Over(time) => Some(time),
            Scope::Run | Scope::Stage(_) => None,
        }
    }

    /// How it stands, given what was measured over its time. The value and the limit are in
    /// milliseconds, shares from 0 to 1, or so many a second.
    pub fn of(&self, window: &Window) -> Signal {
        let Threshold { metric, comparator, bound, .. } = &self.threshold;
        let measured = self.is_measured(window);
        let value = |unit| self.value(unit, window).filter(|_| measured);
        // Compared in its own unit: 70 µs are the very number that `0.07ms` reads as.
        let healthy = value(bound.unit).map(|value| comparator.holds(value, bound.value));
        let (unit, limit) = match bound.unit {
            Unit::Micros => (Unit::Millis, bound.value / 1e3),
            Unit::Seconds => (Unit::Millis, bound.value * 1e3),
            Unit::Minutes => (Unit::Millis, bound.value * 60e3),
            Unit::Percent => (Unit::Share, bound.value / 100.0),
            Unit::PerMinute => (Unit::PerSecond, bound.value / 60.0),
            unit => (unit, bound.value),
        };
        Signal {
            name: self.threshold.to_string(),
            kind: match metric {
                Metric::ErrorRate(_) => SignalKind::Errors,
                _ if metric.kind() == Kind::Time => SignalKind::Latency,
                _ => SignalKind::Other,
            },
            value: value(unit),
            limit,
            healthy,
        }
    }

    fn value(&self, unit: Unit, window: &Window) -> Option<f64> {
        if !self.each {
            return self.threshold.value_in(unit, window);
        }
        let of_each = window.actions.keys().filter_map(|name| {
            let metric = Metric::ErrorRate(Some(name.to_string()));
            Threshold { metric, ..self.threshold.clone() }.value_in(unit, window)
        });
        of_each.max_by(f64::total_cmp)
    }

    /// Whether there is anything to judge. To a threshold no requests are none that failed, and an
    /// action that nobody did has the rate 0; to a search they are a load that is not there.
    fn is_measured(&self, window: &Window) -> bool {
        match &self.threshold.metric {
            Metric::ErrorRate(action) => {
                let wanted =
                    |name: &str| action.as_deref().is_none_or(|action| clip(action) == name);
                window.actions.iter().any(|(name, action)| wanted(name) && action.count() > 0)
            }
            Metric::Rate(None) | Metric::Count(None) => {
                !window.span.is_zero() && !window.actions.is_empty()
            }
            Metric::Rate(Some(name)) | Metric::Count(Some(name)) => {
                let name = clip(name);
                let known = window.actions.contains_key(name) || window.counters.contains_key(name);
                !window.span.is_zero() && known
            }
            // These have no value where nothing was measured.
            _ => true,
        }
    }
}

impl fmt::Display for OwnSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.threshold.fmt(f)
    }
}

impl FromStr for OwnSignal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let threshold: Threshold = text.parse().map_err(|fault: ThresholdFault| {
            // On one line, as all that is wrong with a search.
            let ThresholdFault { text, column, reason } = fault;
            format!("`{text}` is no signal, at character {}: {reason}", column + 1)
        })?;
        let why = match &threshold {
            Threshold { scope: Scope::Stage(_), .. } => "a search has no stages",
            Threshold { abort: Some(_), .. } => "an alert aborts nothing, it is an answer",
            Threshold {
                metric: Metric::Users | Metric::FailedUsers | Metric::DroppedRate, ..
            } => "it says nothing about the requests",
            _ => return Ok(Self { threshold, each: false }),
        };
        Err(format!("`{text}` is no signal: {why}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(millis: &[u64], failed: u64) -> Window {
        let mut window = Window { span: Duration::from_secs(10), ..Window::default() };
        let action = window.action(&"login".into());
        for millis in millis {
            action.service.record(Duration::from_millis(*millis));
            action.response.record(Duration::from_millis(*millis));
        }
        action.failed = failed;
        window
    }

    fn signal(text: &str, window: &Window) -> (Option<f64>, Option<bool>) {
        let signal = text.parse::<OwnSignal>().unwrap().of(window);
        (signal.value.map(|value| (value * 100.0).round() / 100.0), signal.healthy)
    }

    #[test]
    fn values_are_those_of_the_window() {
        let window = measured(&[100, 200, 300, 400], 1);
        assert_eq!(signal("max(login) <= 1s", &window), (Some(400.13), Some(true)));
        assert_eq!(signal("p50 < 200ms", &window).1, Some(false));
        assert_eq!(signal("mean(login) < 260ms over 10s", &window).1, Some(true));
        assert_eq!(signal("error_rate < 25%", &window), (Some(0.25), Some(false)));
        assert_eq!(signal("error_rate(login) <= 0.25", &window), (Some(0.25), Some(true)));
        assert_eq!(signal("rate >= 0.4/s", &window), (Some(0.4), Some(true)));
    }

    #[test]
    fn of_what_was_not_measured_there_is_no_value() {
        let window = measured(&[100], 0);
        for text in ["p95(logout) < 1s", "error_rate(logout) < 1%", "rate(logout) > 1/s"] {
            assert_eq!(signal(text, &window), (None, None), "{text}");
        }
        assert_eq!(signal("rate > 1/s", &Window::default()), (None, None));
        assert_eq!(signal("p95 < 1s", &measured(&[], 0)), (None, None));
    }

    #[test]
    fn checks_and_counters_are_signals_as_well() {
        let mut window = measured(&[100], 0);
        window.counters.insert("orders".into(), 20);
        let check = crowd_measure::window::CheckNumbers { passed: 9, failed: 1 };
        window.checks.insert("has a title".into(), check);
        assert_eq!(signal("rate(orders) >= 120/min", &window), (Some(2.0), Some(true)));
        assert_eq!(signal("check_rate(has a title) > 95%", &window), (Some(0.9), Some(false)));
        assert_eq!(signal("check_rate(is red) > 95%", &window), (None, None));
    }

    #[test]
    fn a_limit_is_told_in_the_unit_of_the_value() {
        let told = |text: &str| {
            let Signal { kind, limit, .. } =
                text.parse::<OwnSignal>().unwrap().of(&Window::default());
            (kind, limit)
        };
        assert_eq!(told("p95 < 2s"), (SignalKind::Latency, 2_000.0));
        assert_eq!(told("error_rate < 1%"), (SignalKind::Errors, 0.01));
        assert_eq!(told("rate > 120/min"), (SignalKind::Other, 2.0));
    }

    #[test]
    fn a_signal_is_called_as_its_threshold() {
        let signal: OwnSignal = " p99.9( log in )  < 150ms over 10s".parse().unwrap();
        assert_eq!(signal.to_string(), "p99.9(log in) < 150ms over 10s");
        assert_eq!(
            (signal.action(), signal.over()),
            (Some("log in"), Some(Duration::from_secs(10)))
        );
    }

    #[test]
    fn what_is_none_is_told() {
        let told: Vec<_> = ["p95(login)", "p95 < 1s in stage 2", "p95 < 1s abort", "users < 100"]
            .map(|text| text.parse::<OwnSignal>().unwrap_err())
            .into();
        insta::assert_snapshot!(told.join("\n"), @"
        `p95(login)` is no signal, at character 11: expected `<`, `<=`, `>` or `>=`
        `p95 < 1s in stage 2` is no signal: a search has no stages
        `p95 < 1s abort` is no signal: an alert aborts nothing, it is an answer
        `users < 100` is no signal: it says nothing about the requests
        ");
    }
}
