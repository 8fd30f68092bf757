//! The parts of this node that follow a run over the cluster, all told together.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::core::Key;
use crate::cluster::parts::Follower;

/// How long each part may take to send what is left.
const FLUSH: Duration = Duration::from_secs(5);

/// The parts, and what they follow.
pub(super) struct Followers {
    parts: Vec<Arc<dyn Follower>>,
    following: Mutex<Option<Key>>,
}

impl Followers {
    pub(super) fn new(parts: Vec<Arc<dyn Follower>>) -> Self {
        Self { parts, following: Mutex::default() }
    }

    /// They follow that run from now on, and none before it.
    pub(super) fn follow(&self, key: &Key) {
        let before = self.swap(|_| Some(key.clone()));
        if before.is_some() {
            self.parts.iter().for_each(|part| part.unfollow());
        }
        self.parts.iter().for_each(|part| part.follow(&key.master, key.assignment));
    }

    /// They follow that run no longer, if they still do.
    pub(super) fn unfollow(&self, key: &Key) {
        let before = self.swap(|following| following.filter(|current| current != key));
        if before.as_ref() == Some(key) {
            self.parts.iter().for_each(|part| part.unfollow());
        }
    }

    /// They send what is left to be sent, one after the other: what an earlier one still does may
    /// give a later one something to send. They stop where they follow another run: that goes on.
    /// `leaves`: the run goes on elsewhere.
    pub(super) async fn flush(&self, key: &Key, leaves: bool) {
        for part in &self.parts {
            if !self.follow_still(key) {
                return;
            }
            let flush = if leaves { part.flush_and_leave() } else { part.flush() };
            if tokio::time::timeout(FLUSH, flush).await.is_err() {
                tracing::warn!(target: "crowd", "not all that was measured or agreed has reached the master");
            }
        }
    }

    /// Whether all of them go on after the link to the master was gone for a while.
    pub(super) fn outlive_a_break(&self) -> bool {
        self.parts.iter().all(|part| part.outlives_a_break())
    }

    fn follow_still(&self, key: &Key) -> bool {
        let following = self.following.lock().unwrap_or_else(PoisonError::into_inner);
        following.as_ref() == Some(key)
    }

    // The parts are told outside of the lock: they may call the mesh.
    fn swap(&self, change: impl FnOnce(Option<Key>) -> Option<Key>) -> Option<Key> {
        let mut following = self.following.lock().unwrap_or_else(PoisonError::into_inner);
        let before = following.take();
        *following = change(before.clone());
        before
    }
}
