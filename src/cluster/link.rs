//! Real connections between nodes: made, proven, carried by `ractor_cluster`, watched, and ended.
//!
//! This node's own acceptor and dials (`accept`, `dial`) make connections, encrypt them if asked
//! (`tls`), and have both sides prove the cookie and compare what must be alike (`handshake`).
//! Only then a connection is handed to `ractor_cluster`, whose sessions carry all messages between
//! one gateway actor per node (`gateway`). Who is linked with whom, whom to dial when, and who is
//! gone, is decided in [`super::membership`]; the `hub` carries it out and tells the mesh.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, OnceLock},
    time::Duration,
};

use crowd_core::{
    refusal::{Code, Refusal},
    settings::{NodeAddress, secret::Secret},
    telemetry::Telemetry,
};
use ractor::{Actor, ActorRef};
use ractor_cluster::{
    NodeEventSubscription, NodeServer, NodeServerMessage, node::NodeServerSessionInformation,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::mpsc,
    time::{Instant, MissedTickBehavior},
};

use super::{
    clock::ClockReading,
    codec::MOST_BYTES,
    lease::BEAT,
    member::MemberId,
    membership::{Dial, Standing},
    mesh::Mesh,
};

mod accept;
mod connection;
mod dial;
mod gateway;
mod handshake;
mod hello;
mod hub;
mod lines;
mod news;
mod proof;
mod socket;
mod stream;
mod tls;

use gateway::{Gateway, Tag};
use hub::{Constants, Hub, Notice, Wire};
pub(crate) use socket::Listener;
pub(crate) use tls::TlsFiles;

/// How often the membership learns that time passes.
const TICK: Duration = Duration::from_millis(50);

/// How long [`Links::join`] tries.
const JOIN: Duration = Duration::from_secs(10);

/// How long a handshake may take, with TLS.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// How long the others have to close their connections when this node leaves.
const FAREWELL: Duration = Duration::from_secs(1);

/// The largest frame of `ractor_cluster`: a message, and what is around it.
const LARGEST_FRAME: u64 = 2 * MOST_BYTES as u64;

/// What links are made with.
#[derive(Debug, Clone)]
pub(crate) struct LinkOptions {
    /// Where others are told to reach this node.
    pub(crate) advertise: Option<NodeAddress>,
    /// Nodes that are dialled until they are linked, for ever.
    pub(crate) seeds: Vec<NodeAddress>,
    /// What all nodes of the cluster share.
    pub(crate) cookie: Secret,
    /// If connections are encrypted.
    pub(crate) tls: Option<TlsFiles>,
    /// Every scenario's name, and a digest of what must be alike.
    pub(crate) scenarios: BTreeMap<String, String>,
    /// Where to tell what happens.
    pub(crate) telemetry: Telemetry,
}

/// A node that is linked or looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LinkView {
    /// Who, once that is known.
    pub(crate) id: Option<MemberId>,
    /// Where it is reached.
    pub(crate) address: String,
    /// The version of crowd it runs, while it is linked.
    pub(crate) version: Option<String>,
    /// How it stands.
    pub(crate) state: Standing,
    /// The master it said that it knows.
    pub(crate) master: Option<MemberId>,
    /// How its clock stands to ours, while it is linked.
    pub(crate) clock: Option<ClockReading>,
}

/// This node's links. Cheap to clone; when the last is dropped all links end.
#[derive(Clone)]
pub(crate) struct Links {
    owner: Arc<Owner>,
}

struct Owner {
    hub: Arc<Hub>,
    address: SocketAddr,
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").field("address", &self.owner.address).finish_non_exhaustive()
    }
}

/// Any connection.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Links {
    /// Starts to accept and to dial. One per process: `ractor_cluster` cannot do more. Services are
    /// registered with the mesh before, since messages may come from now on.
    ///
    /// # Errors
    /// If the files for TLS cannot be used.
    pub(crate) async fn start(
        mesh: Mesh,
        listener: Listener,
        options: LinkOptions,
    ) -> Result<Self, Refusal> {
        let unavailable =
            |why: &dyn fmt::Display| Refusal::new(Code::Unavailable, format!("no links: {why}"));
        let address = listener.address();
        let tls = options.tls.as_ref().map(tls::Tls::new).transpose()?;
        let hello = hub::constant_hello(
            mesh.this_member(),
            options.advertise.as_ref().map(ToString::to_string),
            address.port(),
            options.scenarios,
        );
        let cookie = proof::session_cookie(&options.cookie);
        let constants =
            Constants { cookie: options.cookie, tls, hello, telemetry: options.telemetry };
        let (notices, inbox) = mpsc::unbounded_channel();
        let hub = Arc::new(Hub::new(mesh.clone(), constants, notices));
        mesh.attach(Wire(Arc::downgrade(&hub)));
        let owner = Arc::new(Owner { hub: hub.clone(), address });
        // Before the sessions, so that the first one tells of it.
        let (gateway, _) =
            Actor::spawn(None, Gateway, hub.clone()).await.map_err(|error| unavailable(&error))?;
        keep(&hub.gateway, gateway);
        let sessions = start_sessions(&hub, cookie).await.map_err(|error| unavailable(&error))?;
        keep(&hub.sessions, sessions);
        let socket = TcpListener::from_std(listener.socket).map_err(|error| unavailable(&error))?;
        hub.tasks.spawn(accept::run(hub.clone(), socket));
        hub.tasks.spawn(run(hub.clone(), inbox));
        for seed in &options.seeds {
            hub.membership().seed(seed, hub.now());
        }
        hub.tick();
        Ok(Self { owner })
    }

    fn hub(&self) -> &Arc<Hub> {
        &self.owner.hub
    }

    /// Where this node listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.owner.address
    }

    /// Links this node with the one at that address, and with all that one knows. Answers with its
    /// name when messages pass. The address is dialled from now on, unless whatever answers there does
    /// not prove that it is a node of this cluster.
    ///
    /// # Errors
    /// If the first try failed, or nothing came of it in ten seconds.
    pub(crate) async fn join(&self, address: &NodeAddress) -> Result<String, Refusal> {
        let hub = self.hub();
        let refused = |why: &str| {
            Refusal::new(Code::Unavailable, format!("node at `{address}` cannot be joined: {why}"))
        };
        let mut changes = hub.changes.subscribe();
        let (before, _) = {
            let mut membership = hub.membership();
            membership.join(address, hub.now());
            membership.dials(address)
        };
        hub.tick();
        let deadline = Instant::now() + JOIN;
        loop {
            let (dials, dial) = hub.membership().dials(address);
            match dial {
                Dial::Up(id) => return Ok(id.name.to_string()),
                Dial::Itself if dials > before => return Err(refused("it is this node itself")),
                Dial::Failed(why) if dials > before => return Err(refused(&why)),
                Dial::Itself | Dial::Failed(_) | Dial::Going => {}
            }
            match tokio::time::timeout_at(deadline, changes.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(refused("this node is ending")),
                Err(_) => return Err(refused("nothing came of it within ten seconds")),
            }
        }
    }

    /// Every node that is linked or looked for, each once.
    pub(crate) fn views(&self) -> Vec<LinkView> {
        let hub = self.hub();
        let views = hub.membership().views();
        let now = hub.mesh.now();
        views
            .into_iter()
            .map(|view| {
                let link = view.id.as_ref().and_then(|id| hub.link_to(id));
                LinkView {
                    clock: link.and_then(|link| link.reading(now)),
                    id: view.id,
                    address: view.address,
                    version: view.version,
                    state: view.standing,
                    master: view.master,
                }
            })
            .collect()
    }

    /// Whether a member that we reach said within [`super::lease::SILENCE`] that it reaches `whom`.
    pub(crate) fn reached_by_others(&self, whom: &MemberId) -> bool {
        self.hub().membership().reached_by_others(whom, self.hub().now())
    }

    /// How many members are reached, this one not among them, that have known that master.
    pub(crate) fn fellows(&self, master: &MemberId) -> u64 {
        self.hub().membership().fellows(master, self.hub().now())
    }

    /// The master that this node tells others it knows. Nodes that know two different ones do not
    /// link: take it back when this node gives its master up.
    pub(crate) fn set_master(&self, master: Option<MemberId>) {
        self.hub().set_master(master);
    }

    /// Leaves: the others are told, so that they need not wait, and have a second to close their
    /// ends.
    pub(crate) async fn shutdown(&self) {
        let hub = self.hub();
        hub.leaving.cancel();
        let mut changes = hub.changes.subscribe();
        for link in hub.links_up() {
            link.send(Vec::new(), Tag::Goodbye);
        }
        let closed =
            async { while !hub.links_up().is_empty() && changes.changed().await.is_ok() {} };
        // Whoever does not close its end finds it closed.
        let _ = tokio::time::timeout(FAREWELL, closed).await;
        self.owner.end();
        let _ = tokio::time::timeout(FAREWELL, hub.tasks.wait()).await;
    }
}

impl Owner {
    fn end(&self) {
        self.hub.leaving.cancel();
        self.hub.over.cancel();
        if let Some(sessions) = self.hub.sessions.get() {
            sessions.stop(None);
        }
        if let Some(gateway) = self.hub.gateway.get() {
            gateway.stop(None);
        }
        self.hub.tasks.close();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.end();
    }
}

/// Carries out what is noticed, and tells the time.
async fn run(hub: Arc<Hub>, mut inbox: mpsc::UnboundedReceiver<Notice>) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut next_beat = Instant::now();
    loop {
        tokio::select! {
            () = hub.over.cancelled() => break,
            Some(notice) = inbox.recv() => act(&hub, notice),
            _ = tick.tick() => hub.tick(),
        }
        let news = hub.membership().take_news();
        if news || Instant::now() >= next_beat {
            next_beat = Instant::now() + BEAT;
            hub.beat();
        }
    }
}

fn act(hub: &Arc<Hub>, notice: Notice) {
    match notice {
        Notice::Closed(link, why) => {
            hub.decide(|membership, now| ((), membership.closed(link, &why, now)));
            hub.forget(link);
        }
        Notice::Gone(link) => {
            let why = "the session ended";
            hub.decide(|membership, now| ((), membership.gone(link, why, now)));
            hub.forget(link);
        }
        Notice::Goodbye(link) => {
            hub.decide(|membership, now| ((), membership.left(link, now)));
        }
        Notice::Down { link, why, leave } => hub.go_down(&link, &why, leave),
    }
}

/// The part of `ractor_cluster` that holds the sessions. Its own listener cannot be switched off;
/// it gets a port that only this machine reaches, and whoever comes that way is sent away.
async fn start_sessions(
    hub: &Arc<Hub>,
    cookie: String,
) -> Result<ActorRef<NodeServerMessage>, ractor::SpawnErr> {
    let MemberId { name, incarnation } = hub.mesh.me();
    // Both names must differ from everybody else's, also from those of earlier lives.
    let server = NodeServer::new(
        0,
        cookie,
        format!("{name}#{incarnation:x}"),
        format!("{name}-{incarnation:x}"),
        None,
        None,
    )
    .with_listen_addr(IpAddr::V4(Ipv4Addr::LOCALHOST))
    .with_max_inbound_frame_size(LARGEST_FRAME);
    let (server, _) = Actor::spawn(None, server, ()).await?;
    let subscription = Box::new(Sessions(hub.clone()));
    // It is alive: it was started just now.
    let _ = server.cast(NodeServerMessage::SubscribeToEvents { id: "crowd".into(), subscription });
    Ok(server)
}

struct Sessions(Arc<Hub>);

impl NodeEventSubscription for Sessions {
    fn node_session_opened(&self, session: NodeServerSessionInformation) {
        self.0.session_opened(&session);
    }

    fn node_session_disconnected(&self, session: NodeServerSessionInformation) {
        self.0.session_gone(&session);
    }

    // What counts is that messages pass, which the gateways find out themselves.
    fn node_session_authenticated(&self, _: NodeServerSessionInformation) {}
}

/// Set once, when everything starts.
fn keep<T>(place: &OnceLock<T>, thing: T) {
    let taken = place.set(thing).is_err();
    debug_assert!(!taken, "links start once");
}

#[cfg(test)]
pub(crate) mod fuzzed;
#[cfg(test)]
mod tests;
