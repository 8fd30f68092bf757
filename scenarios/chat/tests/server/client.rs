//! A server on a free port, and clients that speak its lines by hand.

use std::{net::SocketAddr, time::Duration};

use crowd_chat::{
    protocol::{Frame, Message},
    server::{self, Limits},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    pub(crate) task: JoinHandle<()>,
}

pub(crate) async fn server() -> Server {
    server_with(Limits::default()).await
}

pub(crate) async fn server_with(limits: Limits) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(server::run(listener, limits, shutdown.clone()));
    Server { address, shutdown, task }
}

pub(crate) struct Client {
    pub(crate) lines: BufReader<OwnedReadHalf>,
    pub(crate) writer: OwnedWriteHalf,
}

impl Server {
    /// A connection that has not said anything yet.
    pub(crate) async fn stranger(&self) -> Client {
        let (reader, writer) = TcpStream::connect(self.address).await.unwrap().into_split();
        Client { lines: BufReader::new(reader), writer }
    }

    /// A client that was let in.
    pub(crate) async fn client(&self, id: u64) -> Client {
        let mut client = self.stranger().await;
        client.say(&Frame::Connect { id }).await;
        assert_eq!(client.hear().await, Some(Frame::Connected));
        client
    }
}

impl Client {
    pub(crate) async fn say(&mut self, frame: &Frame) {
        self.write(frame.line().as_bytes()).await;
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.writer.write_all(bytes).await.unwrap();
    }

    /// The next frame; `None` once the server has closed the connection.
    pub(crate) async fn hear(&mut self) -> Option<Frame> {
        let mut line = String::new();
        let read = timeout(PATIENCE, self.lines.read_line(&mut line));
        match read.await.expect("the server says nothing") {
            Ok(0) => None,
            Ok(_) => Some(Frame::parse(line.as_bytes()).unwrap()),
            // Closing while something is still unread resets the connection.
            Err(_) => None,
        }
    }
}

pub(crate) fn message(from: u64, to: u64, msg_id: u64) -> Message {
    Message { from, to, msg: format!("number {msg_id}"), msg_id, resp_to: None }
}
