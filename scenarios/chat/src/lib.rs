//! The `chat` scenario: users who talk to those around them through a messaging server, which the
//! scenario brings along.

use std::net::{Ipv4Addr, SocketAddr};

use crowd::prelude::*;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

mod life;
mod lines;
mod neighbours;
pub mod protocol;
pub mod server;
mod settings;

pub use settings::ChatSettings;

use self::{life::Talk, server::Limits};

/// The scenario: what all its users share.
#[derive(Debug)]
pub struct Chat {
    /// Where the server is.
    addresses: Vec<SocketAddr>,
    /// Ends the scenario's own server, if there is one.
    server: CancellationToken,
}

impl Scenario for Chat {
    const NAME: &'static str = "chat";
    const ABOUT: &'static str = "\
Users talk to those around them through a messaging server, and answer what they are told.
Actions: connect, round-trip (from a message to its answer). Counters: messages_sent, and what
became of them: answers, undelivered (the other was not there), unanswered (nobody answered before
the user left); messages_received, undelivered_answers (who asked had left).
Without a host, the scenario starts a server of its own on this machine.";
    type Settings = ChatSettings;
    type Message = ();
    /// One for the user and one for its connection in the scenario's own server.
    const DESCRIPTORS_PER_USER: u64 = 2;

    async fn init(run: &Run<Self>) -> Result<Self, Failure> {
        let settings = run.settings();
        let (fewest, most) = (settings.messages_min, settings.messages_max);
        if fewest > most {
            let reason = format!("messages_min={fewest} is more than messages_max={most}");
            return Err(Failure::scenario(reason));
        }
        let server = CancellationToken::new();
        let addresses = match &settings.host {
            Some(host) => find(host, settings.port).await?,
            None => {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, settings.port)).await?;
                let address = listener.local_addr()?;
                run.spawn(server::run(listener, Limits::default(), server.clone()));
                vec![address]
            }
        };
        Ok(Self { addresses, server })
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        let life = async {
            let mut talk = Talk::begin(self, &user).await?;
            talk.run().await
        };
        tokio::select! {
            outcome = life => outcome,
            () = user.retired() => Ok(()),
        }
    }

    async fn terminate(&self, _run: &Run<Self>) {
        self.server.cancel();
    }
}

/// The addresses of a server.
async fn find(host: &str, port: u16) -> Result<Vec<SocketAddr>, Failure> {
    if port == 0 {
        return Err(Failure::scenario(format!("host={host} needs a port other than 0")));
    }
    let unknown = |why: String| Failure::target(format!("the host '{host}' is not known{why}"));
    let found = tokio::net::lookup_host((host, port)).await;
    let addresses: Vec<_> = found.map_err(|error| unknown(format!(": {error}")))?.collect();
    if addresses.is_empty() { Err(unknown(String::new())) } else { Ok(addresses) }
}
