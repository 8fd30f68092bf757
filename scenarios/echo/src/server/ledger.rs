//! Who said what when.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    clock::{self, Moment},
    protocol::{Hello, Line},
};

/// All that was said. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    entries: Arc<Mutex<Entries>>,
}

#[derive(Debug, Default)]
struct Entries {
    lives: Vec<Life>,
    /// One per line.
    released: Vec<Moment>,
    /// Which row came from which life, by its place in `lives`.
    rows: Vec<(u64, usize)>,
    /// Lines that are being repeated.
    in_flight: u64,
    most_in_flight: u64,
}

/// One connection: one life of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// The user.
    pub id: u64,
    /// The node it was on.
    pub node: String,
    /// Its life: another one each time a user is started.
    pub life: u64,
    /// When its connection came.
    pub opened: Moment,
    /// When its connection ended.
    pub closed: Option<Moment>,
    /// How many lines it said.
    pub lines: u64,
    /// When it sent its first line and its last, on the machine's clock.
    pub acted: Option<(Moment, Moment)>,
    /// When its last line came.
    pub heard: Option<Moment>,
    /// How many lines did not come in order, or under another name.
    pub faults: u64,
}

/// A user that lived twice at a time: while the second life acted, the first still did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twice {
    /// The life that began first.
    pub first: Life,
    /// The life that began while the other acted.
    pub second: Life,
}

impl fmt::Display for Twice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, second } = self;
        let over = first.acted.zip(second.acted).map(|(a, b)| a.1.saturating_sub(b.0));
        write!(
            f,
            "user {} acted on {} for {} ms after it had begun to on {}",
            first.id,
            first.node,
            over.unwrap_or(0) / 1_000_000,
            second.node,
        )
    }
}

/// The ledger's page for one connection; dropped with it.
#[derive(Debug)]
pub(super) struct Entry {
    ledger: Ledger,
    at: usize,
}

impl Entry {
    /// Puts down a line, which is in flight as long as the answer is held.
    pub(super) fn note(&self, line: &Line) -> InFlight {
        let mut entries = self.ledger.entries();
        entries.in_flight += 1;
        entries.most_in_flight = entries.most_in_flight.max(entries.in_flight);
        let in_flight = InFlight(self.ledger.clone());
        let Some(life) = entries.lives.get_mut(self.at) else { return in_flight };
        let in_order = line.sequence == life.lines;
        if !in_order || (line.id, line.life) != (life.id, life.life) {
            life.faults += 1;
        }
        life.lines += 1;
        life.heard = Some(clock::now());
        let (first, last) = life.acted.unwrap_or((line.sent, line.sent));
        life.acted = Some((first.min(line.sent), last.max(line.sent)));
        entries.released.push(line.released);
        entries.rows.extend(line.row.map(|row| (row, self.at)));
        in_flight
    }
}

/// A line that is being repeated.
#[derive(Debug)]
pub(super) struct InFlight(Ledger);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.entries().in_flight -= 1;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let at = self.at;
        if let Some(life) = self.ledger.entries().lives.get_mut(at) {
            life.closed = Some(clock::now());
        }
    }
}

impl Ledger {
    pub(super) fn open(self, hello: Hello) -> Entry {
        let Hello { id, node, life } = hello;
        let mut entries = self.entries();
        let at = entries.lives.len();
        entries.lives.push(Life {
            id,
            node,
            life,
            opened: clock::now(),
            closed: None,
            lines: 0,
            acted: None,
            heard: None,
            faults: 0,
        });
        drop(entries);
        Entry { ledger: self, at }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All lives there were, in the order of their connections.
    pub fn lives(&self) -> Vec<Life> {
        self.entries().lives.clone()
    }

    /// The lives of one user, in the order of their connections.
    pub fn lives_of(&self, id: u64) -> Vec<Life> {
        self.entries().lives.iter().filter(|life| life.id == id).cloned().collect()
    }

    /// Whoever is connected now, by id. A user on a node that is frozen still is.
    pub fn connected(&self) -> Vec<u64> {
        let entries = self.entries();
        let open = entries.lives.iter().filter(|life| life.closed.is_none());
        let mut ids: Vec<_> = open.map(|life| life.id).collect();
        ids.sort_unstable();
        ids
    }

    /// Whoever was heard of since that moment, with the node of its last life.
    pub fn acting_since(&self, moment: Moment) -> BTreeMap<u64, String> {
        let entries = self.entries();
        let heard = entries.lives.iter().filter(|life| life.heard >= Some(moment));
        heard.map(|life| (life.id, life.node.clone())).collect()
    }

    /// How many of them there are on each node.
    pub fn acting_by_node(&self, moment: Moment) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for node in self.acting_since(moment).into_values() {
            *counts.entry(node).or_default() += 1;
        }
        counts
    }

    /// All users there ever were.
    pub fn ids(&self) -> BTreeSet<u64> {
        self.entries().lives.iter().map(|life| life.id).collect()
    }

    /// How many lines were said.
    pub fn lines(&self) -> u64 {
        self.entries().lives.iter().map(|life| life.lines).sum()
    }

    /// How many lines came out of order or under another name: a target that repeats faithfully and
    /// users that count have none.
    pub fn faults(&self) -> u64 {
        self.entries().lives.iter().map(|life| life.faults).sum()
    }

    /// The most lines that were ever being repeated at once.
    pub fn most_in_flight(&self) -> u64 {
        self.entries().most_in_flight
    }

    /// When the throttle let each line through, earliest first.
    pub fn released(&self) -> Vec<Moment> {
        let mut released = self.entries().released.clone();
        released.sort_unstable();
        released
    }

    /// The rows that lines were said with, lowest first, with the node of who said each.
    pub fn rows(&self) -> Vec<(u64, String)> {
        let entries = self.entries();
        let node = |at: usize| entries.lives.get(at).map_or("", |life| &life.node).to_owned();
        let mut rows: Vec<_> = entries.rows.iter().map(|&(row, at)| (row, node(at))).collect();
        rows.sort_unstable();
        rows
    }

    /// Every user that acted in a life after a later life of it had begun to act. Nobody may.
    ///
    /// Told by when lines were *sent*, on the one clock of the machine: that a line was long under
    /// way is no second life.
    pub fn lives_twice(&self) -> Vec<Twice> {
        let mut by_id: BTreeMap<u64, Vec<Life>> = BTreeMap::new();
        for life in self.lives() {
            if life.acted.is_some() {
                by_id.entry(life.id).or_default().push(life);
            }
        }
        let mut found = Vec::new();
        for mut lives in by_id.into_values() {
            lives.sort_by_key(|life| life.acted);
            for (at, second) in lives.iter().enumerate() {
                let earlier = lives[..at].iter();
                found.extend(
                    earlier
                        .filter(|first| overlap(first, second))
                        .map(|first| Twice { first: first.clone(), second: second.clone() }),
                );
            }
        }
        found
    }
}

/// Whether the first life acted after the second had begun to.
fn overlap(first: &Life, second: &Life) -> bool {
    first.acted.zip(second.acted).is_some_and(|((_, last), (begun, _))| last >= begun)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(id: u64, life: u64, node: &str) -> Hello {
        Hello { id, node: node.into(), life }
    }

    fn line(id: u64, life: u64, sequence: u64, sent: Moment) -> Line {
        Line { id, life, sequence, released: sent, sent, row: None }
    }

    #[test]
    fn one_life_after_the_other_is_one_at_a_time() {
        let ledger = Ledger::default();
        let first = ledger.clone().open(hello(1, 10, "a"));
        first.note(&line(1, 10, 0, 100));
        let both = [first.note(&line(1, 10, 1, 200)), first.note(&line(1, 10, 2, 200))];
        assert_eq!(ledger.most_in_flight(), 2);
        drop(both);
        // Connected while the first still is: nothing was done yet.
        let second = ledger.clone().open(hello(1, 11, "b"));
        second.note(&line(1, 11, 0, 201));
        assert_eq!(ledger.lives_twice(), []);
        assert_eq!(ledger.connected(), [1, 1]);
        drop(first);
        assert_eq!(ledger.connected(), [1]);
        assert_eq!((ledger.lines(), ledger.faults()), (4, 0));
        assert_eq!(ledger.released(), [100, 200, 200, 201]);
    }

    #[test]
    fn a_life_that_goes_on_when_the_next_has_begun_is_found() {
        let ledger = Ledger::default();
        let first = ledger.clone().open(hello(1, 10, "a"));
        let second = ledger.clone().open(hello(1, 11, "b"));
        let other = ledger.clone().open(hello(2, 12, "b"));
        first.note(&line(1, 10, 0, 100));
        second.note(&line(1, 11, 0, 200));
        other.note(&line(2, 12, 0, 250));
        first.note(&line(1, 10, 1, 300));
        let twice = ledger.lives_twice();
        assert_eq!(twice.len(), 1);
        assert_eq!((twice[0].first.life, twice[0].second.life), (10, 11));
    }

    #[test]
    fn lines_that_do_not_fit_are_faults() {
        let ledger = Ledger::default();
        let entry = ledger.clone().open(hello(1, 10, "a"));
        entry.note(&line(1, 10, 1, 1));
        entry.note(&line(1, 11, 1, 2));
        entry.note(&line(1, 10, 2, 3));
        assert_eq!(ledger.faults(), 2);
    }

    #[test]
    fn who_acts_is_who_was_heard_of() {
        let ledger = Ledger::default();
        let silent = ledger.clone().open(hello(1, 10, "a"));
        let loud = ledger.clone().open(hello(2, 11, "b"));
        let before = clock::now();
        loud.note(&line(2, 11, 0, 1));
        assert_eq!(ledger.acting_since(before), [(2, "b".to_owned())].into());
        assert_eq!(ledger.acting_by_node(before), [("b".to_owned(), 1)].into());
        assert_eq!(ledger.ids(), [1, 2].into());
        drop(silent);
    }
}
