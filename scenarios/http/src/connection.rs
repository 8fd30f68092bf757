//! One keep-alive connection of one user.

use std::{
    cell::RefCell,
    future::poll_fn,
    io, mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use crowd::failure::Failure;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    answer::{Answer, Malformed, Reader},
    request::Request,
    stream::Stream,
};

/// How many bytes are read at once.
const READ_AT_ONCE: usize = 64 * 1024;

thread_local! {
    /// Where bytes are read to. Whatever comes is digested before the next await, so one place per
    /// thread does for all its users, and stays in the processor's cache.
    static ARRIVED: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_AT_ONCE].into_boxed_slice());
}

/// A connection that is open, as far as is known.
pub(crate) struct Connection {
    stream: Stream,
    /// Whether it has brought an answer yet.
    proven: bool,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// The server had closed the connection since the last answer, and has not seen the request as
    /// far as one can tell: another connection may do.
    Stale,
    /// It failed.
    Failed(Failure),
}

impl Connection {
    /// A connection over an open stream.
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream, proven: false }
    }

    /// Whether it has brought an answer yet.
    pub(crate) fn is_proven(&self) -> bool {
        self.proven
    }

    /// Sends a request and reads its answer to the end. Unless that ends in an answer that keeps it
    /// alive, the connection must be dropped; so it must if the future is dropped half-way.
    ///
    /// # Errors
    /// If there is no answer.
    pub(crate) async fn exchange(&mut self, request: &Request) -> Result<Answer, NoAnswer> {
        let mut exchange = Exchange {
            rest: &request.bytes,
            unsent: None,
            flushed: false,
            unchecked: self.proven,
            heard: false,
            reader: Reader::new(request.head_only),
        };
        let outcome = poll_fn(|cx| exchange.poll(&mut self.stream, cx)).await;
        match outcome {
            Ok(mut answer) => {
                self.proven = true;
                // A server that answers early does not want the rest of the request.
                answer.keep_alive &= exchange.flushed;
                Ok(answer)
            }
            Err(Lost::Stale) => Err(NoAnswer::Stale),
            // Between two requests the server may close the connection at any time; what can be
            // repeated safely is then sent again over another one (RFC 9112, section 9.3.1).
            Err(_) if self.proven && !exchange.heard && request.idempotent => Err(NoAnswer::Stale),
            Err(Lost::Closed) => {
                let reason = "the server closed the connection without an answer";
                Err(NoAnswer::Failed(Failure::target(reason)))
            }
            Err(Lost::Io(error)) => Err(NoAnswer::Failed(error.into())),
            Err(Lost::Malformed(error)) => Err(NoAnswer::Failed(error.into())),
        }
    }
}

/// A request being sent, and its answer being read.
struct Exchange<'a> {
    /// What is still to be sent.
    rest: &'a [u8],
    /// Why it could not be sent. The answer may be there all the same.
    unsent: Option<io::Error>,
    /// Whether all is sent.
    flushed: bool,
    /// Whether the server may have closed the connection since the last answer.
    unchecked: bool,
    /// Whether anything of the answer has come.
    heard: bool,
    reader: Reader,
}

/// How an exchange fails.
enum Lost {
    /// The connection was closed before anything was sent.
    Stale,
    /// It was closed before anything was answered.
    Closed,
    /// It broke.
    Io(io::Error),
    /// What came is no answer.
    Malformed(Malformed),
}

impl Exchange<'_> {
    fn poll(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<Result<Answer, Lost>> {
        if mem::take(&mut self.unchecked) {
            // Nothing can come before the request is sent, except the end.
            let mut byte = [0];
            let poll = Pin::new(&mut *stream).poll_read(cx, &mut ReadBuf::new(&mut byte));
            if poll.is_ready() {
                return Poll::Ready(Err(Lost::Stale));
            }
        }
        if !self.flushed
            && self.unsent.is_none()
            && let Poll::Ready(Err(error)) = self.poll_send(stream, cx)
        {
            self.unsent = Some(error);
        }
        ARRIVED.with_borrow_mut(|arrived| self.poll_answer(stream, arrived, cx))
    }

    fn poll_send(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.rest.is_empty() {
            match ready!(Pin::new(&mut *stream).poll_write(cx, self.rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.rest = &self.rest[sent..],
            }
        }
        ready!(Pin::new(stream).poll_flush(cx))?;
        self.flushed = true;
        Poll::Ready(Ok(()))
    }

    fn poll_answer(
        &mut self,
        stream: &mut Stream,
        arrived: &mut [u8],
        cx: &mut Context<'_>,
    ) -> Poll<Result<Answer, Lost>> {
        loop {
            let mut buffer = ReadBuf::new(arrived);
            let read = ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer));
            let outcome = match (read, buffer.filled()) {
                (Err(error), _) => Err(Lost::Io(self.unsent.take().unwrap_or(error))),
                (Ok(()), []) => {
                    self.reader.finish().map(Some).map_err(|error| match self.unsent.take() {
                        Some(unsent) => Lost::Io(unsent),
                        None if self.heard => Lost::Malformed(error),
                        None => Lost::Closed,
                    })
                }
                (Ok(()), bytes) => {
                    self.heard = true;
                    self.reader.feed(bytes).map_err(Lost::Malformed)
                }
            };
            if let Some(outcome) = outcome.transpose() {
                return Poll::Ready(outcome);
            }
        }
    }
}
