//! How a user comes by a connection.

use std::sync::Arc;

use crowd::{
    measure::{Attempt, Phase},
    prelude::*,
};
use rustls::{ClientConfig, HandshakeKind, pki_types::ServerName};
use tokio::{net::TcpStream, time::Instant};
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use crate::{
    Http,
    connection::Connection,
    reason,
    sessions::{self, TlsSessions},
    site::Place,
    stream::secure,
};

/// The counters of handshakes.
const TLS_HANDSHAKES_FULL: &str = "tls_handshakes_full";
const TLS_HANDSHAKES_RESUMED: &str = "tls_handshakes_resumed";

/// A connection, and where it leads.
pub(crate) struct Open<'a> {
    pub(crate) connection: Connection,
    pub(crate) place: Place<'a>,
}

/// Why there is no connection.
pub(crate) enum NoConnection {
    /// There is nobody to connect to.
    Nobody(Failure),
    /// It failed.
    Failed(Failure),
}

impl From<Failure> for NoConnection {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Connects, for one user.
pub(crate) struct Dialer<'a> {
    user: &'a User<Http>,
    http: &'a Http,
    /// Where to connect to next, or where it is connecting to.
    pub(crate) place: Option<Place<'a>>,
    /// Whether it has come as far as the handshake.
    pub(crate) securing: bool,
    /// The user's own settings of TLS, from its first connection on.
    tls: Option<Arc<ClientConfig>>,
}

impl<'a> Dialer<'a> {
    pub(crate) fn new(http: &'a Http, user: &'a User<Http>) -> Self {
        Self { user, http, place: None, securing: false, tls: None }
    }

    /// Connects: to its place, if there is one, or else to one in turn.
    ///
    /// # Errors
    /// If that fails; the place stays then, unless there is none.
    pub(crate) async fn dial(
        &mut self,
        attempt: &mut Attempt<'_>,
        deadline: Instant,
    ) -> Result<Open<'a>, NoConnection> {
        let place = match self.place.take() {
            Some(place) => place,
            None => self.http.sites.place().map_err(|nobody| {
                NoConnection::Nobody(reason::target("all targets are out", nobody))
            })?,
        };
        self.place = Some(place.clone());
        self.securing = false;
        let began = Instant::now();
        let first = usize::try_from(self.user.id().0).unwrap_or_default();
        let tcp = place.route.open(first, deadline).await;
        let connecting = began.elapsed();
        attempt.phase(Phase::Connect, connecting);
        let tcp = tcp.map_err(|failed| reason::of_opening(&failed))?;
        let stream = match &place.route.tls {
            None => Either::Left(tcp),
            Some((config, name)) => {
                let began = Instant::now();
                self.securing = true;
                let secured = self.secure(config, name, tcp).await;
                attempt.phase(Phase::Tls, began.elapsed());
                Either::Right(secured?)
            }
        };
        let connection = Connection::new(stream, connecting).await.map_err(Failure::from)?;
        self.place = None;
        Ok(Open { connection, place })
    }

    async fn secure(
        &mut self,
        config: &Arc<ClientConfig>,
        name: &ServerName<'static>,
        tcp: TcpStream,
    ) -> Result<Box<TlsStream<TcpStream>>, Failure> {
        let config = match self.http.tls_sessions {
            TlsSessions::Own => self.tls.get_or_insert_with(|| sessions::own(config)),
            TlsSessions::None | TlsSessions::Shared => config,
        };
        let secured = secure(config.clone(), name.clone(), tcp).await;
        let stream = secured.map_err(|error| reason::of_connecting(&error))?;
        let counter = match stream.get_ref().1.handshake_kind() {
            Some(HandshakeKind::Resumed) => TLS_HANDSHAKES_RESUMED,
            _ => TLS_HANDSHAKES_FULL,
        };
        self.user.count(counter, 1);
        Ok(stream)
    }
}
