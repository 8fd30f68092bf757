//! Until when the users of this node may act.
//!
//! A node that others depend on may run its users only for so long without word from them. Whoever
//! watches that may itself be late: the process may have been frozen, or be busy. So the deadline
//! is looked at by each user itself, before it does anything, and no user acts after it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// No deadline.
const NEVER: u64 = u64::MAX;

/// A deadline that all users of a node share. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Fence {
    origin: Instant,
    /// In nanoseconds after `origin`.
    deadline: Arc<AtomicU64>,
}

impl Default for Fence {
    /// Without a deadline: a node on its own.
    fn default() -> Self {
        Self { origin: Instant::now(), deadline: Arc::new(AtomicU64::new(NEVER)) }
    }
}

impl Fence {
    /// Users may act until then.
    pub fn set(&self, deadline: Instant) {
        let nanos = deadline.saturating_duration_since(self.origin).as_nanos();
        let nanos = u64::try_from(nanos).unwrap_or(NEVER).min(NEVER - 1);
        self.deadline.store(nanos, Ordering::Release);
    }

    /// Users may act for as long as they like.
    pub fn lift(&self) {
        self.deadline.store(NEVER, Ordering::Release);
    }

    /// Users may not act any more. If they might not before, it stays known since when.
    pub fn close(&self) {
        let now = u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(NEVER).min(NEVER - 1);
        self.deadline.fetch_min(now, Ordering::AcqRel);
    }

    /// Since when users may not act any more; `None` if they may.
    pub fn over_since(&self) -> Option<Instant> {
        let deadline = self.deadline.load(Ordering::Acquire);
        let since = self.origin.checked_add(Duration::from_nanos(deadline))?;
        (deadline != NEVER && since <= Instant::now()).then_some(since)
    }

    /// Whether users may not act any more. Looks at the clock only if there is a deadline.
    pub fn is_over(&self) -> bool {
        match self.deadline.load(Ordering::Acquire) {
            NEVER => false,
            deadline => self.origin.elapsed().as_nanos() >= u128::from(deadline),
        }
    }
}
