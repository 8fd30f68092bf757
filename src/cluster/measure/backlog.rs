//! Pure: what was measured here in a part of a run, until the master has taken it in.
//!
//! An interval is kept until the master says that it has it, and sent again over every new link. The
//! master takes each of its pieces once, and in order: see [`super::intake`].

use std::{collections::VecDeque, sync::Arc, time::Duration};

use crowd_measure::{health::HealthSummary, series::Activity, wire::Part};

use crate::cluster::protocol::{
    measure::{Interval, Measured},
    run::Assignment,
};

/// So many intervals may be under way. Beyond that, what is measured is added up until the master has
/// caught up, and kept as one.
pub(super) const MOST_UNDER_WAY: usize = 5;

/// So many intervals are kept while the master cannot be reached: what is measured under a lease and
/// until the usual master timeout, second by second. Beyond that, it is added up as well.
pub(super) const MOST_KEPT: usize = 40;

/// What was measured in an interval.
#[derive(Debug)]
pub(super) struct Kept {
    /// From 1, without gaps.
    pub(super) number: u64,
    /// When measuring began, on this node's clock.
    pub(super) origin: u64,
    /// When the interval began, since then.
    pub(super) since: Duration,
    /// When it ended, since then.
    pub(super) until: Duration,
    pub(super) activity: Activity,
    pub(super) health: Box<HealthSummary>,
    pub(super) pieces: Vec<Arc<Part>>,
    /// Whether nothing was measured in it.
    pub(super) empty: bool,
}

impl Kept {
    /// As it travels at that time, on this node's clock.
    pub(super) fn messages(
        &self,
        assignment: Assignment,
        sent: u64,
    ) -> impl Iterator<Item = Measured> {
        (0..).zip(&self.pieces).map(move |(piece, part)| {
            let last = piece as usize + 1 == self.pieces.len();
            Measured::Interval(Box::new(Interval {
                assignment,
                number: self.number,
                piece,
                origin: self.origin,
                sent,
                until: self.until,
                activity: self.activity,
                health: last.then(|| self.health.clone()),
                part: part.clone(),
            }))
        })
    }
}

/// The intervals of a part that the master has not taken in, oldest first.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    kept: VecDeque<Arc<Kept>>,
    /// How many there ever were.
    made: u64,
    /// Up to which all were sent over the link that there is.
    sent: u64,
    /// Up to which the master has all.
    taken: u64,
    /// Counts the links.
    link: u64,
}

/// How far a backlog was when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    link: u64,
    sent: u64,
}

impl Backlog {
    /// Whether another interval may be kept, for a master that is reached or is not.
    pub(super) fn has_room(&self, reached: bool) -> bool {
        self.kept.len() < if reached { MOST_UNDER_WAY } else { MOST_KEPT }
    }

    /// Keeps an interval, which is made for its number.
    pub(super) fn keep(&mut self, make: impl FnOnce(u64) -> Kept) {
        self.made += 1;
        self.kept.push_back(Arc::new(make(self.made)));
    }

    /// What is to be sent next, if something is.
    pub(super) fn next(&self) -> Option<(Position, Arc<Kept>)> {
        let under_way = usize::try_from(self.sent - self.taken).unwrap_or(usize::MAX);
        let next = self.kept.get(under_way).filter(|_| under_way < MOST_UNDER_WAY)?;
        Some((self.position(), next.clone()))
    }

    /// What was next at `then` was sent.
    pub(super) fn was_sent(&mut self, then: Position) {
        // What was sent over a link that is gone is sent again.
        if then == self.position() {
            self.sent += 1;
        }
    }

    /// How far it is.
    pub(super) fn position(&self) -> Position {
        Position { link: self.link, sent: self.sent }
    }

    /// The master has all up to `taken`. It was asked at `then`, and all that was sent before has come
    /// to it or never will.
    pub(super) fn was_taken(&mut self, taken: u64, then: Position) {
        let taken = taken.min(self.made);
        while self.kept.front().is_some_and(|first| first.number <= taken) {
            self.kept.pop_front();
        }
        self.taken = self.taken.max(taken);
        self.sent = self.sent.max(self.taken);
        if then.link == self.link && self.taken < then.sent {
            self.link_lost();
        }
    }

    /// There is no link to the master, or a new one: what it has not taken in is to be sent again.
    pub(super) fn link_lost(&mut self) {
        self.link += 1;
        self.sent = self.taken;
    }

    /// Whether something was sent of which is not known whether the master has it.
    pub(super) fn is_under_way(&self) -> bool {
        self.sent > self.taken
    }

    /// The number of the last interval, if all were sent over this link.
    pub(super) fn all_sent(&self) -> Option<u64> {
        (self.sent == self.made).then_some(self.made)
    }

    /// How many intervals the master has not taken in, as far as is known.
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether the master has all of it.
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Since when and until when what it holds was measured, since measuring began; `None` if it
    /// holds nothing.
    pub(super) fn span(&self) -> Option<(Duration, Duration)> {
        let mut holding = self.kept.iter().filter(|kept| !kept.empty);
        let first = holding.next()?;
        Some((first.since, holding.next_back().unwrap_or(first).until))
    }
}
