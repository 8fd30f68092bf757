//! What goes out: one JSON object, whatever happens.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use crowd_core::refusal::{Code, Refusal};
use serde::Serialize;

use crate::control::reply::Reply;

/// What was asked for, done.
#[derive(Debug, Serialize)]
pub(super) struct Done {
    ok: bool,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<Reply>,
}

impl Done {
    /// A sentence and nothing more.
    pub(super) fn saying(text: impl Into<String>) -> Self {
        Self { ok: true, text: text.into(), reply: None }
    }
}

impl From<Reply> for Done {
    fn from(reply: Reply) -> Self {
        Self { ok: true, text: reply.to_string(), reply: Some(reply) }
    }
}

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        json(StatusCode::OK, &self)
    }
}

/// Why nothing was done: a code for programs and a sentence for people.
#[derive(Debug, Serialize)]
pub(super) struct Fault {
    ok: bool,
    code: &'static str,
    message: String,
    /// The paths there are, for who asked for another.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    paths: &'static [&'static str],
    #[serde(skip)]
    status: StatusCode,
    #[serde(skip)]
    header: Option<(HeaderName, &'static str)>,
}

impl Fault {
    /// A fault of the request itself.
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { ok: false, code, message: message.into(), paths: &[], status, header: None }
    }

    /// With a header that HTTP asks for.
    pub(super) fn with_header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.header = Some((name, value));
        self
    }

    /// With the paths there are.
    pub(super) fn with_paths(mut self, paths: &'static [&'static str]) -> Self {
        self.paths = paths;
        self
    }

    #[cfg(test)]
    pub(super) fn told(&self) -> (u16, &str, &str) {
        (self.status.as_u16(), self.code, &self.message)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::new(status_of(refusal.code), refusal.code.as_str(), refusal.message)
    }
}

impl IntoResponse for Fault {
    fn into_response(mut self) -> Response {
        let header = self.header.take();
        let mut response = json(self.status, &self);
        if let Some((name, value)) = header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// The status that fits a refusal. What the state of the node does not allow is a conflict.
fn status_of(code: Code) -> StatusCode {
    match code {
        Code::UnknownCommand
        | Code::BadUsage
        | Code::InvalidRange
        | Code::InvalidThrottle
        | Code::InvalidPlan
        | Code::UndefinedParameters
        | Code::ParametersVerificationFailed => StatusCode::BAD_REQUEST,
        Code::NoSuchScenario
        | Code::NoSuchUser
        | Code::NoThrottle
        | Code::NoCoordinator
        | Code::BadNodes => StatusCode::NOT_FOUND,
        Code::InitFailed => StatusCode::INTERNAL_SERVER_ERROR,
        Code::Unavailable | Code::InsufficientResources => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::CONFLICT,
    }
}

fn json(status: StatusCode, answer: &impl Serialize) -> Response {
    let (status, body) = match serde_json::to_string(answer) {
        Ok(body) => (status, body),
        Err(error) => {
            tracing::error!("an answer of the control API cannot be written: {error}");
            let body = r#"{"ok":false,"code":"internal","message":"the answer cannot be written"}"#;
            (StatusCode::INTERNAL_SERVER_ERROR, body.to_owned())
        }
    };
    let mut response = Response::new(Body::from(body + "\n"));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let fixed = HeaderValue::from_static;
    headers.insert(header::CONTENT_TYPE, fixed("application/json"));
    headers.insert(header::CACHE_CONTROL, fixed("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_fitting_statuses() {
        for (code, status) in [
            (Code::BadUsage, 400),
            (Code::InvalidRange, 400),
            (Code::NoThrottle, 404),
            (Code::InvalidStatus, 409),
            (Code::ReadonlyParameters, 409),
            (Code::InitFailed, 500),
            (Code::Unavailable, 503),
        ] {
            let fault = Fault::from(Refusal::new(code, "why"));
            assert_eq!(fault.told(), (status, code.as_str(), "why"));
        }
    }
}
