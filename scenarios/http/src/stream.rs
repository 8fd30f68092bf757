//! A connection's bytes, in the clear or under TLS.

use std::{io, net::SocketAddr, sync::Arc};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::TcpStream;
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

impl Route {
    /// Connects to the first address that answers, beginning at `first` (counted round): users who
    /// begin at different ones spread over all.
    ///
    /// # Errors
    /// That of the last address tried.
    pub(crate) async fn open(&self, first: usize) -> io::Result<TcpStream> {
        let count = self.addresses.len();
        let mut outcome = Err(io::Error::from(io::ErrorKind::AddrNotAvailable));
        for turn in 0..count {
            outcome = TcpStream::connect(self.addresses[(first + turn) % count]).await;
            if outcome.is_ok() {
                break;
            }
        }
        let tcp = outcome?;
        tcp.set_nodelay(true)?;
        Ok(tcp)
    }

    /// As [`Route::open`], and under TLS if the target wants it.
    ///
    /// # Errors
    /// That of the last address tried, or of TLS.
    pub(crate) async fn connect(&self, first: usize) -> io::Result<Stream> {
        let tcp = self.open(first).await?;
        match &self.tls {
            None => Ok(Either::Left(tcp)),
            Some((config, name)) => {
                let connector = TlsConnector::from(config.clone());
                Ok(Either::Right(Box::new(connector.connect(name.clone(), tcp).await?)))
            }
        }
    }
}
