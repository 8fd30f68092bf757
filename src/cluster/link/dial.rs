//! Connections that this node makes.

use std::{io, net::SocketAddr, panic::AssertUnwindSafe, sync::Arc};

use crowd_core::panic::panic_text;
use crowd_core::{
    printable::{self, SENTENCE},
    settings::NodeAddress,
};
use futures_util::FutureExt;

use super::{
    HANDSHAKE, Stream,
    accept::admit,
    connection::address_of,
    handshake::{self, Fault, Met, Party},
    hello::{Because, Hello, No},
    hub::Hub,
    proof::Channel,
    socket, tls,
};
use crate::cluster::{
    member::MemberId,
    membership::{DialFault, LinkId, Newcomer, Refused},
};

/// Dials once, and tells the membership what came of it.
pub(super) fn start(hub: &Arc<Hub>, address: NodeAddress, expected: Option<MemberId>) {
    let hub = hub.clone();
    hub.tasks.clone().spawn(async move {
        let leaving = hub.leaving.clone();
        let dialled = tokio::select! {
            () = leaving.cancelled() => return,
            dialled = AssertUnwindSafe(dial(&hub, &address, expected.as_ref())).catch_unwind() => {
                dialled
            }
        };
        // The address is dialled again, whatever was said there.
        let dialled = dialled.unwrap_or_else(|panic| {
            let panic = printable::line(&panic_text(&*panic), SENTENCE);
            Err(DialFault::Unreachable(format!("what it said could not be handled: {panic}")))
        });
        if let Err(fault) = dialled {
            hub.decide(|membership, now| ((), membership.dial_failed(&address, &fault, now)));
            hub.changed();
        }
    });
}

async fn dial(
    hub: &Arc<Hub>,
    address: &NodeAddress,
    expected: Option<&MemberId>,
) -> Result<(), DialFault> {
    let sockets = socket::resolve(address).await.map_err(|error| unreachable(&error))?;
    let mut last = None;
    // A name may stand for many nodes, and for this one too.
    for socket in sockets {
        match dial_socket(hub, address, socket, expected).await {
            Ok(()) => return Ok(()),
            Err(fault @ (DialFault::Unreachable(_) | DialFault::Refused(Refused::Itself))) => {
                last = Some(fault);
            }
            Err(fault) => return Err(fault),
        }
    }
    Err(last.unwrap_or_else(|| unreachable(&io::ErrorKind::NotFound.into())))
}

async fn dial_socket(
    hub: &Arc<Hub>,
    address: &NodeAddress,
    to: SocketAddr,
    expected: Option<&MemberId>,
) -> Result<(), DialFault> {
    let stream = match socket::connect(to).await {
        Ok(stream) => stream,
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            return Err(DialFault::Unreachable("nobody listens there".into()));
        }
        Err(error) => return Err(unreachable(&error)),
    };
    let link = hub.next_link();
    let mut callee = Callee { hub: hub.clone(), link, address, to, expected };
    let met = tokio::time::timeout(HANDSHAKE, async {
        let (stream, channel): (Box<dyn Stream>, Channel) = match &hub.constants.tls {
            Some(tls) => match tls.connect(stream).await {
                Ok((stream, channel)) => (Box::new(stream), channel),
                Err(error) => return Err(Fault::Stranger(tls::explain(&error))),
            },
            None => (Box::new(stream), Channel::Plain),
        };
        handshake::dial(stream, &channel, &hub.constants.cookie, &mut callee).await
    });
    match met.await {
        Ok(Ok(met)) => {
            let met: Met<Box<dyn Stream>> = met;
            hub.hand_over(link, met, to.ip(), false);
            Ok(())
        }
        Ok(Err(fault)) => {
            abandon(hub, link);
            Err(meaning(fault))
        }
        Err(_) => {
            abandon(hub, link);
            Err(DialFault::Unreachable("it did not answer in time".into()))
        }
    }
}

/// A place that was taken for a link that did not come about.
fn abandon(hub: &Arc<Hub>, link: LinkId) {
    let why = "the handshake broke off";
    hub.decide(|membership, now| ((), membership.gone(link, why, now)));
}

fn unreachable(error: &io::Error) -> DialFault {
    DialFault::Unreachable(error.to_string())
}

/// What a fault of a handshake means for the next dial.
fn meaning(fault: Fault) -> DialFault {
    match fault {
        Fault::Refused { no, proven: false, .. } => DialFault::Unproven(no.why),
        Fault::Refused { no, hello, by_us, .. } => DialFault::Refused(match no.because {
            Because::Itself => Refused::Itself,
            Because::Linked if by_us => Refused::Linked(hello.map(|hello| hello.id())),
            Because::Linked => Refused::Linked(no.by),
            Because::Busy => Refused::Busy,
            Because::Cookie | Because::Unlike | Because::Name | Because::Other => {
                Refused::Because(no.why)
            }
        }),
        // With TLS 1.3 the other side's verdict on our certificate comes after the handshake.
        Fault::Broken(error) | Fault::Mute(error) if tls::at_fault(&error) => {
            DialFault::Unproven(tls::explain(&error))
        }
        Fault::Broken(error) => DialFault::Unreachable(error.to_string()),
        Fault::Mute(error) => DialFault::Mute(format!("it takes a proof and gives none ({error})")),
        Fault::Stranger(why) => DialFault::Unproven(why),
    }
}

/// The node that is dialled.
struct Callee<'a> {
    hub: Arc<Hub>,
    link: LinkId,
    address: &'a NodeAddress,
    to: SocketAddr,
    expected: Option<&'a MemberId>,
}

impl Party for Callee<'_> {
    fn hello(&self) -> Hello {
        self.hub.hello(self.expected.cloned())
    }

    fn admit(&mut self, hello: &Hello) -> Result<(), No> {
        let newcomer = Newcomer {
            link: self.link,
            id: hello.id(),
            address: address_of(hello, self.to.ip()).parse().ok(),
            version: hello.version.clone(),
            dialled: Some(self.address.clone()),
            unlinked: false,
        };
        admit(&self.hub, &newcomer)
    }

    /// The one who dials takes the place at once.
    fn agreed(&mut self) -> bool {
        true
    }
}
