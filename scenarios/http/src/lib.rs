//! The `http` scenario: users that send requests to a server, each over a connection of its own,
//! the next one when the last one is answered.

use std::path::Path;

use crowd::prelude::*;
use hyper::{HeaderMap, Method, Request};
use rustls::pki_types::ServerName;

mod backoff;
mod connection;
mod header_list;
mod life;
mod patience;
mod settings;
mod status;
mod stream;
mod target;
mod template;
mod tls;

pub use settings::HttpSettings;

use self::{life::Life, status::StatusSet, stream::Route, target::Target, template::Payload};

/// The scenario: what all its users share.
pub struct Http {
    route: Route,
    request: Request<Payload>,
    expected: StatusSet,
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
Actions: connect, request. Counters: bytes_received (bodies), stale_connections (closed by the
server between two requests; opened again).
An answer with another status than expected is a failed request; a connection that fails is tried
again after a second, then two, four, up to half a minute. The name of the host is looked up once.";
    type Settings = HttpSettings;
    type Message = ();
    const DESCRIPTORS_PER_USER: u64 = 1;

    async fn init(run: &Run<Self>) -> Result<Self, Failure> {
        let settings = run.settings();
        let target = Target::parse(&settings.url).map_err(Failure::scenario)?;
        let tls = if target.tls {
            let config =
                tls::client_config(settings.ca_file.as_deref().map(Path::new), settings.insecure)?;
            Some((config, ServerName::try_from(target.host.clone())?))
        } else {
            None
        };
        let headers = match &settings.headers {
            Some(text) => header_list::parse(text).map_err(Failure::scenario)?,
            None => HeaderMap::new(),
        };
        let method = Method::from_bytes(settings.method.as_bytes())?;
        let request = template::request(method, &target, headers, settings.body.as_deref())
            .map_err(Failure::scenario)?;
        Ok(Self {
            route: Route { addresses: target.resolve().await?, tls },
            request,
            expected: StatusSet::parse(&settings.expected_status).map_err(Failure::scenario)?,
        })
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        Life::new(self, &user, user.stopped()).run().await;
        Ok(())
    }
}
