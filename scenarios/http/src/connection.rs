//! One keep-alive connection of one user.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};

use crowd::failure::Failure;
use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Request, Version,
    body::Body,
    client::conn::http1,
    header::{CONNECTION, TRANSFER_ENCODING},
};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use crate::{
    reason,
    stream::Stream,
    template::Payload,
    watch::{Watch, Watched},
};

/// The status after which a connection speaks another protocol.
const SWITCHING_PROTOCOLS: u16 = 101;

/// The most bytes read at once, and the longest head of an answer.
pub(crate) const LONGEST_HEAD: usize = 64 * 1024;

/// The most header lines of an answer. hyper makes room for as many with each answer that it reads, and
/// for more than a hundred on the heap: its time counts.
pub(crate) const MOST_HEADER_LINES: usize = 200;

/// A server that closes an idle connection while a request is on its way to it has sent its close
/// before the request was there: the close comes within one round trip after the request was
/// written. Connecting took about one round trip, too, so twice that leaves room for a network that
/// varies, and 50 ms for machines that are late. A round trip of more than half a second was rather
/// a lost packet than the network's own time. What takes longer than this the server has done with
/// the request in its hands.
fn race(connecting: Duration) -> Duration {
    (connecting * 2).clamp(Duration::from_millis(50), Duration::from_secs(1))
}

/// A connection that the user's own task drives: while it waits for an answer it does hyper's work
/// as well, so there is neither a second task nor any waking between the two.
pub(crate) struct Connection {
    sender: http1::SendRequest<Payload>,
    driver: Driver,
    watch: Watch,
    /// Whether it has brought an answer yet.
    proven: bool,
    /// How soon after a request was written its close can be the answer to nothing.
    race: Duration,
}

/// hyper's part of a connection.
struct Driver {
    /// `None` once it has ended.
    connection: Option<http1::Connection<TokioIo<Watched>, Payload>>,
    /// How it ended: in order, by either side's closing, or by an error nobody waited for.
    ended: Option<hyper::Result<()>>,
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
    /// Whether more came than the answer.
    pub(crate) unasked: bool,
    /// When its first byte came.
    pub(crate) first_byte: Instant,
    /// When its last byte came.
    pub(crate) ended: Instant,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// The server had closed the connection since the last answer, and has not seen the request as
    /// far as one can tell: another connection may do.
    Stale,
    /// Since the last answer the server has sent bytes that nobody asked for. The request was not
    /// sent, for these would be taken for its answer.
    Unasked,
    /// It failed.
    Failed(Failure),
}

impl Connection {
    /// A connection over an open stream, which took so long to connect.
    ///
    /// # Errors
    /// None in practice: nothing is sent yet.
    pub(crate) async fn new(stream: Stream, connecting: Duration) -> hyper::Result<Self> {
        let (stream, watch) = Watched::new(stream);
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(LONGEST_HEAD)
            .max_headers(MOST_HEADER_LINES)
            .max_header_size(LONGEST_HEAD)
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            // One plain write for head and body costs less than a gathering one for small requests.
            .writev(false)
            .handshake(TokioIo::new(stream))
            .await?;
        let driver = Driver { connection: Some(driver), ended: None };
        Ok(Self { sender, driver, watch, proven: false, race: race(connecting) })
    }

    /// Whether it has brought an answer yet.
    pub(crate) fn is_proven(&self) -> bool {
        self.proven
    }

    /// Whether anything of the answer under way has come.
    pub(crate) fn is_answering(&self) -> bool {
        self.watch.first_byte().is_some()
    }

    /// Sends a request, now at `sent`, and reads its answer to the end. Unless that ends in an
    /// answer that keeps it alive, the connection must be dropped; so it must if the future is
    /// dropped half-way.
    ///
    /// # Errors
    /// If there is no answer.
    pub(crate) async fn exchange(
        &mut self,
        request: Request<Payload>,
        sent: Instant,
    ) -> Result<Answer, NoAnswer> {
        let Self { sender, driver, watch, proven, race } = self;
        let idempotent = request.method().is_idempotent();
        let mut response = match driver.drive(sender.send_request(request)).await {
            Ok(response) => response,
            // Between two requests the server may close the connection at any time; what was not
            // sent, or can be repeated safely, is then sent again over another one (RFC 9112,
            // section 9.3.1).
            Err(error) => {
                let begun = watch.first_byte().is_some();
                let raced = || idempotent && is_disconnect(&error) && sent.elapsed() <= *race;
                return Err(match (*proven, error.is_canceled(), begun) {
                    (true, true, false) => NoAnswer::Stale,
                    (true, true, true) => NoAnswer::Unasked,
                    (true, false, false) if raced() => NoAnswer::Stale,
                    _ => NoAnswer::Failed(reason::of_exchange(&error, begun)),
                });
            }
        };
        *proven = true;
        let status = response.status().as_u16();
        // A body whose length nothing tells ends with the connection.
        let endless = response.body().size_hint().exact().is_none()
            && !response.headers().contains_key(TRANSFER_ENCODING);
        let mut bytes = 0;
        while let Some(frame) = driver.drive(response.body_mut().frame()).await {
            let frame =
                frame.map_err(|error| NoAnswer::Failed(reason::of_exchange(&error, true)))?;
            bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        let ended = Instant::now();
        let first_byte = watch.first_byte().unwrap_or(ended);
        watch.begin();
        // hyper asks for the next request once the whole of this one was sent, its answer was read
        // and ended where it should, and neither side wants to close. A server that closes without
        // saying so leaves a connection that is found stale when it is needed again, however soon
        // its closing was seen. One that speaks another protocol from here on does not.
        let keep_alive = sender.is_ready()
            || driver.has_closed()
                && !endless
                && status != SWITCHING_PROTOCOLS
                && !says_close(response.headers(), response.version());
        let unasked = driver.has_met_unasked();
        Ok(Answer { status, bytes, keep_alive, unasked, first_byte, ended })
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
            self.ended = Some(end);
        }
    }

    /// Whether the connection was closed in order.
    fn has_closed(&self) -> bool {
        matches!(self.ended, Some(Ok(())))
    }

    /// Whether it ended because more came than an answer. hyper has no word for that error: it is
    /// the one of an idle connection that is neither the system's nor a close too early.
    fn has_met_unasked(&self) -> bool {
        match &self.ended {
            Some(Err(error)) => !error.is_incomplete_message() && reason::io_error(error).is_none(),
            _ => false,
        }
    }
}

/// Whether a head says that nothing will follow on its connection: RFC 9112, section 9.3.
pub(crate) fn says_close(headers: &HeaderMap, version: Version) -> bool {
    let says = |wanted: &str| {
        let values = headers.get_all(CONNECTION).iter();
        let mut tokens = values.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
        tokens.any(|token| token.trim().eq_ignore_ascii_case(wanted))
    };
    says("close") || version == Version::HTTP_10 && !says("keep-alive")
}

/// Whether the connection broke, or was closed.
fn is_disconnect(error: &hyper::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    error.is_incomplete_message()
        || reason::io_error(error).is_some_and(|error| {
            matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
        })
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
            let headers = HeaderMap::from_iter([(CONNECTION, connection.parse().unwrap())]);
            assert_eq!(says_close(&headers, version), close, "{version:?} {connection}");
        }
    }

    #[test]
    fn a_race_lasts_as_long_as_a_close_may_be_under_way() {
        let millis = Duration::from_millis;
        for (connecting, allowed) in [(0, 50), (10, 50), (100, 200), (400, 800), (3000, 1000)] {
            assert_eq!(race(millis(connecting)), millis(allowed));
        }
    }
}
