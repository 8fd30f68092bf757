//! A worker's side of the throttles of a cluster: where it asks, and what it hears.

use std::sync::{
    Arc, Mutex, PoisonError, Weak,
    atomic::{AtomicBool, Ordering},
};

use crowd_core::refusal::{Code, Refusal};
use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use super::{Owner, Throttles, courier::carry, master::PATIENCE, registry::Registration};
use crate::cluster::{
    clock::ClockReading,
    member::MemberId,
    mesh::{CallFault, Mesh},
    parts::Follower,
    protocol::{
        run::Assignment,
        throttle::{Tally, ThrottleAnswer, ToNode, ToThrottles},
    },
};

/// More throttles that have ended are not remembered for the last word.
const MOST_FINALS: usize = 10_000;

/// The master whose throttles this node uses.
#[derive(Debug)]
pub(crate) struct Following {
    pub(super) mesh: Mesh,
    pub(super) master: MemberId,
    /// Wakes the courier.
    pub(super) courier: Arc<Notify>,
    /// The master has told its terms.
    heard: AtomicBool,
    /// The run is over here: what the master still says of throttles is not for this node.
    over: AtomicBool,
    /// What became of throttles that have ended here.
    finals: Mutex<Vec<Tally>>,
}

impl Following {
    /// How the master's clock stands to ours.
    pub(super) fn clock(&self) -> Option<ClockReading> {
        self.mesh.clock(&self.master)
    }

    /// Says something. What does not arrive is said again, or the master is gone.
    pub(super) fn tell(&self, message: &ToThrottles) {
        if let Err(fault) = self.mesh.cast(&self.master, message) {
            tracing::debug!(target: "crowd", "the master's throttles: {fault}");
        }
    }

    /// Asks the master.
    ///
    /// # Errors
    /// What it refuses with; `unavailable` if it does not answer.
    pub(super) async fn ask(&self, message: &ToThrottles) -> Result<ThrottleAnswer, Refusal> {
        match self.mesh.call(&self.master, message, PATIENCE).await {
            Ok(ThrottleAnswer::Refused(refusal)) => Err(refusal),
            Ok(answer) => Ok(answer),
            Err(fault) => {
                let unknown = match fault {
                    CallFault::Send(_) => "",
                    CallFault::Gone(_) | CallFault::TimedOut { .. } => {
                        "; whether it was done is unknown"
                    }
                };
                Err(Refusal::new(
                    Code::Unavailable,
                    format!(
                        "the throttles are the master's, and it does not answer: {fault}{unknown}"
                    ),
                ))
            }
        }
    }

    pub(super) fn is_heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    /// The run is over on this node.
    pub(super) fn finish(&self) {
        self.over.store(true, Ordering::Release);
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// A throttle has ended here: that is the last to be said of it.
    pub(super) fn last_word(&self, tally: Tally) {
        let mut finals = self.finals.lock().unwrap_or_else(PoisonError::into_inner);
        if finals.len() < MOST_FINALS {
            finals.push(tally);
        }
        drop(finals);
        self.tell(&ToThrottles::Tally(vec![tally]));
    }
}

/// The throttles of a node as a part of the cluster.
#[derive(Debug)]
struct Seat {
    mesh: Mesh,
    /// Not more: throttles end when their node drops them.
    owner: Weak<Owner>,
    courier: Mutex<Option<AbortOnDropHandle<()>>>,
}

impl Throttles {
    /// This node's part in the throttles of a cluster. While it follows a master, throttles are
    /// the cluster's; else they are its own. Once for a mesh.
    pub(crate) fn follower(&self, mesh: Mesh) -> Arc<dyn Follower> {
        let owner = Arc::downgrade(&self.owner);
        let theirs = owner.clone();
        mesh.serve::<ToNode>(move |from, message, _| {
            if let Some(owner) = theirs.upgrade() {
                owner.hear(from, message);
            }
        });
        Arc::new(Seat { mesh, owner, courier: Mutex::new(None) })
    }
}

impl Owner {
    /// The master says something. Only puts it where it belongs.
    fn hear(&self, from: &MemberId, message: ToNode) {
        let Some(following) = self.following() else { return };
        if following.master != *from || following.is_over() {
            return;
        }
        // Without a registry nobody waits.
        match message {
            ToNode::Grants { sent, grants } => {
                let Some(clock) = following.clock() else { return };
                for grant in grants {
                    if let Some(gate) = self.table.of_cluster(grant.id) {
                        gate.receive(&grant, sent, clock);
                    }
                }
            }
            ToNode::Terms(terms) => {
                following.heard.store(true, Ordering::Relaxed);
                let _ = self.registry.cast(Registration::Terms(terms, following, None));
            }
            ToNode::Stopped(id) => {
                let _ = self.registry.cast(Registration::Over(id));
            }
        }
    }

    pub(super) fn following(&self) -> Option<Arc<Following>> {
        self.following.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_following(&self, following: Option<Arc<Following>>) -> Option<Arc<Following>> {
        let mut place = self.following.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *place, following);
        // What the old master still says comes too late.
        before.inspect(|before| before.finish())
    }
}

impl Seat {
    fn set_courier(&self, courier: Option<AbortOnDropHandle<()>>) {
        *self.courier.lock().unwrap_or_else(PoisonError::into_inner) = courier;
    }
}

impl Follower for Seat {
    fn follow(&self, master: &MemberId, _assignment: Assignment) {
        let Some(owner) = self.owner.upgrade() else { return };
        let following = Arc::new(Following {
            mesh: self.mesh.clone(),
            master: master.clone(),
            courier: Arc::default(),
            heard: AtomicBool::new(false),
            over: AtomicBool::new(false),
            finals: Mutex::default(),
        });
        if let Some(before) = owner.set_following(Some(following.clone())) {
            let _ = owner.registry.cast(Registration::Unfollow(before));
        }
        // Says hello first.
        let courier = tokio::spawn(carry(following, owner.table.clone()));
        self.set_courier(Some(AbortOnDropHandle::new(courier)));
    }

    fn flush(&self) -> BoxFuture<'static, ()> {
        let owner = self.owner.upgrade();
        Box::pin(async move {
            let Some(owner) = owner else { return };
            let Some(following) = owner.following() else { return };
            let leased = owner.table.leased(&following);
            let mut tallies: Vec<Tally> = leased.iter().filter_map(|gate| gate.told()).collect();
            let finals = following.finals.lock().unwrap_or_else(PoisonError::into_inner).clone();
            tallies.extend(finals);
            for some in tallies.chunks(1_000) {
                if let Err(refusal) = following.ask(&ToThrottles::LastTally(some.to_vec())).await {
                    tracing::warn!(target: "crowd", "what throttles did is not told: {refusal}");
                    return;
                }
            }
        })
    }

    fn unfollow(&self) {
        self.set_courier(None);
        let Some(owner) = self.owner.upgrade() else { return };
        if let Some(before) = owner.set_following(None) {
            let _ = owner.registry.cast(Registration::Unfollow(before));
        }
    }
}
