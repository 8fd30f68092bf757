//! The control API: the verbs of the console over HTTP/1.1, answered in JSON.
//!
//! [`serve`] is given its socket and the reason to end. Whether a request is let in is decided in
//! `guard`, what is answered in `router`; nothing here can do more than
//! [`execute`](super::execute::execute).

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::Router;
use crowd_core::settings::Secret;
use hyper::{
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::operations::Operations;

mod answer;
mod body;
mod connections;
mod guard;
pub mod listen;
mod patience;
mod router;
mod seat;

use connections::Connections;
use patience::Patient;
use router::Api;
pub(super) use router::{COMMAND, LIVE, STATUS};
use seat::Seat;

/// How long requests under way may take to end when the API does.
const GRACE: Duration = Duration::from_secs(2);

/// The longest head of a request, in bytes: so much is kept of one that is not complete.
const LONGEST_HEAD: usize = 16 * 1024;

/// How long to leave the socket alone when nobody can be accepted: out of file descriptors, say.
const RECOVERY: Duration = Duration::from_millis(100);

/// Whether the node is ready to be worked with; otherwise why it is not.
pub type Readiness = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// How the API behaves.
#[derive(Clone)]
pub struct ApiOptions {
    /// What a client must show; `None` is for loopback alone.
    pub token: Option<Secret>,
    /// What `GET /api/v1/ready` tells.
    pub ready: Readiness,
    /// How long a client may take to send the head of a request, and its body, and how long it may
    /// take nothing in of an answer.
    pub patience: Duration,
    /// How many connections there may be with a request under way, and how many without; one more
    /// without, and the one that has been so for the longest is given up.
    pub connections: usize,
    /// How many commands may be carried out at once, `wait` apart; more are refused.
    pub commands: usize,
}

impl Default for ApiOptions {
    /// No token, always ready.
    fn default() -> Self {
        Self {
            token: None,
            ready: Arc::new(|| Ok(())),
            patience: Duration::from_secs(10),
            connections: 256,
            commands: 64,
        }
    }
}

impl fmt::Debug for ApiOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiOptions").field("token", &self.token).finish_non_exhaustive()
    }
}

/// Serves the API on this socket until `shutdown`; requests under way then have two seconds to end.
/// Commands whose clients have left are seen to their end, except `wait`.
pub async fn serve(
    listener: TcpListener,
    node: impl Operations,
    options: ApiOptions,
    shutdown: CancellationToken,
) {
    serve_api(listener, Api::new(node, options, shutdown.clone()), shutdown).await;
}

async fn serve_api(listener: TcpListener, api: Api<impl Operations>, shutdown: CancellationToken) {
    let patience = api.options().patience;
    let connections = Arc::new(Mutex::new(Connections::new(api.options().connections)));
    let service = TowerToHyperService::new(router::router(api.clone()));
    let mut tasks = JoinSet::new();
    loop {
        let stream = tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = tasks.join_next() => continue,
            stream = accept(&listener) => stream,
        };
        let seat = Seat::take(&connections);
        tasks.spawn(converse(stream, seat, service.clone(), patience, shutdown.clone()));
    }
    drop(listener);
    let rest = async {
        while tasks.join_next().await.is_some() {}
        api.ended().await;
    };
    // Whoever is left is cut off when the set is dropped.
    let _ = timeout(GRACE, rest).await;
}

/// The next connection.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::warn!("the control API cannot accept a connection: {error}");
                sleep(RECOVERY).await;
            }
        }
    }
}

/// Answers the requests of one connection, until it ends or gives way to another.
async fn converse(
    stream: TcpStream,
    seat: Arc<Seat>,
    service: TowerToHyperService<Router>,
    patience: Duration,
    shutdown: CancellationToken,
) {
    keep_alive(&stream);
    talk(stream, seat, service, patience, shutdown).await;
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    seat: Arc<Seat>,
    service: TowerToHyperService<Router>,
    patience: Duration,
    shutdown: CancellationToken,
) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(patience).max_buf_size(LONGEST_HEAD);
    let io = TokioIo::new(Patient::new(stream, patience, || seat.flushed()));
    let service = service_fn(|mut request| {
        request.extensions_mut().insert(seat.clone());
        let answer = service.call(request);
        async {
            let answer = answer.await;
            seat.answer();
            answer
        }
    });
    let mut connection = std::pin::pin!(builder.serve_connection(io, service));
    // How a connection ends is its client's affair.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = seat.given_up() => return,
        () = shutdown.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Notices a peer that is gone without a word within a minute: it may wait for an answer for hours,
/// or be waited for.
pub(super) fn keep_alive(stream: &TcpStream) {
    let probes = TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    // Both only make things better.
    let _ = SockRef::from(stream).set_tcp_keepalive(&probes);
    let _ = stream.set_nodelay(true);
}

#[cfg(test)]
pub(crate) mod fuzzed;
#[cfg(test)]
mod tests;
