//! Users' messages to users on other nodes.
//!
//! The master tells everybody where users are ([`whereabouts`], pure). What is sent to another
//! node queues here, one queue a node ([`outgoing`], pure), and one task, the `postman`, sends it:
//! at once when nothing is on its way, in frames of up to 256 KiB when there is much. The node
//! there puts each letter into its mailbox and acknowledges the frame, naming the letters whose
//! receivers are gone. No more than a window of 1 MiB is unacknowledged; who awaits its letters
//! waits, and who does not is turned away when 4 MiB wait. Letters from one node to another never
//! overtake each other.
//!
//! Every letter comes to an end: acknowledged, bounced, lost with the node, or given up after
//! [`outgoing::PATIENCE`].

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crowd_core::{
    errors::SendError,
    failure::Failure,
    telemetry::{Telemetry, event::MailUndelivered},
    user_id::{IdSet, UserId},
};
use crowd_measure::{Measure, Source};
use futures_util::future::BoxFuture;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::Instant,
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    codec,
    member::MemberId,
    mesh::Mesh,
    parts::Follower,
    protocol::{
        mail::{Letter, MailMessage},
        run::Assignment,
    },
};
use crate::user::elsewhere::{Carrier, Intake, Sending};

pub(crate) mod master;
mod outgoing;
mod postman;
mod whereabouts;

use outgoing::{Outgoing, PATIENCE};
use whereabouts::Whereabouts;

/// The longest message to a user on another node, in bytes.
pub(crate) const LONGEST: usize = codec::MOST_BYTES - 4096;

/// How many frames may wait to be opened. Peers send only so much unacknowledged, so this many
/// wait only if one of them breaks the rules; what comes beyond is dropped, and times out there.
const INBOX: usize = 4096;

/// This node's mail. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(crate) struct Mail {
    inner: Arc<Owner>,
}

struct Owner {
    desk: Arc<Desk>,
    _postman: AbortOnDropHandle<()>,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail").finish_non_exhaustive()
    }
}

/// What senders and the postman share.
struct Desk {
    mesh: Mesh,
    telemetry: Telemetry,
    origin: Instant,
    /// There is something to be sent.
    wake: Notify,
    /// Something came to its end.
    settled: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The number of the run each master spoke of last.
    announced: BTreeMap<MemberId, u64>,
    /// The number of the run this node takes part in.
    run: Option<u64>,
    /// The run itself, once it is there.
    office: Option<Office>,
    whereabouts: Whereabouts,
    peers: BTreeMap<MemberId, Outgoing<Receipt>>,
    tickets: u64,
    frames: u64,
}

/// A run on this node, as mail sees it.
#[derive(Clone)]
struct Office {
    intake: Intake,
    measure: Measure,
}

/// Who is to hear what became of a letter.
#[derive(Debug)]
struct Receipt {
    from: Option<UserId>,
    to: UserId,
    /// `None`: nobody awaits it, and it is noted if it comes to nothing.
    answer: Option<oneshot::Sender<Result<(), SendError>>>,
}

impl Mail {
    /// Mail over this mesh; no run is attached to it yet. To be called before the node joins
    /// others, in a runtime.
    pub(crate) fn start(mesh: Mesh, telemetry: Telemetry) -> Self {
        let desk = Arc::new(Desk {
            mesh: mesh.clone(),
            telemetry,
            origin: Instant::now(),
            wake: Notify::new(),
            settled: Notify::new(),
            state: Mutex::default(),
        });
        let (inbox, frames) = mpsc::channel(INBOX);
        // The desk holds the mesh, so the mesh must not hold the desk.
        let announced = Arc::downgrade(&desk);
        mesh.serve(move |from: &MemberId, message, _| match message {
            // Known before anything the master says next.
            MailMessage::Run { run } => {
                if let Some(desk) = announced.upgrade() {
                    let mut state = desk.state();
                    state.announced.retain(|master, _| desk.mesh.reaches(master));
                    state.announced.insert(from.clone(), run);
                }
            }
            message => {
                if inbox.try_send((from.clone(), message)).is_err() {
                    tracing::warn!(target: "crowd", "mail of node `{from}` is dropped: it sends more than it may");
                }
            }
        });
        let postman = tokio::spawn(postman::work(desk.clone(), frames));
        Self { inner: Arc::new(Owner { desk, _postman: AbortOnDropHandle::new(postman) }) }
    }

    /// Users are, from now on, where these changes say; told in order. `None`: on no node.
    pub(crate) fn learn(&self, changes: &[(IdSet, Option<MemberId>)]) {
        let mut state = self.inner.desk.state();
        for (users, member) in changes {
            for range in users.ranges() {
                state.whereabouts.learn(*range.start(), *range.end(), member.as_ref());
            }
        }
    }

    /// Has letters for the run that this node takes part in put into mailboxes by `intake`, and
    /// failures of delivery noted in `measure`. Called after [`Follower::follow`], before the first
    /// user starts.
    pub(crate) fn attach(&self, intake: Intake, measure: Measure) {
        self.inner.desk.state().office = Some(Office { intake, measure });
    }

    /// What hears of the run on a worker.
    pub(crate) fn follower(&self) -> Arc<dyn Follower> {
        Arc::new(self.clone())
    }

    fn desk(&self) -> &Arc<Desk> {
        &self.inner.desk
    }
}

impl Carrier for Mail {
    fn send(&self, from: Option<UserId>, to: UserId, message: Vec<u8>) -> Sending {
        let (answer, answered) = oneshot::channel();
        let receipt = Receipt { from, to, answer: Some(answer) };
        let entered = self.desk().enter(receipt, message);
        let desk = self.desk().clone();
        Box::pin(async move {
            let (peer, ticket) = entered?;
            let abandon = Abandon { desk: &desk, peer, ticket };
            let answer = tokio::time::timeout(PATIENCE, answered).await;
            drop(abandon);
            match answer {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) => Err(SendError::Lost(to)),
                Err(_) => Err(SendError::TimedOut(to)),
            }
        })
    }

    fn post(&self, from: Option<UserId>, to: UserId, message: Vec<u8>) -> Result<(), SendError> {
        self.desk().enter(Receipt { from, to, answer: None }, message).map(drop)
    }

    fn undelivered(&self, from: Option<UserId>, to: UserId, error: SendError) {
        let office = self.desk().state().office.clone();
        self.desk().note(office.as_ref(), from, to, error);
    }
}

/// A letter that nobody awaits any more is not sent if it has not been yet.
struct Abandon<'a> {
    desk: &'a Desk,
    peer: MemberId,
    ticket: u64,
}

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        let mut state = self.desk.state();
        if let Some(outgoing) = state.peers.get_mut(&self.peer) {
            outgoing.abandon(self.ticket);
        }
        drop(state);
        self.desk.settled.notify_waiters();
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    /// Appends a letter to the queue of the node its receiver is on: that node, and the ticket.
    fn enter(&self, receipt: Receipt, message: Vec<u8>) -> Result<(MemberId, u64), SendError> {
        let Receipt { from, to, .. } = receipt;
        if message.len() > LONGEST {
            return Err(SendError::TooLong(to));
        }
        let mut state = self.state();
        let peer = state.whereabouts.of(to).ok_or(SendError::NoSuchUser(to))?.clone();
        // Who should be here is found here or not at all; and on a node that is gone nobody runs.
        if peer == *self.mesh.me() || !self.mesh.reaches(&peer) {
            return Err(SendError::NoSuchUser(to));
        }
        state.tickets += 1;
        let ticket = state.tickets;
        let awaited = receipt.answer.is_some();
        let letter = Letter { from, to, message };
        let outgoing = state.peers.entry(peer.clone()).or_default();
        if awaited {
            outgoing.push(ticket, letter, receipt);
        } else if !outgoing.post(ticket, letter, receipt) {
            return Err(SendError::Busy(to));
        }
        drop(state);
        self.wake.notify_one();
        Ok((peer, ticket))
    }

    /// Tells everybody concerned what became of these letters.
    fn settle(&self, outcomes: impl IntoIterator<Item = (Receipt, Result<(), SendError>)>) {
        let office = self.state().office.clone();
        for (receipt, outcome) in outcomes {
            match (receipt.answer, outcome) {
                // Whoever asked may have stopped waiting.
                (Some(answer), outcome) => drop(answer.send(outcome)),
                (None, Ok(())) => {}
                (None, Err(error)) => self.note(office.as_ref(), receipt.from, receipt.to, error),
            }
        }
        self.settled.notify_waiters();
    }

    /// All these letters are lost.
    fn lose(&self, receipts: impl Iterator<Item = Receipt>) {
        self.settle(receipts.map(|receipt| {
            let lost = Err(SendError::Lost(receipt.to));
            (receipt, lost)
        }));
    }

    /// Notes a letter that came to nothing and that nobody awaits.
    fn note(&self, office: Option<&Office>, from: Option<UserId>, to: UserId, error: SendError) {
        if let Some(office) = office {
            let reason = format!("a message was not delivered: {}", error.reason());
            let failure = if error.is_of_the_nodes() {
                Failure::generator(reason)
            } else {
                Failure::scenario(reason)
            };
            office.measure.failure(Source::Noted, &failure);
        }
        let reason = error.reason();
        self.telemetry.emit(&MailUndelivered { from, to, reason });
    }

    /// Ends what belongs to the run before.
    fn leave(&self) {
        let mut state = self.state();
        state.run = None;
        state.whereabouts = Whereabouts::default();
        let peers = std::mem::take(&mut state.peers);
        drop(state);
        self.lose(peers.into_values().flat_map(Outgoing::give_up));
        self.state().office = None;
    }

    fn is_empty(&self) -> bool {
        self.state().peers.values().all(Outgoing::is_empty)
    }
}

impl Follower for Mail {
    fn follow(&self, master: &MemberId, _: Assignment) {
        self.desk().leave();
        let mut state = self.desk().state();
        state.run = state.announced.get(master).copied();
    }

    fn flush(&self) -> BoxFuture<'static, ()> {
        let desk = self.desk().clone();
        Box::pin(async move {
            let all = async {
                loop {
                    let settled = desk.settled.notified();
                    tokio::pin!(settled);
                    // Listen before looking, so that nothing is missed in between.
                    settled.as_mut().enable();
                    if desk.is_empty() {
                        return;
                    }
                    settled.await;
                }
            };
            // What is on its way then is noted by the patience of its own.
            let _ = tokio::time::timeout(2 * PATIENCE, all).await;
        })
    }

    fn unfollow(&self) {
        self.desk().leave();
    }
}

#[cfg(test)]
mod tests;
