//! What the actions of a plan are called with.

use std::fmt;

use crowd_core::user_id::UserId;
use serde::{Deserialize, Serialize};

/// Why a group is handed to its actions. The number is how many users the group holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// The group is full. Never happens to [`Group::All`](super::Group::All).
    Coordinate(u64),
    /// Nobody was added for as long as the coordinator's timeout. Reaches every item of the plan,
    /// also those that nobody waits in.
    Timeout(u64),
    /// The coordinator was reset.
    Reset(u64),
    /// The coordinator was stopped; it is the last event an item gets.
    Stop(u64),
}

impl Event {
    /// How many users the group holds; may be 0, but for [`Event::Coordinate`].
    pub fn count(self) -> u64 {
        match self {
            Self::Coordinate(count)
            | Self::Timeout(count)
            | Self::Reset(count)
            | Self::Stop(count) => count,
        }
    }

    /// `coordinate`, `timeout`, `reset` or `stop`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Coordinate(_) => "coordinate",
            Self::Timeout(_) => "timeout",
            Self::Reset(_) => "reset",
            Self::Stop(_) => "stop",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.name(), self.count())
    }
}

/// A user with what it handed over.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Member<D> {
    /// The user.
    pub user: UserId,
    /// Its data.
    pub data: D,
}

/// How many events the items of a plan were given, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventCounts {
    /// Groups that were full.
    pub coordinate: u64,
    /// Items that timed out.
    pub timeout: u64,
    /// Items that were reset.
    pub reset: u64,
    /// Items that were stopped.
    pub stop: u64,
}

impl EventCounts {
    pub(super) fn note(&mut self, event: Event) {
        match event {
            Event::Coordinate(_) => self.coordinate += 1,
            Event::Timeout(_) => self.timeout += 1,
            Event::Reset(_) => self.reset += 1,
            Event::Stop(_) => self.stop += 1,
        }
    }

    /// Events of all kinds.
    pub fn total(&self) -> u64 {
        self.coordinate + self.timeout + self.reset + self.stop
    }
}
