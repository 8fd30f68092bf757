//! Pure: what is wrong with a target though no threshold was given that says so. The worst that a load
//! test can do is to pass a target that is broken.

use std::time::Duration;

use super::units;
use crate::{
    measure::{
        series::Series,
        window::{ActionNumbers, Window},
    },
    scenario::settings::{ALLOW_ERRORS, THRESHOLDS},
    threshold::{Judged, Metric, Threshold, Thresholds},
};

/// The share of an action that may fail where no threshold speaks of errors.
pub(crate) const MOST_ERRORS: f64 = 0.01;

/// An action that has not succeeded for so long is not suspected yet.
const LEAST_SILENCE: Duration = Duration::from_secs(2);

/// Nor is one that has not succeeded for so many times the time that it usually is between two
/// successes.
const USUAL_GAPS: f64 = 10.0;

/// Nor one whose longest success took a good part of that time.
const LONGEST_SUCCESSES: u32 = 3;

/// What a run was asked about errors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Whether errors are accepted, however many.
    pub(crate) allow_errors: bool,
    /// Whether a threshold says how many are.
    pub(crate) judged: bool,
}

impl Asked {
    /// What the settings of a run say, as texts.
    pub(crate) fn of_settings(settings: &[(String, Option<String>)]) -> Self {
        let of = |name: &str| settings.iter().find(|(key, _)| key == name)?.1.as_deref();
        let thresholds = of(THRESHOLDS).and_then(|text| text.parse::<Thresholds>().ok());
        let errors = |threshold: &Threshold| matches!(threshold.metric, Metric::ErrorRate(_));
        Self {
            allow_errors: of(ALLOW_ERRORS) == Some("true"),
            judged: thresholds.is_some_and(|all| all.all().iter().any(errors)),
        }
    }

    /// Whether [`MOST_ERRORS`] holds.
    fn is_strict(self) -> bool {
        !self.allow_errors && !self.judged
    }
}

/// The actions of which too many failed by default, as thresholds that did not hold.
pub(crate) fn too_many_errors(measured: &Window, asked: Asked) -> Vec<Judged> {
    if !asked.is_strict() {
        return Vec::new();
    }
    let failing = measured.actions.iter().filter(|(_, action)| {
        action.count() > 0 && action.failed as f64 >= MOST_ERRORS * action.count() as f64
    });
    failing
        .map(|(name, action)| {
            let percent = 100.0 * action.failed as f64 / action.count() as f64;
            let metric = Metric::ErrorRate(Some(name.to_string()));
            Judged {
                expression: format!("{metric} < 1%"),
                actual: Some(percent),
                text: units::percent(percent / 100.0),
                passed: false,
                aborted: false,
                at: None,
            }
        })
        .collect()
}

/// The same, a line each, for whoever watches the run.
pub(crate) fn failing(measured: &Window, asked: Asked) -> Vec<String> {
    let failing = too_many_errors(measured, asked);
    failing
        .into_iter()
        .map(|Judged { expression, text, .. }| format!("{expression}: {text}"))
        .collect()
}

/// What is wrong whatever the thresholds say, a sentence each. `took` is how long the run was, and
/// `started` how many users it has started; `measured` holds nothing that is under way any more.
pub(crate) fn whatever_was_asked(
    measured: &Window,
    series: &Series,
    took: Duration,
    started: u64,
    asked: Asked,
) -> Vec<String> {
    let actions = || measured.actions.iter().filter(|(_, action)| action.begun() > 0);
    if started > 0 && actions().next().is_none() && measures_nothing(measured) {
        return vec![format!(
            "nothing was measured, though {} ran: time what they do with `user.time`",
            units::plural(started, "user")
        )];
    }
    let mut found: Vec<_> = actions()
        .filter(|(_, action)| action.succeeded() == 0)
        .map(|(name, action)| format!("`{name}` never succeeded: {}", fates(action)))
        .collect();
    if !asked.allow_errors {
        found.extend(actions().filter_map(|(name, action)| silence(name, action, series, took)));
    }
    found
}

fn measures_nothing(measured: &Window) -> bool {
    measured.counters.values().all(|count| *count == 0)
        && measured.gauges.is_empty()
        && measured.checks.is_empty()
        && measured.failures.is_empty()
}

/// What became of the attempts at an action.
fn fates(action: &ActionNumbers) -> String {
    let all = units::plural(action.begun(), "attempt");
    match (action.failed, action.unfinished.count()) {
        (failed, 0) => format!("{all}, {} failed", units::exact(failed)),
        (0, unfinished) => format!(
            "{all}, {} without an end after {} at the most",
            units::exact(unfinished),
            units::span(action.unfinished.service().max())
        ),
        (failed, unfinished) => {
            format!(
                "{all}, {} failed and {} without an end",
                units::exact(failed),
                units::exact(unfinished)
            )
        }
    }
}

/// An action that did succeed, and then did no longer though it was tried, up to the end.
fn silence(name: &str, action: &ActionNumbers, series: &Series, took: Duration) -> Option<String> {
    let at = series.names().iter().position(|known| &**known == name)?;
    let (mut since, mut failed) = (Duration::ZERO, 0);
    for row in series.rows() {
        let Some(cell) = row.actions.get(at) else { continue };
        if cell.count > cell.failed {
            (since, failed) = (row.end, 0);
        } else {
            failed += cell.failed;
        }
    }
    let silent = took.checked_sub(since)?;
    // Those that were begun before the silence and given up are no sign of it.
    let stuck: u64 = action
        .unfinished
        .service()
        .recorded()
        .filter(|(micros, _)| Duration::from_micros(*micros) * 2 >= silent)
        .map(|(_, count)| count)
        .sum();
    let usual = since.div_f64(action.succeeded().max(1) as f64).mul_f64(USUAL_GAPS);
    let longest = longest_success(action) * LONGEST_SUCCESSES;
    if failed + stuck == 0 || silent < LEAST_SILENCE.max(usual).max(longest) {
        return None;
    }
    Some(format!(
        "`{name}` did not succeed any more in the last {} of the run, though it was tried: {} failed, \
         {} without an end",
        units::span(silent),
        units::exact(failed),
        units::exact(stuck)
    ))
}

/// How long the slowest successes took, as far as that is known: those that failed are timed too, and
/// the slowest of all is as likely a failure where there are any.
fn longest_success(action: &ActionNumbers) -> Duration {
    if action.failed == 0 {
        return action.service.max();
    }
    let share = action.succeeded() as f64 / action.count().max(1) as f64;
    action.service.quantile(share * 0.99)
}

#[cfg(test)]
mod tests;
