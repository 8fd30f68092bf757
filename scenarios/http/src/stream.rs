//! A connection's bytes, in the clear or under TLS.

use std::{io, net::SocketAddr, sync::Arc};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::either::Either;

/// An open connection: in the clear, or under TLS.
pub(crate) type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// How to reach the target.
#[derive(Clone)]
pub(crate) struct Route {
    /// Never empty.
    pub(crate) addresses: Vec<SocketAddr>,
    /// TLS and the name the certificate must carry.
    pub(crate) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

/// Why no address took a connection: what the last one did.
#[derive(Debug)]
pub(crate) struct Unreachable {
    pub(crate) address: Option<SocketAddr>,
    pub(crate) error: io::Error,
}

impl Route {
    /// Connects to the first address that answers, beginning at `first` (counted round): users who
    /// begin at different ones spread over all. Each address has its share of the time until
    /// `deadline`, so that one that is silent leaves some to the others.
    ///
    /// # Errors
    /// That of the last address tried.
    pub(crate) async fn open(
        &self,
        first: usize,
        deadline: Instant,
    ) -> Result<TcpStream, Unreachable> {
        let count = self.addresses.len();
        let mut last = Unreachable { address: None, error: io::ErrorKind::AddrNotAvailable.into() };
        for (turn, left) in (1..=count).rev().enumerate() {
            let address = self.addresses[(first % count + turn) % count];
            let now = Instant::now();
            let share = deadline.saturating_duration_since(now) / u32::try_from(left).unwrap_or(1);
            let connected = timeout_at(now + share, TcpStream::connect(address)).await;
            let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            match connected.and_then(|tcp| tcp.set_nodelay(true).map(|()| tcp)) {
                Ok(tcp) => return Ok(tcp),
                Err(error) => last = Unreachable { address: Some(address), error },
            }
        }
        Err(last)
    }
}

/// Puts a connection under TLS.
///
/// # Errors
/// If the two sides do not agree, or the connection breaks.
pub(crate) async fn secure(
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    tcp: TcpStream,
) -> io::Result<Box<TlsStream<TcpStream>>> {
    Ok(Box::new(TlsConnector::from(config).connect(name, tcp).await?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    /// A port whose queue of connections is full: who connects to it waits, as before a firewall
    /// that drops.
    struct Silent {
        address: SocketAddr,
        _listener: TcpListener,
        _waiting: Vec<tokio::task::JoinHandle<io::Result<TcpStream>>>,
    }

    async fn silent() -> Silent {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        // When one does not come through within a while, none does.
        for _ in 0..20 {
            let mut connecting = tokio::spawn(TcpStream::connect(address));
            let came = tokio::time::timeout(Duration::from_millis(300), &mut connecting).await;
            waiting.push(connecting);
            if came.is_err() {
                return Silent { address, _listener: listener, _waiting: waiting };
            }
            // What came through is done with, and its connection stays in the queue.
            let held = tokio::spawn(async move { came.unwrap().unwrap() });
            *waiting.last_mut().unwrap() = held;
        }
        panic!("the queue of {address} is never full");
    }

    #[tokio::test]
    async fn a_silent_address_leaves_time_for_the_next() {
        let silent = silent().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let route = Route { addresses: vec![silent.address, good], tls: None };
        let began = Instant::now();
        let tcp = route.open(0, began + Duration::from_secs(1)).await.unwrap();
        assert_eq!(tcp.peer_addr().unwrap(), good);
        let took = began.elapsed();
        assert!((500..900).contains(&took.as_millis()), "half of the time: {took:?}");
        // Users who begin at the other one have nothing to wait for.
        assert!(route.open(1, Instant::now() + Duration::from_secs(1)).await.is_ok());
        let only = Route { addresses: vec![silent.address], tls: None };
        let failed = only.open(5, Instant::now() + Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(failed.error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(failed.address, Some(silent.address));
    }

    #[tokio::test]
    async fn the_next_address_is_tried_at_once_after_a_refusal() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let refuses = listener.local_addr().unwrap();
        drop(listener);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = vec![refuses, listener.local_addr().unwrap()];
        let route = Route { addresses, tls: None };
        let deadline = Instant::now() + Duration::from_secs(30);
        let began = Instant::now();
        assert!(route.open(0, deadline).await.is_ok());
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}
