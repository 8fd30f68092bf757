//! A network in memory for tests: the nodes of one process, with links that can be cut, and with
//! clocks that may be off.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::mpsc;

use super::{Mesh, Transport, Unreachable};
use crate::cluster::{
    clock::ClockReading,
    member::{Member, MemberId},
};

/// The network.
#[derive(Clone, Default)]
pub(crate) struct Network {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    nodes: BTreeMap<MemberId, (Mesh, mpsc::UnboundedSender<Packet>)>,
    /// Ordered pairs between which nothing passes.
    silent: BTreeSet<(MemberId, MemberId)>,
    /// Ordered pairs without a link.
    parted: BTreeSet<(MemberId, MemberId)>,
}

type Packet = (MemberId, Vec<u8>);

struct Wire {
    me: MemberId,
    network: Network,
}

impl Transport for Wire {
    fn send(&self, to: &MemberId, frame: Vec<u8>) -> Result<(), Unreachable> {
        let inner = self.network.lock();
        if inner.silent.contains(&(self.me.clone(), to.clone())) {
            // As with a cut cable: nobody knows.
            return Ok(());
        }
        if inner.parted.contains(&(self.me.clone(), to.clone())) {
            return Err(Unreachable(to.clone()));
        }
        let Some((_, inbox)) = inner.nodes.get(to) else { return Err(Unreachable(to.clone())) };
        inbox.send((self.me.clone(), frame)).map_err(|_| Unreachable(to.clone()))
    }

    fn give_up(&self, member: &MemberId, _: &str) {
        self.network.part(&self.me, member);
    }

    fn clock(&self, _: &MemberId) -> Option<ClockReading> {
        // All meshes of a test that starts them at one moment of a paused clock have one time.
        Some(ClockReading::alike(100_000))
    }
}

impl Network {
    /// A node that all others reach, and that reaches them. Frames are delivered by a task, in
    /// order.
    pub(crate) fn node(&self, name: &str, incarnation: u64) -> Mesh {
        let id = MemberId::new(name, incarnation);
        let member =
            Member { id: id.clone(), address: format!("{name}:1"), version: "1".into(), since: 0 };
        let mesh = Mesh::new(member);
        mesh.attach(Wire { me: id.clone(), network: self.clone() });
        let (inbox, mut packets) = mpsc::unbounded_channel::<Packet>();
        let receiver = mesh.clone();
        tokio::spawn(async move {
            while let Some((from, frame)) = packets.recv().await {
                receiver.deliver(&from, &frame).expect("a frame made here is a frame");
            }
        });
        let others: Vec<Mesh> =
            self.lock().nodes.values().map(|(other, _)| other.clone()).collect();
        self.lock().nodes.insert(id, (mesh.clone(), inbox));
        for other in others {
            other.up(mesh.this_member().clone());
            mesh.up(other.this_member().clone());
        }
        mesh
    }

    /// Takes a node away: all others see it go.
    pub(crate) fn kill(&self, id: &MemberId) {
        let gone = self.lock().nodes.remove(id);
        let Some((gone, _)) = gone else { return };
        let others: Vec<Mesh> =
            self.lock().nodes.values().map(|(other, _)| other.clone()).collect();
        for other in others {
            other.down(id, "the connection was closed");
            gone.down(other.me(), "the connection was closed");
        }
    }

    /// From now on nothing passes between these two, and neither is told.
    pub(crate) fn cut(&self, one: &MemberId, other: &MemberId) {
        let mut inner = self.lock();
        inner.silent.insert((one.clone(), other.clone()));
        inner.silent.insert((other.clone(), one.clone()));
    }

    /// What passes between these two passes again.
    pub(crate) fn mend(&self, one: &MemberId, other: &MemberId) {
        let mut inner = self.lock();
        inner.silent.remove(&(one.clone(), other.clone()));
        inner.silent.remove(&(other.clone(), one.clone()));
    }

    /// Takes the link between these two away: both see it go, and what is sent meanwhile is refused.
    pub(crate) fn part(&self, one: &MemberId, other: &MemberId) {
        let meshes = self.between(one, other);
        self.lock().parted.extend([(one.clone(), other.clone()), (other.clone(), one.clone())]);
        for (mesh, away) in meshes {
            mesh.down(&away, "the connection was closed");
        }
    }

    /// Links these two again.
    pub(crate) fn meet(&self, one: &MemberId, other: &MemberId) {
        self.lock()
            .parted
            .retain(|pair| ![one, other].contains(&&pair.0) || ![one, other].contains(&&pair.1));
        let [(first, _), (second, _)] = self.between(one, other);
        first.up(second.this_member().clone());
        second.up(first.this_member().clone());
    }

    /// Each of two nodes, with the name of the other.
    fn between(&self, one: &MemberId, other: &MemberId) -> [(Mesh, MemberId); 2] {
        let inner = self.lock();
        [(one, other), (other, one)].map(|(near, far)| (inner.nodes[near].0.clone(), far.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
