//! What became of the arrivals of an open run, as a report tells it.

use serde::{Deserialize, Serialize};

use super::tally::Tally;

/// Arrivals of an open run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrivals {
    /// Due by the schedule.
    pub scheduled: u64,
    /// Let in.
    pub started: u64,
    /// Lost, for whatever reason.
    pub dropped: u64,
    /// Lost because no user was free, and no more users were allowed.
    #[serde(default)]
    pub dropped_for_users: u64,
    /// Lost with a node, or for want of nodes.
    #[serde(default)]
    pub dropped_for_nodes: u64,
    /// Lost because the run was ended before a user was free.
    #[serde(default)]
    pub dropped_by_end: u64,
}

impl From<Tally> for Arrivals {
    /// Arrivals that still wait are counted once they are begun or lost.
    fn from(tally: Tally) -> Self {
        Self {
            scheduled: tally.scheduled - tally.waiting(),
            started: tally.started,
            dropped: tally.dropped(),
            dropped_for_users: tally.no_user,
            dropped_for_nodes: tally.no_node,
            dropped_by_end: tally.stopped,
        }
    }
}
