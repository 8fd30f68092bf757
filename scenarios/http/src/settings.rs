//! What can be set.

use std::time::Duration;

use crowd::prelude::*;

use crate::{header_list, status::StatusSet, target::Target};

/// The settings of the `http` scenario.
#[derive(Debug, Clone, Settings)]
pub struct HttpSettings {
    /// Where requests go: `http://HOST:PORT/PATH` or `https://HOST/PATH`.
    #[setting(check = url)]
    pub url: String,
    /// The method of the requests.
    #[setting(
        default = "GET",
        one_of = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    )]
    pub method: String,
    /// Headers: 'Name: value | Other: value'; '\|' stands for a '|' in a value.
    #[setting(check = headers)]
    pub headers: Option<String>,
    /// The body of each request.
    pub body: Option<String>,
    /// How long a user waits between an answer and its next request.
    #[setting(default = "0s", update = free)]
    pub think_time: Duration,
    /// The status codes that count as success, as in '200,404', '2xx,3xx' or '200-299'.
    #[setting(default = "2xx,3xx", check = expected_status)]
    pub expected_status: String,
    /// How many requests a user sends before it ends; without it, it goes on until told to stop.
    #[setting(check = at_least_one)]
    pub requests: Option<u64>,
    /// How long to wait for a connection, and for an answer to its last byte.
    #[setting(default = "30s", check = some_time)]
    pub timeout: Duration,
    /// Whether to accept any certificate.
    #[setting(default = "false")]
    pub insecure: bool,
    /// A file of certificates (PEM) to trust in place of the system's.
    pub ca_file: Option<String>,
}

fn url(url: String) -> Result<String, String> {
    Target::parse(&url).map(|target| target.to_string())
}

fn headers(text: Option<String>) -> Result<Option<String>, String> {
    text.as_deref().map_or(Ok(()), |text| header_list::parse(text).map(drop))?;
    Ok(text)
}

fn expected_status(text: String) -> Result<String, String> {
    StatusSet::parse(&text).map(|_| text)
}

fn at_least_one(requests: Option<u64>) -> Result<Option<u64>, String> {
    if requests == Some(0) { Err("0 requests; write 1 or more".into()) } else { Ok(requests) }
}

fn some_time(timeout: Duration) -> Result<Duration, String> {
    if timeout.is_zero() {
        Err("no time at all; write a time such as 30s".into())
    } else {
        Ok(timeout)
    }
}
