//! Bytes that come over a connection, noticed as they come.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use crate::stream::Stream;

/// What is known about the bytes that came since the last answer. The scenario's half; the other one
/// is where hyper reads.
#[derive(Debug, Clone)]
pub(crate) struct Watch(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    opened: Instant,
    /// When the first byte came, in nanoseconds since it was opened; 0 before that.
    first: AtomicU64,
}

/// A stream under watch.
pub(crate) struct Watched {
    stream: Stream,
    watch: Watch,
}

impl Watched {
    /// The stream, and who watches it.
    pub(crate) fn new(stream: Stream) -> (Self, Watch) {
        let shared = Shared { opened: Instant::now(), first: AtomicU64::new(0) };
        let watch = Watch(Arc::new(shared));
        (Self { stream, watch: watch.clone() }, watch)
    }
}

impl Watch {
    /// When the first byte came since the watch began anew.
    pub(crate) fn first_byte(&self) -> Option<Instant> {
        match self.0.first.load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(self.0.opened + std::time::Duration::from_nanos(nanos)),
        }
    }

    /// Begins anew: the next byte is the first.
    pub(crate) fn begin(&self) {
        self.0.first.store(0, Ordering::Relaxed);
    }

    fn came(&self) {
        // One task reads and asks, so there is nothing to order.
        if self.0.first.load(Ordering::Relaxed) == 0 {
            let nanos = u64::try_from(self.0.opened.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.0.first.store(nanos.max(1), Ordering::Relaxed);
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.watch.came();
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
