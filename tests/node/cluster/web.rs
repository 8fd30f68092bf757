//! A web server that says yes to everybody, at once, late or never.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// Where it is, and how many requests it has had.
pub(crate) struct Web {
    pub(crate) address: SocketAddr,
    requests: Arc<AtomicU64>,
}

impl Web {
    pub(crate) fn start() -> Self {
        Self::slow(Duration::ZERO)
    }

    /// Answers nobody.
    pub(crate) fn silent() -> Self {
        Self::slow(Duration::MAX)
    }

    /// Answers so late.
    pub(crate) fn slow(late: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicU64::new(0));
        let count = requests.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let count = count.clone();
                thread::spawn(move || answer(stream, &count, late));
            }
        });
        Self { address, requests }
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }
}

fn answer(stream: TcpStream, count: &AtomicU64, late: Duration) {
    let mut answers = stream.try_clone().unwrap();
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        if line.is_empty() {
            count.fetch_add(1, Ordering::SeqCst);
            if late == Duration::MAX {
                continue;
            }
            thread::sleep(late);
            // Whoever is gone is seen when the next line is read.
            let _ = answers.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        }
    }
}
