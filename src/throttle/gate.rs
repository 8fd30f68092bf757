//! The gate: one throttle's supply of slots and its queue under one lock, and a way past the lock for a
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

use crowd_core::telemetry::{
    Telemetry,
    event::{ThrottleInit, ThrottleRate, ThrottleStop},
};
use hdrhistogram::Histogram;
use tokio::{runtime::Handle, sync::Notify, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    bucket::Bucket,
    holdings::Holdings,
    info::{Lateness, Meter, ThrottleInfo, ThrottleState},
    outbox::Outbox,
    queue::{Queue, What},
    rate::Rate,
    supply::Supply,
    tally::Tally,
    waiting::Waiting,
};

mod lease;
mod turns;

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
    tolerance: u64,
    /// Zero of the throttle's clock.
    origin: Instant,
    /// Unlimited, not paused and not stopped: nobody needs the lock.
    open: AtomicBool,
    /// What is in flight is limited: its ends matter.
    limits_flight: AtomicBool,
    tally: Tally,
    /// Wakes the pacer when what it waits for may have changed.
    pacer: Notify,
    /// Wakes whoever tells the master what is wanted here.
    courier: Option<Arc<Notify>>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    supply: Supply,
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
        let origin = Instant::now();
        Self::with(name, Supply::Own(bucket), tolerance, origin, None, telemetry)
    }

    /// A gate for what the master gives. Its clock is that of the mesh, whose zero is `origin`.
    pub(crate) fn leased(
        name: Arc<str>,
        holdings: Holdings,
        origin: Instant,
        courier: Arc<Notify>,
        telemetry: Telemetry,
    ) -> Arc<Self> {
        let tolerance = holdings.tolerance(nanos_since(origin));
        Self::with(name, Supply::Leased(holdings), tolerance, origin, Some(courier), telemetry)
    }

    fn with(
        name: Arc<str>,
        supply: Supply,
        tolerance: u64,
        origin: Instant,
        courier: Option<Arc<Notify>>,
        telemetry: Telemetry,
    ) -> Arc<Self> {
        let now = nanos_since(origin);
        let rate = supply.rate_at(now).to_string();
        telemetry.emit(&ThrottleInit { name: name.clone() });
        telemetry.emit(&ThrottleRate { name: name.clone(), rate });
        Arc::new(Self {
            name,
            telemetry,
            runtime: Handle::current(),
            running: TaskTracker::new(),
            ending: CancellationToken::new(),
            // Even without any tolerance, whoever is called needs time to run.
            patience: tolerance.max(MILLISECOND),
            tolerance,
            origin,
            open: AtomicBool::new(supply.is_open()),
            limits_flight: AtomicBool::new(supply.limits_flight()),
            tally: Tally::default(),
            pacer: Notify::new(),
            courier,
            inner: Mutex::new(Inner {
                supply,
                queue: Queue::default(),
                // Grows as needed; three digits are always a valid number of digits.
                lateness: Histogram::new(3).unwrap_or_else(|_| unreachable!("three digits")),
                meter: Meter::new(now),
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
            let due = inner.supply.next_due(inner.queue.reserved());
            let expiry = inner.queue.oldest_call().map(|at| at.saturating_add(self.patience));
            next = next.min(due.unwrap_or(u64::MAX)).min(expiry.unwrap_or(u64::MAX));
        }
        if let Some(change) = inner.supply.next_change() {
            // Steps may be shorter than anybody wants to be told of.
            next = next.min(change.max(now + MILLISECOND));
        }
        // The master's word may have ended.
        self.open.store(inner.supply.is_open() && inner.stopped.is_none(), Ordering::Release);
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

    /// Changes the supply, and lets through what is due before and after. `None` if the throttle
    /// is stopped.
    pub(crate) fn control<T>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Supply, u64) -> T,
    ) -> Option<T> {
        let mut out = Outbox::default();
        let mut inner = self.lock();
        let now = self.now();
        if inner.stopped.is_some() {
            return None;
        }
        self.pump(&mut inner, now, &mut out);
        let outcome = change(&mut inner.supply, now);
        // The limit goes up before the queue is looked at, so that whatever ends from now on
        // looks at the queue too.
        self.limits_flight.store(inner.supply.limits_flight(), Ordering::SeqCst);
        self.pump(&mut inner, now, &mut out);
        self.rest(&mut inner, now);
        self.open.store(inner.supply.is_open(), Ordering::Release);
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
        let ramp = inner.supply.ramp_at(now);
        let [lately, overall] = inner.meter.rates(now, totals);
        ThrottleInfo {
            name: self.name.to_string(),
            rate: inner.supply.rate_at(now).to_string(),
            ramp: ramp.map(|(ramp, _)| ramp.to_string()),
            ramp_remaining_ms: ramp.map(|(_, left)| left.div_ceil(MILLISECOND)),
            state: match inner.stopped {
                Some(_) => ThrottleState::Stopped,
                None if inner.supply.is_paused() => ThrottleState::Paused,
                None => ThrottleState::Running,
            },
            waiting: inner.stopped.unwrap_or_else(|| inner.waiting()),
            in_flight: self.tally.in_flight(),
            requested: totals.asked,
            granted: totals.given,
            cancelled: totals.cancelled,
            forfeited: inner.supply.forfeited(),
            undealt: 0,
            lateness: Lateness::from(&inner.lateness),
            tolerance_us: inner
                .supply
                .leased_tolerance(now)
                .unwrap_or(self.tolerance - self.tolerance / 8)
                / 1_000,
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

    /// What is in flight, if that matters.
    fn in_flight(&self, inner: &Inner) -> u64 {
        if inner.supply.limits_flight() { self.tally.in_flight() } else { 0 }
    }

    fn now(&self) -> u64 {
        nanos_since(self.origin)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn nanos_since(origin: Instant) -> u64 {
    u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

const MILLISECOND: u64 = 1_000_000;
/// A pacer looks up at least once a day, so that no timer is set beyond what timers can do.
const DAY: u64 = 86_400_000 * MILLISECOND;
