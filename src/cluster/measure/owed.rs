//! Pure: the parts in runs of which this node owes a master what it measured: the current one, and
//! those that are over and whose master was out of reach.

use std::collections::VecDeque;

use crowd_measure::{Measure, series::Activity};
use tokio::time::Instant;

use super::{backlog::Backlog, feed::Reading};
use crate::cluster::{member::MemberId, protocol::run::Assignment};

/// Of so many parts that are over something is kept; of more, that of the oldest is lost.
pub(super) const MOST_OVER: usize = 4;

/// What became of a part that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// The master has all of it.
    Taken,
    /// The master does not know the part any more.
    Refused,
    /// Nothing yet.
    Not,
}

/// A part of a run, and what of it the master has not taken in.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) master: MemberId,
    pub(super) assignment: Assignment,
    pub(super) backlog: Backlog,
    /// The measurements of an earlier part, if there was one.
    before: Option<Measure>,
    /// Its measurements as they were seen last.
    seen: Option<Reading>,
    /// Nothing more is measured.
    closed: bool,
    settled: bool,
    /// When it was over.
    over: Option<Instant>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Owed {
    current: Option<Part>,
    over: VecDeque<Part>,
    /// The measurements seen last; those of a part that is over belong to no other.
    seen: Option<Measure>,
}

impl Owed {
    /// The current part.
    pub(super) fn current(&self) -> Option<&Part> {
        self.current.as_ref()
    }

    /// That part, current or over.
    pub(super) fn part(&mut self, assignment: Assignment) -> Option<&mut Part> {
        let mut all = self.current.iter_mut().chain(&mut self.over);
        all.find(|part| part.assignment == assignment)
    }

    /// Another part begins, and the one before is over. Answers with one that cannot be kept.
    pub(super) fn follow(
        &mut self,
        master: &MemberId,
        assignment: Assignment,
        now: Instant,
    ) -> Option<Part> {
        if self.current.as_ref().is_some_and(|part| part.assignment == assignment) {
            return None;
        }
        let dropped = self.unfollow(now);
        self.current = Some(Part {
            master: master.clone(),
            assignment,
            backlog: Backlog::default(),
            before: self.seen.clone(),
            seen: None,
            closed: false,
            settled: false,
            over: None,
        });
        dropped
    }

    /// The current part is over. It is kept if something is owed of it. Answers with one that cannot be
    /// kept.
    pub(super) fn unfollow(&mut self, now: Instant) -> Option<Part> {
        let mut part = self.current.take()?;
        let begun = part.closed || part.seen.is_some() || !part.backlog.is_empty();
        if part.settled || !begun {
            return None;
        }
        part.over = Some(now);
        self.over.push_back(part);
        if self.over.len() > MOST_OVER { self.over.pop_front() } else { None }
    }

    /// Measurements are looked at, once a second. Answers with the part that an interval of them is to
    /// be kept for, if they are of one and there is room, which hangs on whether its master is reached.
    pub(super) fn read(&mut self, reading: &Reading, reached: bool) -> Option<Assignment> {
        self.seen = Some(reading.measure.clone());
        let part = self.current.as_mut()?;
        if part.closed || !part.wants(&reading.measure) {
            return None;
        }
        part.seen = Some(reading.clone());
        part.backlog.has_room(reached).then_some(part.assignment)
    }

    /// Nothing more is measured in a part. Answers with its last reading, once; without `now`, as it
    /// was seen last, with nobody left.
    pub(super) fn close(
        &mut self,
        assignment: Assignment,
        now: Option<Reading>,
    ) -> Option<Reading> {
        let is_current = self.current.as_ref().is_some_and(|part| part.assignment == assignment);
        let part = self.part(assignment).filter(|part| !part.closed)?;
        part.closed = true;
        let seen = part.seen.take().map(|seen| {
            let activity = Activity { running: 0, ended: seen.activity.started, ..seen.activity };
            Reading { activity, ..seen }
        });
        // Of a part that is over, what is measured now is another's.
        let now = now.filter(|reading| is_current && part.wants(&reading.measure));
        let last = now.or(seen)?;
        if is_current {
            self.seen = Some(last.measure.clone());
        }
        Some(last)
    }

    /// The parts that are over, oldest first, and when they were.
    pub(super) fn over(&self) -> Vec<(MemberId, Assignment, Instant)> {
        let row = |part: &Part| Some((part.master.clone(), part.assignment, part.over?));
        self.over.iter().filter_map(row).collect()
    }

    /// Nothing more becomes of that part: it is forgotten as soon as it is over. Answers with what is
    /// lost of it, as a sentence.
    pub(super) fn settle(&mut self, assignment: Assignment, why: &str) -> Option<String> {
        let part = self.part(assignment)?;
        part.settled = true;
        let lost = part.lost(why);
        self.over.retain(|part| !part.settled);
        lost
    }

    /// There is no link to that master any more, or a new one.
    pub(super) fn link_lost(&mut self, master: &MemberId) {
        let all = self.current.iter_mut().chain(&mut self.over);
        all.filter(|part| part.master == *master).for_each(|part| part.backlog.link_lost());
    }
}

impl Part {
    fn wants(&self, measure: &Measure) -> bool {
        match &self.seen {
            Some(seen) => seen.measure.is_same(measure),
            None => !self.before.as_ref().is_some_and(|before| before.is_same(measure)),
        }
    }

    /// What is lost with it, as a sentence.
    pub(super) fn lost(&self, why: &str) -> Option<String> {
        let (since, until) = self.backlog.span()?;
        let (since, until) = (since.as_secs_f64(), until.as_secs_f64());
        Some(format!(
            "what was measured here from {since:.1} s to {until:.1} s of this node's part is lost: \
             the master, `{}`, {why}",
            self.master
        ))
    }
}
