//! Pure: how users ended, counted by kind, and the last of those that did not end well.

use std::{collections::VecDeque, time::Duration};

use crowd_core::user_id::UserId;
use serde::{Deserialize, Serialize};

use super::population::Count;
use crate::user::task::{Ending, Exit};

/// How many endings with a reason are kept.
const KEPT: usize = 1000;

/// Users by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndingCounts {
    /// Returned of themselves.
    pub finished: u64,
    /// Returned after they had been told to stop.
    pub stopped: u64,
    /// Returned a failure.
    pub failed: u64,
    /// Panicked.
    pub panicked: u64,
    /// Were killed.
    pub killed: u64,
}

/// An ending that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptEnding {
    /// Who.
    pub user: UserId,
    /// `failed`, `panicked` or `killed`.
    pub state: &'static str,
    /// Why.
    pub reason: String,
    /// How long the user lived.
    pub age: Duration,
}

/// How the users of a run ended.
#[derive(Debug, Default)]
pub struct Endings {
    counts: EndingCounts,
    kept: VecDeque<KeptEnding>,
}

impl Endings {
    /// Counts an exit.
    pub fn note(&mut self, exit: &Exit) {
        let counter = match exit.ending {
            Ending::Finished => &mut self.counts.finished,
            Ending::Stopped => &mut self.counts.stopped,
            Ending::Failed(_) => &mut self.counts.failed,
            Ending::Panicked(_) => &mut self.counts.panicked,
            Ending::Killed => &mut self.counts.killed,
        };
        *counter += 1;
        if let Some((state, reason)) = exit.ending.story() {
            if self.kept.len() == KEPT {
                self.kept.pop_front();
            }
            self.kept.push_back(KeptEnding {
                user: exit.user,
                state,
                reason: reason.to_owned(),
                age: exit.age,
            });
        }
    }

    /// Users by how they ended.
    pub fn counts(&self) -> EndingCounts {
        self.counts
    }

    /// How the user ended, if it ended badly and not too long ago.
    pub fn of(&self, user: UserId) -> Option<&KeptEnding> {
        self.kept.iter().rev().find(|ending| ending.user == user)
    }

    /// The bad endings that are kept, the latest first.
    pub fn latest(&self) -> impl Iterator<Item = &KeptEnding> + '_ {
        self.kept.iter().rev()
    }
}

impl Ending {
    /// How the population counts it.
    pub(crate) fn count(&self) -> Count {
        match self {
            Self::Finished => Count::Finished,
            Self::Failed(_) | Self::Panicked(_) => Count::Failed,
            Self::Stopped | Self::Killed => Count::Removed,
        }
    }

    /// What there is to tell of an ending that is not a good one: the state it left the user in
    /// and the reason.
    pub(crate) fn story(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Finished | Self::Stopped => None,
            Self::Failed(failure) => Some(("failed", failure.reason())),
            Self::Panicked(text) => Some(("panicked", text)),
            Self::Killed => Some(("killed", "did not end when told to stop")),
        }
    }
}
