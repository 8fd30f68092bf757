//! What the runtime keeps of a running user.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering},
    },
    task::Poll,
    time::Duration,
};

use tokio::{
    sync::Notify,
    task::AbortHandle,
    time::{Instant, Sleep, sleep_until},
};

use super::{
    id::UserId,
    mailbox::{Mail, Mailbox, Undelivered},
};
use crate::scenario::Message;

const ARRIVED: u8 = 1;
const MINDS_RETIREMENT: u8 = 2;

/// The runtime's side of a user. What a user may never need is made on first use: the mailbox
/// holds no queue until somebody writes to it.
pub struct UserCore {
    id: UserId,
    started: Instant,
    stopping: AtomicBool,
    retiring: AtomicBool,
    ended: AtomicBool,
    /// Whether it was started for an arrival, and whether it has boundaries of its own at which it
    /// leaves, iterations say: [`ARRIVED`] and [`MINDS_RETIREMENT`].
    leaves: AtomicU8,
    /// How many iterations have begun.
    iterations: AtomicU32,
    /// How many random streams were drawn.
    streams: AtomicU32,
    /// How much later than planned the current one began, in microseconds; of an hour at the most.
    late: AtomicU32,
    /// Woken on a stop and on mail.
    wake: Notify,
    mailbox: Mailbox,
    task: OnceLock<AbortHandle>,
}

impl fmt::Debug for UserCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserCore").field("id", &self.id).finish_non_exhaustive()
    }
}

impl UserCore {
    /// A user without a history.
    #[cfg(test)]
    pub(crate) fn new(id: UserId, started: Instant) -> Self {
        Self::arrived(id, started, None)
    }

    /// A user that starts; if it is started for an arrival, with when that was due.
    pub(crate) fn arrived(id: UserId, started: Instant, due: Option<Instant>) -> Self {
        Self {
            id,
            started,
            stopping: AtomicBool::new(false),
            retiring: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            leaves: AtomicU8::new(if due.is_some() { ARRIVED } else { 0 }),
            iterations: AtomicU32::new(0),
            streams: AtomicU32::new(0),
            late: AtomicU32::new(
                due.map_or(0, |due| micros(started.saturating_duration_since(due))),
            ),
            wake: Notify::new(),
            mailbox: Mailbox::default(),
            task: OnceLock::new(),
        }
    }

    /// The user's id.
    pub fn id(&self) -> UserId {
        self.id
    }

    /// When the user started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Whether the user has been told to stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Whether the user has ended.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Tells the user to stop. It may act on it or not.
    pub fn stop(&self) {
        if !self.stopping.swap(true, Ordering::AcqRel) {
            self.wake.notify_waiters();
        }
    }

    /// Whether the user is no longer needed: it is to end at the boundary of an iteration.
    pub(crate) fn is_retiring(&self) -> bool {
        self.retiring.load(Ordering::Acquire) || self.is_stopping()
    }

    /// The user has boundaries of its own at which it leaves when it is no longer needed.
    pub(crate) fn minds_retirement(&self) {
        if self.leaves.load(Ordering::Relaxed) & MINDS_RETIREMENT == 0 {
            self.leaves.fetch_or(MINDS_RETIREMENT, Ordering::Relaxed);
        }
    }

    /// Whether the user leaves by itself, at a boundary of its own, when it is no longer needed. One
    /// that was started for an arrival does when it has done what it was started for.
    pub(crate) fn leaves_by_itself(&self) -> bool {
        self.leaves.load(Ordering::Relaxed) != 0
    }

    /// Whether the user may begin nothing new: it is no longer needed, and has no boundary of its own
    /// up to which it might go on.
    pub(crate) fn begins_nothing(&self) -> bool {
        self.retiring.load(Ordering::Acquire) && !self.leaves_by_itself()
    }

    /// Tells the user that it is no longer needed. It may end its iteration.
    pub(crate) fn retire(&self) {
        if !self.retiring.swap(true, Ordering::AcqRel) {
            self.wake.notify_waiters();
        }
    }

    /// Waits until the user is to end, now or at the boundary of an iteration.
    pub(crate) async fn retired(&self) {
        self.wait_for(|| self.is_retiring().then_some(())).await;
    }

    /// Whether the user was started for an arrival.
    pub(crate) fn has_arrived(&self) -> bool {
        self.leaves.load(Ordering::Relaxed) & ARRIVED != 0
    }

    /// An iteration begins, so much later than planned. Answers how many have begun before.
    pub(crate) fn begin_iteration(&self, late: Duration) -> u32 {
        self.late.store(micros(late), Ordering::Relaxed);
        self.iterations.fetch_add(1, Ordering::Relaxed)
    }

    /// How many iterations have begun.
    pub(crate) fn iterations(&self) -> u32 {
        self.iterations.load(Ordering::Relaxed)
    }

    /// The number of the next random stream, from 0.
    pub(crate) fn next_stream(&self) -> u64 {
        u64::from(self.streams.fetch_add(1, Ordering::Relaxed))
    }

    /// How much later than planned the current iteration began.
    pub(crate) fn late(&self) -> Duration {
        Duration::from_micros(self.late.load(Ordering::Relaxed).into())
    }

    /// Ends the user at its next await, whatever it does.
    pub(crate) fn kill(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }

    /// Binds the user to the task it runs as. Called once, right after the task was spawned.
    pub(crate) fn runs_as(&self, task: AbortHandle) {
        // A second call cannot happen; if it did, the first task is the user's.
        let _ = self.task.set(task);
    }

    /// The user's last act: nobody can write to it any more.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.mailbox.close();
    }

    /// Waits until the user is told to stop.
    pub(crate) async fn stopped(&self) {
        self.wait_for(|| self.is_stopping().then_some(())).await;
    }

    /// The next message, or `None` when the user stops and `until_stopped` is asked for.
    pub(crate) async fn receive<M: Message>(&self, until_stopped: bool) -> Option<Mail<M>> {
        let ready = || match self.mailbox.pop(Instant::now) {
            Some(mail) => Some(Some(mail)),
            None if until_stopped && self.is_stopping() => Some(None),
            None => None,
        };
        // In a box, and made when it is needed: most users never wait for one.
        let mut timer: Option<Pin<Box<Sleep>>> = None;
        loop {
            if let Some(value) = ready() {
                return value;
            }
            let notified = self.wake.notified();
            tokio::pin!(notified);
            // Listen before looking again, so that a wake in between is not lost.
            notified.as_mut().enable();
            if let Some(value) = ready() {
                return value;
            }
            match (self.mailbox.next_due::<M>(), &mut timer) {
                (None, _) => timer = None,
                (Some(due), Some(timer)) => timer.as_mut().reset(due),
                (Some(due), None) => timer = Some(Box::pin(sleep_until(due))),
            }
            poll_fn(|cx| match (notified.as_mut().poll(cx), &mut timer) {
                (Poll::Pending, Some(timer)) => timer.as_mut().poll(cx),
                (poll, _) => poll,
            })
            .await;
        }
    }

    /// Puts a message into the mailbox.
    pub(crate) fn deliver<M: Message>(&self, mail: Mail<M>) -> Result<(), Undelivered> {
        self.mailbox.push(mail, Instant::now)?;
        self.wake.notify_waiters();
        Ok(())
    }

    /// Leaves a message for later in the mailbox.
    pub(crate) fn deliver_at<M: Message>(
        &self,
        due: Instant,
        mail: Mail<M>,
    ) -> Result<(), Undelivered> {
        self.mailbox.push_later(due, mail)?;
        // Whoever receives has to wake earlier now, perhaps.
        self.wake.notify_waiters();
        Ok(())
    }

    /// Waits until `ready` answers; it is asked again after every wake.
    async fn wait_for<T>(&self, ready: impl Fn() -> Option<T>) -> T {
        loop {
            if let Some(value) = ready() {
                return value;
            }
            let notified = self.wake.notified();
            tokio::pin!(notified);
            // Listen before looking again, so that a wake in between is not lost.
            notified.as_mut().enable();
            if let Some(value) = ready() {
                return value;
            }
            notified.await;
        }
    }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}
