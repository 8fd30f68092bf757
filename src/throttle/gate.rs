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
    time::Duration,
};

use hdrhistogram::Histogram;
use tokio::{runtime::Handle, sync::Notify, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    bucket::{Bucket, Given},
    info::{Lateness, Meter, ThrottleInfo, ThrottleState},
    outbox::Outbox,
    queue::{Answer, Entry, Queue, Stage, Ticket, Withdrawn},
    rate::Rate,
    tally::Tally,
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
    /// How many waited when it was stopped; `None` while it is not.
    stopped: Option<u64>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What asking ended with.
pub(crate) enum Asked {
    Given(Answer),
    Queued(Arc<Ticket>),
    Stopped,
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
        let bucket = Bucket::new(rate, tolerance, 0);
        telemetry.emit(&ThrottleInit { name: name.clone() });
        telemetry.emit(&ThrottleRate { name: name.clone(), rate: rate.to_string() });
        Arc::new(Self {
            name,
            telemetry,
            runtime: Handle::current(),
            running: TaskTracker::new(),
            ending: CancellationToken::new(),
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
        let asked = if let Some((slots, given)) = self.at_once(&mut inner, now, max) {
            if !holds {
                self.tally.ended(slots);
            }
            out.executed(slots);
            Asked::Given(Answer { given, slots, due: given.due.max(now), released: now })
        } else {
            let ticket = Ticket::new(holds);
            let entry = Entry::Ask { ticket: ticket.clone(), max, asked_at: now };
            self.enqueue(&mut inner, entry, now, &mut out);
            Asked::Queued(ticket)
        };
        drop(inner);
        self.telemetry.emit_with(1, || ThrottleRequest { name: self.name.clone() });
        self.deliver(out);
        asked
    }

    /// Puts an action or work into the queue; gives it back if the throttle is stopped.
    pub(crate) fn enter(self: &Arc<Self>, entry: Entry) -> Result<(), Entry> {
        let mut out = Outbox::default();
        let mut inner = self.lock();
        let now = self.now();
        if inner.stopped.is_some() {
            return Err(entry);
        }
        self.tally.asked(1);
        match self.at_once(&mut inner, now, 1) {
            Some((_, given)) => {
                let answer = Answer { given, slots: 1, due: given.due.max(now), released: now };
                self.let_through(entry, answer, &mut out);
            }
            None => self.enqueue(&mut inner, entry, now, &mut out),
        }
        drop(inner);
        self.telemetry.emit_with(1, || ThrottleRequest { name: self.name.clone() });
        self.deliver(out);
        Ok(())
    }

    /// Somebody does not want to know the answer any more.
    pub(crate) fn withdraw(self: &Arc<Self>, ticket: &Ticket) {
        let mut out = Outbox::default();
        let mut inner = self.lock();
        let (withdrawn, waker) = ticket.withdraw();
        match withdrawn {
            Withdrawn::Waiting => {
                self.tally.cancelled();
                inner.queue.withdrawn(&mut out.dead);
            }
            Withdrawn::Unseen(answer) => {
                self.tally.unseen(answer.slots, ticket.holds());
                if answer.slots == 1 {
                    inner.bucket.take_back(answer.given);
                }
                self.pump(&mut inner, self.now(), &mut out);
            }
            Withdrawn::Settled => {}
        }
        drop(inner);
        drop(waker);
        self.deliver(out);
    }

    /// Work is not wanted any more; if it still waits, it does not wait on.
    pub(crate) fn drop_work(self: &Arc<Self>, stage: &Stage) {
        let mut out = Outbox::default();
        let mut inner = self.lock();
        if inner.stopped.is_none() && stage.drop_waiting() {
            self.tally.cancelled();
            inner.queue.withdrawn(&mut out.dead);
        }
        drop(inner);
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
        inner.meter.look(now, || self.tally.totals());
        let mut next = inner.meter.next_look();
        if inner.queue.waiting() > 0
            && let Some(due) = inner.bucket.next_due()
        {
            next = next.min(due);
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
        let waiting = inner.queue.waiting() as u64;
        inner.stopped = Some(waiting);
        self.open.store(false, Ordering::Release);
        for entry in inner.queue.drain() {
            if let Entry::Ask { ticket, .. } = &entry {
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
            waiting: inner.stopped.unwrap_or(inner.queue.waiting() as u64),
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

    /// If nobody waits and something may be given, gives it.
    fn at_once(&self, inner: &mut Inner, now: u64, max: u64) -> Option<(u64, Given)> {
        if inner.queue.waiting() > 0 {
            return None;
        }
        inner.bucket.first_comes(now);
        let free = inner.bucket.available(now, self.in_flight(inner));
        if free == 0 {
            return None;
        }
        let slots = max.min(free);
        let given = inner.bucket.give_many(now, slots);
        self.count_given(inner, given, slots, now);
        inner.bucket.last_went(now);
        Some((slots, given))
    }

    fn enqueue(&self, inner: &mut Inner, entry: Entry, now: u64, out: &mut Outbox) {
        inner.queue.push(entry);
        if inner.queue.waiting() == 1 {
            self.pacer.notify_one();
        } else {
            // Whoever holds the lock releases what is due: no need to wait for the pacer.
            self.pump(inner, now, out);
        }
    }

    /// Lets through what is due, in the order it came.
    fn pump(&self, inner: &mut Inner, now: u64, out: &mut Outbox) {
        out.rate = inner.bucket.advance(now).or(out.rate);
        if inner.queue.waiting() == 0 {
            return;
        }
        out.forfeited += inner.bucket.forfeit(now);
        let mut free = inner.bucket.available(now, self.in_flight(inner));
        if free == 0 {
            return;
        }
        let (timed, limits) = (inner.bucket.is_timed(), inner.bucket.limits_flight());
        while free > 0
            && let Some(entry) = inner.queue.pop(&mut out.dead)
        {
            let (slots, asked_at) = match &entry {
                Entry::Ask { max, asked_at, .. } => (free.min(*max), *asked_at),
                Entry::Send(_) | Entry::Run(_) => (1, 0),
            };
            let given = inner.bucket.give_many(now, slots);
            self.count_given(inner, given, slots, now);
            if timed || (limits && entry.holds()) {
                free -= slots;
            }
            let answer = Answer { given, slots, due: given.due.max(asked_at), released: now };
            self.let_through(entry, answer, out);
        }
        if inner.queue.waiting() == 0 {
            inner.bucket.last_went(now);
        }
    }

    fn let_through(&self, entry: Entry, answer: Answer, out: &mut Outbox) {
        out.executed(answer.slots);
        if !entry.holds() {
            self.tally.ended(answer.slots);
        }
        match entry {
            Entry::Ask { ticket, .. } => out.wakers.extend(ticket.answer(answer)),
            Entry::Send(action) => out.actions.push(action),
            Entry::Run(work) => {
                work.stage.take();
                out.work.push((work, answer));
            }
        }
    }

    fn count_given(&self, inner: &mut Inner, given: Given, slots: u64, now: u64) {
        self.tally.given(slots);
        if inner.bucket.is_timed() {
            let late = now.saturating_sub(given.due) / 1_000;
            inner.lateness.saturating_record_n(late, slots);
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
