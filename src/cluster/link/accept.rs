//! Connections that others make.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};

use super::{
    HANDSHAKE, Stream,
    connection::address_of,
    handshake::{self, Fault, Party},
    hello::{Because, Hello, No},
    hub::Hub,
    news::{Kind, near},
    proof::Channel,
    socket, tls,
};
use crate::cluster::{
    member::MemberId,
    membership::{LinkId, Newcomer, Objection},
};

/// So many handshakes go on at one moment. One more, and the oldest is given up: whoever means it
/// is through in a few milliseconds, so it is one that is silent.
const MOST: usize = 256;

/// The pause after the system refused to accept.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts until this node leaves.
pub(super) async fn run(hub: Arc<Hub>, listener: TcpListener) {
    let mut tasks = JoinSet::new();
    let mut going: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let accepted = tokio::select! {
            () = hub.leaving.cancelled() => break,
            Some(_) = tasks.join_next() => {
                going.retain(|task| !task.is_finished());
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, from)) => {
                if going.len() >= MOST
                    && let Some(oldest) = going.pop_front()
                {
                    oldest.abort();
                }
                going.push_back(tasks.spawn(meet(hub.clone(), stream, from)));
            }
            Err(error) => {
                // Out of file descriptors, most likely: nobody is helped by trying at once.
                let reason = format!("connections cannot be accepted: {error}");
                hub.say_refused(Kind::Door, "", "everybody".into(), reason);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn meet(hub: Arc<Hub>, stream: TcpStream, from: SocketAddr) {
    let mut caller = Caller { hub: hub.clone(), link: hub.next_link(), from, place: Place::None };
    let met = tokio::time::timeout(HANDSHAKE, async {
        socket::prepare(&stream)?;
        let (stream, channel): (Box<dyn Stream>, Channel) = match &hub.constants.tls {
            Some(tls) => match tls.accept(stream).await {
                Ok((stream, channel)) => (Box::new(stream), channel),
                Err(error) if tls::at_fault(&error) => {
                    return Err(Fault::Stranger(tls::explain(&error)));
                }
                Err(error) => return Err(Fault::Broken(error)),
            },
            None => (Box::new(stream), Channel::Plain),
        };
        handshake::accept(stream, &channel, &hub.constants.cookie, &mut caller).await
    });
    let fault = match met.await {
        Ok(Ok(met)) => {
            caller.place = Place::Taken;
            hub.hand_over(caller.link, met, from.ip(), true);
            return;
        }
        Ok(Err(fault)) => fault,
        Err(_) => Fault::Broken(std::io::ErrorKind::TimedOut.into()),
    };
    let ip = from.ip().to_canonical().to_string();
    let whom = near(from.ip());
    match fault {
        // It says no, and has proven nothing.
        Fault::Refused { no, by_us: false, proven: false, .. } => {
            hub.say_refused(Kind::Stranger, &whom, ip, no.why);
        }
        // What passes by itself, and what every node says to itself, is not worth a word.
        Fault::Refused {
            no: No { because: Because::Busy | Because::Linked | Because::Itself, .. },
            ..
        } => {}
        Fault::Refused { no, hello, .. } => {
            let address = hello.map_or(ip.clone(), |hello| address_of(&hello, from.ip()));
            hub.say_refused(Kind::of(no.because), &whom, address, no.why);
        }
        Fault::Stranger(why) => hub.say_refused(Kind::Stranger, &whom, ip, why),
        // Somebody looks whether the port is open.
        Fault::Broken(error) | Fault::Mute(error) => {
            tracing::debug!(target: "crowd", %from, "a connection came to nothing: {error}");
        }
    }
}

#[derive(PartialEq)]
enum Place {
    /// None is kept.
    None,
    /// One is kept until the other side agrees.
    Kept,
    /// The link has it.
    Taken,
}

/// A node that dialled this one.
struct Caller {
    hub: Arc<Hub>,
    link: LinkId,
    from: SocketAddr,
    place: Place,
}

impl Party for Caller {
    fn hello(&self) -> Hello {
        self.hub.hello(None)
    }

    fn admit(&mut self, hello: &Hello) -> Result<(), No> {
        let newcomer = Newcomer {
            link: self.link,
            id: hello.id(),
            address: address_of(hello, self.from.ip()).parse().ok(),
            version: hello.version.clone(),
            dialled: None,
            unlinked: hello.unlinked.as_ref() == Some(self.hub.mesh.me()),
        };
        admit(&self.hub, &newcomer)?;
        self.place = Place::Kept;
        Ok(())
    }

    fn agreed(&mut self) -> bool {
        let link = self.link;
        let agreed = self.hub.decide(|membership, now| (membership.agreed(link, now), Vec::new()));
        if agreed {
            self.place = Place::Taken;
        }
        agreed
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        if self.place == Place::Kept {
            self.hub.membership().abandoned(self.link);
        }
    }
}

/// Asks the membership; an objection comes in words.
pub(super) fn admit(hub: &Arc<Hub>, newcomer: &Newcomer) -> Result<(), No> {
    let MemberId { name, .. } = &newcomer.id;
    let verdict = hub.decide(|membership, now| membership.admit(newcomer, now));
    verdict.map_err(|objection| match objection {
        Objection::Itself => No::new(Because::Itself, "it is this node itself"),
        Objection::NameTaken => No::new(
            Because::Name,
            format!("the name `{name}` is taken by another living node: give each its own"),
        ),
        Objection::Linked => No::new(Because::Linked, "there is a link already"),
        Objection::Busy => No::new(Because::Busy, "a link is being made or ended"),
    })
}
