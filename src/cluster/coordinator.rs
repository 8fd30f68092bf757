//! Coordinators whose users are on many nodes.
//!
//! Workers send adds to the master (`clerk`); the master gathers the groups, with the same
//! [`Batcher`](crate::coordinator::batch::Batcher) that a node's own coordinators have, and keeps
//! each complete one until its actions are over ([`hub`], pure; [`master`]); the worker of its
//! newest member runs them, since closures of the scenario live only there.

mod clerk;
mod hub;
pub(crate) mod master;

use std::sync::Arc;

use futures_util::future::BoxFuture;

use self::clerk::Clerk;
use super::{member::MemberId, mesh::Mesh, parts::Follower, protocol::run::Assignment};
use crate::coordinator::Coordinators;

/// A frame is not filled beyond this, in bytes; what is longer has one of its own.
const FRAME_BYTES: usize = 256 * 1024;

impl Coordinators {
    /// What hears of the run on a worker: while it takes part in one, coordinators of the whole
    /// cluster go to its master. To be called once, before the node joins others, in a runtime.
    pub(crate) fn follower(&self, mesh: Mesh) -> Arc<dyn Follower> {
        Arc::new(Following { coordinators: self.clone(), clerk: Clerk::start(mesh) })
    }
}

struct Following {
    coordinators: Coordinators,
    clerk: Clerk,
}

impl Follower for Following {
    fn follow(&self, master: &MemberId, _: Assignment) {
        self.clerk.leave();
        self.coordinators.set_bureau(Some(self.clerk.follow(master)));
    }

    fn flush(&self) -> BoxFuture<'static, ()> {
        self.clerk.finish()
    }

    /// The others are not waited for: they go on.
    fn flush_and_leave(&self) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }

    fn unfollow(&self) {
        self.coordinators.set_bureau(None);
        self.clerk.leave();
    }

    /// What the master knew of the coordinators of this node is gone with the link.
    fn outlives_a_break(&self) -> bool {
        self.clerk.has_none()
    }
}

#[cfg(test)]
mod tests;
