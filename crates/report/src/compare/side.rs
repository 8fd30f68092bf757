//! A run of one side, and what is read from its document.

use std::collections::BTreeMap;

use crowd_measure::{health::Trust, timing::Timing};

use super::{
    Compared, Metric, Unit,
    recorded::Recorded,
    seconds::{self, Seconds},
    shares::Share,
};
use crate::report::{
    Verdict,
    document::{self, ActionReport, Distribution, RunReport},
};

/// Fewer than this say nothing of a share or a rate.
const FEWEST: f64 = 50.0;

/// A run of a comparison.
#[derive(Debug, Clone)]
pub struct Side<'a> {
    /// Where its document is, for people.
    pub name: String,
    /// Its document.
    pub report: &'a RunReport,
}

/// The runs of the candidate that failed, while none of the baseline's did, a sentence each. A target
/// that broke is worse, whatever its answers took before.
pub(super) fn broken([baseline, candidate]: [&[Side<'_>]; 2]) -> Vec<String> {
    let failed = |run: &&Side<'_>| run.report.verdict == Verdict::Failed;
    if baseline.iter().any(|run| failed(&run)) {
        return Vec::new();
    }
    let told = |run: &Side<'_>| {
        let why = run.report.reasons.first().map_or("no reason is known", String::as_str);
        format!("{} failed, and no run of the baseline did: {why}", run.name)
    };
    candidate.iter().filter(failed).map(told).collect()
}

/// What is compared of a run.
#[derive(Debug)]
pub(super) struct Readings<'a> {
    pub(super) name: &'a str,
    pub(super) actions: BTreeMap<&'a str, ActionReading<'a>>,
    dropped: Measured,
    failed_users: Measured,
}

/// An action that was begun.
#[derive(Debug)]
pub(super) struct ActionReading<'a> {
    /// How often it failed or was not done, of how often it was begun.
    pub(super) lost: Share,
    done: f64,
    seconds: f64,
    response: Recorded,
    service: Recorded,
    reported: &'a ActionReport,
    series: Option<Seconds<'a>>,
}

/// A number of one run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measured {
    /// The number.
    pub(super) value: f64,
    /// How far what was seen within the run leaves it open: the variance of its logarithm, or of a
    /// share itself.
    pub(super) variance: f64,
    /// It may be greater, as some of what it rests on had not ended.
    pub(super) at_least: bool,
    /// It rests on enough.
    pub(super) enough: bool,
    /// What a share is of, as if all of it was independent.
    pub(super) share: Share,
}

impl<'a> Side<'a> {
    /// The run of that document.
    pub fn new(name: impl Into<String>, report: &'a RunReport) -> Self {
        Self { name: name.into(), report }
    }

    /// What is compared of it; what is wrong with it goes to `faults`.
    pub(super) fn read(&'a self, faults: &mut Vec<String>) -> Readings<'a> {
        let Self { name, report } = self;
        let (users, arrivals) = (&report.users, &report.arrivals);
        let over_time = &report.series.arrivals;
        let dropped = seconds::of_share(&over_time.dropped, &over_time.scheduled);
        let mut readings = Readings {
            name,
            actions: BTreeMap::new(),
            dropped: share(Share::new(arrivals.dropped, arrivals.scheduled), dropped),
            failed_users: share(Share::new(users.failed, users.started), None),
        };
        if report.schema != document::SCHEMA {
            faults.push(format!(
                "{name}: its schema is `{}`, and this crowd compares `{}`",
                report.schema,
                document::SCHEMA
            ));
            return readings;
        }
        for (action, reported) in report.actions.iter().filter(|(_, action)| begun(action) > 0) {
            match read_action(report, action, reported) {
                Ok(reading) => {
                    readings.actions.insert(action, reading);
                }
                Err(fault) => faults.push(format!("{name}: action `{action}`: {fault}")),
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
            verdict: self.report.verdict,
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

/// What is wrong with the runs as they are given: a variance between runs needs runs.
pub(super) fn faults(sides: [&[Side<'_>]; 2]) -> Vec<String> {
    let mut faults = Vec::new();
    for (what, side) in [("baseline", sides[0]), ("candidate", sides[1])] {
        if side.is_empty() {
            faults.push(format!("the {what} has no run"));
        }
    }
    let all: Vec<_> = sides.iter().copied().flatten().collect();
    // A run may be held against itself, where nothing rests on the noise between runs.
    for (at, run) in all.iter().enumerate().filter(|_| all.len() > 2) {
        let id = &run.report.run.id;
        if let Some(first) = all[..at].iter().find(|other| other.report.run.id == *id) {
            let names = (&first.name, &run.name);
            faults.push(format!(
                "{} and {} are the same run {id}: several runs are needed to know how they differ",
                names.0, names.1
            ));
        }
    }
    faults
}

fn read_action<'a>(
    report: &'a RunReport,
    name: &str,
    action: &'a ActionReport,
) -> Result<ActionReading<'a>, String> {
    Ok(ActionReading {
        lost: Share::new(action.failed.saturating_add(action.unfinished), begun(action)),
        done: action.count as f64,
        seconds: report.run.duration_ms / 1e3,
        response: read_times("response", &action.response)?,
        service: read_times("service", &action.service)?,
        reported: action,
        series: Seconds::of(&report.series, name),
    })
}

fn begun(action: &ActionReport) -> u64 {
    action.count.saturating_add(action.unfinished)
}

fn read_times(what: &str, times: &Distribution) -> Result<Recorded, String> {
    let text = times
        .histogram
        .as_deref()
        .ok_or_else(|| format!("its {what} times have no `histogram`"))?;
    let timing = Timing::decode(text).map_err(|fault| format!("its {what} times: {fault}"))?;
    Ok(Recorded::of(&timing))
}

impl Readings<'_> {
    /// A number of the whole run.
    pub(super) fn measured(&self, metric: Metric) -> Measured {
        if metric == Metric::Dropped { self.dropped } else { self.failed_users }
    }
}

impl ActionReading<'_> {
    /// Whether any of it was done and did not fail.
    pub(super) fn succeeded(&self) -> bool {
        self.lost.part < self.lost.of
    }

    /// A number of it.
    pub(super) fn measured(&self, metric: Metric) -> Measured {
        let series = self.series.as_ref();
        match (metric.unit(), metric.statistic()) {
            (Unit::Ms, Some(statistic)) => {
                let (times, reported) = if metric == Metric::ServiceP95 {
                    (&self.service, &self.reported.service)
                } else {
                    (&self.response, &self.reported.response)
                };
                let open = |name: &String| Some(name.as_str()) == metric.field();
                let independent = times.log_variance(statistic);
                let known = series.and_then(|series| series.of_times(metric)).unwrap_or(0.0);
                Measured {
                    value: times.value(statistic),
                    variance: independent.max(known),
                    at_least: reported.at_least.iter().any(open),
                    enough: times.suffices(statistic),
                    share: Share::default(),
                }
            }
            (Unit::Share, _) => share(self.lost, series.and_then(|series| series.of_failures())),
            _ => Measured {
                value: self.done / self.seconds.max(f64::MIN_POSITIVE),
                variance: series
                    .and_then(|series| series.of_rate())
                    .unwrap_or(1.0 / self.done.max(1.0)),
                at_least: false,
                enough: self.done >= FEWEST && self.seconds > 0.0,
                share: Share::default(),
            },
        }
    }
}

/// A share, with the variance that its seconds give it if they are known.
fn share(share: Share, known: Option<f64>) -> Measured {
    let independent = share.variance();
    let variance = known.unwrap_or(0.0).max(independent);
    Measured {
        value: share.value(),
        variance,
        at_least: false,
        enough: share.of >= FEWEST,
        // As many independent ones as have this variance (Rao and Scott, 1992).
        share: if variance > independent { share.thinned(variance / independent) } else { share },
    }
}
