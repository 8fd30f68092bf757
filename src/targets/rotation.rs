//! The targets that are picked, in a row that many users take from at once without a lock.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::{list::TargetId, slot::Slot};

/// The row as it is between two changes of it. Whoever picks takes the next turn.
#[derive(Debug)]
pub(super) struct Rotation<T> {
    /// The list's version that this is of.
    pub(super) version: u64,
    members: Vec<Seat<T>>,
    /// How many turns were taken.
    turns: AtomicUsize,
}

/// A target in the row.
#[derive(Debug)]
pub(super) struct Seat<T> {
    pub(super) slot: Arc<Slot<T>>,
    /// With which version it came into the row.
    pub(super) arrived: u64,
}

impl<T> Rotation<T> {
    pub(super) fn new(version: u64, members: Vec<Seat<T>>) -> Self {
        Self { version, members, turns: AtomicUsize::new(0) }
    }

    /// Takes the next turn.
    pub(super) fn take(&self) -> Option<&Seat<T>> {
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        self.members.get(turn.checked_rem(self.members.len())?)
    }

    /// Whose turn was taken last.
    pub(super) fn last(&self) -> Option<TargetId> {
        let turn = self.turns.load(Ordering::Relaxed).checked_sub(1)?;
        let seat = self.members.get(turn.checked_rem(self.members.len())?)?;
        Some(seat.slot.id)
    }

    /// Whether this target is in the row.
    pub(super) fn holds(&self, id: TargetId) -> bool {
        self.members.iter().any(|seat| seat.slot.id == id)
    }

    /// Whether any target came into the row after `version`.
    pub(super) fn has_newer(&self, version: u64) -> bool {
        self.members.iter().any(|seat| seat.arrived > version)
    }
}
