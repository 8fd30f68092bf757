//! The two halves of a connection as they are handed on: they can be cut from here, and tell when
//! they end.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use ractor_cluster::{BoxRead, BoxWrite, ClusterBidiStream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Called once, with the reason, when a connection ends.
type Ended = Box<dyn FnOnce(String) + Send>;

/// A connection that has two halves and a label.
pub(super) struct Handed {
    read: Half<BoxRead>,
    write: Half<BoxWrite>,
    label: String,
}

impl Handed {
    /// A connection of which `rest` has been read already. It ends when `cut` is cancelled; `ended`
    /// is called when it ends, for whatever reason.
    pub(super) fn new(
        stream: impl AsyncRead + AsyncWrite + Send + 'static,
        rest: Vec<u8>,
        label: String,
        cut: &CancellationToken,
        ended: impl FnOnce(String) + Send + 'static,
    ) -> Self {
        let (read, write) = tokio::io::split(stream);
        let read: BoxRead = Box::new(io::Cursor::new(rest).chain(read));
        Self {
            read: Half::new(read, cut, Some(Box::new(ended))),
            write: Half::new(Box::new(write), cut, None),
            label,
        }
    }
}

impl ClusterBidiStream for Handed {
    fn split(self: Box<Self>) -> (BoxRead, BoxWrite) {
        (Box::new(self.read), Box::new(self.write))
    }

    fn peer_label(&self) -> Option<String> {
        Some(self.label.clone())
    }
}

struct Half<S> {
    stream: S,
    token: CancellationToken,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    ended: Option<Ended>,
}

impl<S> Half<S> {
    fn new(stream: S, cut: &CancellationToken, ended: Option<Ended>) -> Self {
        let token = cut.clone();
        Self { stream, cut: Box::pin(token.clone().cancelled_owned()), token, ended }
    }

    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.token.is_cancelled() || self.cut.as_mut().poll(context).is_ready() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    fn end(&mut self, why: &str) {
        if let Some(ended) = self.ended.take() {
            ended(why.to_owned());
        }
    }
}

impl<S> Drop for Half<S> {
    fn drop(&mut self) {
        self.end("the connection was closed");
        // One half is of no use without the other.
        self.token.cancel();
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Half<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.check(context)?;
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        match &polled {
            Poll::Ready(Ok(())) if buffer.filled().len() == before && buffer.remaining() > 0 => {
                this.end("the connection was closed");
            }
            Poll::Ready(Err(error)) => this.end(&format!("the connection broke: {error}")),
            _ => {}
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Half<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn what_was_read_already_comes_first_and_a_cut_ends_both_halves() {
        let (near, mut far) = tokio::io::duplex(64);
        let cut = CancellationToken::new();
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let handed = Handed::new(near, b"ab".into(), "7".into(), &cut, move |why| {
            tell.send(why).unwrap();
        });
        assert_eq!(handed.peer_label().as_deref(), Some("7"));
        let (mut read, mut write) = Box::new(handed).split();
        far.write_all(b"cd").await.unwrap();
        let mut four = [0; 4];
        read.read_exact(&mut four).await.unwrap();
        assert_eq!(&four, b"abcd");
        let waiting = tokio::spawn(async move { read.read_u8().await.unwrap_err().kind() });
        tokio::task::yield_now().await;
        cut.cancel();
        assert_eq!(waiting.await.unwrap(), io::ErrorKind::ConnectionAborted);
        assert!(write.write_all(b"x").await.is_err());
        assert_eq!(told.recv().await.unwrap(), "the connection was closed");
        assert!(told.recv().await.is_none(), "told once");
    }

    #[tokio::test]
    async fn the_end_of_the_other_side_is_told_at_once() {
        let (near, far) = tokio::io::duplex(64);
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let handed =
            Handed::new(near, Vec::new(), "7".into(), &CancellationToken::new(), move |why| {
                tell.send(why).unwrap();
            });
        let (mut read, _write) = Box::new(handed).split();
        drop(far);
        assert!(read.read_u8().await.is_err());
        assert_eq!(told.recv().await.unwrap(), "the connection was closed");
    }
}
