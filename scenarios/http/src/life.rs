//! The life of one user: request after request over a connection of its own.

use std::{ops::ControlFlow, time::Duration};

use crowd::{measure::Sample, prelude::*};
use tokio::time::Instant;

use crate::{
    Http, backoff,
    connection::{Answer, Connection, NoAnswer},
    patience::{Patience, Waited},
    site::{Place, Renewed, Sites},
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

/// A connection, and where it leads.
struct Open<'a> {
    connection: Connection,
    place: Place<'a>,
}

/// A user and its connection.
pub(crate) struct Life<'a, S> {
    user: &'a User<Http>,
    http: &'a Http,
    patience: Patience<S>,
    open: Option<Open<'a>>,
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
            open: None,
            failures: 0,
            timeout: user.settings().timeout,
        }
    }

    /// Sends requests, one an iteration, until their number is reached or the user is to end.
    pub(crate) async fn run(&mut self) {
        let mut left = self.user.settings().requests.unwrap_or(u64::MAX);
        while left > 0
            && let Some(iteration) = self.user.next_iteration().await
        {
            if self.request(iteration.due().unwrap_or(iteration.began())).await.is_break() {
                return;
            }
            left -= 1;
            let think_time = self.user.settings().think_time;
            if left > 0 && !think_time.is_zero() && !self.patience.pause(think_time).await {
                return;
            }
        }
    }

    /// One request, measured, whatever becomes of it. The response time counts from when it was due:
    /// if a connection must be made first, it counts that, too.
    async fn request(&mut self, due: Instant) -> Flow {
        let mut began = Instant::now();
        loop {
            let place = self.renew();
            let mut open = match self.open.take() {
                Some(open) => open,
                None => {
                    let open = self.connect(place).await?;
                    began = Instant::now();
                    open
                }
            };
            let exchange = open.connection.exchange(open.place.request.clone());
            let waited = self.patience.until(began + self.timeout, exchange).await;
            let failure = match waited {
                Waited::Stopped => return Flow::Break(()),
                Waited::Done(Ok(answer)) => {
                    self.answered(due, began, answer, &open.place);
                    self.failures = 0;
                    self.open = answer.keep_alive.then_some(open);
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
            open.place.down(&failure);
            // A server that takes connections and answers none is let alone for a while.
            return match open.connection.is_proven() {
                true => Flow::Continue(()),
                false => self.back_off().await,
            };
        }
    }

    /// Gives up the connection if it is not to go on; answers where to connect to if that is known.
    fn renew(&mut self) -> Option<Place<'a>> {
        let renewed = self.open.as_mut()?.place.renew();
        if renewed == Renewed::Stay {
            return None;
        }
        let open = self.open.take()?;
        (renewed == Renewed::Move).then_some(open.place)
    }

    fn answered(&self, due: Instant, began: Instant, answer: Answer, place: &Place<'_>) {
        if self.http.expected.contains(answer.status) {
            self.record(REQUEST, due, began, None);
            place.up();
        } else {
            let failure = Failure::target(format!("status {}", answer.status));
            self.record(REQUEST, due, began, Some(&failure));
            // Any other status is about the request, and says little about the server.
            if answer.status >= 500 {
                place.down(&failure);
            }
        }
        if answer.bytes > 0 {
            self.user.count(BYTES_RECEIVED, answer.bytes);
        }
    }

    /// Connects, however long it takes: to `place` first, if it is known.
    async fn connect(&mut self, mut place: Option<Place<'a>>) -> ControlFlow<(), Open<'a>> {
        let sites = &self.http.sites;
        loop {
            let began = Instant::now();
            let place = match place.take().map_or_else(|| sites.place(), Ok) {
                Ok(place) => place,
                Err(nobody) => {
                    self.record(CONNECT, began, began, Some(&nobody.into()));
                    self.pause(1).await?;
                    continue;
                }
            };
            let first = usize::try_from(self.user.id().0).unwrap_or_default();
            let opening = async {
                Ok::<_, Failure>(Connection::new(place.route.connect(first).await?).await?)
            };
            let failure = match self.patience.until_stop(began + self.timeout, opening).await {
                Waited::Stopped => return ControlFlow::Break(()),
                Waited::Done(Ok(connection)) => {
                    self.record(CONNECT, began, began, None);
                    return ControlFlow::Continue(Open { connection, place });
                }
                Waited::Done(Err(failure)) => failure,
                Waited::TimedOut => Failure::target("no connection in time"),
            };
            self.record(CONNECT, began, began, Some(&failure));
            place.down(&failure);
            self.back_off().await?;
        }
    }

    /// After a failure: while there may be another site that does better, on to that at once.
    async fn back_off(&mut self) -> Flow {
        self.failures = self.failures.saturating_add(1);
        let others = match &self.http.sites {
            Sites::One(_) => 0,
            Sites::Many(targets) => targets.count().saturating_sub(1),
        };
        let others = u32::try_from(others).unwrap_or(u32::MAX);
        match self.failures.saturating_sub(others) {
            0 => Flow::Continue(()),
            failures => self.pause(failures).await,
        }
    }

    async fn pause(&mut self, failures: u32) -> Flow {
        let delay = backoff::delay(failures, rand::random());
        if self.patience.pause(delay).await { Flow::Continue(()) } else { Flow::Break(()) }
    }

    fn record(&self, action: &str, due: Instant, began: Instant, failure: Option<&Failure>) {
        let ended = Instant::now();
        let sample = Sample { service: ended - began, response: ended - due, failure };
        self.user.measure().record(action, sample);
    }
}
