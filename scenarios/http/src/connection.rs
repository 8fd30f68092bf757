//! One keep-alive connection of one user.

use std::{
    error::Error,
    future::poll_fn,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use crowd::failure::Failure;
use http_body_util::BodyExt;
use hyper::{
    Request, Response, Version,
    body::Body,
    client::conn::http1,
    header::{CONNECTION, TRANSFER_ENCODING},
};
use hyper_util::rt::TokioIo;

use crate::{stream::Stream, template::Payload};

/// The most bytes read at once, and the longest head of an answer.
const LONGEST_READ: usize = 64 * 1024;

/// A connection that the user's own task drives: while it waits for an answer it does hyper's work
/// as well, so there is neither a second task nor any waking between the two.
pub(crate) struct Connection {
    sender: http1::SendRequest<Payload>,
    driver: Driver,
    /// Whether it has brought an answer yet.
    proven: bool,
}

/// hyper's part of a connection.
struct Driver {
    /// `None` once it has ended.
    connection: Option<http1::Connection<TokioIo<Stream>, Payload>>,
    /// Whether it ended in order, by either side's closing.
    closed: bool,
}

/// An answer, read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Its status code.
    pub(crate) status: u16,
    /// The length of its body, as it came: without the marks between chunks.
    pub(crate) bytes: u64,
    /// Whether the connection may be used again.
    pub(crate) keep_alive: bool,
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
    ///
    /// # Errors
    /// None in practice: nothing is sent yet.
    pub(crate) async fn new(stream: Stream) -> hyper::Result<Self> {
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(LONGEST_READ)
            // One plain write for head and body costs less than a gathering one for small requests.
            .writev(false)
            .handshake(TokioIo::new(stream))
            .await?;
        let driver = Driver { connection: Some(driver), closed: false };
        Ok(Self { sender, driver, proven: false })
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
    pub(crate) async fn exchange(&mut self, request: Request<Payload>) -> Result<Answer, NoAnswer> {
        let Self { sender, driver, proven } = self;
        let idempotent = request.method().is_idempotent();
        let mut response = match driver.drive(sender.send_request(request)).await {
            Ok(response) => response,
            // Between two requests the server may close the connection at any time; what was not
            // sent, or can be repeated safely, is then sent again over another one (RFC 9112,
            // section 9.3.1).
            Err(error)
                if *proven && (error.is_canceled() || idempotent && is_disconnect(&error)) =>
            {
                return Err(NoAnswer::Stale);
            }
            Err(error) => return Err(NoAnswer::Failed(failure(error))),
        };
        *proven = true;
        let status = response.status().as_u16();
        // A body whose length nothing tells ends with the connection.
        let endless = response.body().size_hint().exact().is_none()
            && !response.headers().contains_key(TRANSFER_ENCODING);
        let mut bytes = 0;
        while let Some(frame) = driver.drive(response.body_mut().frame()).await {
            let frame = frame.map_err(|error| NoAnswer::Failed(failure(error)))?;
            bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        // hyper asks for the next request once the whole of this one was sent, its answer was read
        // and ended where it should, and neither side wants to close. A server that closes without
        // saying so leaves a connection that is found stale when it is needed again, however soon
        // its closing was seen.
        let keep_alive = sender.is_ready() || driver.closed && !endless && !says_close(&response);
        Ok(Answer { status, bytes, keep_alive })
    }
}

impl Driver {
    /// Waits for `action`, and does the connection's work meanwhile.
    ///
    /// The two are polled in turn, so neither has to wake the task for the other. Only the last
    /// poll of the connection before a wait leaves a waker behind: without that, sending a request
    /// would wake the task that sends it, and it would run twice for each.
    async fn drive<F: Future>(&mut self, action: F) -> F::Output {
        let mut action = pin!(action);
        poll_fn(|cx| {
            let mut quiet = Context::from_waker(Waker::noop());
            self.work(&mut quiet);
            if let Poll::Ready(output) = action.as_mut().poll(&mut quiet) {
                return Poll::Ready(output);
            }
            self.work(cx);
            action.as_mut().poll(&mut quiet)
        })
        .await
    }

    /// How the connection ended is told to whoever waits for an answer.
    fn work(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.connection
            && let Poll::Ready(end) = Pin::new(connection).poll(cx)
        {
            self.connection = None;
            self.closed = end.is_ok();
        }
    }
}

/// Whether the head of an answer says that no other will follow: RFC 9112, section 9.3.
fn says_close<B>(answer: &Response<B>) -> bool {
    let says = |wanted: &str| {
        let values = answer.headers().get_all(CONNECTION).iter();
        let mut tokens = values.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
        tokens.any(|token| token.trim().eq_ignore_ascii_case(wanted))
    };
    says("close") || answer.version() == Version::HTTP_10 && !says("keep-alive")
}

/// Whether the connection broke, or was closed, before there was an answer.
fn is_disconnect(error: &hyper::Error) -> bool {
    error.is_incomplete_message() || io_error(error).is_some()
}

fn io_error(error: &hyper::Error) -> Option<&io::Error> {
    error.source().and_then(|source| source.downcast_ref())
}

fn failure(error: hyper::Error) -> Failure {
    if error.is_incomplete_message() || error.is_canceled() {
        return Failure::target("the server closed the connection without an answer");
    }
    match io_error(&error) {
        Some(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Failure::target("the server closed the connection within an answer")
        }
        _ if error.is_parse() => Failure::target(format!("the answer is no HTTP: {error}")),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_that_no_other_answer_follows() {
        for (version, connection, close) in [
            (Version::HTTP_11, "", false),
            (Version::HTTP_11, "keep-alive", false),
            (Version::HTTP_11, "Upgrade, Close", true),
            (Version::HTTP_10, "", true),
            (Version::HTTP_10, "Keep-Alive", false),
            (Version::HTTP_10, "keep-alive, close", true),
        ] {
            let answer = Response::builder().version(version).header(CONNECTION, connection);
            assert_eq!(says_close(&answer.body(()).unwrap()), close, "{version:?} {connection}");
        }
    }
}
