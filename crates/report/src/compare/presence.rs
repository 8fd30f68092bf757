//! What is judged before any number, and needs no statistics: actions that vanished, appeared, or
//! never succeeded.

use std::collections::BTreeSet;

use crowd_core::suggestion::did_you_mean;
use serde::Serialize;

use super::{
    Change,
    side::{ActionReading, Readings},
};

/// A single run of several is judged by what it lacks if the others have so much of it: less may be
/// missing by chance.
const REGULAR: f64 = 10.0;

/// Something that happened to an action as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The baseline has it, and the candidate, or a run of it, does not.
    Vanished,
    /// Only the candidate has it.
    Appeared,
    /// It never succeeded in the candidate, or in a run of it.
    NeverSucceeded,
    /// Neither side has it in all of its runs.
    Seldom,
}

/// An action that is not on both sides as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Presence {
    /// The action.
    pub action: String,
    /// What happened to it.
    pub event: Event,
    /// [`Change::Worse`], or [`Change::Unknown`] if it is neither good nor bad.
    pub verdict: Change,
    /// The same in a sentence.
    pub sentence: String,
}

/// The actions to compare: those of either side, or those asked for.
pub(super) fn named<'a>(
    sides: [&[Readings<'a>]; 2],
    wanted: &[String],
    faults: &mut Vec<String>,
) -> BTreeSet<&'a str> {
    let of = |runs: &[Readings<'a>]| -> BTreeSet<&'a str> {
        runs.iter().flat_map(|run| run.actions.keys().copied()).collect()
    };
    let [before, after] = sides.map(of);
    if before.is_empty() {
        faults.push("no action was begun in the baseline: there is nothing to compare with".into());
        return before;
    }
    let mut all: BTreeSet<_> = before.union(&after).copied().collect();
    for name in wanted.iter().filter(|name| !all.contains(name.as_str())) {
        let hint = did_you_mean(name, all.iter().copied());
        faults.push(format!("there is no action `{name}` in any of the runs{hint}"));
    }
    all.retain(|name| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name));
    all
}

/// What happened to an action, if anything did.
pub(super) fn happened(action: &str, sides: [&[Readings<'_>]; 2]) -> Option<Presence> {
    let told = |event, verdict, sentence: String| {
        let sentence = format!("`{action}` {sentence}");
        Some(Presence { action: action.to_owned(), event, verdict, sentence })
    };
    let found = |runs: &[Readings<'_>]| runs.iter().filter(|run| has(run, action)).count();
    let [before, after] = sides;
    let regular = before.iter().all(|run| of(run, action).is_some_and(|a| a.lost.of >= REGULAR));
    match (found(before), found(after)) {
        (0, _) => {
            if succeeded(after, action) {
                return told(Event::Appeared, Change::Unknown, "is only in the candidate".into());
            }
            let sentence = "is only in the candidate, and never succeeded";
            told(Event::Appeared, Change::Worse, sentence.into())
        }
        (some, 0) if some == before.len() => {
            told(Event::Vanished, Change::Worse, "vanished: it is only in the baseline".into())
        }
        (_, some) if regular && some < after.len() => {
            let lacking = list(after, |run| !has(run, action));
            told(Event::Vanished, Change::Worse, format!("vanished from {lacking}"))
        }
        (all, also) if all < before.len() || also < after.len() => {
            let having = list(before, |run| has(run, action));
            let having = [having, list(after, |run| has(run, action))];
            let having: Vec<_> = having.into_iter().filter(|names| !names.is_empty()).collect();
            let sentence = format!("is only in {}: it is not compared", having.join(", "));
            told(Event::Seldom, Change::Unknown, sentence)
        }
        _ if !succeeded(before, action) => {
            if succeeded(after, action) {
                return None;
            }
            let sentence = "never succeeded on either side: its times are those of failures";
            told(Event::NeverSucceeded, Change::Unknown, sentence.into())
        }
        _ if !succeeded(after, action) => {
            told(Event::NeverSucceeded, Change::Worse, "never succeeded in the candidate".into())
        }
        _ => {
            let barren = |run: &Readings<'_>| {
                of(run, action).is_some_and(|a| a.lost.of >= REGULAR && !a.succeeded())
            };
            let (was, is) = (list(before, barren), list(after, barren));
            if is.is_empty() || !was.is_empty() {
                return None;
            }
            told(Event::NeverSucceeded, Change::Worse, format!("never succeeded in {is}"))
        }
    }
}

fn of<'a, 'b>(run: &'b Readings<'a>, action: &str) -> Option<&'b ActionReading<'a>> {
    run.actions.get(action)
}

fn has(run: &Readings<'_>, action: &str) -> bool {
    run.actions.contains_key(action)
}

fn succeeded(runs: &[Readings<'_>], action: &str) -> bool {
    runs.iter().any(|run| of(run, action).is_some_and(ActionReading::succeeded))
}

fn list(runs: &[Readings<'_>], which: impl Fn(&Readings<'_>) -> bool) -> String {
    let names: Vec<_> = runs.iter().filter(|run| which(run)).map(|run| run.name).collect();
    names.join(", ")
}
