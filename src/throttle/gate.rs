//! The gate: one throttle's bucket and queue under one lock, and a way past the lock for a
//! throttle that is unlimited.
//!
//! A request locks the gate once. Whoever holds the lock lets through what is due, and what
//! follows from that (wakers, actions of users, events) is done after the lock is released.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hdrhistogram::Histogram;
use tokio::{runtime::Handle, sync::Notify, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    bucket::Bucket,
    info::{Lateness, Meter, ThrottleInfo, ThrottleState},
    outbox::Outbox,
    queue::{Call, Look, Queue, Ticket, What},
    rate::Rate,
    tally::Tally,
    waiting::Waiting,
};
use crate::telemetry::{
    Telemetry,
    event::{ThrottleInit, ThrottleRate, ThrottleRequest, ThrottleStop},
};

/// What all handles of a throttle share.
pub(crate) struct Gate {
    pub(super) name: Arc<str>,
    pub(super) telemetry: Telemetry,
    pub(super) runtime: Handle,
    /// Work that was let through and runs.
    pub(super) running: TaskTracker,
    /// Cancelled when the throttle is stopped.
    pub(super) ending: CancellationToken,
    /// How long a slot is kept for somebody who was called: the tolerance.
    patience: u64,
    /// Zero of the throttle's clock.
    origin: Instant,
    /// Unlimited, not paused and not stopped: nobody needs the lock.
    open: AtomicBool,
    /// What is in flight is limited: its ends matter.
    limits_flight: AtomicBool,
    tally: Tally,
    /// Wakes the pacer when what it waits for may have changed.
    pacer: Notify,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    bucket: Bucket,
    queue: Queue,
    lateness: Histogram<u64>,
    meter: Meter,
    /// Somebody was let through under this lock.
    gave: bool,
    /// How many waited when it was stopped; `None` while it is not.
    stopped: Option<u64>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Inner {
    /// How many wait, be they called or not.
    fn waiting(&self) -> u64 {
        self.queue.waiting() as u64 + self.queue.called()
    }
}

/// What asking ended with.
#[derive(Debug)]
pub(crate) enum Asked {
    Given(Answer),
    Queued(Waiting),
    Stopped,
}

/// What was given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) slots: u64,
    /// When it should have been let through: not before it asked.
    pub(crate) due: u64,
    /// When it was let through.
    pub(crate) released: u64,
}

impl Gate {
    /// A gate on this runtime, running from now on.
    pub(crate) fn new(
        name: Arc<str>,
        rate: Rate,
        tolerance: Duration,
        telemetry: Telemetry,
    ) -> Arc<Self> {
        let tolerance = u64::try_from(tolerance.as_nanos()).unwrap_or(u64::MAX);
        // An eighth is left for the way from here to the user's own code: a worker may be
        // interrupted on it, and the bound is to hold for what users do.
        let bucket = Bucket::new(rate, tolerance - tolerance / 8, 0);
        telemetry.emit(&ThrottleInit { name: name.clone() });
        telemetry.emit(&ThrottleRate { name: name.clone(), rate: rate.to_string() });
        Arc::new(Self {
            name,
            telemetry,
            runtime: Handle::current(),
            running: TaskTracker::new(),
            ending: CancellationToken::new(),
            // Even without any tolerance, whoever is called needs time to run.
            patience: tolerance.max(MILLISECOND),
            origin: Instant::now(),
            open: AtomicBool::new(bucket.is_open()),
            limits_flight: AtomicBool::new(bucket.limits_flight()),
            tally: Tally::default(),
            pacer: Notify::new(),
            inner: Mutex::new(Inner {
                bucket,
                queue: Queue::default(),
                // Grows as needed; three digits are always a valid number of digits.
                lateness: Histogram::new(3).unwrap_or_else(|_| unreachable!("three digits")),
                meter: Meter::new(0),
                gave: false,
                stopped: None,
            }),
        })
    }

    /// Whether everybody passes at once.
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.lock().stopped.is_some()
    }

    /// Passes an open gate without the lock.
    pub(crate) fn pass(&self, slots: u64, holds: bool) {
        self.tally.asked(slots);
        self.tally.given(slots);
        if !holds {
            self.tally.ended(slots);
        }
        self.telemetry.emit_with(1, || ThrottleRequest { name: self.name.clone() });
        self.executed(slots);
    }

    /// Asks for one slot or, up to `max`, as many as are due.
    pub(crate) fn ask(self: &Arc<Self>, max: u64, holds: bool) -> Asked {
        let mut out = Outbox::default();
        let mut inner = self.lock();
        let now = self.now();
        if inner.stopped.is_some() {
            return Asked::Stopped;
        }
        self.tally.asked(1);
        let asked = match self.at_once(&mut inner, now, max, &mut out) {
            Some(slots) => Asked::Given(self.give(&mut inner, now, slots, holds, now, &mut out)),
            None => {
                let ticket = Ticket::new(max, holds, now);
                self.enqueue(&mut inner, What::Ask(ticket.clone()), now, &mut out);
                Asked::Queued(Waiting::new(self.clone(), ticket))
            }
        };
        self.rest(&mut inner, now);
        drop(inner);
        self.telemetry.emit_with(1, || ThrottleRequest { name: self.name.clone() });
        self.deliver(out);
        asked
    }

    /// Has an action done in its turn; says whether the throttle still runs.
    pub(crate) fn send(self: &Arc<Self>, action: Box<dyn FnOnce() + Send>) -> bool {
        let mut out = Outbox::default();
        let mut inner = self.lock();
        let now = self.now();
        if inner.stopped.is_some() {
            return false;
        }
        self.tally.asked(1);
        if self.at_once(&mut inner, now, 1, &mut out).is_some() {
            self.give(&mut inner, now, 1, false, now, &mut out);
            out.actions.push(action);
        } else {
            self.enqueue(&mut inner, What::Send(action), now, &mut out);
        }
        self.rest(&mut inner, now);
        drop(inner);
        self.telemetry.emit_with(1, || ThrottleRequest { name: self.name.clone() });
        self.deliver(out);
        true
    }

    /// Somebody who was called is there: gives it what there is for it, or puts it back to its
    /// place. `None` if the throttle is stopped.
    pub(crate) fn claim(
        self: &Arc<Self>,
        ticket: &Arc<Ticket>,
        call: Call,
        context: &Context<'_>,
    ) -> Option<Poll<Answer>> {
        let mut out = Outbox::default();
        let mut inner = self.lock();
        let now = self.now();
        if inner.stopped.is_some() {
            return None;
        }
        inner.queue.answered(call);
        out.rate = inner.bucket.advance(now);
        out.forfeited += inner.bucket.forfeit(now);
        let free = inner.bucket.available(now, self.in_flight(&inner));
        let answer = if free > 0 {
            // Others that were called have their share.
            let share = free.saturating_sub(inner.queue.reserved()).max(1);
            let (slots, holds) = (share.min(ticket.max), ticket.holds);
            ticket.settle();
            Poll::Ready(self.give(&mut inner, now, slots, holds, ticket.asked_at, &mut out))
        } else {
            ticket.wait_again(context);
            inner.queue.put_back(call.order, ticket.clone());
            self.pacer.notify_one();
            Poll::Pending
        };
        self.pump(&mut inner, now, &mut out);
        self.rest(&mut inner, now);
        drop(inner);
        self.deliver(out);
        Some(answer)
    }

    /// Somebody does not wait any longer. Whatever was kept for it goes to others.
    pub(crate) fn give_up(self: &Arc<Self>, ticket: &Ticket) {
        let mut out = Outbox::default();
        let mut inner = self.lock();
        let now = self.now();
        let (look, waker) = ticket.settle();
        if inner.stopped.is_none() && !matches!(look, Look::Over) {
            self.tally.cancelled();
            match look {
                Look::Called(call) => inner.queue.answered(call),
                _ => inner.queue.given_up(&mut out.dead),
            }
            self.pump(&mut inner, now, &mut out);
            self.rest(&mut inner, now);
        }
        drop(inner);
        drop(waker);
        self.deliver(out);
    }

    /// Something in flight ended.
    pub(crate) fn ended(self: &Arc<Self>) {
        self.tally.ended(1);
        if self.limits_flight.load(Ordering::SeqCst) {
            self.tick();
        }
    }

    /// Lets through what is due; says when to come again.
    pub(crate) fn tick(self: &Arc<Self>) -> Instant {
        let mut out = Outbox::default();
        let mut inner = self.lock();
        let now = self.now();
        self.pump(&mut inner, now, &mut out);
        self.rest(&mut inner, now);
        inner.meter.look(now, || self.tally.totals());
        let mut next = inner.meter.next_look();
        if inner.queue.waiting() > 0 {
            let due = inner.bucket.next_due(inner.queue.reserved());
            let expiry = inner.queue.oldest_call().map(|at| at.saturating_add(self.patience));
            next = next.min(due.unwrap_or(u64::MAX)).min(expiry.unwrap_or(u64::MAX));
        }
        if let Some(change) = inner.bucket.next_change() {
            // Steps may be shorter than anybody wants to be told of.
            next = next.min(change.max(now + MILLISECOND));
        }
        if inner.stopped.is_some() {
            next = u64::MAX;
        }
        drop(inner);
        self.deliver(out);
        self.instant(next.min(now + DAY))
    }

    /// Waits until the pacer has something new to look at.
    pub(crate) async fn changed(&self) {
        self.pacer.notified().await;
    }

    /// Changes the bucket, and lets through what is due before and after. `None` if the throttle
    /// is stopped.
    pub(crate) fn control<T>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Bucket, u64) -> T,
    ) -> Option<T> {
        let mut out = Outbox::default();
        let mut inner = self.lock();
        let now = self.now();
        if inner.stopped.is_some() {
            return None;
        }
        self.pump(&mut inner, now, &mut out);
        let outcome = change(&mut inner.bucket, now);
        // The limit goes up before the queue is looked at, so that whatever ends from now on
        // looks at the queue too.
        self.limits_flight.store(inner.bucket.limits_flight(), Ordering::SeqCst);
        self.pump(&mut inner, now, &mut out);
        self.rest(&mut inner, now);
        self.open.store(inner.bucket.is_open(), Ordering::Release);
        drop(inner);
        self.deliver(out);
        self.pacer.notify_one();
        Some(outcome)
    }

    /// Stops the throttle: everybody who waits is answered with an error, what runs is dropped.
    pub(crate) fn close(self: &Arc<Self>) {
        let mut out = Outbox::default();
        let mut inner = self.lock();
        if inner.stopped.is_some() {
            return;
        }
        let waiting = inner.waiting();
        inner.stopped = Some(waiting);
        self.open.store(false, Ordering::Release);
        for entry in inner.queue.drain() {
            if let What::Ask(ticket) = &entry.what {
                out.wakers.extend(ticket.stop());
            }
            out.dead.push(entry);
        }
        drop(inner);
        self.ending.cancel();
        self.running.close();
        self.deliver(out);
        self.pacer.notify_one();
        self.telemetry.emit(&ThrottleStop { name: self.name.clone(), waiting });
    }

    /// Everything known of it.
    pub(crate) fn info(&self) -> ThrottleInfo {
        let inner = self.lock();
        let now = self.now();
        let totals = self.tally.totals();
        let ramp = inner.bucket.ramp_at(now);
        let [lately, overall] = inner.meter.rates(now, totals);
        ThrottleInfo {
            name: self.name.to_string(),
            rate: inner.bucket.rate_at(now).to_string(),
            ramp: ramp.map(|(ramp, _)| ramp.to_string()),
            ramp_remaining_ms: ramp.map(|(_, left)| left.div_ceil(MILLISECOND)),
            state: match inner.stopped {
                Some(_) => ThrottleState::Stopped,
                None if inner.bucket.is_paused() => ThrottleState::Paused,
                None => ThrottleState::Running,
            },
            waiting: inner.stopped.unwrap_or_else(|| inner.waiting()),
            in_flight: self.tally.in_flight(),
            requested: totals.asked,
            granted: totals.given,
            cancelled: totals.cancelled,
            forfeited: inner.bucket.forfeited(),
            lateness: Lateness::from(&inner.lateness),
            asked_per_second: lately.0,
            given_per_second: lately.1,
            asked_per_second_overall: overall.0,
            given_per_second_overall: overall.1,
        }
    }

    /// The moment on the clock of everybody.
    pub(crate) fn instant(&self, time: u64) -> Instant {
        self.origin + Duration::from_nanos(time)
    }

    /// How many slots, up to `max`, somebody who comes may have at once: none if others wait.
    fn at_once(&self, inner: &mut Inner, now: u64, max: u64, out: &mut Outbox) -> Option<u64> {
        out.rate = inner.bucket.advance(now).or(out.rate);
        if inner.queue.waiting() > 0 {
            return None;
        }
        if inner.queue.called() == 0 {
            inner.bucket.first_comes(now);
        } else {
            out.forfeited += inner.bucket.forfeit(now);
        }
        let free = inner.bucket.available(now, self.in_flight(inner));
        let slots = free.saturating_sub(inner.queue.reserved()).min(max);
        (slots > 0).then_some(slots)
    }

    fn enqueue(&self, inner: &mut Inner, what: What, now: u64, out: &mut Outbox) {
        inner.queue.push(what);
        if inner.queue.waiting() == 1 {
            self.pacer.notify_one();
        } else {
            // Whoever holds the lock lets through what is due: no need to wait for the pacer.
            self.pump(inner, now, out);
        }
    }

    /// Lets through what is due, in the order it came.
    fn pump(&self, inner: &mut Inner, now: u64, out: &mut Outbox) {
        out.rate = inner.bucket.advance(now).or(out.rate);
        if inner.queue.waiting() == 0 {
            return;
        }
        if let Some(expired) = now.checked_sub(self.patience) {
            inner.queue.expire(expired);
        }
        out.forfeited += inner.bucket.forfeit(now);
        let open = inner.bucket.is_open();
        let free = inner.bucket.available(now, self.in_flight(inner));
        let mut free = free.saturating_sub(inner.queue.reserved());
        let mut called = false;
        while free > 0
            && let Some(entry) = inner.queue.pop(&mut out.dead)
        {
            let order = entry.order();
            match entry.what {
                What::Ask(ticket) => {
                    let slots = ticket.max.min(free);
                    out.wakers.extend(inner.queue.call(order, &ticket, slots, now));
                    called = true;
                    if !open {
                        free -= slots;
                    }
                }
                What::Send(action) => {
                    self.give(inner, now, 1, false, now, out);
                    out.actions.push(action);
                    // What takes no time leaves room for others under a limit of what is in
                    // flight.
                    if inner.bucket.is_timed() {
                        free -= 1;
                    }
                }
            }
        }
        if called && inner.queue.waiting() > 0 && !inner.bucket.is_timed() {
            // No slot comes due that would make it look after those that were called.
            self.pacer.notify_one();
        }
    }

    fn give(
        &self,
        inner: &mut Inner,
        now: u64,
        slots: u64,
        holds: bool,
        asked_at: u64,
        out: &mut Outbox,
    ) -> Answer {
        let due = inner.bucket.give(now, slots);
        inner.gave = true;
        if inner.bucket.is_timed() {
            let late = now.saturating_sub(due) / 1_000;
            // Cannot fail: the histogram grows as needed.
            let _ = inner.lateness.record_n(late, slots);
        }
        // Who takes many asked once, for as many as it got.
        self.tally.asked(slots - 1);
        self.tally.given(slots);
        if !holds {
            self.tally.ended(slots);
        }
        out.executed(slots);
        Answer { slots, due: due.max(asked_at), released: now }
    }

    /// After anything that may have let through the last that waited.
    fn rest(&self, inner: &mut Inner, now: u64) {
        if std::mem::take(&mut inner.gave) && inner.waiting() == 0 {
            inner.bucket.last_went(now);
        }
    }

    /// What is in flight, if that matters.
    fn in_flight(&self, inner: &Inner) -> u64 {
        if inner.bucket.limits_flight() { self.tally.in_flight() } else { 0 }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const MILLISECOND: u64 = 1_000_000;
/// A pacer looks up at least once a day, so that no timer is set beyond what timers can do.
const DAY: u64 = 86_400_000 * MILLISECOND;
