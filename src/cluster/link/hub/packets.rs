//! What gateways tell each other.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
};

use crowd_core::codec;
use crowd_core::panic::panic_text;
use serde::{Deserialize, Serialize};

use super::{
    super::{
        connection::Link,
        gateway::{self, Packet, Tag},
        news::Kind,
    },
    Hub, Notice,
};
use crate::cluster::member::MemberId;

/// So many probes are sent one after the other when a link comes up, so that the clock is known
/// soon.
const FIRST_PROBES: usize = 8;

/// What a node tells with every beat.
#[derive(Debug, Serialize, Deserialize)]
struct Beat {
    reaches: Vec<(MemberId, String)>,
    master: Option<MemberId>,
}

/// Times of a probe, in nanoseconds of the mesh of whoever wrote them down.
#[derive(Debug, Serialize, Deserialize)]
struct Echo {
    sent: u64,
    arrived: u64,
    answered: u64,
}

impl Hub {
    /// A packet came, from whoever knows the token of a link. If it cannot be handled its link ends:
    /// the gateway is everybody's.
    pub(in super::super) fn receive(self: &Arc<Self>, packet: Packet) {
        let Some((body, token, tag)) = packet.open() else { return };
        let link = self.read_tables(|tables| tables.by_token.get(&token).cloned());
        let Some(link) = link.filter(|link| !link.stumbled.load(Ordering::Relaxed)) else { return };
        let handled = catch_unwind(AssertUnwindSafe(|| self.handle(&link, &body, tag)));
        if let Err(panic) = handled {
            self.stumble(&link, &panic_text(&*panic));
        }
    }

    fn handle(self: &Arc<Self>, link: &Arc<Link>, body: &[u8], tag: Tag) {
        let now = self.mesh.now();
        link.heard.store(now, Ordering::Relaxed);
        let understood = match tag {
            Tag::Frame => self.deliver(link, body),
            Tag::Greeting => codec::decode::<MemberId>(body).map(|id| self.greeted(link, &id)),
            Tag::Beat => codec::decode::<Beat>(body).map(|beat| {
                self.decide(|membership, now| {
                    (membership.told(link.id, &beat.reaches, beat.master, now), Vec::new())
                });
            }),
            Tag::Probe => codec::decode::<u64>(body).and_then(|sent| {
                let echo = Echo { sent, arrived: now, answered: self.mesh.now() };
                link.send(codec::encode(&echo)?, Tag::Echo);
                Ok(())
            }),
            Tag::Echo => codec::decode::<Echo>(body).map(|echo| self.clocked(link, &echo, now)),
            Tag::Goodbye => {
                self.notice(Notice::Goodbye(link.id));
                Ok(())
            }
        };
        if let Err(fault) = understood {
            let (whom, address) = (link.member.id.to_string(), link.member.address.clone());
            self.say_refused(Kind::Packet, &whom, address, format!("it sent {fault}"));
        }
    }

    fn deliver(&self, link: &Link, frame: &[u8]) -> Result<(), codec::CodecError> {
        let gate = link.gate();
        match &gate.open {
            Some((open, id)) if *open == link.id => self.mesh.deliver(id, frame),
            // Over, or not yet up: which nobody sends who has not greeted.
            _ => Ok(()),
        }
    }

    fn greeted(self: &Arc<Self>, link: &Arc<Link>, id: &MemberId) {
        if *id != link.member.id {
            self.notice(Notice::Closed(link.id, "it greeted under another name".into()));
            link.end();
            return;
        }
        link.greeted.store(true, Ordering::Release);
        if let Some((session, _)) = link.session.get()
            && link.gateway.get().is_none()
            && let Some(gateway) = gateway::gateway_of(*session)
        {
            self.met_gateway(*session, gateway);
        } else {
            self.settle(link);
        }
    }

    pub(super) fn probe(&self, link: &Link) {
        if let Ok(probe) = codec::encode(&self.mesh.now()) {
            link.send(probe, Tag::Probe);
        }
    }

    fn clocked(&self, link: &Link, echo: &Echo, back: u64) {
        let mut clock = link.clock();
        clock.sample(echo.sent, echo.arrived, echo.answered, back);
        let more = clock.samples() < FIRST_PROBES;
        drop(clock);
        if more {
            self.probe(link);
        }
    }

    /// Tells all members that this node is there.
    pub(in super::super) fn beat(&self) {
        let beat = Beat { reaches: self.membership().reached(), master: self.master() };
        let Ok(beat) = codec::encode(&beat) else { return };
        for link in self.links_up() {
            link.send(beat.clone(), Tag::Beat);
            self.probe(&link);
        }
    }
}
