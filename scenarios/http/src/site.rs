//! Where users send their requests: one URL, or several that they are spread over.

use std::{fmt, ops::Deref, sync::Arc, time::Duration};

use crowd::{
    failure::Failure,
    moment,
    targets::{NobodyLeft, Target, Targets},
};
use hyper::{HeaderMap, Method, Request, http::uri::PathAndQuery};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::time::Instant;
use tokio_util::either::Either;

use crate::{
    connection::{Connection, NoAnswer, says_close},
    reason,
    stream::{Route, secure},
    target::Target as Url,
    template::{self, Payload},
};

/// One URL, made ready.
pub(crate) struct Site {
    /// Its URL as it may be shown.
    name: String,
    pub(crate) route: Route,
    /// What each user sends.
    pub(crate) request: Request<Payload>,
    /// Whether that asks for the connection to be closed.
    pub(crate) closing: bool,
    /// What the health check sends; without it, it only connects.
    probe: Option<Request<Payload>>,
}

/// What is sent to every site.
pub(crate) struct Sending {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<String>,
    /// What the health check asks for.
    pub(crate) health_path: Option<PathAndQuery>,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Site {
    /// Looks up the host, and writes the requests.
    ///
    /// # Errors
    /// If the host is not known or cannot be a name in a certificate or a header.
    pub(crate) async fn new(
        (name, url): (String, Url),
        sending: &Sending,
        tls: Option<&Arc<ClientConfig>>,
    ) -> Result<Self, Failure> {
        let tls = match tls.filter(|_| url.tls) {
            Some(config) => Some((config.clone(), ServerName::try_from(url.host.clone())?)),
            None => None,
        };
        let request = |method, url: &Url, body| {
            let headers = sending.headers.clone();
            template::request(method, url, headers, body).map_err(Failure::scenario)
        };
        let probe = match &sending.health_path {
            Some(path) => {
                let url = Url { path: path.clone(), ..url.clone() };
                Some(request(Method::GET, &url, None)?)
            }
            None => None,
        };
        let request = request(sending.method.clone(), &url, sending.body.as_deref())?;
        let closing = says_close(request.headers(), request.version());
        let route = Route { addresses: url.resolve().await?, tls };
        Ok(Self { route, name, request, closing, probe })
    }

    /// Whether the server is there: it takes a connection and, if there is something to ask it,
    /// answers that with a status below 400, all within `limit`.
    ///
    /// # Errors
    /// If it is not.
    pub(crate) async fn check(&self, limit: Duration) -> Result<(), Failure> {
        let began = Instant::now();
        let tcp = self.route.open(0, moment::after(began, limit)).await;
        let tcp = tcp.map_err(|failed| reason::of_opening(&failed))?;
        let Some(probe) = &self.probe else { return Ok(()) };
        let stream = match &self.route.tls {
            None => Either::Left(tcp),
            Some((config, name)) => {
                let secured = secure(config.clone(), name.clone(), tcp).await;
                Either::Right(secured.map_err(|error| reason::of_connecting(&error))?)
            }
        };
        let mut connection = Connection::new(stream, began.elapsed()).await?;
        match connection.exchange(probe.clone(), Instant::now()).await {
            Ok(answer) if answer.status < 400 => Ok(()),
            Ok(answer) => Err(Failure::target(format!("health check: status {}", answer.status))),
            Err(NoAnswer::Failed(failure)) => Err(failure),
            // Only a connection that has brought an answer before can be these.
            Err(NoAnswer::Stale | NoAnswer::Unasked) => {
                Err(Failure::target("health check: the connection broke"))
            }
        }
    }
}

/// All the sites of a run.
pub(crate) enum Sites {
    /// Only one: nothing to choose, nothing to keep a score of.
    One(Box<Site>),
    /// Several.
    Many(Targets<Site>),
}

/// The site that a user's connection belongs to.
#[derive(Clone)]
pub(crate) enum Place<'a> {
    One(&'a Site),
    OfMany(&'a Targets<Site>, Target<Site>),
}

impl Deref for Place<'_> {
    type Target = Site;

    fn deref(&self) -> &Site {
        match self {
            Self::One(site) => site,
            Self::OfMany(_, target) => target,
        }
    }
}

impl Sites {
    /// A site for a new connection.
    ///
    /// # Errors
    /// If there are several and all of them are out.
    pub(crate) fn place(&self) -> Result<Place<'_>, NobodyLeft> {
        match self {
            Self::One(site) => Ok(Place::One(site)),
            Self::Many(targets) => Ok(Place::OfMany(targets, targets.pick()?)),
        }
    }
}

impl Place<'_> {
    /// How to go on with the connection.
    pub(crate) fn renew(&mut self) -> Renewed {
        match self {
            Self::One(_) => Renewed::Stay,
            Self::OfMany(targets, target) => match targets.renew(target) {
                Ok(false) => Renewed::Stay,
                Ok(true) => Renewed::Move,
                Err(_) => Renewed::Leave,
            },
        }
    }

    /// The server answered as it should.
    pub(crate) fn up(&self) {
        if let Self::OfMany(targets, target) = self {
            targets.up(target);
        }
    }

    /// The server failed.
    pub(crate) fn down(&self, failure: &Failure) {
        if let Self::OfMany(targets, target) = self {
            targets.down(target, failure);
        }
    }
}

/// What becomes of a connection before it is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renewed {
    /// It goes on.
    Stay,
    /// The user goes over to another site, which the place now is.
    Move,
    /// The site is out, and so are all others.
    Leave,
}
