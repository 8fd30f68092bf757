//! The command in the body of a request.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode, header},
};
use crowd_core::{
    json_fault,
    printable::quoted,
    refusal::{Code, Refusal},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use tokio::time::timeout;

use super::answer::Fault;
use crate::control::command::{Command, parse_line};

/// The longest body that is read, in bytes.
pub(super) const LONGEST: usize = 64 * 1024;

/// How the command is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Json,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped {
    command: String,
}

/// Reads the command, for which the client has so much time.
pub(super) async fn command(
    headers: &HeaderMap,
    body: Body,
    patience: Duration,
) -> Result<Command, Fault> {
    let form = form(headers)?;
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    if length.and_then(|length| length.parse::<usize>().ok()).is_some_and(|length| length > LONGEST)
    {
        return Err(too_long());
    }
    let bytes = match timeout(patience, Limited::new(body, LONGEST).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(too_long()),
        Ok(Err(error)) => {
            return Err(bad(format!("the body cannot be read: {error}")));
        }
        Err(_) => {
            let told = format!("the body did not come within {patience:?}");
            return Err(Fault::new(StatusCode::REQUEST_TIMEOUT, "timeout", told)
                .with_header(header::CONNECTION, "close"));
        }
    };
    read(form, &bytes)
}

/// The form the client says it is in.
fn form(headers: &HeaderMap) -> Result<Form, Fault> {
    let told = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let told = told.unwrap_or_default();
    let mut parts = told.split(';').map(|part| part.trim().to_ascii_lowercase());
    let kind = parts.next().unwrap_or_default();
    let unicode = parts.all(|part| match part.split_once('=') {
        Some(("charset", set)) => matches!(set.trim_matches('"'), "utf-8" | "us-ascii"),
        _ => true,
    });
    match kind.as_str() {
        "text/plain" if unicode => Ok(Form::Text),
        "application/json" if unicode => Ok(Form::Json),
        _ => {
            let told = if told.is_empty() {
                "there is no Content-Type".to_owned()
            } else {
                format!("{} is not understood", quoted(told))
            };
            Err(Fault::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-type",
                format!(
                    "{told}: send the command as `text/plain`, or as `application/json` like \
                     {{\"command\": \"add 10\"}}, in UTF-8"
                ),
            ))
        }
    }
}

/// The one command in the body.
fn read(form: Form, bytes: &Bytes) -> Result<Command, Fault> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| bad(format!("the body is not UTF-8: {error}")))?;
    let line = match form {
        Form::Text => text.to_owned(),
        Form::Json => {
            let wrapped = serde_json::from_str::<Wrapped>(text).map_err(|error| {
                let fault = json_fault::in_words(&error);
                bad(format!("the body is not JSON like {{\"command\": \"add 10\"}}: {fault}"))
            })?;
            wrapped.command
        }
    };
    if line.trim().contains(['\n', '\r']) {
        return Err(usage("one command a request: this is more than a line"));
    }
    match parse_line(&line)? {
        Some(Command::Quit) => Err(usage(
            "`quit` is for the console at the node; `stop` ends the run, and SIGTERM the node",
        )),
        Some(command) => Ok(command),
        None => Err(usage("there is no command; `help` lists all")),
    }
}

fn bad(message: String) -> Fault {
    Fault::new(StatusCode::BAD_REQUEST, "bad-request", message)
}

fn usage(message: &str) -> Fault {
    Refusal::new(Code::BadUsage, message).into()
}

fn too_long() -> Fault {
    Fault::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too-long",
        format!("a command is no longer than {LONGEST} bytes"),
    )
    .with_header(header::CONNECTION, "close")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn form_of(kind: &'static str) -> Option<Form> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        form(&headers).ok()
    }

    #[test]
    fn two_types_are_understood() {
        assert_eq!(form_of("text/plain"), Some(Form::Text));
        assert_eq!(form_of("Text/Plain; charset=UTF-8"), Some(Form::Text));
        assert_eq!(form_of("application/json"), Some(Form::Json));
        for other in ["text/plain; charset=latin1", "application/x-www-form-urlencoded", "text"] {
            assert_eq!(form_of(other), None, "{other}");
        }
        assert_eq!(form(&HeaderMap::new()).unwrap_err().told().0, 415);
    }

    #[test]
    fn what_is_wrong_with_a_body_is_told() {
        let fault = |form, text: &'static [u8]| {
            let fault = read(form, &Bytes::from_static(text)).unwrap_err();
            let (status, code, message) = fault.told();
            format!("{status} {code}: {message}")
        };
        insta::assert_snapshot!(
            [
                fault(Form::Json, b"{\"command\": add 10}"),
                fault(Form::Json, b"{\"command\": 10}"),
                fault(Form::Json, b"{\"comand\": \"add 10\"}"),
                fault(Form::Json, b""),
                fault(Form::Text, b"status\xff"),
                fault(Form::Text, b""),
                fault(Form::Text, b"# nothing"),
                fault(Form::Text, b"status\nstop"),
                fault(Form::Text, b"quit"),
                fault(Form::Text, b"add 0"),
            ]
            .join("\n"),
            @r#"
        400 bad-request: the body is not JSON like {"command": "add 10"}: expected value, at line 1 column 13
        400 bad-request: the body is not JSON like {"command": "add 10"}: the number `10` stands where a text belongs, at line 1 column 14
        400 bad-request: the body is not JSON like {"command": "add 10"}: unknown field `comand`, expected `command`, at line 1 column 9
        400 bad-request: the body is not JSON like {"command": "add 10"}: it ends too early, at line 1 column 0
        400 bad-request: the body is not UTF-8: invalid utf-8 sequence of 1 bytes from index 6
        400 bad-usage: there is no command; `help` lists all
        400 bad-usage: there is no command; `help` lists all
        400 bad-usage: one command a request: this is more than a line
        400 bad-usage: `quit` is for the console at the node; `stop` ends the run, and SIGTERM the node
        400 invalid-range: a count of 0 changes nothing: write at least 1
        "#
        );
    }

    #[test]
    fn both_forms_carry_a_command() {
        let read = |form, text: &'static str| read(form, &Bytes::from_static(text.as_bytes()));
        let add = Command::Add { count: 10, nodes: Vec::new() };
        assert_eq!(read(Form::Text, " add 10\r\n").unwrap(), add);
        assert_eq!(read(Form::Json, "{\"command\": \"add 10\"}").unwrap(), add);
    }
}
