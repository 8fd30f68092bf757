//! Servers: one that speaks HTTP as it should, and one whose bytes a test gives.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use http_body_util::{BodyExt, combinators::BoxBody};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

pub(crate) type Body = BoxBody<Bytes, Infallible>;

/// A server that lives as long as this.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl Server {
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// How many connections it has taken.
    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }
}

/// A server that does `serve` with each connection; they are counted from 1.
pub(crate) async fn raw<F: Future<Output = ()> + Send + 'static>(
    serve: impl Fn(TcpStream, u64) -> F + Send + Sync + 'static,
) -> Server {
    raw_at("127.0.0.1:0".parse().unwrap(), serve).await
}

/// The same at this address.
pub(crate) async fn raw_at<F: Future<Output = ()> + Send + 'static>(
    address: SocketAddr,
    serve: impl Fn(TcpStream, u64) -> F + Send + Sync + 'static,
) -> Server {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicU64::new(0));
    let counter = connections.clone();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut serving = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
            serving.spawn(serve(stream, number));
        }
    });
    Server { address, connections, _tasks: tasks }
}

/// A server that answers each request as `answer` says, which gets its body as well.
pub(crate) async fn http(
    answer: impl Fn(&Request<()>, &[u8]) -> Response<Body> + Send + Sync + 'static,
) -> Server {
    http_at("127.0.0.1:0".parse().unwrap(), answer).await
}

/// The same at this address.
pub(crate) async fn http_at(
    address: SocketAddr,
    answer: impl Fn(&Request<()>, &[u8]) -> Response<Body> + Send + Sync + 'static,
) -> Server {
    let answer = Arc::new(answer);
    raw_at(address, move |stream, _| speak_http(stream, answer.clone())).await
}

/// Speaks HTTP over a stream until it ends.
pub(crate) async fn speak_http<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    answer: Arc<impl Fn(&Request<()>, &[u8]) -> Response<Body>>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, hyper::Error>(answer(&Request::from_parts(parts, ()), &body))
        }
    });
    // The client may leave whenever it likes.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Reads a request without a body; `false` at the end of the connection.
pub(crate) async fn request(stream: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return false,
        }
    }
    true
}

pub(crate) fn full(text: impl Into<Bytes>) -> Body {
    http_body_util::Full::new(text.into()).boxed()
}
