//! The `echo` scenario: users that keep a connection to a server and have it repeat what they say.
//! Each line says which life of which user on which node sent it and when, so that the
//! [`server`] can tell whether a crowd kept what crowd promises.

use std::net::{Ipv4Addr, SocketAddr};

use crowd::{prelude::*, refusal::Code};
use tokio_util::sync::CancellationToken;

pub mod clock;
mod connection;
mod life;
mod partners;
pub mod protocol;
pub mod server;
mod settings;

pub use partners::Note;
pub use settings::EchoSettings;

use self::server::Options;

/// The feeder whose rows are said, if there is one.
pub const FEEDER: &str = "echo";

/// The throttle that every echo passes.
pub const THROTTLE: &str = "echo";

/// The scenario: what all its users share on a node.
#[derive(Debug)]
pub struct Echo {
    /// Where the server is.
    addresses: Vec<SocketAddr>,
    throttle: Throttle,
    feed: Option<Feed>,
    /// Ends the scenario's own server, if there is one.
    server: CancellationToken,
}

impl Scenario for Echo {
    const NAME: &'static str = "echo";
    const ABOUT: &'static str = "\
Users keep a connection to a server and have it repeat what they say, one line per interval.
Actions: connect, echo (from a line to its echo). With partners=true users are paired, over all
nodes, and greet each other: greetings_sent, greetings_undelivered, greetings_received, and of these
greetings_from_other_nodes.
The throttle `echo` holds the lines of all users to `rate`. With rows=FILE each line says the number
of a row that the feeder `echo` gives, over all nodes, in the order `rows_order`.
Without a target, the scenario starts a server of its own on each node.";
    type Settings = EchoSettings;
    type Message = Note;
    /// One for the user and one for its connection in the scenario's own server.
    const DESCRIPTORS_PER_USER: u64 = 2;

    async fn init(run: &Run<Self>) -> Result<Self, Failure> {
        let settings = run.settings();
        let throttle = match run.start_throttle(THROTTLE, settings.rate).await {
            Ok(throttle) => throttle,
            // On another node of the run somebody has changed it meanwhile, and knows why.
            Err(refusal) if refusal.code == Code::WrongReconfiguration => run.throttle(THROTTLE)?,
            Err(refusal) => return Err(refusal.into()),
        };
        let feed = match &settings.rows {
            Some(path) => {
                let feeder = Feeder::file(path).order(settings.rows_order);
                Some(run.start_feeder(FEEDER, feeder).await?)
            }
            None => None,
        };
        if settings.partners {
            partners::begin(run).await?;
        }
        let server = CancellationToken::new();
        let addresses = match &settings.target {
            Some(target) => find(target.host(), target.port()).await?,
            None => {
                let listener = server::listen((Ipv4Addr::LOCALHOST, 0).into())?;
                let address = listener.local_addr()?;
                run.spawn(server::run(listener, Options::default(), server.clone()));
                vec![address]
            }
        };
        Ok(Self { addresses, throttle, feed, server })
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        life::live(self, &user).await
    }

    async fn updated(&self, run: &Run<Self>, name: &str) -> Result<(), Failure> {
        if name == settings::RATE {
            self.throttle.change_rate(run.settings().rate).await?;
        }
        Ok(())
    }

    async fn terminate(&self, _run: &Run<Self>) {
        self.server.cancel();
    }
}

/// The addresses of a server.
async fn find(host: &str, port: u16) -> Result<Vec<SocketAddr>, Failure> {
    let unknown = |why: String| Failure::target(format!("the host '{host}' is not known{why}"));
    let found = tokio::net::lookup_host((host, port)).await;
    let addresses: Vec<_> = found.map_err(|error| unknown(format!(": {error}")))?.collect();
    if addresses.is_empty() { Err(unknown(String::new())) } else { Ok(addresses) }
}
