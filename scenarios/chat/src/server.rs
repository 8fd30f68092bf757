//! A messaging server to test against: it knows who is connected and hands messages on.
//!
//! Client and server exchange [frames](Frame), one a line. A client says who it is (`connect`) and
//! is told `connected` or `rejected`; from then on its messages reach the connection of whom they
//! are for, or come back as `undelivered`.

use std::{
    collections::{HashMap, hash_map::Entry},
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt,
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    lines::{LineError, Lines},
    protocol::{Frame, Message},
};

/// How long a client that is cut off may go on sending.
const LINGER: Duration = Duration::from_secs(1);

/// What one client may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The longest line, in bytes.
    pub line: usize,
    /// How many messages wait for a client that does not read; more are undelivered.
    pub queue: usize,
    /// How long a client may take to say who it is, and to read what it is sent.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { line: 4096, queue: 64, patience: Duration::from_secs(10) }
    }
}

/// Serves until `shutdown` is cancelled or the future is dropped; all connections end with it.
pub async fn run(listener: TcpListener, limits: Limits, shutdown: CancellationToken) {
    let connected = Connected::default();
    // Connections live in this set, so that they end with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, limits, connected.clone()));
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

/// Who is connected, and where their connections take messages.
#[derive(Debug, Clone, Default)]
struct Connected {
    queues: Arc<Mutex<HashMap<u64, mpsc::Sender<Message>>>>,
}

impl Connected {
    /// Takes a place for `id`; `None` if somebody has it.
    fn enter(&self, id: u64, queue: usize) -> Option<(Place, mpsc::Receiver<Message>)> {
        match self.queues.lock().unwrap_or_else(PoisonError::into_inner).entry(id) {
            Entry::Occupied(_) => None,
            Entry::Vacant(entry) => {
                let (sender, receiver) = mpsc::channel(queue);
                entry.insert(sender);
                Some((Place { id, connected: self.clone() }, receiver))
            }
        }
    }

    /// Hands a message to the connection it is for.
    ///
    /// # Errors
    /// The frame for the sender, if that cannot be done.
    fn route(&self, message: Message) -> Result<(), Frame> {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let (message, reason) = match queues.get(&message.to) {
            None => (message, "not connected"),
            Some(queue) => match queue.try_send(message) {
                Ok(()) => return Ok(()),
                Err(mpsc::error::TrySendError::Full(message)) => (message, "reads too slowly"),
                Err(mpsc::error::TrySendError::Closed(message)) => (message, "not connected"),
            },
        };
        let Message { to, msg_id, resp_to, .. } = message;
        Err(Frame::Undelivered { to, msg_id, resp_to, reason: reason.into() })
    }
}

/// A place among the connected; it is free again when this is dropped.
struct Place {
    id: u64,
    connected: Connected,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queues = self.connected.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.remove(&self.id);
    }
}

/// Serves one client to its end. What ends it is the client's business alone.
async fn serve(stream: TcpStream, limits: Limits, connected: Connected) {
    // Answers are small and awaited: they must not wait for more to send.
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    let mut lines = Lines::new(reader, limits.line);
    let mut writer = Writer { stream: writer, patience: limits.patience };
    let Ok(first) = timeout(limits.patience, lines.next()).await else { return };
    let entered = match first.map(|line| line.map(Frame::parse)) {
        Ok(Some(Ok(Frame::Connect { id }))) => {
            connected.enter(id, limits.queue).ok_or("the id is connected already".into())
        }
        Ok(Some(Ok(_))) => Err("malformed: the first line must be a connect".into()),
        Ok(Some(Err(error))) => Err(format!("malformed: {error}")),
        Err(LineError::TooLong(longest)) => Err(format!("malformed: longer than {longest} bytes")),
        Ok(None) | Err(LineError::Io(_)) => return,
    };
    match entered {
        Err(reason) => {
            writer.farewell(&mut lines, &Frame::Rejected { reason }).await;
        }
        Ok((place, queue)) => {
            if let Err(error) = converse(&mut lines, &mut writer, &place, queue).await {
                tracing::debug!(id = place.id, %error, "a client is cut off");
            }
        }
    }
}

/// Hands messages on, both ways, until the client leaves.
async fn converse(
    lines: &mut Lines<OwnedReadHalf>,
    writer: &mut Writer,
    place: &Place,
    mut queue: mpsc::Receiver<Message>,
) -> io::Result<()> {
    writer.write(&Frame::Connected).await?;
    loop {
        tokio::select! {
            Some(message) = queue.recv() => writer.write(&Frame::Message(message)).await?,
            line = lines.next() => {
                let answer = match line {
                    Ok(None) => return Ok(()),
                    Ok(Some(line)) => understand(line, place),
                    Err(LineError::TooLong(longest)) => {
                        let reason = format!("longer than {longest} bytes");
                        // Where the next line begins is anybody's guess.
                        writer.farewell(lines, &Frame::Error { reason }).await;
                        return Ok(());
                    }
                    Err(LineError::Io(error)) => return Err(error),
                };
                if let Err(answer) = answer {
                    writer.write(&answer).await?;
                }
            }
        }
    }
}

/// Does what a line asks for.
fn understand(line: &[u8], place: &Place) -> Result<(), Frame> {
    let wrong = |reason: String| Err(Frame::Error { reason });
    match Frame::parse(line) {
        Ok(Frame::Message(message)) if message.from == place.id => place.connected.route(message),
        Ok(Frame::Message(message)) => {
            wrong(format!("from must be {}, not {}", place.id, message.from))
        }
        Ok(_) => wrong("only messages are expected now".into()),
        Err(error) => wrong(format!("malformed: {error}")),
    }
}

/// The way to a client.
struct Writer {
    stream: OwnedWriteHalf,
    patience: Duration,
}

impl Writer {
    /// Writes a frame; a client that does not read for long is given up.
    async fn write(&mut self, frame: &Frame) -> io::Result<()> {
        timeout(self.patience, self.stream.write_all(frame.line().as_bytes())).await?
    }

    /// Tells the client why it is cut off, and lets it read that: closing while the client's bytes
    /// still come in would make its system throw away what it has not read yet.
    async fn farewell(&mut self, lines: &mut Lines<OwnedReadHalf>, frame: &Frame) {
        let _ = timeout(self.patience.min(LINGER), async {
            self.write(frame).await?;
            self.stream.shutdown().await?;
            lines.discard().await
        })
        .await;
    }
}
