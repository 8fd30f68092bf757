//! Where everything about links comes together: events go to the pure membership, and what it
//! decides is done.
//!
//! Locks: nothing is called while the membership is locked. A gate may be locked while anything
//! else is taken, so nobody who holds another lock may take a gate.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use crowd_core::panic::panic_text;
use crowd_core::{
    codec,
    printable::{self, SENTENCE},
    settings::secret::Secret,
    telemetry::{
        Telemetry,
        event::{ClusterConnect, ClusterNodeDown, ClusterRefused, ClusterStumbled},
    },
};
use ractor::ActorRef;
use ractor_cluster::{NodeServerMessage, node::NodeServerSessionInformation};
use tokio::sync::{mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Stream,
    connection::{Gate, Link, address_of},
    gateway::{GatewayMessage, Tag},
    handshake::Met,
    hello::{self, Hello},
    news::{Kind, Line, Said},
    proof::Token,
    stream::Handed,
    tls::Tls,
};
use crate::cluster::{
    clock::ClockReading,
    member::{Member, MemberId},
    membership::{Command, LinkId, Membership},
    mesh::{Mesh, Transport, Unreachable},
};

mod packets;

/// Something for the hub's own task.
#[derive(Debug)]
pub(super) enum Notice {
    /// The connection ended.
    Closed(LinkId, String),
    /// Nothing is left of it.
    Gone(LinkId),
    /// The other side leaves.
    Goodbye(LinkId),
    /// No messages pass any more, and whether the other side took its leave.
    Down { link: Arc<Link>, why: String, leave: bool },
}

/// What stays the same about this node.
pub(super) struct Constants {
    pub(super) cookie: Secret,
    pub(super) tls: Option<Tls>,
    pub(super) hello: Hello,
    pub(super) telemetry: Telemetry,
}

pub(super) struct Hub {
    pub(super) mesh: Mesh,
    pub(super) constants: Constants,
    membership: Mutex<Membership>,
    tables: RwLock<Tables>,
    gates: Mutex<HashMap<Arc<str>, Arc<Mutex<Gate>>>>,
    master: Mutex<Option<MemberId>>,
    said: Mutex<Said>,
    next_link: AtomicU64,
    notices: mpsc::UnboundedSender<Notice>,
    /// Changes with every event that somebody may wait for.
    pub(super) changes: watch::Sender<u64>,
    pub(super) sessions: OnceLock<ActorRef<NodeServerMessage>>,
    pub(super) gateway: OnceLock<ActorRef<GatewayMessage>>,
    pub(super) tasks: TaskTracker,
    /// Nobody is dialled or accepted any more.
    pub(super) leaving: CancellationToken,
    /// All is over.
    pub(super) over: CancellationToken,
}

/// The links, by what they are looked up by.
#[derive(Default)]
struct Tables {
    links: HashMap<LinkId, Arc<Link>>,
    by_token: HashMap<Token, Arc<Link>>,
    by_session: HashMap<u64, Arc<Link>>,
    up: HashMap<MemberId, Arc<Link>>,
}

/// The mesh's way to the links.
pub(super) struct Wire(pub(super) Weak<Hub>);

impl Transport for Wire {
    fn send(&self, to: &MemberId, frame: Vec<u8>) -> Result<(), Unreachable> {
        let hub = self.0.upgrade();
        let link = hub.and_then(|hub| hub.link_to(to));
        match link {
            Some(link) if link.send(frame, Tag::Frame) => Ok(()),
            _ => Err(Unreachable(to.clone())),
        }
    }

    fn give_up(&self, member: &MemberId, why: &str) {
        if let Some(hub) = self.0.upgrade()
            && let Some(link) = hub.link_to(member)
        {
            hub.stumble(&link, why);
        }
    }

    fn clock(&self, of: &MemberId) -> Option<ClockReading> {
        let hub = self.0.upgrade()?;
        let link = hub.link_to(of)?;
        link.reading(hub.mesh.now())
    }
}

impl Hub {
    pub(super) fn new(
        mesh: Mesh,
        constants: Constants,
        notices: mpsc::UnboundedSender<Notice>,
    ) -> Self {
        let membership = Membership::new(mesh.me().clone(), rand::random());
        Self {
            mesh,
            constants,
            membership: Mutex::new(membership),
            tables: RwLock::default(),
            gates: Mutex::default(),
            master: Mutex::default(),
            said: Mutex::default(),
            next_link: AtomicU64::new(1),
            notices,
            changes: watch::Sender::new(0),
            sessions: OnceLock::new(),
            gateway: OnceLock::new(),
            tasks: TaskTracker::new(),
            leaving: CancellationToken::new(),
            over: CancellationToken::new(),
        }
    }

    pub(super) fn now(&self) -> Duration {
        Duration::from_nanos(self.mesh.now())
    }

    pub(super) fn next_link(&self) -> LinkId {
        LinkId(self.next_link.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn membership(&self) -> MutexGuard<'_, Membership> {
        self.membership.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn notice(&self, notice: Notice) {
        // Without the task all is over.
        let _ = self.notices.send(notice);
    }

    pub(super) fn set_master(&self, master: Option<MemberId>) {
        *self.master.lock().unwrap_or_else(PoisonError::into_inner) = master;
    }

    fn master(&self) -> Option<MemberId> {
        self.master.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What this node says of itself now.
    pub(super) fn hello(&self, unlinked: Option<MemberId>) -> Hello {
        Hello { master: self.master(), unlinked, ..self.constants.hello.clone() }
    }

    /// Lets the membership decide, and does what it says.
    pub(super) fn decide<T>(
        self: &Arc<Self>,
        event: impl FnOnce(&mut Membership, Duration) -> (T, Vec<Command>),
    ) -> T {
        let (outcome, commands) = event(&mut self.membership(), self.now());
        for command in commands {
            self.perform(command);
        }
        outcome
    }

    fn perform(self: &Arc<Self>, command: Command) {
        match command {
            Command::Dial { address, expected } => {
                if !self.leaving.is_cancelled() {
                    super::dial::start(self, address, expected);
                }
            }
            Command::Cut { link, .. } => {
                if let Some(link) = self.link(link) {
                    link.end();
                }
            }
            Command::Up { link, .. } => {
                if let Some(link) = self.link(link) {
                    self.come_up(&link);
                }
            }
            // Later, since the gate may be held by whoever led here.
            Command::Down { link, why, leave, .. } => {
                if let Some(link) = self.link(link) {
                    self.notice(Notice::Down { link, why, leave });
                }
            }
            Command::Say { address, why, refused } => {
                let kind = if refused { Kind::Dialled } else { Kind::Unreached };
                let address = address.to_string();
                self.say_refused(kind, &address.clone(), address, why);
            }
        }
        self.changed();
    }

    pub(super) fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// What is wrong at this node's door, or where it dials, with somebody at that address, is told, unless
    /// too much of its kind was told lately.
    pub(super) fn say_refused(&self, kind: Kind, whom: &str, address: String, reason: String) {
        let line = Line { kind, address, reason: printable::line(&reason, SENTENCE) };
        let now = self.now();
        let told = self.said().hear(whom, line, now);
        self.tell_refused(told);
    }

    fn tell_refused(&self, lines: Vec<Line>) {
        for Line { kind, address, reason } in lines {
            if kind == Kind::Unreached {
                tracing::warn!(target: "crowd", %address, "a node cannot be reached: {reason}");
            } else {
                self.constants.telemetry.emit(&ClusterRefused { address, reason });
            }
        }
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Two nodes have met: from here on the connection carries sessions of `ractor_cluster`.
    pub(super) fn hand_over(
        self: &Arc<Self>,
        id: LinkId,
        met: Met<Box<dyn Stream>>,
        ip: std::net::IpAddr,
        accepted: bool,
    ) {
        let member = Member {
            id: met.hello.id(),
            address: address_of(&met.hello, ip),
            version: met.hello.version.clone(),
            since: met.hello.since,
        };
        let gate = {
            let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
            gates.entry(member.id.name.clone()).or_default().clone()
        };
        let link = Arc::new(Link {
            id,
            member,
            sent: met.sent,
            received: met.received,
            cut: self.over.child_token(),
            session: OnceLock::new(),
            gateway: OnceLock::new(),
            greeted: AtomicBool::new(false),
            stumbled: AtomicBool::new(false),
            over: AtomicBool::new(false),
            gate,
            heard: AtomicU64::new(self.mesh.now()),
            clock: Mutex::default(),
        });
        {
            let mut tables = self.tables();
            tables.links.insert(id, link.clone());
            tables.by_token.insert(link.received, link.clone());
        }
        let notices = self.notices.clone();
        let stream = Handed::new(met.stream, met.rest, label(id), &link.cut, move |why| {
            let _ = notices.send(Notice::Closed(id, why));
        });
        // Somebody may have had second thoughts in between.
        if !self.membership().has(id) {
            link.end();
        }
        let opened = NodeServerMessage::ConnectionOpenedExternal {
            stream: Box::new(stream),
            is_server: accepted,
        };
        if let Some(sessions) = self.sessions.get() {
            // If it fails the stream is dropped, which ends the link.
            let _ = sessions.cast(opened);
        }
    }

    /// A session has begun for one of the connections; others are none of ours.
    pub(super) fn session_opened(&self, session: &NodeServerSessionInformation) {
        let link = linked_as(&session.peer_addr).and_then(|id| self.link(id));
        let Some(link) = link else {
            session.actor.stop(None);
            return;
        };
        let _ = link.session.set((session.node_id, session.actor.clone()));
        if link.cut.is_cancelled() {
            session.actor.stop(None);
        }
        self.tables().by_session.insert(session.node_id, link);
    }

    /// A session is over.
    pub(super) fn session_gone(&self, session: &NodeServerSessionInformation) {
        self.tables().by_session.remove(&session.node_id);
        if let Some(id) = linked_as(&session.peer_addr) {
            self.notice(Notice::Gone(id));
        }
    }

    /// Handles the word of a session that its gateway is there.
    pub(super) fn gateway_came(self: &Arc<Self>, session: u64, gateway: ActorRef<GatewayMessage>) {
        let met = catch_unwind(AssertUnwindSafe(|| self.met_gateway(session, gateway)));
        if let Err(panic) = met
            && let Some(link) = self.read_tables(|tables| tables.by_session.get(&session).cloned())
        {
            self.stumble(&link, &panic_text(&*panic));
        }
    }

    /// The gateway behind a session is known.
    pub(super) fn met_gateway(self: &Arc<Self>, session: u64, gateway: ActorRef<GatewayMessage>) {
        let link = self.read_tables(|tables| tables.by_session.get(&session).cloned());
        let Some(link) = link else { return };
        if link.gateway.set(gateway).is_ok()
            && let Ok(me) = codec::encode(self.mesh.me())
        {
            link.send(me, Tag::Greeting);
            self.settle(&link);
        }
    }

    /// Messages pass once both have greeted, and each knows where to send.
    fn settle(self: &Arc<Self>, link: &Link) {
        if link.greeted.load(Ordering::Acquire) && link.gateway.get().is_some() {
            self.decide(|membership, now| ((), membership.settled(link.id, now)));
        }
    }

    fn come_up(&self, link: &Arc<Link>) {
        let mut gate = link.gate();
        if link.over.load(Ordering::Relaxed) {
            return;
        }
        // Its former link, or its namesake, may not have been seen off yet.
        if let Some((_, former)) = gate.open.take() {
            self.tables().up.remove(&former);
            self.mesh.down(&former, "it came back over another connection");
        }
        gate.open = Some((link.id, link.member.id.clone()));
        self.tables().up.insert(link.member.id.clone(), link.clone());
        self.mesh.up(link.member.clone());
        drop(gate);
        let node = link.member.id.to_string();
        let address = link.member.address.clone();
        self.constants.telemetry.emit(&ClusterConnect { node, address });
        self.probe(link);
    }

    /// For the hub's task alone: see [`Notice::Down`].
    pub(super) fn go_down(&self, link: &Link, why: &str, leave: bool) {
        let mut gate = link.gate();
        link.over.store(true, Ordering::Relaxed);
        if gate.open.as_ref().is_none_or(|(open, _)| *open != link.id) {
            return;
        }
        gate.open = None;
        self.tables().up.remove(&link.member.id);
        if leave {
            self.mesh.left(&link.member.id);
        }
        self.mesh.down(&link.member.id, why);
        drop(gate);
        let node = link.member.id.to_string();
        self.constants.telemetry.emit(&ClusterNodeDown { node, reason: why.to_owned() });
        self.changed();
    }

    /// To handle what came on that link panicked. What it was part of may be half done, so nothing more
    /// of it is handled, and the link ends as if it had broken.
    pub(super) fn stumble(&self, link: &Link, panic: &str) {
        if link.stumbled.swap(true, Ordering::Relaxed) {
            return;
        }
        let panic = printable::line(panic, SENTENCE);
        let reason = format!("what it sent could not be handled: {panic}");
        let node = link.member.id.to_string();
        self.constants.telemetry.emit(&ClusterStumbled { node, reason: reason.clone() });
        self.notice(Notice::Closed(link.id, reason));
        link.end();
    }

    /// Tells the membership who was heard, and that time has passed.
    pub(super) fn tick(self: &Arc<Self>) {
        let heard: Vec<(LinkId, Duration)> = self.read_tables(|tables| {
            let links = tables.links.values();
            links
                .map(|link| (link.id, Duration::from_nanos(link.heard.load(Ordering::Relaxed))))
                .collect()
        });
        self.decide(|membership, now| {
            heard.into_iter().for_each(|(link, at)| membership.heard(link, at));
            ((), membership.tick(now))
        });
        let more = self.said().due(self.now());
        self.tell_refused(more);
        for link in self.links_up() {
            if link.clock().is_stale(self.mesh.now()) {
                self.probe(&link);
            }
        }
    }

    /// Forgets a link; see [`Notice::Closed`].
    pub(super) fn forget(&self, id: LinkId) {
        let mut tables = self.tables();
        if let Some(link) = tables.links.remove(&id) {
            tables.by_token.remove(&link.received);
            link.end();
        }
    }

    pub(super) fn links_up(&self) -> Vec<Arc<Link>> {
        self.read_tables(|tables| tables.up.values().cloned().collect())
    }

    pub(super) fn link_to(&self, id: &MemberId) -> Option<Arc<Link>> {
        self.read_tables(|tables| tables.up.get(id).cloned())
    }

    fn link(&self, id: LinkId) -> Option<Arc<Link>> {
        self.read_tables(|tables| tables.links.get(&id).cloned())
    }

    fn read_tables<T>(&self, look: impl FnOnce(&Tables) -> T) -> T {
        look(&self.tables.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn tables(&self) -> std::sync::RwLockWriteGuard<'_, Tables> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a session is labelled with, so that its link is found.
fn label(link: LinkId) -> String {
    format!("link {}", link.0)
}

fn linked_as(label: &str) -> Option<LinkId> {
    Some(LinkId(label.strip_prefix("link ")?.parse().ok()?))
}

/// What this node says of itself, but for what changes.
pub(super) fn constant_hello(
    me: &Member,
    advertise: Option<String>,
    port: u16,
    scenarios: std::collections::BTreeMap<String, String>,
) -> Hello {
    Hello {
        version: me.version.clone(),
        name: me.id.name.to_string(),
        incarnation: me.id.incarnation,
        since: me.since,
        advertise,
        port,
        scenarios,
        ..hello::of_this_build()
    }
}
