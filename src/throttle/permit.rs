//! What a throttle hands to whom it lets through.

use std::{fmt, sync::Arc};

use tokio::time::Instant;

use super::gate::{Answer, Gate};

/// Let through. As long as it is held, its holder counts as in flight: under `8 at once` the ninth
/// goes when one of eight is dropped. Under other rates holding it delays nobody.
#[must_use = "dropping a permit ends what it stands for"]
pub struct Permit {
    gate: Arc<Gate>,
    due: Instant,
    released: Instant,
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("due", &self.due).finish_non_exhaustive()
    }
}

impl Permit {
    pub(super) fn new(gate: Arc<Gate>, answer: Answer) -> Self {
        let (due, released) = (gate.instant(answer.due), gate.instant(answer.released));
        Self { gate, due, released }
    }

    /// A permit of an open gate: due now.
    pub(super) fn open(gate: Arc<Gate>) -> Self {
        let now = Instant::now();
        Self { gate, due: now, released: now }
    }

    /// When its slot was due, or when it was asked for, if that was later. What comes of it is
    /// best timed from here: see [`User::time_since`](crate::user::User::time_since).
    pub fn due(&self) -> Instant {
        self.due
    }

    /// When the throttle let it through: at [`Permit::due`] or a little later.
    pub fn released(&self) -> Instant {
        self.released
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.gate.ended();
    }
}
