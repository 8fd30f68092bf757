//! A client of the control API, and the verbs of the command line that are made of it.

use std::{fmt, io, time::Duration};

use axum::{
    body::Bytes,
    http::{HeaderValue, Method, Request, StatusCode, header},
};
use crowd_core::{
    printable::{WORD, line, lines},
    settings::Secret,
};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use tokio_util::task::AbortOnDropHandle;

use super::api::{self, COMMAND, LIVE, STATUS};

mod address;
mod capacity;
mod operator;
mod run;
pub(super) mod verbs;

pub use address::ApiAddress;
pub(super) use operator::Remote;
pub(super) use run::There;

/// How long it may take to reach a node.
const CONNECT: Duration = Duration::from_secs(5);

/// The longest answer that is read, in bytes.
const LONGEST: usize = 64 * 1024 * 1024;

/// Asks one node. Cheap to clone; every request has a connection of its own, so a node that was
/// gone and is back is simply asked again.
#[derive(Debug, Clone)]
pub struct Client {
    address: ApiAddress,
    token: Option<Secret>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientFault {
    /// Nobody was reached.
    #[error("no node answers at {0}: {1}")]
    Unreachable(ApiAddress, io::Error),
    /// The connection ended before the answer.
    #[error("the connection to the node at {0} is lost: {1}")]
    Lost(ApiAddress, String),
    /// It is not a node that answers.
    #[error("what answers at {0} is no crowd node: {1}")]
    NotCrowd(ApiAddress, String),
    /// The token cannot stand in a header.
    #[error("the API token is not made of visible ASCII characters")]
    Token,
}

/// An answer as it came.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// One JSON object.
    pub body: String,
}

/// What a node did.
#[derive(Debug, Clone, Deserialize)]
pub struct Done {
    /// What the console prints.
    pub text: String,
    /// The reply for programs.
    #[serde(default)]
    pub reply: Value,
}

impl Done {
    /// What the reply holds; null if it is none that holds anything.
    pub fn into_data(mut self) -> Value {
        self.reply.get_mut("data").map(Value::take).unwrap_or_default()
    }
}

/// Why a node did nothing.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Refused {
    /// The stable reason.
    pub code: String,
    /// The sentence for people.
    pub message: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)
    }
}

impl Client {
    /// A client of the node at this address.
    pub fn new(address: ApiAddress, token: Option<Secret>) -> Self {
        Self { address, token }
    }

    /// The node's address.
    pub fn address(&self) -> &ApiAddress {
        &self.address
    }

    /// Has a command carried out. It may take as long as the command takes; dropping it ends a
    /// `wait`.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn command(&self, line: &str) -> Result<Answer, ClientFault> {
        self.ask(Method::POST, COMMAND, Some(line)).await
    }

    /// Asks for the status.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn status(&self) -> Result<Answer, ClientFault> {
        self.ask(Method::GET, STATUS, None).await
    }

    /// Whether a node answers at all.
    pub async fn is_crowd(&self) -> bool {
        match self.ask(Method::GET, LIVE, None).await {
            Ok(answer) => self.outcome(&answer).is_ok(),
            Err(_) => false,
        }
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// If it is not the answer of a node.
    pub fn outcome(&self, answer: &Answer) -> Result<Result<Done, Refused>, ClientFault> {
        // It is for a person who did not choose whom to believe.
        let read = if answer.status.is_success() {
            let done = serde_json::from_str(&answer.body);
            done.map(|Done { text, reply }| Ok(Done { text: lines(&text), reply }))
        } else {
            let refused = serde_json::from_str(&answer.body);
            refused.map(|Refused { code, message }| {
                Err(Refused { code: line(&code, WORD), message: lines(&message) })
            })
        };
        read.map_err(|_| {
            ClientFault::NotCrowd(self.address.clone(), format!("it answers {}", answer.status))
        })
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        command: Option<&str>,
    ) -> Result<Answer, ClientFault> {
        let request = self.request(method, path, command)?;
        let lost =
            |why: &dyn fmt::Display| ClientFault::Lost(self.address.clone(), why.to_string());
        let stream = self.connect().await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| lost(&error))?;
        // The connection ends with the request, also if nobody waits for the answer any more.
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let response = sender.send_request(request).await.map_err(|error| {
            if error.is_parse() {
                ClientFault::NotCrowd(self.address.clone(), "it does not speak HTTP".to_owned())
            } else {
                lost(&error)
            }
        })?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, LONGEST).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                lost(&format_args!("the answer is longer than {LONGEST} bytes"))
            } else {
                lost(&error)
            }
        })?;
        let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        Ok(Answer { status: head.status, body })
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        command: Option<&str>,
    ) -> Result<Request<Full<Bytes>>, ClientFault> {
        let body = Full::new(Bytes::from(command.unwrap_or_default().to_owned()));
        let mut request = Request::new(body);
        *request.method_mut() = method;
        let invalid = |error: &dyn fmt::Display| {
            ClientFault::NotCrowd(self.address.clone(), error.to_string())
        };
        *request.uri_mut() = self.address.path(path).parse().map_err(|error| invalid(&error))?;
        let headers = request.headers_mut();
        let host = HeaderValue::from_str(self.address.authority());
        headers.insert(header::HOST, host.map_err(|error| invalid(&error))?);
        if command.is_some() {
            let kind = HeaderValue::from_static("text/plain; charset=utf-8");
            headers.insert(header::CONTENT_TYPE, kind);
        }
        if let Some(token) = &self.token {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
                .map_err(|_| ClientFault::Token)?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        Ok(request)
    }

    async fn connect(&self) -> Result<TcpStream, ClientFault> {
        let unreachable = |error| ClientFault::Unreachable(self.address.clone(), error);
        let connecting = TcpStream::connect(self.address.authority());
        let stream = timeout(CONNECT, connecting)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(unreachable)?;
        api::keep_alive(&stream);
        Ok(stream)
    }
}

#[cfg(test)]
mod tests;
