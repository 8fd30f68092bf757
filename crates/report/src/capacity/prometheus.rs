//! A Prometheus server as the monitor of a search: instant queries, once a tick.

use std::time::Duration;

use axum::http::{Uri, uri::PathAndQuery};
use crowd_core::settings::masking::without_secrets_of_url;
use futures_util::future::{BoxFuture, join_all};
use tokio::time::timeout;

use super::{
    monitor::{Monitor, Seen},
    observation::{Signal, SignalKind},
    settings::Query,
};

mod client;
pub mod reply;

use client::Client;

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks a Prometheus server.
#[derive(Debug)]
pub struct PrometheusMonitor {
    client: Client,
    /// Each with why there was no value the last time, so that it is told once.
    queries: Vec<(Query, Option<String>)>,
}

impl PrometheusMonitor {
    /// A monitor that asks the server at this URL.
    ///
    /// # Errors
    /// If the URL is none, or no certificates to trust can be read.
    pub fn new(url: &str, queries: &[Query]) -> Result<Self, String> {
        let client = Client::new(url)?;
        Ok(Self { client, queries: queries.iter().map(|query| (query.clone(), None)).collect() })
    }
}

impl Monitor for PrometheusMonitor {
    fn observe<'a>(&'a mut self, seen: Seen<'a>) -> BoxFuture<'a, Vec<Signal>> {
        let client = &self.client;
        let warm = self.queries.iter_mut().filter(move |(query, _)| seen.now >= query.warm_up);
        let asked = warm.map(async |(query, told)| {
            let value = match timeout(PATIENCE, ask(client, &query.query)).await {
                Ok(value) => value,
                Err(_) => Err(format!("no answer within {PATIENCE:?}")),
            };
            let why = value.as_ref().err().cloned();
            if let Some(why) = why.as_ref().filter(|_| *told != why) {
                tracing::warn!("query `{}` has no value: {why}", query.name);
            }
            *told = why;
            signal(query, value.ok())
        });
        Box::pin(async move { join_all(asked).await.into_iter().flatten().collect() })
    }
}

/// What a query's value says. One that does not alert is healthy whatever it is, and nobody misses
/// it.
fn signal(query: &Query, value: Option<f64>) -> Option<Signal> {
    let beyond = value.map(|value| query.comparator.holds(value, query.limit));
    if !query.alert && value.is_none() {
        return None;
    }
    Some(Signal {
        name: query.name.clone(),
        kind: SignalKind::Other,
        value,
        limit: query.limit,
        healthy: beyond.map(|beyond| !beyond || !query.alert),
    })
}

async fn ask(client: &Client, query: &str) -> Result<f64, String> {
    let path = format!("/api/v1/query?query={}", encoded(query));
    let path: PathAndQuery = path.parse().map_err(|fault| format!("{fault}"))?;
    let (status, body) = client.get(&path).await?;
    reply::value(&body).map_err(|fault| match fault {
        reply::ReplyFault::NoJson(_) => format!("the server answers {status}, and no JSON"),
        fault => fault.to_string(),
    })
}

/// A text as the value of a URL's query.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// The parts of a server's URL: scheme, authority and the path before that of the API.
///
/// # Errors
/// If it is none, or has what would not be sent: a user, or a query.
pub(super) fn parts(url: &str) -> Result<(bool, String, u16, String), String> {
    let fault = || {
        let shown = without_secrets_of_url(url);
        format!("`{shown}` is no URL such as http://localhost:9090")
    };
    let uri: Uri = url.parse().map_err(|_| fault())?;
    let tls = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(fault()),
    };
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(fault)?;
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        let shown = without_secrets_of_url(url);
        return Err(format!("`{shown}` names a user, and none is sent: write it without"));
    }
    if uri.query().is_some() {
        return Err(fault());
    }
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let path = uri.path().trim_end_matches('/');
    Ok((tls, host.to_owned(), port, path.to_owned()))
}

#[cfg(test)]
mod tests;
