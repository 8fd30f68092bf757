//! Carries out on this node what the master says, under a lease.
//!
//! `core` decides and is pure: whose word counts, until when users may act. `actor` hears the
//! master and the clock, and acts: it tells the controller, sends beats, and sets the fence that
//! every user looks at before it does anything. So that no user acts too long hangs on nobody's
//! being on time.

use std::{fmt, sync::Arc, time::Duration};

use crowd_core::{
    fence::Fence,
    refusal::{Code, Refusal},
    telemetry::Telemetry,
    user_id::IdSet,
};
use ractor::{Actor, ActorRef};
use tokio::sync::{oneshot, watch};

use super::{
    member::MemberId,
    mesh::{Mesh, MeshEvent},
    parts::Follower,
    protocol::run::ToWorker,
};
use crate::controller::{machine::RunState, message::ControllerMessage};

mod actor;
mod beats;
mod begin;
mod core;
mod followers;
mod orders;
mod outbox;

use actor::{Message, WorkerActor};

/// How long a worker that is shut down may take for it.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// Told where users are from now on; on no node if it is `None`.
pub(crate) type Whereabouts = Arc<dyn Fn(&[(IdSet, Option<MemberId>)]) + Send + Sync>;

/// What a worker sees of the cluster beside what its master tells it. Asked every 100 ms: to be
/// answered from memory.
pub(crate) trait Eyes: Send + Sync + 'static {
    /// How many members this node reaches that have known that master, itself among them, the master
    /// not.
    fn reached(&self, master: &MemberId) -> u64;

    /// Whether one of those reaches the master.
    fn master_is_seen(&self, master: &MemberId) -> bool;
}

/// What a worker needs from its node.
#[derive(Clone)]
pub(crate) struct WorkerOptions {
    /// The run on this node.
    pub(crate) controller: ActorRef<ControllerMessage>,
    /// Its state.
    pub(crate) state: watch::Receiver<RunState>,
    /// The deadline that the users of that controller look at.
    pub(crate) fence: Fence,
    /// How long users go on when the master seems dead.
    pub(crate) master_timeout: Duration,
    /// Where events go.
    pub(crate) telemetry: Telemetry,
    /// What is seen of the others.
    pub(crate) eyes: Arc<dyn Eyes>,
    /// The parts of this node that span nodes.
    pub(crate) followers: Vec<Arc<dyn Follower>>,
    /// Who is to know where users are.
    pub(crate) whereabouts: Whereabouts,
}

/// What a worker lets others see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Status {
    following: Option<MemberId>,
    left: bool,
    gave_up: bool,
}

/// The worker of this node. Cheap to clone; ends with [`Worker::shutdown`].
#[derive(Clone)]
pub(crate) struct Worker {
    mesh: Mesh,
    actor: ActorRef<Message>,
    status: watch::Receiver<Status>,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("status", &*self.status.borrow()).finish_non_exhaustive()
    }
}

impl Worker {
    /// Serves masters from now on. To be called once for a mesh, before it joins others.
    ///
    /// # Errors
    /// `unavailable` if the actor cannot be started.
    pub(crate) async fn start(mesh: Mesh, options: WorkerOptions) -> Result<Self, Refusal> {
        let (sender, status) = watch::channel(Status::default());
        let worker = WorkerActor { mesh: mesh.clone(), options };
        let (actor, _) = Actor::spawn(None, worker, sender).await.map_err(|why| {
            Refusal::new(Code::Unavailable, format!("no worker can be started: {why}"))
        })?;
        let inbox = actor.clone();
        let this = mesh.clone();
        mesh.serve(move |from: &MemberId, order: ToWorker, responder| {
            // Fails only when the node ends; then nobody is answered.
            let _ = inbox.cast(Message::Order { from: from.clone(), order, responder });
        });
        Ok(Self { mesh: this, actor, status })
    }

    #[cfg(test)]
    /// The master whose word counts here.
    pub(crate) fn following(&self) -> Option<MemberId> {
        self.status.borrow().following.clone()
    }

    /// Has the master move the users of this node elsewhere, and waits until they are gone and it
    /// knows, or for so long. Answers whether that came to be; otherwise whoever is left is killed.
    /// Users go on meanwhile. There is nothing to wait for if this node follows nobody else, or as
    /// soon as it is cut off.
    pub(crate) async fn leave(&self, within: Duration) -> bool {
        if self.actor.cast(Message::Leave).is_err() {
            return true;
        }
        let mut status = self.status.clone();
        let left = tokio::time::timeout(within, status.wait_for(|status| status.left));
        if left.await.is_ok() {
            return true;
        }
        // Nobody may act here once the others are told that this node is gone.
        if self.actor.cast(Message::Quit).is_ok() {
            let quit = status.wait_for(|status| status.left);
            let _ = tokio::time::timeout(SHUTDOWN, quit).await;
        }
        false
    }

    /// The master of what goes on here, if it cannot be reached.
    pub(crate) fn orphaned_by(&self) -> Option<MemberId> {
        let master = self.status.borrow().following.clone()?;
        (!self.mesh.reaches(&master)).then_some(master)
    }

    /// Ends what goes on here without its master. Answers with the master, if something did.
    pub(crate) async fn abandon(&self) -> Option<MemberId> {
        let (reply, answer) = oneshot::channel();
        self.actor.cast(Message::Abandon { reply }).ok()?;
        answer.await.ok().flatten()
    }

    /// Resolves when the master was gone for too long, and the run has ended here because of it:
    /// this node is to end.
    pub(crate) async fn gave_up(&self) {
        let mut status = self.status.clone();
        if status.wait_for(|status| status.gave_up).await.is_err() {
            // It was shut down, and never will.
            std::future::pending::<()>().await;
        }
    }

    /// Ends the worker. Users that are left die with the lease.
    pub(crate) async fn shutdown(&self) {
        if self.actor.stop_and_wait(None, Some(SHUTDOWN)).await.is_err() {
            self.actor.kill();
        }
    }
}

/// What happens to the mesh, as the actor hears it.
impl From<MeshEvent> for Message {
    fn from(event: MeshEvent) -> Self {
        match event {
            MeshEvent::Up(member) => Self::Reachable(member.id),
            MeshEvent::Left(_) | MeshEvent::Down(..) => Self::Gone,
        }
    }
}

#[cfg(test)]
mod tests;
