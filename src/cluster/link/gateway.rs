//! The one actor of a node that other nodes send to, and the packets it gets.
//!
//! `ractor_cluster` does not tell which connection a message came on. So a packet ends with the
//! token of its link, which only the two nodes at its ends know, and a byte that says what it is.

use std::sync::Arc;

use ractor::{
    Actor, ActorId, ActorProcessingErr, ActorRef, BytesConvertable, SupervisionEvent,
    pg::{self, GroupChangeMessage},
};
use ractor_cluster::RactorClusterMessage;

use super::{hub::Hub, proof::Token};

/// The process group that all gateways join.
const GROUP: &str = "crowd-gateways";

/// What a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Tag {
    /// Says who sends on this link; the first packet.
    Greeting,
    /// The sender is there; whom it reaches.
    Beat,
    /// Asks for the time.
    Probe,
    /// Tells the time.
    Echo,
    /// A message of the mesh.
    Frame,
    /// The sender leaves.
    Goodbye,
}

impl Tag {
    const ALL: [Self; 6] =
        [Self::Greeting, Self::Beat, Self::Probe, Self::Echo, Self::Frame, Self::Goodbye];
}

/// The bytes of a packet.
#[derive(Debug)]
pub(super) struct Packet(Vec<u8>);

impl Packet {
    /// Marks a body. The mark comes last, so that the body need not be moved.
    pub(super) fn new(mut body: Vec<u8>, token: &Token, tag: Tag) -> Self {
        body.extend(token);
        body.push(tag as u8);
        Self(body)
    }

    /// The body and its marks, unless it is no packet.
    pub(super) fn open(mut self) -> Option<(Vec<u8>, Token, Tag)> {
        let tag = self.0.pop()?;
        let tag = Tag::ALL.into_iter().find(|known| *known as u8 == tag)?;
        let end = self.0.len().checked_sub(size_of::<Token>())?;
        let token = Token::try_from(self.0.split_off(end)).ok()?;
        Some((self.0, token, tag))
    }
}

impl BytesConvertable for Packet {
    fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

/// What passes between gateways.
#[derive(Debug, RactorClusterMessage)]
pub(super) enum GatewayMessage {
    /// All there is.
    P(Packet),
}

/// The actor.
pub(super) struct Gateway;

impl Actor for Gateway {
    type Msg = GatewayMessage;
    type State = Arc<Hub>;
    type Arguments = Arc<Hub>;

    async fn pre_start(
        &self,
        myself: ActorRef<GatewayMessage>,
        hub: Arc<Hub>,
    ) -> Result<Arc<Hub>, ActorProcessingErr> {
        // Watched before it is looked at, so that nobody joins unseen.
        pg::monitor(GROUP.into(), myself.get_cell());
        pg::join(GROUP.into(), vec![myself.get_cell()]);
        Ok(hub)
    }

    async fn handle(
        &self,
        _: ActorRef<GatewayMessage>,
        GatewayMessage::P(packet): GatewayMessage,
        hub: &mut Arc<Hub>,
    ) -> Result<(), ActorProcessingErr> {
        hub.receive(packet);
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<GatewayMessage>,
        event: SupervisionEvent,
        hub: &mut Arc<Hub>,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ProcessGroupChanged(GroupChangeMessage::Join(_, _, actors)) = event
        {
            for actor in actors {
                if let ActorId::Remote { node_id, .. } = actor.get_id() {
                    hub.gateway_came(node_id, actor.into());
                }
            }
        }
        Ok(())
    }
}

/// The gateway behind that session, if it is known already.
pub(super) fn gateway_of(session: u64) -> Option<ActorRef<GatewayMessage>> {
    let of_session = |id| matches!(id, ActorId::Remote { node_id, .. } if node_id == session);
    let found = pg::get_members(&GROUP.into()).into_iter().find(|actor| of_session(actor.get_id()));
    found.map(ActorRef::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_opened_as_it_was_closed() {
        for tag in Tag::ALL {
            let packet = Packet::new(b"body".to_vec(), &[7; 16], tag);
            let packet = Packet::from_bytes(packet.into_bytes());
            assert_eq!(packet.open(), Some((b"body".to_vec(), [7; 16], tag)));
        }
        for wrong in [&b""[..], &[0; 16], &[9; 17]] {
            assert_eq!(Packet(wrong.to_vec()).open(), None);
        }
    }
}
