//! One keep-alive connection of one user.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
};

use crowd::failure::Failure;
use http_body_util::BodyExt;
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;

use crate::{stream::Stream, template::Payload};

/// A connection that the user's own task drives: while it waits for an answer it does hyper's work
/// as well, so there is neither a second task nor any waking between the two.
pub(crate) struct Connection {
    sender: http1::SendRequest<Payload>,
    /// Gone once the connection has ended.
    driver: Option<http1::Connection<TokioIo<Stream>, Payload>>,
    /// Whether it has brought an answer yet.
    proven: bool,
}

/// An answer, read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Its status code.
    pub(crate) status: u16,
    /// The length of its body.
    pub(crate) bytes: u64,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// The connection had ended before any of the request was sent: another connection may do.
    NotSent,
    /// It failed under way.
    Failed(Failure),
}

impl Connection {
    /// Speaks HTTP/1.1 over an open stream.
    ///
    /// # Errors
    /// None in practice: nothing is sent yet.
    pub(crate) async fn new(stream: Stream) -> Result<Self, Failure> {
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Self { sender, driver: Some(driver), proven: false })
    }

    /// Whether it has brought an answer yet.
    pub(crate) fn is_proven(&self) -> bool {
        self.proven
    }

    /// Sends a request and reads its answer to the end. Dropping the future half-way leaves a
    /// connection that must be dropped as well.
    ///
    /// # Errors
    /// Says whether the request may have reached the server.
    pub(crate) async fn exchange(&mut self, request: Request<Payload>) -> Result<Answer, NoAnswer> {
        let Self { sender, driver, proven } = self;
        // hyper wants to be asked whether the last exchange is over.
        if drive(driver, poll_fn(|cx| sender.poll_ready(cx))).await.is_err() {
            return Err(NoAnswer::NotSent);
        }
        let response = match drive(driver, sender.try_send_request(request)).await {
            Ok(response) => response,
            Err(mut error) => {
                return Err(match error.take_message() {
                    Some(_) => NoAnswer::NotSent,
                    None => NoAnswer::Failed(error.into_error().into()),
                });
            }
        };
        *proven = true;
        let status = response.status().as_u16();
        let mut body = response.into_body();
        let mut bytes = 0;
        while let Some(frame) = drive(driver, body.frame()).await {
            let frame = frame.map_err(|error| NoAnswer::Failed(error.into()))?;
            bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        Ok(Answer { status, bytes })
    }
}

/// Waits for `action`, and does the connection's work meanwhile.
async fn drive<F: Future>(
    driver: &mut Option<http1::Connection<TokioIo<Stream>, Payload>>,
    action: F,
) -> F::Output {
    let mut action = pin!(action);
    poll_fn(|cx| {
        // How the connection ended is told to the action too, if it concerns it.
        if let Some(connection) = driver
            && Pin::new(connection).poll(cx).is_ready()
        {
            *driver = None;
        }
        action.as_mut().poll(cx)
    })
    .await
}
