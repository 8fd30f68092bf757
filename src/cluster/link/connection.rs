//! A link: one connection to one member, from the handshake to its end.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64},
    },
};

use crowd_core::printable::line;
use ractor::ActorRef;
use ractor_cluster::NodeSessionMessage;
use tokio_util::sync::CancellationToken;

use super::{
    gateway::{GatewayMessage, Packet, Tag},
    hello::Hello,
    proof::Token,
};
use crate::cluster::{
    clock::{ClockFilter, ClockReading},
    member::{Member, MemberId},
    membership::LinkId,
};

/// Which link of a name may deliver. It is locked while a message is delivered and while a member
/// is told to come or go, so that nothing of a member arrives before it comes or after it went.
#[derive(Debug, Default)]
pub(super) struct Gate {
    pub(super) open: Option<(LinkId, MemberId)>,
}

/// One connection to one member.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: LinkId,
    pub(super) member: Member,
    /// What marks packets to it, and from it.
    pub(super) sent: Token,
    pub(super) received: Token,
    /// Ends the connection.
    pub(super) cut: CancellationToken,
    /// The session below, once there is one.
    pub(super) session: OnceLock<(u64, ActorRef<NodeSessionMessage>)>,
    /// Its gateway, once it is known.
    pub(super) gateway: OnceLock<ActorRef<GatewayMessage>>,
    pub(super) greeted: AtomicBool,
    /// What came on it could not be handled: nothing more of it is.
    pub(super) stumbled: AtomicBool,
    /// It is over: it may not come up any more. Changed under the gate.
    pub(super) over: AtomicBool,
    pub(super) gate: Arc<Mutex<Gate>>,
    /// When something came last, in nanoseconds of the mesh.
    pub(super) heard: AtomicU64,
    pub(super) clock: Mutex<ClockFilter>,
}

impl Link {
    pub(super) fn clock(&self) -> std::sync::MutexGuard<'_, ClockFilter> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How its clock stands to ours.
    pub(super) fn reading(&self, now: u64) -> Option<ClockReading> {
        self.clock().reading(now)
    }

    pub(super) fn gate(&self) -> std::sync::MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a packet, if its gateway is known and the session lives.
    pub(super) fn send(&self, body: Vec<u8>, tag: Tag) -> bool {
        let packet = GatewayMessage::P(Packet::new(body, &self.sent, tag));
        self.gateway.get().is_some_and(|gateway| gateway.cast(packet).is_ok())
    }

    /// Ends it, whatever state the other side is in.
    pub(super) fn end(&self) {
        self.cut.cancel();
        if let Some((_, session)) = self.session.get() {
            session.stop(None);
        }
    }
}

/// The longest address: a name of DNS and a port.
const LONGEST_ADDRESS: usize = 260;

/// Where a node is reached: where it says, or else where its connection comes from.
pub(super) fn address_of(hello: &Hello, ip: IpAddr) -> String {
    match &hello.advertise {
        // Whatever it says, it is shown.
        Some(advertised) => line(advertised, LONGEST_ADDRESS),
        None => std::net::SocketAddr::new(ip.to_canonical(), hello.port).to_string(),
    }
}
