//! Pure: what is wrong with a target though no threshold was given that says so. The worst that a load
//! test can do is to pass a target that is broken.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crowd_measure::{
    series::Series,
    timing::Timing,
    window::{ActionNumbers, Window},
};
use crowd_plan::{
    run_settings::{ALLOW_ERRORS, THRESHOLDS},
    threshold::{Judged, Metric, Scope, Threshold, Thresholds},
};

use super::{targets::TargetReport, units};

/// The share of an action that may fail where no threshold speaks of errors.
pub const MOST_ERRORS: f64 = 0.01;

/// An action that has not succeeded for so long is not suspected yet.
const LEAST_SILENCE: Duration = Duration::from_secs(2);

/// Nor is one that has not succeeded for so many times the time that it usually is between two
/// successes.
const USUAL_GAPS: f64 = 10.0;

/// An attempt that was given up sooner is not taken for one that hung.
const LEAST_HANG: Duration = Duration::from_secs(1);

/// Nor one whose longest success took a good part of that time.
const LONGEST_SUCCESSES: u32 = 3;

/// What a run was asked about errors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// Whether errors are accepted, however many.
    pub allow_errors: bool,
    /// Whether a threshold says how many are.
    pub judged: bool,
}

impl Asked {
    /// What the settings of a run say, as texts.
    pub fn of_settings(settings: &[(String, Option<String>)]) -> Self {
        let of = |name: &str| settings.iter().find(|(key, _)| key == name)?.1.as_deref();
        let thresholds = of(THRESHOLDS).and_then(|text| text.parse::<Thresholds>().ok());
        // One of a stage says nothing of the others.
        let errors = |threshold: &Threshold| {
            matches!(threshold.metric, Metric::ErrorRate(_))
                && !matches!(threshold.scope, Scope::Stage(_))
        };
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
pub fn too_many_errors(measured: &Window, asked: Asked) -> Vec<Judged> {
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
pub fn failing(measured: &Window, asked: Asked) -> Vec<String> {
    let failing = too_many_errors(measured, asked);
    failing
        .into_iter()
        .map(|Judged { expression, text, .. }| format!("{expression}: {text}"))
        .collect()
}

/// What is wrong whatever the thresholds say, a sentence each. `measured` holds nothing that is under way
/// any more; `took` is how long the run was. Of users: whether any were asked for, how many there were,
/// and how many at once.
pub fn whatever_was_asked(
    measured: &Window,
    series: &Series,
    took: Duration,
    (asked_for, started, peak): (bool, u64, u64),
    asked: Asked,
) -> Vec<String> {
    let actions = || measured.actions.iter().filter(|(_, action)| action.begun() > 0);
    if asked_for && actions().next().is_none() && measures_nothing(measured) {
        return vec![match started {
            0 => "no user was started, and nothing was measured".to_owned(),
            _ => format!(
                "nothing was measured, though {} ran: time what they do with `user.time`",
                units::plural(started, "user")
            ),
        }];
    }
    let mut found: Vec<_> = actions()
        .filter(|(_, action)| action.succeeded() == 0)
        .map(|(name, action)| format!("`{name}` never succeeded: {}", fates(action)))
        .collect();
    if !asked.allow_errors {
        let worked = || actions().filter(|(_, action)| action.succeeded() > 0);
        let silent = |(name, action): (&Arc<str>, &Arc<ActionNumbers>)| {
            silence(name, action, series, (took, peak)).or_else(|| hung(name, action, peak))
        };
        found.extend(worked().filter_map(silent));
    }
    found
}

/// Targets that were tried and never once worked, while others did.
pub fn dead_targets(targets: &BTreeMap<String, TargetReport>, asked: Asked) -> Vec<String> {
    if asked.allow_errors || targets.values().all(|target| target.ups == 0) {
        return Vec::new();
    }
    let dead = targets
        .iter()
        .filter(|(_, target)| target.ups == 0 && target.picks + target.checks_failed > 0);
    dead.map(|(name, target)| {
        format!(
            "the target {name} never worked: {} sent to it, {} failed",
            units::plural(target.picks, "user"),
            units::plural(target.checks_failed, "check")
        )
    })
    .collect()
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
fn silence(
    name: &str,
    action: &ActionNumbers,
    series: &Series,
    (took, peak): (Duration, u64),
) -> Option<String> {
    let at = series.names().iter().position(|known| &**known == name)?;
    let (mut since, mut failed) = (Duration::ZERO, 0);
    for row in series.rows() {
        let Some(cell) = row.actions.get(at) else { continue };
        if cell.count > cell.failed {
            (since, failed) = (row.end, 0);
        } else if row.end.saturating_sub(cell.service.p50()) >= since {
            // One that was begun while others succeeded is late, and no sign that nobody is there.
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
    let longest = usual_success(action) * LONGEST_SUCCESSES;
    let tried = failed > 0 || stuck.saturating_mul(2) > peak;
    if !tried || silent < LEAST_SILENCE.max(usual).max(longest) {
        return None;
    }
    Some(format!(
        "`{name}` did not succeed any more in the last {} of the run at least, though it was tried: {} failed, \
         {} without an end",
        units::span(silent),
        units::exact(failed),
        units::exact(stuck)
    ))
}

/// An action that hung too often: one attempt in a hundred, or for more than half of the users. An
/// attempt that hung took far longer than the action usually does when it succeeds, and did not: it
/// was given up, or failed in the end.
fn hung(name: &str, action: &ActionNumbers, peak: u64) -> Option<String> {
    let least = LEAST_HANG.max(usual_success(action).mul_f64(USUAL_GAPS));
    let as_long = |timing: &Timing| -> u64 {
        let long = timing.recorded().filter(|(micros, _)| Duration::from_micros(*micros) >= least);
        long.map(|(_, count)| count).sum()
    };
    let given_up = as_long(action.unfinished.service());
    let hung = given_up + as_long(&action.service).min(action.failed);
    let many = hung as f64 >= MOST_ERRORS * action.begun() as f64;
    (hung > 0 && (many || hung.saturating_mul(2) > peak)).then(|| {
        format!(
            "`{name}` hung: {} of {} got no answer for {} or longer, with {} at the most",
            units::exact(hung),
            units::plural(action.begun(), "attempt"),
            units::span(least),
            units::plural(peak, "user"),
        )
    })
}

/// What an action takes when it succeeds, but for the slowest hundredth; as far as that is known, as
/// those that failed are timed too, and are taken for the slowest.
fn usual_success(action: &ActionNumbers) -> Duration {
    let share = action.succeeded() as f64 / action.count().max(1) as f64;
    action.service.quantile(share * 0.99)
}

#[cfg(test)]
mod tests;
