//! What everybody above the connections sees of them: members that come and go, messages that
//! arrive in the order they were sent, and calls that always end.
//!
//! To one member messages arrive in order or, once it is gone, not at all. Whoever is gone is gone
//! for good: if its node comes back it comes up again, and nothing of before is delivered to it.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    clock::ClockReading,
    codec::{self, CodecError},
    member::{Member, MemberId},
    protocol::{Protocol, Service},
};

mod guard;

/// Something happened to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MeshEvent {
    /// It can be reached from now on.
    Up(Member),
    /// It has taken its leave: its node ends, and nothing of a run acts there any more. Its
    /// [`MeshEvent::Down`] follows at once.
    Left(MemberId),
    /// It cannot be reached any more, and why. The same member may come up again.
    Down(MemberId, String),
}

/// Carries frames to members. Implemented by the connections, and by a network in memory in tests.
pub(crate) trait Transport: Send + Sync + 'static {
    /// Sends a frame, in order with all others to that member. What is lost is lost because the
    /// member is gone, which comes as a [`MeshEvent::Down`].
    fn send(&self, to: &MemberId, frame: Vec<u8>) -> Result<(), Unreachable>;

    /// Ends the link to that member, if there is one: what it said could not be handled, and why.
    fn give_up(&self, member: &MemberId, why: &str);

    /// How the clock of that member stands to ours, if that is known.
    fn clock(&self, of: &MemberId) -> Option<ClockReading>;
}

/// There is no connection to that member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("node `{0}` cannot be reached")]
pub(crate) struct Unreachable(pub(crate) MemberId);

/// Why something cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SendFault {
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// Why there is no answer. Whether the call was carried out is unknown, whatever the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallFault {
    #[error(transparent)]
    Send(#[from] SendFault),
    #[error("node `{0}` went away before it answered")]
    Gone(MemberId),
    #[error("node `{node}` did not answer within {}", humantime::format_duration(*within))]
    TimedOut { node: MemberId, within: Duration },
}

/// One message on the wire.
#[derive(Debug, Serialize, Deserialize)]
struct Frame {
    service: Service,
    kind: Kind,
    /// Written at one go, and not byte by byte as a `Vec` would be.
    body: Bytes,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Kind {
    Cast,
    /// To be answered under that number.
    Call(u64),
    Answer(u64),
}

type Handler = Box<dyn Fn(&Mesh, &MemberId, Kind, &[u8]) -> Result<(), CodecError> + Send + Sync>;

/// This node's place in the cluster. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Mesh {
    inner: Arc<Inner>,
}

struct Inner {
    me: Member,
    origin: Instant,
    transport: OnceLock<Box<dyn Transport>>,
    handlers: [OnceLock<Handler>; Service::COUNT],
    members: RwLock<BTreeMap<MemberId, Member>>,
    listeners: Mutex<Vec<Listener>>,
    calls: Mutex<HashMap<u64, Pending>>,
    next_call: AtomicU64,
}

/// Told of what happens to members; says whether it still listens.
type Listener = Box<dyn Fn(&MeshEvent) -> bool + Send>;

struct Pending {
    to: MemberId,
    answer: oneshot::Sender<Bytes>,
}

impl fmt::Debug for Mesh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mesh").field("me", &self.inner.me.id).finish_non_exhaustive()
    }
}

/// Answers a call, once. Dropped without an answer, it lets the caller time out.
#[derive(Debug)]
pub(crate) struct Responder<A> {
    mesh: Mesh,
    to: MemberId,
    service: Service,
    call: u64,
    answer: std::marker::PhantomData<fn(A)>,
}

impl<A: Serialize> Responder<A> {
    /// Sends the answer. A caller that is gone needs none.
    pub(crate) fn answer(self, answer: &A) {
        let sent = codec::encode(answer)
            .map_err(SendFault::from)
            .and_then(|body| self.mesh.post(&self.to, self.service, Kind::Answer(self.call), body));
        if let Err(fault @ SendFault::Codec(_)) = sent {
            tracing::error!(target: "crowd", "a node cannot be answered: {fault}");
        }
    }
}

impl Mesh {
    /// A node that nobody is connected to yet.
    pub(crate) fn new(me: Member) -> Self {
        Self {
            inner: Arc::new(Inner {
                me,
                origin: Instant::now(),
                transport: OnceLock::new(),
                handlers: [const { OnceLock::new() }; Service::COUNT],
                members: RwLock::default(),
                listeners: Mutex::default(),
                calls: Mutex::default(),
                next_call: AtomicU64::new(1),
            }),
        }
    }

    /// This node.
    pub(crate) fn me(&self) -> &MemberId {
        &self.inner.me.id
    }

    /// What this node says of itself.
    pub(crate) fn this_member(&self) -> &Member {
        &self.inner.me
    }

    /// This node's time, in nanoseconds since its mesh began, on a clock that never jumps.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.inner.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The moment at which [`Mesh::now`] is `time`.
    pub(crate) fn instant(&self, time: u64) -> Instant {
        self.inner.origin + Duration::from_nanos(time)
    }

    /// How that member's clock stands to ours: exactly alike if it is this node.
    pub(crate) fn clock(&self, of: &MemberId) -> Option<ClockReading> {
        if of == self.me() {
            return Some(ClockReading::alike(0));
        }
        self.inner.transport.get()?.clock(of)
    }

    /// The other members that can be reached now.
    pub(crate) fn members(&self) -> Vec<Member> {
        let members = self.inner.members.read().unwrap_or_else(PoisonError::into_inner);
        members.values().cloned().collect()
    }

    /// Whether that member is this node or can be reached.
    pub(crate) fn reaches(&self, id: &MemberId) -> bool {
        let members = self.inner.members.read().unwrap_or_else(PoisonError::into_inner);
        id == self.me() || members.contains_key(id)
    }

    /// Whether a member of that one's name can be reached that is another: its process was started
    /// again.
    pub(crate) fn lives_anew(&self, id: &MemberId) -> bool {
        let members = self.inner.members.read().unwrap_or_else(PoisonError::into_inner);
        members.keys().chain([self.me()]).any(|other| other.name == id.name && other != id)
    }

    #[cfg(test)]
    /// The member of that name that can be reached, or this node.
    pub(crate) fn named(&self, name: &str) -> Option<MemberId> {
        if name == &*self.me().name {
            return Some(self.me().clone());
        }
        let members = self.inner.members.read().unwrap_or_else(PoisonError::into_inner);
        members.keys().find(|id| &*id.name == name).cloned()
    }

    /// What happens to members from now on; begins with those that are there.
    pub(crate) fn events(&self) -> mpsc::UnboundedReceiver<MeshEvent> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.listen(move |event| sender.send(event.clone()).is_ok());
        receiver
    }

    /// As [`Mesh::events`], told by calling. What `tell` puts into a mailbox stands there before
    /// any message of a member that has come, and after all of one that is gone. It must not
    /// block, and says whether it still listens.
    pub(crate) fn listen(&self, tell: impl Fn(&MeshEvent) -> bool + Send + 'static) {
        // Locked first, so that nobody comes or goes unnoticed in between.
        let mut listeners = self.listeners();
        if self.members().into_iter().all(|member| tell(&MeshEvent::Up(member))) {
            listeners.push(Box::new(tell));
        }
    }

    /// Has messages of a protocol handled. The handler is called for one message of a member after
    /// the other, must not block, and best only puts them into somebody's mailbox. Only a call
    /// comes with a responder. To be called once for each protocol, before the node joins others;
    /// what comes without a handler is dropped.
    pub(crate) fn serve<P: Protocol>(
        &self,
        handle: impl Fn(&MemberId, P, Option<Responder<P::Answer>>) + Send + Sync + 'static,
    ) {
        let handler: Handler = Box::new(move |mesh, from, kind, body| {
            let message = codec::decode::<P>(body)?;
            let responder = match kind {
                Kind::Call(call) => Some(Responder {
                    mesh: mesh.clone(),
                    to: from.clone(),
                    service: P::SERVICE,
                    call,
                    answer: std::marker::PhantomData,
                }),
                Kind::Cast | Kind::Answer(_) => None,
            };
            handle(from, message, responder);
            Ok(())
        });
        let taken = self.inner.handlers[P::SERVICE as usize].set(handler).is_err();
        debug_assert!(!taken, "{:?} is served twice", P::SERVICE);
    }

    /// Sends a message, to this node too.
    pub(crate) fn cast<P: Protocol>(&self, to: &MemberId, message: &P) -> Result<(), SendFault> {
        self.post(to, P::SERVICE, Kind::Cast, codec::encode(message)?)
    }

    /// Sends a message and awaits its answer.
    pub(crate) async fn call<P: Protocol>(
        &self,
        to: &MemberId,
        message: &P,
        within: Duration,
    ) -> Result<P::Answer, CallFault> {
        let body = codec::encode(message).map_err(SendFault::from)?;
        let call = self.inner.next_call.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        self.calls().insert(call, Pending { to: to.clone(), answer });
        let forget = Forget { mesh: self, call };
        self.post(to, P::SERVICE, Kind::Call(call), body)?;
        // It may have gone down between the look at who is there and the entry above.
        if !self.reaches(to) {
            return Err(CallFault::Gone(to.clone()));
        }
        let outcome = tokio::time::timeout(within, answered).await;
        drop(forget);
        match outcome {
            Ok(Ok(body)) => Ok(codec::decode(&body).map_err(SendFault::from)?),
            Ok(Err(_)) => Err(CallFault::Gone(to.clone())),
            Err(_) => Err(CallFault::TimedOut { node: to.clone(), within }),
        }
    }

    /// For the connections: what carries frames.
    pub(crate) fn attach(&self, transport: impl Transport) {
        let taken = self.inner.transport.set(Box::new(transport)).is_err();
        debug_assert!(!taken, "a mesh has one transport");
    }

    /// For the connections: a member can be reached from now on.
    pub(crate) fn up(&self, member: Member) {
        let mut listeners = self.listeners();
        let mut members = self.inner.members.write().unwrap_or_else(PoisonError::into_inner);
        members.insert(member.id.clone(), member.clone());
        drop(members);
        tell(&mut listeners, &MeshEvent::Up(member));
    }

    /// For the connections: a member that is up takes its leave; [`Mesh::down`] follows.
    pub(crate) fn left(&self, id: &MemberId) {
        tell(&mut self.listeners(), &MeshEvent::Left(id.clone()));
    }

    /// For the connections: a member is gone. Says whether it was there.
    pub(crate) fn down(&self, id: &MemberId, why: &str) -> bool {
        let mut listeners = self.listeners();
        let mut members = self.inner.members.write().unwrap_or_else(PoisonError::into_inner);
        let was_there = members.remove(id).is_some();
        drop(members);
        if was_there {
            tell(&mut listeners, &MeshEvent::Down(id.clone(), why.to_owned()));
        }
        drop(listeners);
        // Whoever waits for an answer of it learns that none comes.
        self.calls().retain(|_, pending| pending.to != *id);
        was_there
    }

    /// For the connections: a frame came from that member.
    ///
    /// # Errors
    /// If it is no message; nothing has happened then.
    pub(crate) fn deliver(&self, from: &MemberId, frame: &[u8]) -> Result<(), CodecError> {
        self.handle(from, codec::decode(frame)?)
    }

    fn handle(&self, from: &MemberId, frame: Frame) -> Result<(), CodecError> {
        if let Kind::Answer(call) = frame.kind {
            let mut calls = self.calls();
            if calls.get(&call).is_some_and(|pending| pending.to == *from)
                && let Some(pending) = calls.remove(&call)
            {
                // Whoever asked may have stopped waiting.
                let _ = pending.answer.send(frame.body);
            }
            return Ok(());
        }
        match self.inner.handlers[frame.service as usize].get() {
            Some(handler) => handler(self, from, frame.kind, &frame.body),
            None => Ok(()),
        }
    }

    fn post(
        &self,
        to: &MemberId,
        service: Service,
        kind: Kind,
        body: Vec<u8>,
    ) -> Result<(), SendFault> {
        let frame = Frame { service, kind, body: body.into() };
        if to == self.me() {
            return Ok(self.handle(to, frame)?);
        }
        let unreachable = || Unreachable(to.clone());
        let transport = self.inner.transport.get().ok_or_else(unreachable)?;
        Ok(transport.send(to, codec::encode(&frame)?)?)
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<u64, Pending>> {
        self.inner.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listeners(&self) -> MutexGuard<'_, Vec<Listener>> {
        self.inner.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(listeners: &mut Vec<Listener>, event: &MeshEvent) {
    listeners.retain(|listener| listener(event));
}

/// Nobody waits for that answer any more, however the wait ended.
struct Forget<'a> {
    mesh: &'a Mesh,
    call: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.mesh.calls().remove(&self.call);
    }
}

#[cfg(test)]
pub(crate) mod memory;
#[cfg(test)]
mod tests;
