//! What is known of a coordinator.

use serde::Serialize;

use super::{event::EventCounts, plan::Timeout};

/// Where a coordinator is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CoordinatorState {
    /// Users can be added.
    Running,
    /// It takes no more users; the actions of what came before the stop, and of the stop, go on.
    Stopping,
}

/// What is known of a coordinator.
#[derive(Debug, Clone, Serialize)]
pub struct CoordinatorInfo {
    /// Its name.
    pub name: String,
    /// Where it is in its life.
    pub state: CoordinatorState,
    /// Its timeout.
    pub timeout: Timeout,
    /// The items of its plan, in the order of their turns.
    pub items: Vec<ItemInfo>,
    /// How many adds there were.
    pub adds: u64,
    /// How many events its items were given.
    pub events: EventCounts,
    /// How many of these events still wait for their actions to end. If it grows, the actions are
    /// slower than the adds.
    pub queued: u64,
    /// How many actions failed or panicked; an action on pairs counts once per group.
    pub faults: u64,
    /// Why the last of them did.
    pub last_fault: Option<String>,
}

/// What is known of an item of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ItemInfo {
    /// Where it was in the plan as given, from 1.
    pub item: usize,
    /// The group: `2`, `5..10`, `all`.
    pub group: String,
    /// How many complete the group now; for a range, what was drawn. `None` for `all`.
    pub size: Option<u64>,
    /// How many wait in it.
    pub waiting: u64,
}
