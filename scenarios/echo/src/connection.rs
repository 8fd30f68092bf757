//! A user's connection to the server.

use std::io;

use crowd::prelude::*;
use futures_util::StreamExt;
use tokio::{
    io::AsyncWriteExt,
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};
use tokio_util::codec::{FramedRead, LinesCodec, LinesCodecError};

use crate::{
    clock::{self, Moment},
    protocol::{Hello, LONGEST, Line},
};

/// How long the server may take to accept, or to repeat a line.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection on which a user has said who it is.
pub(crate) struct Connection {
    lines: FramedRead<OwnedReadHalf, LinesCodec>,
    writer: OwnedWriteHalf,
    id: u64,
    life: u64,
    sequence: u64,
}

impl Connection {
    /// Connects and introduces the user, in a new life.
    ///
    /// # Errors
    /// If the server cannot be reached in time.
    pub(crate) async fn open(
        addresses: &[std::net::SocketAddr],
        id: UserId,
        node: &str,
    ) -> Result<Self, Failure> {
        let connecting = timeout(PATIENCE, TcpStream::connect(addresses)).await;
        let stream = connecting.map_err(|_| Failure::target("not let in in time"))??;
        // Lines are small and awaited: they must not wait for more to send.
        stream.set_nodelay(true)?;
        let (reader, mut writer) = stream.into_split();
        let life = rand::random();
        let hello = Hello { id: id.0, node: node.to_owned(), life };
        writer.write_all(format!("{hello}\n").as_bytes()).await?;
        // Small: thousands of connections have a buffer each.
        let codec = LinesCodec::new_with_max_length(LONGEST);
        let lines = FramedRead::with_capacity(reader, codec, 256);
        Ok(Self { lines, writer, id: id.0, life, sequence: 0 })
    }

    /// Says a line, which the throttle let through at `released`, with the number of a row if it
    /// has one, and hears it repeated.
    ///
    /// # Errors
    /// If the connection ends, or what comes back is not what was said.
    pub(crate) async fn echo(&mut self, released: Moment, row: Option<u64>) -> Result<(), Failure> {
        let Self { id, life, sequence, .. } = *self;
        self.sequence += 1;
        let line = Line { id, life, sequence, released, sent: clock::now(), row };
        self.writer.write_all(format!("{line}\n").as_bytes()).await?;
        match timeout(PATIENCE, self.lines.next()).await {
            Err(_) => Err(Failure::target("no echo in time")),
            Ok(None) => Err(Failure::target("the server closed the connection")),
            Ok(Some(Err(LinesCodecError::Io(error)))) => Err(error.into()),
            Ok(Some(Err(LinesCodecError::MaxLineLengthExceeded))) => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "a line is too long").into())
            }
            Ok(Some(Ok(echo))) if echo.parse() == Ok(line) => Ok(()),
            Ok(Some(Ok(_))) => Err(Failure::target("the echo is not what was said")),
        }
    }
}
