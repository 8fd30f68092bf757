use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::control::fake::Fake;

mod limits;
mod requests;
mod silence;

/// How long anything may take on a busy machine.
const EVENTUALLY: Duration = Duration::from_secs(20);

/// An API on a port of its own, and the node behind it.
struct Served {
    address: SocketAddr,
    node: Fake,
    api: Api<Fake>,
    shutdown: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl Served {
    async fn with(options: ApiOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (node, shutdown) = (Fake::new(), CancellationToken::new());
        let api = Api::new(node.clone(), options, shutdown.clone());
        let work = serve_api(listener, api.clone(), shutdown.clone());
        let task = AbortOnDropHandle::new(tokio::spawn(work));
        Self { address, node, api, shutdown, task }
    }

    async fn new() -> Self {
        Self::with(ApiOptions::default()).await
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends a request and hears the answer.
    async fn ask(&self, head: &str, headers: &[&str], body: &str) -> Heard {
        let mut stream = self.connect().await;
        send(&mut stream, head, headers, body).await;
        hear(&mut stream).await
    }

    /// Has a command carried out.
    async fn command(&self, line: &str) -> Heard {
        self.ask("POST /api/v1/command", &["Host: localhost", TEXT], line).await
    }
}

const TEXT: &str = "Content-Type: text/plain";

/// What was answered.
#[derive(Debug)]
struct Heard {
    status: u16,
    head: String,
    body: serde_json::Value,
}

impl Heard {
    fn code(&self) -> (u16, &str) {
        (self.status, self.body["code"].as_str().unwrap_or_default())
    }
}

async fn send(stream: &mut TcpStream, head: &str, headers: &[&str], body: &str) {
    let headers = headers.join("\r\n");
    let length = body.len();
    let text = format!("{head} HTTP/1.1\r\n{headers}\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(text.as_bytes()).await.unwrap();
}

/// Reads one answer.
async fn hear(stream: &mut TcpStream) -> Heard {
    let mut bytes = Vec::new();
    let reading = async {
        loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let head = head.to_ascii_lowercase();
                let length = head.split("content-length: ").nth(1).unwrap();
                let length: usize = length.lines().next().unwrap().parse().unwrap();
                if body.len() >= length {
                    let status = head[9..12].parse().unwrap();
                    return Heard { status, head, body: serde_json::from_str(body).unwrap() };
                }
            }
            assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "cut off after {text:?}");
        }
    };
    timeout(EVENTUALLY, reading).await.expect("there is no answer")
}

/// Waits until it is so.
async fn eventually(what: &str, mut wanted: impl FnMut() -> bool) {
    let began = Instant::now();
    while !wanted() {
        assert!(began.elapsed() < EVENTUALLY, "never: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}
