//! One of the two runs, and what is read from its document.

use std::collections::BTreeMap;

use super::{Compared, bootstrap::Recorded, metric::Metric, shares::Share};
use crate::{
    measure::{health::Trust, timing::Timing},
    report::document::{self, ActionReport, Distribution, RunReport},
};

/// One of the two runs of a comparison.
#[derive(Debug, Clone)]
pub struct Side<'a> {
    /// Where its document is, for people.
    pub name: String,
    /// Its document.
    pub report: &'a RunReport,
    /// What a number was in each interval of the run, by action and number, in order of time. Where it
    /// is known, the intervals of changes are widened by as much as neighbours resemble each other:
    /// samples of one run are not independent. Nothing else rests on it.
    pub intervals: BTreeMap<(String, Metric), Vec<f64>>,
}

/// What is compared of a run.
#[derive(Debug, Default)]
pub(super) struct Readings {
    pub(super) actions: BTreeMap<String, ActionReading>,
    pub(super) seconds: f64,
    pub(super) dropped: Share,
    pub(super) failed_users: Share,
}

#[derive(Debug)]
pub(super) struct ActionReading {
    pub(super) count: u64,
    pub(super) failed: Share,
    pub(super) response: Recorded,
    pub(super) service: Recorded,
}

impl<'a> Side<'a> {
    /// The run of that document, with nothing known of its single intervals.
    pub fn new(name: impl Into<String>, report: &'a RunReport) -> Self {
        Self { name: name.into(), report, intervals: BTreeMap::new() }
    }

    pub(super) fn intervals_of(&self, action: &str, metric: Metric) -> &[f64] {
        self.intervals.get(&(action.to_owned(), metric)).map_or(&[], Vec::as_slice)
    }

    /// What is compared of it; what is wrong with it goes to `faults`.
    pub(super) fn read(&self, faults: &mut Vec<String>) -> Readings {
        let report = self.report;
        if report.schema != document::SCHEMA {
            faults.push(format!(
                "{}: its schema is `{}`, and this crowd compares `{}`",
                self.name,
                report.schema,
                document::SCHEMA
            ));
            return Readings::default();
        }
        let mut readings = Readings {
            actions: BTreeMap::new(),
            seconds: report.run.duration_ms / 1e3,
            dropped: Share { part: report.arrivals.dropped, of: report.arrivals.scheduled },
            failed_users: Share { part: report.users.failed, of: report.users.started },
        };
        for (name, action) in &report.actions {
            match read_action(action) {
                Ok(reading) => {
                    readings.actions.insert(name.clone(), reading);
                }
                Err(fault) => faults.push(format!("{}: action `{name}`: {fault}", self.name)),
            }
        }
        readings
    }

    pub(super) fn compared(&self) -> Compared {
        let run = &self.report.run;
        Compared {
            name: self.name.clone(),
            id: run.id.clone(),
            scenario: run.scenario.clone(),
            start: run.start.clone(),
            generator: self.report.generator.verdict,
        }
    }

    /// Why nothing can be learnt from the run, if so.
    pub(super) fn invalid(&self) -> Option<String> {
        let generator = &self.report.generator;
        let why = generator.reasons.first().map_or("it could not keep up", String::as_str);
        (generator.verdict == Trust::Invalid)
            .then(|| format!("the generator of {} is INVALID: {why}", self.name))
    }
}

fn read_action(action: &ActionReport) -> Result<ActionReading, String> {
    Ok(ActionReading {
        count: action.count,
        failed: Share { part: action.failed, of: action.count },
        response: read_times("response", &action.response)?,
        service: read_times("service", &action.service)?,
    })
}

fn read_times(what: &str, times: &Distribution) -> Result<Recorded, String> {
    let text = times
        .histogram
        .as_deref()
        .ok_or_else(|| format!("its {what} times have no `histogram`"))?;
    let timing = Timing::decode(text).map_err(|fault| format!("its {what} times: {fault}"))?;
    Ok(Recorded::of(&timing))
}
