//! Comparing two runs: what got better or worse, and whether that is noise.
//!
//! Pure: the same two documents always give the same answer. `docs/compare.md` tells how it is decided
//! and what to make of it.

use std::fmt;

use serde::Serialize;

use crate::measure::health::Trust;

mod blocks;
mod bootstrap;
mod interval;
mod metric;
pub(crate) mod normal;
mod notes;
mod random;
mod rows;
mod shares;
mod side;
mod text;

pub use self::{
    interval::Interval,
    metric::{Metric, Unit},
    side::Side,
    text::render,
};

/// The name and version of the shape of a [`Comparison`] as JSON.
pub const SCHEMA: &str = "crowd.comparison/1";

/// How runs are compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// How sure it is that nothing is called a change that is none, over all numbers of the
    /// comparison together: 0.95 for 95 %.
    pub confidence: f64,
    /// Changes up to this, relative to the baseline, are none: 0.05 for 5 %.
    pub tolerance: f64,
    /// The actions to compare; all that both runs have if empty.
    pub actions: Vec<String>,
    /// How many replicates of each time are drawn.
    pub replicates: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { confidence: 0.95, tolerance: 0.05, actions: Vec::new(), replicates: 10_000 }
    }
}

/// Why two runs cannot be compared: every fault there is.
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
            Self::TooFew => "too few to tell",
        })
    }
}

/// One number of both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The action; `None` for a number of the whole run.
    pub action: Option<String>,
    /// Which number.
    pub metric: Metric,
    /// Its unit.
    pub unit: Unit,
    /// What it was.
    pub baseline: f64,
    /// What it is.
    pub candidate: f64,
    /// By how much it changed: relative to the baseline, or for a share the difference. `None` if the
    /// baseline is nothing, so that no change is relative to it.
    pub change: Option<f64>,
    /// Where the change lies, with the confidence asked for over all rows together; `None` if there
    /// are too few samples.
    pub interval: Option<Interval>,
    /// Up to where a change of this number is none.
    pub tolerance: f64,
    /// What is said of it.
    pub verdict: Change,
}

/// One of the two runs.
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
    /// How far its generator can be trusted.
    pub generator: Trust,
}

/// What is said of two runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// [`Change::Worse`] if any number is, else [`Change::Better`] if any is, else
    /// [`Change::TooFew`] if that is said of all, else [`Change::Same`] if that is said of all of
    /// which there are enough samples, else [`Change::Noise`].
    pub verdict: Change,
    /// The same in a sentence.
    pub sentence: String,
    /// Why the comparison itself is not to be believed: a sentence for each run whose generator could
    /// not keep up.
    pub invalid: Vec<String>,
    /// The run compared with.
    pub baseline: Compared,
    /// The run compared.
    pub candidate: Compared,
    /// The confidence asked for.
    pub confidence: f64,
    /// The tolerance asked for.
    pub tolerance: f64,
    /// How many numbers had enough samples, among which the doubt is divided.
    pub compared: usize,
    /// What else differs between the runs, a sentence each.
    pub notes: Vec<String>,
    /// Actions that only the baseline has.
    pub only_in_baseline: Vec<String>,
    /// Actions that only the candidate has.
    pub only_in_candidate: Vec<String>,
    /// All numbers: those of the run first, then those of its actions by name.
    pub rows: Vec<Row>,
}

/// Compares two runs.
///
/// # Errors
/// Every reason at once why it cannot be done: options out of range, a document of another shape or
/// without its distributions, no action in common, or an action asked for that a run does not have.
pub fn compare(
    baseline: &Side<'_>,
    candidate: &Side<'_>,
    options: &Options,
) -> Result<Comparison, Faults> {
    let mut faults = options.faults();
    let (before, after) = (baseline.read(&mut faults), candidate.read(&mut faults));
    let names = rows::common(&before, &after, &options.actions, &mut faults);
    if !faults.is_empty() {
        return Err(Faults(faults));
    }
    let runs = [
        rows::Run { side: baseline, readings: &before },
        rows::Run { side: candidate, readings: &after },
    ];
    let (rows, compared) = rows::rows(runs, &names, options);
    let verdict = overall(&rows);
    let only = |mine: &side::Readings, other: &side::Readings| {
        let missing = mine.actions.keys().filter(|name| !other.actions.contains_key(*name));
        missing.filter(|_| options.actions.is_empty()).cloned().collect()
    };
    Ok(Comparison {
        schema: SCHEMA,
        verdict,
        sentence: text::sentence(verdict, &rows, options),
        invalid: [baseline, candidate].iter().filter_map(|side| side.invalid()).collect(),
        baseline: baseline.compared(),
        candidate: candidate.compared(),
        confidence: options.confidence,
        tolerance: options.tolerance,
        compared,
        notes: notes::notes(baseline.report, candidate.report),
        only_in_baseline: only(&before, &after),
        only_in_candidate: only(&after, &before),
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
        if self.replicates < 100 {
            faults.push(format!("{} replicates are too few: 100 at least", self.replicates));
        }
        faults
    }
}

fn overall(rows: &[Row]) -> Change {
    let any = |wanted| rows.iter().any(|row| row.verdict == wanted);
    let all = |wanted: &[Change]| rows.iter().all(|row| wanted.contains(&row.verdict));
    if any(Change::Worse) {
        Change::Worse
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
