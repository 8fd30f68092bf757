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

pub struct Server {
    pub address: SocketAddr,
    pub shutdown: CancellationToken,
    pub task: JoinHandle<()>,
}

pub async fn server() -> Server {
    server_with(Limits::default()).await
}

pub async fn server_with(limits: Limits) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(server::run(listener, limits, shutdown.clone()));
    Server { address, shutdown, task }
}

pub struct Client {
    pub lines: BufReader<OwnedReadHalf>,
    pub writer: OwnedWriteHalf,
}

impl Server {
    /// A connection that has not said anything yet.
    pub async fn stranger(&self) -> Client {
        let (reader, writer) = TcpStream::connect(self.address).await.unwrap().into_split();
        Client { lines: BufReader::new(reader), writer }
    }

    /// A client that was let in.
    pub async fn client(&self, id: u64) -> Client {
        let mut client = self.stranger().await;
        client.say(&Frame::Connect { id }).await;
        assert_eq!(client.hear().await, Some(Frame::Connected));
        client
    }
}

impl Client {
    pub async fn say(&mut self, frame: &Frame) {
        self.write(frame.line().as_bytes()).await;
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        self.writer.write_all(bytes).await.unwrap();
    }

    /// The next frame; `None` once the server has closed the connection.
    pub async fn hear(&mut self) -> Option<Frame> {
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

pub fn message(from: u64, to: u64, msg_id: u64) -> Message {
    Message { from, to, msg: format!("number {msg_id}"), msg_id, resp_to: None }
}
