//! One attempt at a timed action, from its beginning to whatever becomes of it.

use std::{cell::Cell, fmt, time::Duration};

use crowd_core::failure::Failure;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{Measure, Sample};

/// A part of the time that an action takes. Phases are shown beside the action; they are no actions
/// of their own and have no part in its count or its error rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Finding the address of a name.
    Dns,
    /// Opening a connection.
    Connect,
    /// The TLS handshake.
    Tls,
    /// From the request sent to the first byte of its answer.
    FirstByte,
    /// From there to the end of the answer.
    Rest,
}

impl Phase {
    /// How many there are.
    pub const COUNT: usize = 5;

    /// All of them, in the order in which they follow each other.
    pub const ALL: [Self; Self::COUNT] =
        [Self::Dns, Self::Connect, Self::Tls, Self::FirstByte, Self::Rest];
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::FirstByte => "first byte",
            Self::Rest => "rest",
        })
    }
}

/// Where an attempt under way is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub(super) line: u32,
    pub(super) slot: u32,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy)]
pub enum Fate<'a> {
    /// It was done, or failed.
    Ended(Option<&'a Failure>),
    /// It was given up before either: by a stop, a kill, or the end of the run.
    Unfinished,
}

thread_local! {
    /// When what is dropped now on this thread was given up, if that was before now.
    static GIVEN_UP: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// What is dropped on this thread from now on was given up then: of a process that was frozen only
/// that it waited until then is known. `None`: when it is dropped.
pub fn give_up_at(moment: Option<Instant>) {
    GIVEN_UP.set(moment);
}

/// When an attempt that is dropped now was given up.
pub fn given_up() -> Instant {
    let now = Instant::now();
    GIVEN_UP.get().map_or(now, |moment| moment.min(now))
}

/// An attempt at a timed action that is under way. End it with [`Attempt::end`]. Dropped without, it
/// counts as unfinished, with the time it has waited so far: nothing that was begun vanishes.
#[derive(Debug)]
pub struct Attempt<'m> {
    measure: &'m Measure,
    action: &'m str,
    place: Place,
    began: Instant,
    due: Instant,
    /// In microseconds.
    phases: [Option<u32>; Phase::COUNT],
    over: bool,
}

impl<'m> Attempt<'m> {
    pub(super) fn new(
        measure: &'m Measure,
        action: &'m str,
        began: Instant,
        due: Instant,
        user: Option<u64>,
    ) -> Self {
        let place = measure.enter(action, began, due, user);
        Self { measure, action, place, began, due, phases: [None; Phase::COUNT], over: false }
    }

    /// When it began: service time counts from then.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// It spent so long in a phase; what a phase took before is added to.
    pub fn phase(&mut self, phase: Phase, took: Duration) {
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        let before = self.phases[phase as usize].unwrap_or(0);
        self.phases[phase as usize] = Some(before.saturating_add(micros));
    }

    /// It is done, or failed, now.
    pub fn end(self, failure: Option<&Failure>) {
        self.end_times(failure, 1);
    }

    /// As [`Attempt::end`], counted so many times, once at least: for attempts that a user would
    /// have made meanwhile, and that would have gone the same way.
    pub fn end_times(mut self, failure: Option<&Failure>, times: u64) {
        self.leave(Fate::Ended(failure), times);
    }

    fn leave(&mut self, fate: Fate<'_>, times: u64) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        let now = match fate {
            Fate::Ended(_) => Instant::now(),
            Fate::Unfinished => given_up(),
        };
        let sample = Sample {
            service: now.saturating_duration_since(self.began),
            response: now.saturating_duration_since(self.due.min(self.began)),
            failure: None,
        };
        let phases = Phase::ALL.into_iter().zip(self.phases);
        let phases = phases
            .filter_map(|(phase, micros)| Some((phase, Duration::from_micros(micros?.into()))));
        self.measure.leave(self.action, Some(self.place), sample, fate, times, phases);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.leave(Fate::Unfinished, 1);
    }
}

#[cfg(test)]
mod tests;
