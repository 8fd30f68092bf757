//! The `http` scenario: users that send requests to a server, each over a connection of its own,
//! the next one when the last one is answered.

use std::path::Path;

use crowd::prelude::*;
use crowd::targets::{TargetOptions, Targets};
use hyper::{HeaderMap, Method};

mod backoff;
mod connection;
mod dial;
mod header_list;
mod life;
mod patience;
mod reason;
mod sessions;
mod settings;
mod site;
mod status;
mod stream;
mod target;
mod template;
mod tls;
mod watch;

pub use settings::HttpSettings;

use self::{
    life::Life,
    sessions::TlsSessions,
    site::{Sending, Site, Sites},
    status::StatusSet,
    target::Target,
};

/// The scenario: what all its users share.
pub struct Http {
    sites: Sites,
    expected: StatusSet,
    tls_sessions: TlsSessions,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http").finish_non_exhaustive()
    }
}

impl Scenario for Http {
    const NAME: &'static str = "http";
    const ABOUT: &'static str = "\
Sends requests to a server, each user over a connection of its own, one after the other.
Action: request, from connecting, if it has to, to the last byte of the answer; no connection, no
answer in time and another status than expected are failed requests. Counters: bytes_received
(bodies), stale_connections (closed by the server between two requests: the request is sent again),
unasked_bytes (connections given up because bytes came that nobody asked for), requests_not_sent,
tls_handshakes_full, tls_handshakes_resumed. A server that takes no connection, or brings no answer
over a new one, is let alone for a second, then two, four, up to half a minute; what would have been
sent meanwhile fails unsent. The names of hosts are looked up once.
With several URLs users are spread over them evenly; each server is checked every health_interval. A
server that fails twice (no connection, no answer, a status from 500) is let alone until it passes its
checks again; its users go over to the others meanwhile, and as many come back to it as it has lost.";
    type Settings = HttpSettings;
    type Message = ();
    const DESCRIPTORS_PER_USER: u64 = 1;

    async fn init(run: &Run<Self>) -> Result<Self, Failure> {
        let settings = run.settings();
        let mut urls = Vec::new();
        for url in &settings.url {
            urls.push(Target::parse(url).map_err(Failure::scenario)?);
        }
        let tls_sessions = settings.tls_sessions.parse().map_err(Failure::scenario)?;
        let tls = if urls.iter().any(|url| url.tls) {
            let ca_file = settings.ca_file.as_deref().map(Path::new);
            Some(tls::client_config(ca_file, settings.insecure, tls_sessions)?)
        } else {
            None
        };
        let sending = Sending {
            method: Method::from_bytes(settings.method.as_bytes())?,
            headers: match &settings.headers {
                Some(text) => header_list::parse(text.expose()).map_err(Failure::scenario)?,
                None => HeaderMap::new(),
            },
            body: settings.body.as_ref().map(|body| body.expose().to_owned()),
            health_path: settings.health_path.as_deref().and_then(settings::parse_path),
        };
        let (mut sites, mut faults) = (Vec::new(), Vec::new());
        for named in target::named(urls) {
            match Site::new(named, &sending, tls.as_ref()).await {
                Ok(site) => sites.push(site),
                Err(fault) => faults.push(fault),
            }
        }
        Ok(Self {
            sites: spread(run, all_or(sites, faults)?).await?,
            expected: StatusSet::parse(&settings.expected_status).map_err(Failure::scenario)?,
            tls_sessions,
        })
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        Life::new(self, &user, user.stopped()).run().await;
        Ok(())
    }
}

/// The sites, unless there is a fault in any: then all of them as one, the first one's.
fn all_or(sites: Vec<Site>, faults: Vec<Failure>) -> Result<Vec<Site>, Failure> {
    let reasons: Vec<_> = faults.iter().map(Failure::reason).collect();
    let reasons = reasons.join("; ");
    match faults.first().map(Failure::owner) {
        None => Ok(sites),
        Some(Owner::Target) => Err(Failure::target(reasons)),
        Some(Owner::Scenario) => Err(Failure::scenario(reasons)),
        Some(Owner::Generator) => Err(Failure::generator(reasons)),
    }
}

/// One site is used as it is. Several are checked, for the first time before any user starts: who
/// is not there then is sent none until it is.
async fn spread(run: &Run<Http>, mut sites: Vec<Site>) -> Result<Sites, Failure> {
    if sites.len() == 1
        && let Some(only) = sites.pop()
    {
        return Ok(Sites::One(Box::new(only)));
    }
    let settings = run.settings();
    let options = TargetOptions {
        initial_score: 0.0,
        interval: settings.health_interval,
        timeout: settings.health_timeout,
        jitter: 0.1,
        ..TargetOptions::default()
    };
    let limit = settings.health_timeout;
    let check = move |site: crowd::targets::Target<Site>| async move { site.check(limit).await };
    let targets = Targets::start(run, options, sites, check)?;
    targets.wait_for_first_check().await;
    Ok(Sites::Many(targets))
}
