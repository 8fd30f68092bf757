//! What the parts of a node that span nodes (throttles, coordinators, mail, measurements) hear of
//! the run, on the master and on a worker.

use futures_util::future::BoxFuture;

use super::{
    member::MemberId,
    protocol::run::{Assignment, RunSpec},
};

/// A part's side on the master.
pub(crate) trait Companion: Send + Sync + 'static {
    /// A run begins.
    fn begin(&self, run: &RunSpec);

    /// That worker takes part from now on, under that number; told before it hears of the run.
    fn joined(&self, worker: &MemberId, assignment: Assignment);

    /// That worker's users are all dead for certain: its lease is over, or it has said so. Whatever
    /// it held is free.
    fn gone(&self, worker: &MemberId);

    /// The run is over on all workers, and all they had to say was heard.
    fn end(&self) -> BoxFuture<'static, ()>;

    /// The run is forgotten.
    fn forget(&self);
}

/// A part's side on a worker.
pub(crate) trait Follower: Send + Sync + 'static {
    /// This node takes part in the run of that master from now on; told before `init`.
    fn follow(&self, master: &MemberId, assignment: Assignment);

    /// All users are gone and `terminate` is over: send what is left to be sent. Told before the
    /// master hears that this node has finished.
    fn flush(&self) -> BoxFuture<'static, ()>;

    /// This node leaves, and nobody is left here, but the run goes on: send what is left to be sent.
    fn flush_and_leave(&self) -> BoxFuture<'static, ()> {
        self.flush()
    }

    /// This node takes part no longer.
    fn unfollow(&self);

    /// Whether users that live through a break of the link to the master find this part as it was.
    fn outlives_a_break(&self) -> bool {
        true
    }
}
