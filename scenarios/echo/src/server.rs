//! A server that repeats lines, and a ledger of who said what when: what a crowd did, as its
//! target saw it.

use std::{io, net::SocketAddr, time::Duration};

use futures_util::StreamExt;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_util::{
    codec::{FramedRead, LinesCodec},
    sync::CancellationToken,
};

mod budget;
mod ledger;

pub use budget::{Budget, Excess};
pub use ledger::{Ledger, Life, Twice};

use crate::protocol::{Hello, LONGEST, Line};

/// How long a client may take to say who it is, and to read what is repeated.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many connections may wait to be accepted; the system may allow fewer.
const QUEUE: u32 = 65_535;

/// How a server serves.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where everything is put down. A ledger grows with every line: it is for tests.
    pub ledger: Option<Ledger>,
    /// How long it takes to repeat a line.
    pub delay: Duration,
}

/// A socket that a whole crowd may dial at once: with the short queue that sockets have otherwise,
/// some of a burst are reset by this machine, not by anybody's fault.
///
/// # Errors
/// If the address cannot be had.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(QUEUE)
}

/// Serves until `shutdown` is cancelled or the future is dropped; all connections end with it.
pub async fn run(listener: TcpListener, options: Options, shutdown: CancellationToken) {
    // Connections live in this set, so that they end with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let options = options.clone();
                    connections.spawn(async move {
                        if let Err(error) = serve(stream, options).await {
                            tracing::debug!(%error, "a client is cut off");
                        }
                    });
                }
                // Out of descriptors, most likely: some will be free again soon.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    connections.shutdown().await;
}

/// Serves one client to its end.
async fn serve(stream: TcpStream, options: Options) -> io::Result<()> {
    // Echoes are small and awaited: they must not wait for more to send.
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let codec = LinesCodec::new_with_max_length(LONGEST);
    let mut lines = FramedRead::with_capacity(reader, codec, 256);
    let Some(first) = timeout(PATIENCE, lines.next()).await? else { return Ok(()) };
    let hello: Hello = first.map_err(io::Error::other)?.parse().map_err(io::Error::other)?;
    let entry = options.ledger.map(|ledger| ledger.open(hello));
    while let Some(text) = lines.next().await {
        let mut text = text.map_err(io::Error::other)?;
        let line: Line = text.parse().map_err(io::Error::other)?;
        let in_flight = entry.as_ref().map(|entry| entry.note(&line));
        if !options.delay.is_zero() {
            tokio::time::sleep(options.delay).await;
        }
        drop(in_flight);
        text.push('\n');
        timeout(PATIENCE, writer.write_all(text.as_bytes())).await??;
    }
    Ok(())
}
