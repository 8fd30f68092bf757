//! The virtual user: an actor with an identity, a mailbox, a supervisor, a soft stop it may act
//! on and a kill it cannot refuse. It is one task, not a `ractor::Actor`; `docs/adr/0001` says why.

use std::{fmt, future::Future, ops::Deref, sync::Arc, time::Duration};

use tokio::time::Instant;

mod blame;
pub mod core;
pub mod directory;
pub(crate) mod elsewhere;
pub use crowd_core::errors::SendError;
pub(crate) use crowd_core::fence;
pub use crowd_core::user_id as id;
pub mod iteration;
pub mod mailbox;
pub mod supervisor;
pub mod task;

use crate::{
    feed::{Feed, Row},
    scenario::{Run, Scenario},
    throttle::{Permit, Throttle},
};
use crowd_core::{
    failure::{Failure, Stopped},
    moment,
    random::Random,
};
use crowd_measure::Attempt;
use crowd_plan::iterate::{Capture, Captures, Pacing, ThinkTime, Weighted};

pub use self::{
    core::UserCore,
    directory::{Address, Post},
    id::UserId,
    iteration::{Iteration, Iterations},
    mailbox::{Mail, Received},
};

/// What a running user holds: its identity, its mailbox, and through [`Run`] everything the run
/// shares. Cheap to clone; a clone is the same user.
pub struct User<S: Scenario> {
    core: Arc<UserCore>,
    run: Run<S>,
}

impl<S: Scenario> Clone for User<S> {
    fn clone(&self) -> Self {
        Self { core: self.core.clone(), run: self.run.clone() }
    }
}

impl<S: Scenario> fmt::Debug for User<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("id", &self.core.id()).finish_non_exhaustive()
    }
}

/// Everything the run offers is the user's too.
impl<S: Scenario> Deref for User<S> {
    type Target = Run<S>;

    fn deref(&self) -> &Run<S> {
        &self.run
    }
}

impl<S: Scenario> User<S> {
    pub(crate) fn new(core: Arc<UserCore>, run: Run<S>) -> Self {
        Self { core, run }
    }

    /// The user's id.
    pub fn id(&self) -> UserId {
        self.core.id()
    }

    /// Where other users reach this one.
    pub fn address(&self) -> Address<S::Message> {
        self.run.post().address(self.id())
    }

    /// Sends a message to another user, or to itself, wherever it lives. Messages of one sender to
    /// one receiver arrive in order. Answers when the message is in the mailbox of its receiver: at
    /// once for a user on this node, after a round trip for one elsewhere. Given up before that, it
    /// may arrive or not.
    ///
    /// # Errors
    /// If no user of that id is running, or if [`CAPACITY`](mailbox::CAPACITY) messages wait in its
    /// mailbox. For a user on another node also if that node was lost or
    /// did not confirm the message within 5 s, so that nobody knows whether it arrived; and if the
    /// message cannot be sent between nodes.
    pub async fn send(&self, to: UserId, message: S::Message) -> Result<(), SendError> {
        self.run.post().deliver(Some(self.id()), to, message).await
    }

    /// Sends a message without waiting: as [`User::send`] to a user on this node. To one elsewhere
    /// it is accepted, and if it comes to nothing later, that is noted as a failure of the run and
    /// told as `crowd.user.undelivered`.
    ///
    /// # Errors
    /// If no user of that id is known to run, or if its mailbox is full. For a user on another node
    /// also if too many messages are on their way there, or if the message cannot be sent between
    /// nodes.
    pub fn post(&self, to: UserId, message: S::Message) -> Result<(), SendError> {
        self.run.post().send_from(Some(self.id()), to, message)
    }

    /// Sends a message to itself after `delay`, unless the user has ended by then. It waits in the
    /// user's own mailbox, and if that is full already, it is refused and counted as
    /// [`REFUSED`](directory::REFUSED).
    pub fn send_after(&self, delay: Duration, message: S::Message) {
        // What would come later than clocks can tell never comes.
        if let Some(due) = Instant::now().checked_add(delay) {
            self.run.post().remind(&self.core, due, message);
        }
    }

    /// The next message; `None` once the user has been told to stop and its mailbox is empty.
    pub async fn receive(&self) -> Option<Mail<S::Message>> {
        self.core.receive(true).await
    }

    /// The next message, if it comes within `limit`.
    pub async fn receive_within(&self, limit: Duration) -> Received<S::Message> {
        match tokio::time::timeout(limit, self.core.receive(true)).await {
            Ok(Some(mail)) => Received::Mail(mail),
            Ok(None) => Received::Stopped,
            Err(_) => Received::TimedOut,
        }
    }

    /// The next message, if it comes within `limit`, even when the user has been told to stop: to
    /// await the last answers.
    pub async fn drain_within(&self, limit: Duration) -> Option<Mail<S::Message>> {
        tokio::time::timeout(limit, self.core.receive(false)).await.ok().flatten()
    }

    /// The next iteration; `None` when the user is to end, after which `start` should return. Make
    /// it the loop of your users' lives:
    ///
    /// ```
    /// # use crowd::prelude::*;
    /// # struct Shop;
    /// # impl Scenario for Shop {
    /// #     const NAME: &'static str = "shop";
    /// #     type Settings = ();
    /// #     type Message = ();
    /// #     async fn init(_: &Run<Self>) -> Result<Self, Failure> { Ok(Self) }
    /// async fn start(&self, user: User<Self>) -> Result<(), Failure> {
    ///     while let Some(_iteration) = user.next_iteration().await {
    ///         user.time("browse", async { Ok::<_, Failure>(()) }).await?;
    ///         # break;
    ///     }
    ///     Ok(())
    /// }
    /// # }
    /// ```
    ///
    /// What it means is up to the load that the run follows. Without a profile, and in a stage of
    /// users, the next iteration begins at once, until the user is told to stop or is no longer
    /// needed. In a stage of a rate, a user that was started for an arrival has that one iteration;
    /// with `arrivals=iterations` it waits for the next arrival. In a run with an `iteration_rate`
    /// all other users wait for a slot of that throttle. The time by which an iteration began later
    /// than planned counts into the response time of all that is timed in it.
    pub async fn next_iteration(&self) -> Option<Iteration> {
        let core = &self.core;
        core.minds_retirement();
        // What a user was started for is begun, though it may not be needed any more after that.
        let is_new = core.has_arrived() && core.iterations() == 0;
        if core.is_stopping() || core.is_retiring() && !is_new {
            return None;
        }
        let due = match core.has_arrived() {
            false => match &self.run.services().iteration_rate {
                None => None,
                Some(rate) => tokio::select! {
                    biased;
                    () = core.retired() => return None,
                    due = rate.slot() => Some(due),
                },
            },
            true if core.iterations() == 0 => core.started().checked_sub(core.late()),
            true => Some(self.run.services().gate.as_ref()?.next(core.retired()).await?),
        };
        let began = Instant::now();
        let late = due.map_or(Duration::ZERO, |due| began.saturating_duration_since(due));
        Some(Iteration::new(core.begin_iteration(late).into(), began, due, core.has_arrived()))
    }

    /// Iterations at a pace: as [`User::next_iteration`], and each begins when the cycle of the one
    /// before is over.
    pub fn iterations(&self, pacing: Pacing) -> Iterations<S> {
        Iterations::of(self.clone(), pacing)
    }

    /// A new stream of random numbers, which depends on the run's setting `seed`, on the user's id
    /// and on how many streams this user has drawn before, and on nothing else: in another run with
    /// the same seed, on whatever nodes, the same user makes the same choices. A user that is started
    /// again makes those of its first life again.
    pub fn random(&self) -> Random {
        Random::of(self.run.seed(), self.id(), self.core.next_stream())
    }

    /// One of these, by weight, at random.
    pub fn pick<'w, T>(&self, items: &'w Weighted<T>) -> &'w T {
        items.pick(&mut self.random())
    }

    /// Thinks, at random for as long as `time` says.
    ///
    /// # Errors
    /// Ends early with [`Stopped`] when the user is told to stop.
    pub async fn think(&self, time: ThinkTime) -> Result<(), Stopped> {
        self.sleep(time.sample(&mut self.random())).await
    }

    /// Keeps values of an answer: see [`Captures::take`]. What is not there and has no default is
    /// counted, as `capture missed NAME`, and fails nothing.
    pub fn capture<N: AsRef<str>, V: AsRef<[u8]>>(
        &self,
        captures: &mut Captures,
        wanted: &[Capture],
        headers: impl IntoIterator<Item = (N, V), IntoIter: Clone>,
        body: &[u8],
    ) {
        for missed in captures.take(wanted, headers, body) {
            self.run.count(&format!("capture missed {missed}"), 1);
        }
    }

    /// The next row of a feeder, in the order of that feeder over all users of the run; `None` if a
    /// sequential one has no more. A unique one gives this user the same row always.
    ///
    /// # Errors
    /// If a unique one has no row left for this user, which is the scenario's failure; if the master
    /// of the run has no part in it any more; and with [`Stopped`] when the user is told to stop
    /// while it waits.
    pub async fn feed(&self, feed: &Feed) -> Result<Option<Row>, Failure> {
        tokio::select! {
            biased;
            () = self.core.stopped() => Err(Stopped.into()),
            row = feed.next(self.id(), || self.random()) => row,
        }
    }

    /// Waits until the user is no longer needed, or is told to stop: a load profile wants fewer users
    /// now, or is over. For users that have no iterations, but a boundary of their own at which they
    /// may leave. Those that have not left after the run's `graceful_stop` are told to stop.
    pub async fn retired(&self) {
        self.core.minds_retirement();
        self.core.retired().await;
    }

    /// Whether the user is no longer needed, or has been told to stop.
    pub fn is_retiring(&self) -> bool {
        self.core.minds_retirement();
        self.core.is_retiring()
    }

    /// Waits until the user is told to stop. A user that ends soon after counts as stopped; one
    /// that does not may be killed.
    pub async fn stopped(&self) {
        self.core.stopped().await;
    }

    /// Whether the user has been told to stop.
    pub fn is_stopping(&self) -> bool {
        self.core.is_stopping()
    }

    /// Tells this user to stop, as `remove` does.
    pub fn stop(&self) {
        self.core.stop();
    }

    /// Waits until a throttle lets this user through.
    ///
    /// # Errors
    /// If the throttle is stopped; and with [`Stopped`] when the user is told to stop, so that a
    /// long queue holds nobody back from leaving.
    pub async fn wait(&self, throttle: &Throttle) -> Result<Permit, Failure> {
        tokio::select! {
            biased;
            () = self.core.stopped() => Err(Stopped.into()),
            permit = throttle.wait() => Ok(permit?),
        }
    }

    /// Sleeps.
    ///
    /// # Errors
    /// Ends early with [`Stopped`] when the user is told to stop.
    pub async fn sleep(&self, duration: Duration) -> Result<(), Stopped> {
        self.sleep_until(moment::after(Instant::now(), duration)).await
    }

    /// Sleeps until a moment.
    ///
    /// # Errors
    /// Ends early with [`Stopped`] when the user is told to stop.
    pub async fn sleep_until(&self, moment: Instant) -> Result<(), Stopped> {
        tokio::select! {
            biased;
            () = self.core.stopped() => Err(Stopped),
            () = tokio::time::sleep_until(moment) => Ok(()),
        }
    }

    /// Runs `action` and records how long it took under `name`, and its failure if it fails. If it
    /// does not come to an end, because the user is killed or gives it up on a stop, it counts as
    /// unfinished.
    ///
    /// # Errors
    /// The action's own, as a [`Failure`]; and [`Stopped`], with nothing begun, once the run ends and
    /// this user is not within an iteration.
    pub async fn time<T, E: Into<Failure>>(
        &self,
        name: &str,
        action: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure> {
        // What the iteration is late, all that it does is late.
        let began = Instant::now();
        let due = began.checked_sub(self.core.late()).unwrap_or(began);
        self.timed(name, began, due, action).await
    }

    /// As [`User::time`] for an action that should have started at `due`: a throttle's slot, a
    /// tick of a timer. The response time counts from there, so that waiting because the target
    /// was slow is not lost from the measurement; the service time counts from now.
    ///
    /// # Errors
    /// As [`User::time`].
    pub async fn time_since<T, E: Into<Failure>>(
        &self,
        due: Instant,
        name: &str,
        action: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure> {
        self.timed(name, Instant::now(), due, action).await
    }

    async fn timed<T, E: Into<Failure>>(
        &self,
        name: &str,
        began: Instant,
        due: Instant,
        action: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure> {
        if self.core.begins_nothing() {
            return Err(Stopped.into());
        }
        blame::Timed::new((name, self.run.measure(), self.id()), began, due, action).await
    }

    /// Begins an attempt at an action that was due at `due`, for code that knows better than
    /// [`User::time`] when it ends, or how. Dropped without an end it counts as unfinished.
    pub fn begin<'u>(&'u self, action: &'u str, due: Instant) -> Attempt<'u> {
        self.run.measure().begin(action, due, Some(self.id().0))
    }
}
