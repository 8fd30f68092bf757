//! Iterations: what a user does again and again, and the boundaries at which it may leave.

use std::{fmt, time::Duration};

use crowd_plan::iterate::Pacing;
use tokio::time::Instant;

use super::User;
use crate::scenario::Scenario;

/// One round of a user's work: see [`User::next_iteration`](super::User::next_iteration).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Iteration {
    index: u64,
    began: Instant,
    due: Option<Instant>,
    /// Whether its user was started for an arrival.
    arrived: bool,
}

impl Iteration {
    pub(crate) fn new(index: u64, began: Instant, due: Option<Instant>, arrived: bool) -> Self {
        Self { index, began, due, arrived }
    }

    /// Which iteration of its user it is, from 0.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// When it began.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// When it was to begin, if it is an arrival of a load profile, or has a slot of the throttle
    /// `iteration_rate`.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// How much later than planned it began. All that is timed within it counts this into its
    /// response time, and not into its service time.
    pub fn late(&self) -> Duration {
        self.due.map_or(Duration::ZERO, |due| self.began.saturating_duration_since(due))
    }
}

/// The iterations of a user, at a pace: see [`User::iterations`].
pub struct Iterations<S: Scenario> {
    user: User<S>,
    pacing: Pacing,
    last: Option<Iteration>,
}

impl<S: Scenario> fmt::Debug for Iterations<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, pacing, last } = self;
        write!(f, "Iterations of {user:?} ({pacing}), last {last:?}")
    }
}

impl<S: Scenario> Iterations<S> {
    pub(super) fn of(user: User<S>, pacing: Pacing) -> Self {
        Self { user, pacing, last: None }
    }

    /// The pace from now on, so that a setting may change it.
    pub fn set_pacing(&mut self, pacing: Pacing) {
        self.pacing = pacing;
    }

    /// The next iteration, after what is left of the cycle of the one before; `None` when the user
    /// is to end, which it need not wait for. An iteration that was an arrival of a load profile has
    /// no cycle: the profile says when the next one begins.
    pub async fn next(&mut self) -> Option<Iteration> {
        if let Some(last) = self.last.take().filter(|last| !last.arrived) {
            let rest = self.pacing.delay(last.began().elapsed());
            if !rest.is_zero() {
                // Told to end, the user has no iteration after this.
                let _ = tokio::time::timeout(rest, self.user.stopped()).await;
            }
        }
        self.last = self.user.next_iteration().await;
        self.last
    }
}
