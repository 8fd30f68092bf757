//! The life of one user: request after request over a connection of its own.

use std::{ops::ControlFlow, time::Duration};

use crowd::{
    measure::{Attempt, Phase},
    moment,
    prelude::*,
    user::Iteration,
};
use tokio::time::Instant;

use crate::{
    Http,
    backoff::{self, Pace},
    connection::{Answer, NoAnswer},
    dial::{Dialer, NoConnection, Open},
    patience::{self, Patience, Waited},
    reason,
    site::{Place, Renewed, Sites},
};

/// The name under which a request with its answer is measured.
const REQUEST: &str = "request";
/// The counter of bytes of bodies.
const BYTES_RECEIVED: &str = "bytes_received";
/// The counter of connections that were found closed when they were needed again.
const STALE_CONNECTIONS: &str = "stale_connections";
/// The counter of connections over which more came than was asked for.
const UNASKED_BYTES: &str = "unasked_bytes";
/// The counter of requests that failed without being sent, because their target is let alone.
const REQUESTS_NOT_SENT: &str = "requests_not_sent";

/// The user was told to stop.
type Flow = ControlFlow<()>;

/// A user and its connection.
pub(crate) struct Life<'a, S> {
    user: &'a User<Http>,
    http: &'a Http,
    patience: Patience<S>,
    client: Client<'a>,
    /// Connections in a row that could not be made, or broke before they brought an answer.
    failures: u32,
    rest: Option<Rest>,
    pace: Pace,
    timeout: Duration,
}

/// A time in which the user sends nothing.
struct Rest {
    until: Instant,
    /// Why.
    failure: Failure,
}

/// What a user sends its requests with.
struct Client<'a> {
    user: &'a User<Http>,
    open: Option<Open<'a>>,
    dialer: Dialer<'a>,
}

impl<'a, S: Future<Output = ()>> Life<'a, S> {
    /// A user that has no connection yet and lives until `stop` ends.
    pub(crate) fn new(http: &'a Http, user: &'a User<Http>, stop: S) -> Self {
        Self {
            user,
            http,
            patience: Patience::new(stop),
            client: Client { user, open: None, dialer: Dialer::new(http, user) },
            failures: 0,
            rest: None,
            pace: Pace::default(),
            timeout: user.settings().timeout,
        }
    }

    /// Sends requests, one an iteration, until their number is reached or the user is to end.
    pub(crate) async fn run(&mut self) {
        let mut left = self.user.settings().requests.unwrap_or(u64::MAX);
        while left > 0
            && let Some(iteration) = self.user.next_iteration().await
        {
            match self.rest.take().filter(|rest| rest.until > Instant::now()) {
                Some(rest) => left -= self.miss(iteration, rest, left).await,
                None => {
                    let due = iteration.due().unwrap_or(iteration.began());
                    if self.request(due).await.is_break() {
                        return;
                    }
                    left -= 1;
                }
            }
            let think_time = self.user.settings().think_time;
            if left > 0
                && !think_time.is_zero()
                && !patience::pause(think_time, self.user.retired()).await
            {
                return;
            }
        }
    }

    /// An iteration while the target is let alone: it fails unsent. Users who are told when to ask
    /// fail as often as they would have asked. One that asks as fast as it is answered waits as
    /// long as its requests took, and fails all that it would have sent meanwhile; answers how many.
    async fn miss(&mut self, iteration: Iteration, rest: Rest, left: u64) -> u64 {
        let mut due = iteration.due().unwrap_or(iteration.began());
        let mut times = 1;
        if iteration.due().is_none() && self.user.settings().think_time.is_zero() {
            let began = Instant::now();
            let pause = self.pace.pause(rest.until - began);
            patience::pause(pause, self.user.retired()).await;
            times = self.pace.missed(began.elapsed(), left);
            // It would not have asked before, and its waiting is not the target's time.
            due = Instant::now();
        }
        let attempt = self.user.begin(REQUEST, due);
        attempt.end_times(Some(&rest.failure), times);
        self.user.count(REQUESTS_NOT_SENT, times);
        self.rest = Some(rest);
        times
    }

    /// One request, measured, whatever becomes of it. The response time counts from when it was due,
    /// the service time from now: if a connection must be made first, or the request must be sent
    /// again, it counts that, too.
    async fn request(&mut self, due: Instant) -> Flow {
        let mut attempt = self.user.begin(REQUEST, due);
        let deadline = moment::after(attempt.began(), self.timeout);
        let exchange = self.client.exchange(&mut attempt, deadline);
        let failure = match self.patience.until(deadline, exchange).await {
            // What is not over a second after the stop stays without an end.
            Waited::Stopped => return Flow::Break(()),
            Waited::Done(Ok(answer)) => {
                self.answered(attempt, answer);
                return Flow::Continue(());
            }
            Waited::Done(Err(NoConnection::Nobody(failure))) => {
                attempt.end(Some(&failure));
                self.user.count(REQUESTS_NOT_SENT, 1);
                self.rest(1, failure);
                return Flow::Continue(());
            }
            Waited::Done(Err(NoConnection::Failed(failure))) => failure,
            Waited::TimedOut => Failure::target(self.client.overdue()),
        };
        attempt.end(Some(&failure));
        let (place, proven) = self.client.give_up();
        if let Some(place) = place {
            place.down(&failure);
        }
        // A server that takes connections and answers none is let alone for a while, too.
        if !proven {
            self.back_off(failure);
        }
        Flow::Continue(())
    }

    fn answered(&mut self, attempt: Attempt<'_>, answer: Answer) {
        self.failures = 0;
        let began = attempt.began();
        let Some(open) = &self.client.open else { return };
        if self.http.expected.contains(answer.status) {
            attempt.end(None);
            self.pace.worked(answer.ended - began);
            open.place.up();
        } else {
            let failure = Failure::target(format!("status {}", answer.status));
            attempt.end(Some(&failure));
            // Any other status is about the request, and says little about the server.
            if answer.status >= 500 {
                open.place.down(&failure);
            }
        }
        if answer.bytes > 0 {
            self.user.count(BYTES_RECEIVED, answer.bytes);
        }
        if answer.unasked {
            self.user.count(UNASKED_BYTES, 1);
        }
        if !answer.keep_alive || open.place.closing {
            self.client.open = None;
        }
    }

    /// After a failure: while there may be another site that does better, on to that at once.
    fn back_off(&mut self, failure: Failure) {
        self.failures = self.failures.saturating_add(1);
        let others = match &self.http.sites {
            Sites::One(_) => 0,
            Sites::Many(targets) => targets.count().saturating_sub(1),
        };
        let others = u32::try_from(others).unwrap_or(u32::MAX);
        match self.failures.saturating_sub(others) {
            0 => (),
            failures => self.rest(failures, failure),
        }
    }

    fn rest(&mut self, failures: u32, failure: Failure) {
        let delay = backoff::delay(failures, rand::random());
        self.rest = Some(Rest { until: moment::after(Instant::now(), delay), failure });
    }
}

impl<'a> Client<'a> {
    /// Sends one request and reads its answer; connects before that if it has to.
    async fn exchange(
        &mut self,
        attempt: &mut Attempt<'_>,
        deadline: Instant,
    ) -> Result<Answer, NoConnection> {
        self.renew();
        let mut sent = attempt.began();
        loop {
            let open = match &mut self.open {
                Some(open) => open,
                none => {
                    // In a box, for it is far larger than what a user needs most of the time.
                    let open = Box::pin(self.dialer.dial(attempt, deadline)).await?;
                    sent = Instant::now();
                    none.insert(open)
                }
            };
            let counter = match open.connection.exchange(open.place.request.clone(), sent).await {
                Ok(answer) => {
                    let first_byte = answer.first_byte.saturating_duration_since(sent);
                    attempt.phase(Phase::FirstByte, first_byte);
                    attempt.phase(Phase::Rest, answer.ended - answer.first_byte);
                    return Ok(answer);
                }
                Err(NoAnswer::Failed(failure)) => return Err(failure.into()),
                // A server may close an idle connection at any time: that is no failure. Only one
                // that brought an answer can be found like this, so it happens once at most.
                Err(NoAnswer::Stale) => STALE_CONNECTIONS,
                Err(NoAnswer::Unasked) => UNASKED_BYTES,
            };
            self.user.count(counter, 1);
            self.open = None;
        }
    }

    /// Gives up the connection if it is not to go on; keeps where to connect to if that is known.
    fn renew(&mut self) {
        let Some(open) = &mut self.open else { return };
        let renewed = open.place.renew();
        if renewed != Renewed::Stay
            && let Some(open) = self.open.take()
        {
            self.dialer.place = (renewed == Renewed::Move).then_some(open.place);
        }
    }

    /// What has not come in time.
    fn overdue(&self) -> &'static str {
        match &self.open {
            None if self.dialer.securing => reason::NO_HANDSHAKE,
            None => reason::NO_CONNECTION,
            Some(open) if open.connection.is_answering() => "no complete answer in time",
            Some(_) => "no answer in time",
        }
    }

    /// Gives up after a failure: whose it was, and whether that had brought answers.
    fn give_up(&mut self) -> (Option<Place<'a>>, bool) {
        let place = self.dialer.place.take();
        match self.open.take() {
            Some(open) => (Some(open.place), open.connection.is_proven()),
            None => (place, false),
        }
    }
}
