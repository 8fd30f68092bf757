//! Comparing runs: what got better or worse, and whether that is noise.
//!
//! Pure: the same documents always give the same answer. `docs/compare.md` tells how it is decided
//! and what to make of it.

use std::fmt;

use crowd_measure::health::Trust;
use serde::Serialize;

use crate::report::Verdict;

mod between;
mod blocks;
mod interval;
mod metric;
mod notes;
mod presence;
#[cfg(test)]
mod random;
mod recorded;
mod rows;
mod seconds;
mod shares;
mod side;
mod student;
mod text;

pub use self::{
    interval::Interval,
    metric::{Metric, Unit},
    presence::{Event, Presence},
    side::Side,
    text::render,
};

/// The name and version of the shape of a [`Comparison`] as JSON.
pub const SCHEMA: &str = "crowd.comparison/2";

/// How runs are compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// How sure it is that nothing is called a change that is none, over all numbers of the
    /// comparison together: 0.95 for 95 %.
    pub confidence: f64,
    /// Changes up to this, relative to the baseline, are none: 0.05 for 5 %.
    pub tolerance: f64,
    /// The actions to compare; all that any run has if empty.
    pub actions: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { confidence: 0.95, tolerance: 0.05, actions: Vec::new() }
    }
}

/// Why runs cannot be compared: every fault there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<String>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Faults {}

/// What is said of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It is worse by more than is tolerated, and noise does not explain it.
    Worse,
    /// It is better by more than is tolerated, and noise does not explain it.
    Better,
    /// If it changed, then by no more than is tolerated.
    Same,
    /// It may have changed or not: what is seen may be noise.
    Noise,
    /// One run differs from the other; whether by more than two runs of one target do is not known.
    Differs,
    /// What it rests on does not allow to tell: times of failures, or of what had not ended.
    Unknown,
    /// There are too few samples to tell.
    TooFew,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Worse => "WORSE",
            Self::Better => "better",
            Self::Same => "same",
            Self::Noise => "noise",
            Self::Differs => "differs",
            Self::Unknown => "cannot be told",
            Self::TooFew => "too few to tell",
        })
    }
}

/// One number of both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The action; `None` for a number of the whole run.
    pub action: Option<String>,
    /// Which number.
    pub metric: Metric,
    /// Its unit.
    pub unit: Unit,
    /// What it was: the mean of the baseline's runs, of times and rates the geometric one.
    pub baseline: f64,
    /// What it is, of the candidate's runs.
    pub candidate: f64,
    /// What it was in each run of the baseline.
    pub baseline_runs: Vec<f64>,
    /// What it is in each run of the candidate.
    pub candidate_runs: Vec<f64>,
    /// Whether it is no less than that in the baseline and in the candidate, and may be more, as some
    /// of what it rests on had not ended.
    pub at_least: [bool; 2],
    /// By how much it changed: relative to the baseline, or for a share the difference. `None` if the
    /// baseline is nothing, so that no change is relative to it.
    pub change: Option<f64>,
    /// By how much runs of one side differ from each other: the standard deviation of a run, relative
    /// or for a share absolute. `None` with one run a side, or if it is not judged.
    pub between: Option<f64>,
    /// Where the change lies. With several runs it holds 0 unless the noise between runs does not
    /// explain the change, all rows taken together; with one run a side it says only what the samples
    /// within those two runs leave open. `None` if there are too few samples.
    pub interval: Option<Interval>,
    /// Up to where a change of this number is none.
    pub tolerance: f64,
    /// What is said of it.
    pub verdict: Change,
}

/// One of the runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// Where its document was.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Its scenario.
    pub scenario: String,
    /// When it started: RFC 3339 in UTC.
    pub start: String,
    /// What was said of it.
    pub verdict: Verdict,
    /// How far its generator can be trusted.
    pub generator: Trust,
}

/// What is said of the runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// [`Change::Worse`] if any run of the candidate is broken, or any action or number is, else [`Change::Differs`] if any does, else
    /// [`Change::Better`] if any is, else [`Change::TooFew`] if that is said of all, else
    /// [`Change::Same`] if that is said of all of which there are enough samples, else
    /// [`Change::Noise`].
    pub verdict: Change,
    /// The same in a sentence.
    pub sentence: String,
    /// Why the comparison itself is not to be believed: a sentence for each run whose generator could
    /// not keep up.
    pub invalid: Vec<String>,
    /// The runs of the candidate that failed, while none of the baseline's did: a sentence each.
    pub broken: Vec<String>,
    /// The runs compared with.
    pub baseline: Vec<Compared>,
    /// The runs compared.
    pub candidate: Vec<Compared>,
    /// The confidence that nothing is called worse or better that is not; `None` with one run a side,
    /// where the noise between runs is not known.
    pub confidence: Option<f64>,
    /// The tolerance asked for.
    pub tolerance: f64,
    /// How many numbers had enough samples, among which the doubt is divided.
    pub compared: usize,
    /// What else differs between the runs, a sentence each.
    pub notes: Vec<String>,
    /// Actions that vanished, appeared or never succeeded: those that are worse first.
    pub actions: Vec<Presence>,
    /// All numbers: those of the run first, then those of its actions by name.
    pub rows: Vec<Row>,
}

/// Compares the runs of a baseline with those of a candidate.
///
/// # Errors
/// Every reason at once why it cannot be done: options out of range, a side without a run, a run that
/// is given twice, a document of another shape or without its distributions, a baseline in which
/// nothing was done, or an action asked for that no run has.
pub fn compare(
    baseline: &[Side<'_>],
    candidate: &[Side<'_>],
    options: &Options,
) -> Result<Comparison, Faults> {
    let mut faults = options.faults();
    let sides = [baseline, candidate];
    faults.extend(side::faults(sides));
    let [before, after] =
        sides.map(|runs| runs.iter().map(|run| run.read(&mut faults)).collect::<Vec<_>>());
    let readings = [&before[..], &after[..]];
    let names = if faults.is_empty() {
        presence::named(readings, &options.actions, &mut faults)
    } else {
        Default::default()
    };
    if !faults.is_empty() {
        return Err(Faults(faults));
    }
    let mut actions: Vec<_> =
        names.iter().filter_map(|name| presence::happened(name, readings)).collect();
    actions.sort_by_key(|action| action.verdict != Change::Worse);
    let (rows, compared) = rows::rows(readings, &names, &actions, options);
    let broken = side::broken(sides);
    let verdict = if broken.is_empty() { overall(&actions, &rows) } else { Change::Worse };
    let one_each = sides.iter().all(|runs| runs.len() == 1);
    let compared_runs = sides.map(|runs| runs.iter().map(Side::compared).collect());
    let [baseline, candidate] = compared_runs;
    Ok(Comparison {
        schema: SCHEMA,
        verdict,
        sentence: text::sentence(verdict, (&broken, &actions), &rows, one_each, options),
        invalid: sides.iter().copied().flatten().filter_map(Side::invalid).collect(),
        broken,
        baseline,
        candidate,
        confidence: (!one_each).then_some(options.confidence),
        tolerance: options.tolerance,
        compared,
        notes: notes::notes(sides),
        actions,
        rows,
    })
}

impl Options {
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !(0.5..1.0).contains(&self.confidence) {
            faults.push(format!(
                "the confidence is {}: it must be at least 50% and less than 100%",
                text::share(self.confidence)
            ));
        }
        if !(0.0..10.0).contains(&self.tolerance) {
            faults.push(format!(
                "the tolerance is {}: it must be at least 0% and less than 1000%",
                text::share(self.tolerance)
            ));
        }
        faults
    }
}

fn overall(actions: &[Presence], rows: &[Row]) -> Change {
    let any = |wanted| rows.iter().any(|row| row.verdict == wanted);
    let all = |wanted: &[Change]| rows.iter().all(|row| wanted.contains(&row.verdict));
    if any(Change::Worse) || actions.iter().any(|action| action.verdict == Change::Worse) {
        Change::Worse
    } else if any(Change::Differs) {
        Change::Differs
    } else if any(Change::Better) {
        Change::Better
    } else if all(&[Change::TooFew]) {
        Change::TooFew
    } else if all(&[Change::TooFew, Change::Same]) {
        Change::Same
    } else {
        Change::Noise
    }
}

#[cfg(test)]
mod tests;
