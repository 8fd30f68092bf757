//! The `http` scenario: users that send requests to a server, each over a connection of its own,
//! the next one when the last one is answered.

use std::path::Path;

use crowd::prelude::*;
use hyper::{Method, header::HeaderMap};
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

use self::{life::Life, status::StatusSet, stream::Route, target::Target, template::Template};

/// The scenario: what all its users share.
pub struct Http {
    route: Route,
    template: Template,
    expected: StatusSet,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http").field("template", &self.template).finish_non_exhaustive()
    }
}

impl Scenario for Http {
    const NAME: &'static str = "http";
    const ABOUT: &'static str = "\
Sends requests to a server, each user over a connection of its own, one after the other.
Actions: connect, request. Counter: bytes_received (bodies).
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
        let template = Template::new(method, &target, headers, settings.body.clone())
            .map_err(Failure::scenario)?;
        Ok(Self {
            route: Route { addresses: target.resolve().await?, tls },
            template,
            expected: StatusSet::parse(&settings.expected_status).map_err(Failure::scenario)?,
        })
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        Life::new(self, &user, user.stopped()).run().await;
        Ok(())
    }
}
