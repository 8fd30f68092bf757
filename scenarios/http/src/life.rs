//! The life of one user: request after request over a connection of its own.

use std::{ops::ControlFlow, time::Duration};

use crowd::{measure::Sample, prelude::*};
use tokio::time::Instant;

use crate::{
    Http, backoff,
    connection::{Answer, Connection, NoAnswer},
    patience::{Patience, Waited},
};

/// The name under which opening a connection is measured.
pub(crate) const CONNECT: &str = "connect";
/// The name under which a request with its answer is measured.
pub(crate) const REQUEST: &str = "request";
/// The counter of bytes of bodies.
pub(crate) const BYTES_RECEIVED: &str = "bytes_received";

/// The counter of connections that were found closed when they were needed again.
pub(crate) const STALE_CONNECTIONS: &str = "stale_connections";

/// The user was told to stop.
type Flow = ControlFlow<()>;

/// A user and its connection.
pub(crate) struct Life<'a, S> {
    user: &'a User<Http>,
    http: &'a Http,
    patience: Patience<S>,
    connection: Option<Connection>,
    /// Connections in a row that could not be made, or broke before they brought an answer.
    failures: u32,
    timeout: Duration,
}

impl<'a, S: Future<Output = ()>> Life<'a, S> {
    /// A user that has no connection yet and lives until `stop` ends.
    pub(crate) fn new(http: &'a Http, user: &'a User<Http>, stop: S) -> Self {
        Self {
            user,
            http,
            patience: Patience::new(stop),
            connection: None,
            failures: 0,
            timeout: user.settings().timeout,
        }
    }

    /// Sends requests until their number is reached or the user is told to stop.
    pub(crate) async fn run(&mut self) {
        let mut left = self.user.settings().requests.unwrap_or(u64::MAX);
        while left > 0 && !self.user.is_stopping() {
            if self.request().await.is_break() {
                return;
            }
            left -= 1;
            let think_time = self.user.settings().think_time;
            if left > 0 && !think_time.is_zero() && !self.patience.pause(think_time).await {
                return;
            }
        }
    }

    /// One request, measured, whatever becomes of it. It is due now: if a connection must be made
    /// first, the response time counts that, too.
    async fn request(&mut self) -> Flow {
        let due = Instant::now();
        let mut began = due;
        loop {
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => {
                    let connection = self.connect().await?;
                    began = Instant::now();
                    connection
                }
            };
            let exchange = connection.exchange(self.http.request.clone());
            let waited = self.patience.until(began + self.timeout, exchange).await;
            let failure = match waited {
                Waited::Stopped => return Flow::Break(()),
                Waited::Done(Ok(answer)) => {
                    self.answered(due, began, answer);
                    self.failures = 0;
                    self.connection = answer.keep_alive.then_some(connection);
                    return Flow::Continue(());
                }
                // A server may close an idle connection at any time: that is no failure.
                Waited::Done(Err(NoAnswer::Stale)) => {
                    self.user.count(STALE_CONNECTIONS, 1);
                    continue;
                }
                Waited::Done(Err(NoAnswer::Failed(failure))) => failure,
                Waited::TimedOut => Failure::target("no answer in time"),
            };
            self.record(REQUEST, due, began, Some(&failure));
            // A server that takes connections and answers none is let alone for a while.
            return if connection.is_proven() { Flow::Continue(()) } else { self.back_off().await };
        }
    }

    fn answered(&self, due: Instant, began: Instant, answer: Answer) {
        if self.http.expected.contains(answer.status) {
            self.record(REQUEST, due, began, None);
        } else {
            let failure = Failure::target(format!("status {}", answer.status));
            self.record(REQUEST, due, began, Some(&failure));
        }
        if answer.bytes > 0 {
            self.user.count(BYTES_RECEIVED, answer.bytes);
        }
    }

    /// Connects, however long it takes.
    async fn connect(&mut self) -> ControlFlow<(), Connection> {
        loop {
            let began = Instant::now();
            let first = usize::try_from(self.user.id().0).unwrap_or_default();
            let route = &self.http.route;
            let opening =
                async { Ok::<_, Failure>(Connection::new(route.connect(first).await?).await?) };
            let failure = match self.patience.until_stop(began + self.timeout, opening).await {
                Waited::Stopped => return ControlFlow::Break(()),
                Waited::Done(Ok(connection)) => {
                    self.record(CONNECT, began, began, None);
                    return ControlFlow::Continue(connection);
                }
                Waited::Done(Err(failure)) => failure,
                Waited::TimedOut => Failure::target("no connection in time"),
            };
            self.record(CONNECT, began, began, Some(&failure));
            self.back_off().await?;
        }
    }

    async fn back_off(&mut self) -> Flow {
        self.failures = self.failures.saturating_add(1);
        let delay = backoff::delay(self.failures, rand::random());
        if self.patience.pause(delay).await { Flow::Continue(()) } else { Flow::Break(()) }
    }

    fn record(&self, action: &str, due: Instant, began: Instant, failure: Option<&Failure>) {
        let ended = Instant::now();
        let sample = Sample { service: ended - began, response: ended - due, failure };
        self.user.measure().record(action, sample);
    }
}
