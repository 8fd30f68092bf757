//! Pure: what is told of strangers at the door. Each has a budget of lines for each kind of fault; what
//! goes beyond it is counted, and told as a number.

use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    time::Duration,
};

use super::hello::Because;

/// A budget lasts so long.
const PERIOD: Duration = Duration::from_secs(60);

/// So many different lines of one kind are told of one stranger in a period; what was told already is
/// not told again.
const LINES: usize = 3;

/// So many strangers have a budget of their own for each kind of fault. All others share one, so that
/// nobody's memory grows, and no kind is silenced by another.
const MOST: usize = 256;

/// What is wrong with a stranger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Its proof.
    Cookie,
    /// Its version, its scenarios, its master.
    Unlike,
    /// Its name.
    Name,
    /// It is no node.
    Stranger,
    /// What it sends as a member.
    Packet,
    /// What it says when it is dialled.
    Dialled,
    /// Nothing: nobody can be let in.
    Door,
}

impl Kind {
    pub(super) fn of(because: Because) -> Self {
        match because {
            Because::Cookie => Self::Cookie,
            Because::Name => Self::Name,
            Because::Unlike
            | Because::Itself
            | Because::Linked
            | Because::Busy
            | Because::Other => Self::Unlike,
        }
    }
}

/// Something to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) address: String,
    pub(super) reason: String,
}

/// What was told lately, of whom.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// By kind and stranger; those that share a budget have no name.
    budgets: BTreeMap<(Kind, Option<String>), Budget>,
    /// No period ends before.
    next: Duration,
}

#[derive(Debug)]
struct Budget {
    ends: Duration,
    /// What was told, as digests.
    told: Vec<u64>,
    /// How many were not told, and the last of them.
    more: u64,
    last: Option<Line>,
}

impl Budget {
    fn new(now: Duration) -> Self {
        Self { ends: now + PERIOD, told: Vec::new(), more: 0, last: None }
    }

    /// What was not told in the period that is over, as one line. It counts for the next period.
    fn sum_up(&mut self, now: Duration) -> Option<Line> {
        let Line { address, reason } = self.last.take()?;
        let more = std::mem::take(&mut self.more);
        (self.ends, self.told) = (now + PERIOD, vec![digest(&reason)]);
        Some(Line { address, reason: format!("{more} more like it; the last: {reason}") })
    }
}

fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

impl Said {
    /// Something is wrong with `whom`: the lines that are to be told now.
    pub(super) fn hear(&mut self, kind: Kind, whom: &str, line: Line, now: Duration) -> Vec<Line> {
        let mut lines = self.due(now);
        let mut key = (kind, Some(whom.to_owned()));
        if !self.budgets.contains_key(&key) {
            let first = (kind, Some(String::new()));
            let own = self.budgets.range(first..).take_while(|((of, _), _)| *of == kind).count();
            if own >= MOST {
                key.1 = None;
            }
        }
        let budget = self.budgets.entry(key).or_insert_with(|| Budget::new(now));
        self.next = self.next.min(budget.ends);
        let digest = digest(&line.reason);
        if budget.told.len() < LINES && !budget.told.contains(&digest) {
            budget.told.push(digest);
            lines.push(line);
        } else {
            budget.more += 1;
            budget.last = Some(line);
        }
        lines
    }

    /// Time passes: what is to be told of periods that are over.
    pub(super) fn due(&mut self, now: Duration) -> Vec<Line> {
        let mut lines = Vec::new();
        if now < self.next {
            return lines;
        }
        self.budgets.retain(|_, budget| {
            if now < budget.ends {
                return true;
            }
            let more = budget.sum_up(now);
            lines.extend(more.clone());
            more.is_some()
        });
        let ends = self.budgets.values().map(|budget| budget.ends);
        self.next = ends.min().unwrap_or(Duration::MAX);
        lines
    }
}

#[cfg(test)]
mod tests;
