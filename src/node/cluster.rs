//! A node of a cluster, assembled: a [`Node`], and the parts that span nodes.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use crowd_core::{
    aside::aside,
    fence::Fence,
    refusal::{Code, Refusal},
    settings::{Declaration, Environment, NodeAddress},
    telemetry::Telemetry,
};
use crowd_measure::Snapshot;

use super::{
    Node, Spanning,
    weak::{dialling, exposed, weak},
};
use crate::{
    cluster::{
        coordinator::master::CoordinatorMaster,
        link::{LinkOptions, Links, Listener, TlsFiles},
        mail::{Mail, master::MailMaster},
        master::{Master, MasterOptions},
        measure::master::MeasureMaster,
        member::{Member, MemberId, calendar},
        mesh::Mesh,
        parts::{Companion, Follower},
        protocol::operate::{Orphan, Orphans, Relay, RelayRequest},
        worker::{Eyes, Worker, WorkerOptions},
    },
    control::execute::{is_on, relayed},
    controller::run::is_over,
    feed::FeederMaster,
    report::RunReport,
    scenario::{catalog::Catalog, erased::Registered},
    settings::{NodeSettings, rules::LONGEST},
    throttle::{ThrottleMaster, ThrottleOptions},
};

pub(super) mod report;

/// How long a node that leaves waits for its users to be taken over, beyond the time that they
/// have to stop.
const HANDOVER: Duration = Duration::from_secs(10);

/// A node that is, or may become, part of a cluster. Cheap to clone; it ends with
/// [`ClusterNode::shutdown`]. One per process.
#[derive(Clone)]
pub struct ClusterNode {
    pub(super) parts: Arc<Parts>,
}

/// What a clustered node is made of.
pub(super) struct Parts {
    node: Node,
    mesh: Mesh,
    links: Links,
    master: Master,
    worker: Worker,
    throttles: Arc<ThrottleMaster>,
    coordinators: Arc<CoordinatorMaster>,
    measured: Arc<MeasureMaster>,
    /// It was told that the cookie is short.
    warned: AtomicBool,
}

impl fmt::Debug for ClusterNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterNode").field("mesh", &self.parts.mesh).finish_non_exhaustive()
    }
}

impl ClusterNode {
    /// Starts a node that listens for others, and looks for those its settings name.
    ///
    /// # Errors
    /// `unavailable` if its settings have no cookie, if its address cannot be had, or if a part of
    /// it cannot be started.
    pub async fn start(
        settings: NodeSettings,
        catalog: Catalog,
        environment: Arc<dyn Environment>,
    ) -> Result<Self, Refusal> {
        let Some(cookie) = settings.cookie.clone() else {
            let message = "a node needs a cookie to be part of a cluster: set CROWD_COOKIE_FILE";
            return Err(Refusal::new(Code::Unavailable, message));
        };
        let listener = Listener::bind(settings.listen)?;
        let mesh = Mesh::new(Member {
            id: MemberId::new(settings.node_name.as_str(), rand::random()),
            address: listener.advertised(settings.advertise.as_ref()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            since: calendar(),
        });
        let telemetry = Telemetry::default();
        let weak = weak("cookie", &cookie, exposed(&settings, listener.address()));
        let warned = AtomicBool::new(weak.is_some());
        if let Some(weak) = weak {
            telemetry.emit(&weak);
        }
        let fence = Fence::default();
        let mail = Mail::start(mesh.clone(), telemetry.clone());
        let spanning = Spanning {
            telemetry: telemetry.clone(),
            fence: fence.clone(),
            mail: Some(mail.clone()),
            mesh: Some(mesh.clone()),
        };
        let node = Node::assemble(settings.clone(), catalog.clone(), environment.clone(), spanning)
            .await?;
        let pacing = ThrottleOptions { tolerance: settings.throttle_tolerance };
        let throttles = ThrottleMaster::new(mesh.clone(), pacing, telemetry.clone())?;
        let coordinators = CoordinatorMaster::new(mesh.clone(), telemetry.clone());
        let feeders = FeederMaster::new(&mesh, telemetry.clone());
        let measured = MeasureMaster::new(&mesh, telemetry.clone());
        let links = Arc::new(OnceLock::new());
        let worker = Worker::start(
            mesh.clone(),
            WorkerOptions {
                controller: node.controller().clone(),
                state: node.watch_state(),
                fence,
                master_timeout: settings.master_timeout.min(LONGEST),
                telemetry: telemetry.clone(),
                eyes: Arc::new(Sight { links: links.clone() }),
                followers: followers(&node, &mesh, &mail),
                whereabouts: Arc::new(move |changes| mail.learn(changes)),
            },
        )
        .await?;
        let this = Arc::new(OnceLock::new());
        let announced = links.clone();
        let master = Master::start(
            mesh.clone(),
            MasterOptions {
                catalog: catalog.clone(),
                environment,
                on_node_loss: settings.on_node_loss,
                rebalance: settings.rebalance,
                master_timeout: settings.master_timeout.min(LONGEST),
                init_timeout: settings.init_timeout.min(LONGEST),
                terminate_timeout: settings.terminate_timeout.min(LONGEST),
                user_rate: settings.user_rate.clone(),
                telemetry: telemetry.clone(),
                companions: vec![
                    throttles.clone() as Arc<dyn Companion>,
                    coordinators.clone(),
                    MailMaster::new(mesh.clone()),
                    feeders,
                    measured.clone(),
                ],
                announce: Arc::new(move |master| {
                    if let Some(links) = announced.get() {
                        Links::set_master(links, master);
                    }
                }),
                relay: relay(this.clone()),
                orphans: orphans(this.clone()),
            },
        )
        .await?;
        let started = Links::start(
            mesh.clone(),
            listener,
            LinkOptions {
                advertise: settings.advertise.clone(),
                seeds: settings.nodes.clone(),
                cookie,
                tls: tls_files(&settings),
                scenarios: fingerprints(&catalog),
                telemetry,
            },
        )
        .await?;
        let links = links.get_or_init(|| started).clone();
        let parts =
            Parts { node, mesh, links, master, worker, throttles, coordinators, measured, warned };
        let parts = Arc::new(parts);
        parts.node.judge_cluster(Arc::downgrade(&parts));
        // Set once, here.
        let _ = this.set(Arc::downgrade(&parts));
        Ok(Self { parts })
    }

    /// This node's own side.
    pub fn node(&self) -> &Node {
        &self.parts.node
    }

    /// Where it listens for other nodes.
    pub fn address(&self) -> SocketAddr {
        self.parts.links.address()
    }

    /// The result of the current or last run over all nodes, as of now; that of this node's part
    /// if another one commands the run; `None` when idle.
    pub async fn report(&self, interrupted: bool) -> Option<RunReport> {
        if self.is_master() {
            report::of_cluster(self, interrupted).await
        } else {
            self.node().report(interrupted).await
        }
    }

    /// Resolves when the master was gone for too long and this node has ended its part of the run
    /// because of it: it is to end.
    pub async fn gave_up(&self) {
        self.parts.worker.gave_up().await;
    }

    /// Ends the run if this node commands it, hands its users over if another one does, and ends
    /// the node.
    pub async fn shutdown(&self) {
        let Parts { node, links, master, worker, .. } = &*self.parts;
        node.desk().end().await;
        if self.is_master() {
            if !is_over(master.state()) {
                // Refused only when the run is ending already.
                let _ = master.stop().await;
                master.ended().await;
            }
            // So that its workers are free for another master. Refused if there is no run.
            let _ = master.reset().await;
        } else {
            worker.leave(node.node_settings().drain_timeout.min(LONGEST) + HANDOVER).await;
        }
        links.shutdown().await;
        master.shutdown();
        worker.shutdown().await;
        node.shutdown().await;
    }

    /// Links this node with the one at that address; see [`Links::join`].
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn join(&self, address: &NodeAddress) -> Result<String, Refusal> {
        let Parts { node, links, warned, .. } = &*self.parts;
        let cookie = node.node_settings().cookie.as_ref();
        let weak = cookie.and_then(|cookie| weak("cookie", cookie, dialling(address)));
        if let Some(weak) = weak
            && !warned.swap(true, Ordering::Relaxed)
        {
            node.telemetry().emit(&weak);
        }
        links.join(address).await
    }

    /// Whether this node commands a run.
    pub(crate) fn is_master(&self) -> bool {
        self.parts.master.is_master()
    }

    pub(crate) fn mesh(&self) -> &Mesh {
        &self.parts.mesh
    }

    pub(crate) fn links(&self) -> &Links {
        &self.parts.links
    }

    pub(crate) fn master(&self) -> &Master {
        &self.parts.master
    }

    pub(crate) fn cluster_throttles(&self) -> &ThrottleMaster {
        &self.parts.throttles
    }

    pub(crate) fn cluster_coordinators(&self) -> &CoordinatorMaster {
        &self.parts.coordinators
    }

    pub(crate) fn measured(&self) -> &MeasureMaster {
        &self.parts.measured
    }

    /// What was measured in the run that this node commands, as far as it came here.
    pub(crate) async fn snapshot(&self) -> Snapshot {
        let measured = self.parts.measured.clone();
        aside(move || measured.snapshot()).await.unwrap_or_default()
    }
}

/// The parts of this node that span nodes, in the order in which they send what is left at the end:
/// coordinators may still act, which may be mail, which may be measured.
fn followers(node: &Node, mesh: &Mesh, mail: &Mail) -> Vec<Arc<dyn Follower>> {
    let mut followers = vec![
        node.coordinators().follower(mesh.clone()),
        mail.follower(),
        node.throttles().follower(mesh.clone()),
        node.feeders().follower(mesh.clone()),
    ];
    followers.extend(node.feed().map(|feed| feed as Arc<dyn Follower>));
    followers
}

/// What this node sees of the others.
struct Sight {
    links: Arc<OnceLock<Links>>,
}

impl Eyes for Sight {
    fn reached(&self, master: &MemberId) -> u64 {
        self.links.get().map_or(0, |links| links.fellows(master)) + 1
    }

    fn master_is_seen(&self, master: &MemberId) -> bool {
        self.links.get().is_some_and(|links| links.reached_by_others(master))
    }
}

/// Carries out what other nodes relay to this one.
fn relay(this: Arc<OnceLock<Weak<Parts>>>) -> Relay {
    Arc::new(move |RelayRequest { line }| {
        let parts = this.get().and_then(Weak::upgrade);
        Box::pin(async move {
            match parts {
                Some(parts) => relayed(&ClusterNode { parts }, &line).await,
                None => Err(Refusal::new(Code::Unavailable, "the master is ending")),
            }
        })
    })
}

/// Tells of what goes on here without its master, and ends it.
fn orphans(this: Arc<OnceLock<Weak<Parts>>>) -> Orphans {
    Arc::new(move |end| {
        let parts = this.get().and_then(Weak::upgrade);
        Box::pin(async move {
            let Parts { node, worker, .. } = &*parts?;
            let status = node.status().await.ok()?;
            if !is_on(status.state) {
                return None;
            }
            let master = if end { worker.abandon().await } else { worker.orphaned_by() }?;
            let users = status.users.waiting + status.users.running;
            Some(Orphan { scenario: status.scenario.unwrap_or_default(), master, users })
        })
    })
}

fn tls_files(settings: &NodeSettings) -> Option<TlsFiles> {
    let NodeSettings { tls_cert, tls_key, tls_ca, .. } = settings;
    // All three or none: the settings were checked.
    let (cert, key) = tls_cert.clone().zip(tls_key.clone())?;
    Some(TlsFiles { cert, key, ca: tls_ca.clone()? })
}

/// What must be alike on all nodes: every scenario's name, and a digest of what it says of itself
/// and its settings.
fn fingerprints(catalog: &Catalog) -> BTreeMap<String, String> {
    let digest_of = |scenario: &dyn Registered| {
        let mut text = scenario.about().to_owned();
        for Declaration { name, type_name, default, .. } in scenario.declarations().all {
            text += &format!("\n{name}: {type_name} = {default:?}");
        }
        let digest = digest(&SHA256, text.as_bytes());
        digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    };
    catalog.iter().map(|all| (all.name().to_owned(), digest_of(&**all))).collect()
}
