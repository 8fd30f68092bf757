//! A node's side of the feeders of a cluster.

use std::sync::Arc;

use futures_util::future::{BoxFuture, join_all};

use super::Feeders;
use crate::cluster::{member::MemberId, mesh::Mesh, parts::Follower, protocol::run::Assignment};

impl Feeders {
    /// What hears of the run on a worker: while it takes part in one, rows are counted off by its
    /// master.
    pub(crate) fn follower(&self, mesh: Mesh) -> Arc<dyn Follower> {
        Arc::new(Seat { mesh, feeders: self.clone() })
    }
}

struct Seat {
    mesh: Mesh,
    feeders: Feeders,
}

impl Follower for Seat {
    fn follow(&self, master: &MemberId, _: Assignment) {
        self.feeders.follow(Some((self.mesh.clone(), master.clone())));
    }

    fn flush(&self) -> BoxFuture<'static, ()> {
        let counters = self.feeders.followed();
        Box::pin(async move {
            join_all(counters.iter().map(|counter| counter.finish())).await;
        })
    }

    fn unfollow(&self) {
        self.feeders.follow(None);
    }
}
