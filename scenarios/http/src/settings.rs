//! What can be set.

use std::{fmt, time::Duration};

use crowd::{prelude::*, settings::masking::without_secrets_of_url};
use hyper::http::uri::PathAndQuery;

use crate::{
    header_list,
    status::StatusSet,
    target::{Target, percent_encoded},
};

/// The settings of the `http` scenario.
#[derive(Clone, Settings)]
pub struct HttpSettings {
    /// Where requests go: `http://HOST:PORT/PATH` or `https://HOST/PATH`; several, with commas, to
    /// spread users over. A comma within a URL is written '\,'.
    #[setting(check = urls, urls)]
    pub url: Vec<String>,
    /// The method of the requests.
    #[setting(
        default = "GET",
        one_of = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    )]
    pub method: String,
    /// Headers: 'Name: value | Other: value'; '\|' stands for a '|' in a value.
    /// Their values are never shown.
    #[setting(check = headers, secret = header_list::secrets)]
    pub headers: Option<Secret>,
    /// The body of each request. It is never shown.
    pub body: Option<Secret>,
    /// How long a user waits between an answer and its next request.
    #[setting(default = "0s", update = free)]
    pub think_time: Duration,
    /// The status codes that count as success, as in '200,404', '2xx,3xx' or '200-299'.
    #[setting(default = "2xx,3xx", check = expected_status)]
    pub expected_status: String,
    /// How many requests a user sends before it ends; without it, it goes on until told to stop.
    #[setting(check = at_least_one)]
    pub requests: Option<u64>,
    /// How long a request may take, from connecting, if it has to, to the last byte of its answer.
    /// Each address of a host has its share of that to connect.
    #[setting(default = "30s", check = some_time)]
    pub timeout: Duration,
    /// What the health check of several URLs asks each of their servers for, such as '/health'; any
    /// status below 400 is good. Without it, it is enough that a server takes a connection.
    #[setting(check = path, urls)]
    pub health_path: Option<String>,
    /// From one health check of several URLs to the next.
    #[setting(default = "1s", check = some_time)]
    pub health_interval: Duration,
    /// How long a health check may take.
    #[setting(default = "1s", check = some_time)]
    pub health_timeout: Duration,
    /// Whether to accept any certificate.
    #[setting(default = "false")]
    pub insecure: bool,
    /// A file of certificates (PEM) to trust in place of the system's: of authorities, or of the
    /// servers themselves.
    #[setting(urls)]
    pub ca_file: Option<String>,
    /// Which TLS sessions a new connection may resume: none, the user's own, or those of all users.
    #[setting(default = "own", one_of = ["none", "own", "shared"])]
    pub tls_sessions: String,
}

impl fmt::Debug for HttpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values of queries are secret.
        f.debug_struct("HttpSettings").finish_non_exhaustive()
    }
}

/// Every fault at once, each with the URL it is in.
fn urls(urls: Vec<String>) -> Result<Vec<String>, String> {
    if urls.is_empty() {
        return Err("no URL; write http://HOST[:PORT]/PATH or https://HOST[:PORT]/PATH".into());
    }
    let (mut good, mut faults) = (Vec::new(), Vec::new());
    for url in &urls {
        match Target::parse(url).map(|target| target.url()) {
            Ok(url) if good.contains(&url) => {
                faults.push(format!("'{}' is there twice", without_secrets_of_url(&url)));
            }
            Ok(url) => good.push(url),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() {
        return Ok(good);
    }
    if urls.len() > 1 {
        faults.push("a comma within a URL is written '\\,'".into());
    }
    Err(faults.join("; "))
}

fn path(path: Option<String>) -> Result<Option<String>, String> {
    match &path {
        Some(text) if parse_path(text).is_none() => {
            Err(format!("'{text}' is no path; write one such as /health"))
        }
        _ => Ok(path),
    }
}

/// What stands in a request line; `None` if that cannot.
pub(crate) fn parse_path(text: &str) -> Option<PathAndQuery> {
    text.starts_with('/').then(|| percent_encoded(text).parse().ok())?
}

fn headers(text: Option<Secret>) -> Result<Option<Secret>, String> {
    text.as_ref().map_or(Ok(()), |text| header_list::parse(text.expose()).map(drop))?;
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
