//! Asking for a turn, and letting through those whose turn it is.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use crowd_core::telemetry::event::ThrottleRequest;

use super::{Answer, Asked, Gate, Inner};
use crate::throttle::{
    outbox::Outbox,
    queue::{Call, Look, Ticket, What},
    supply::Supply,
    waiting::Waiting,
};

impl Gate {
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
        out.rate = inner.supply.advance(now);
        out.forfeited += inner.supply.forfeit(now);
        let free = inner.supply.available(now, self.in_flight(&inner));
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

    /// How many slots, up to `max`, somebody who comes may have at once: none if others wait.
    fn at_once(&self, inner: &mut Inner, now: u64, max: u64, out: &mut Outbox) -> Option<u64> {
        out.rate = inner.supply.advance(now).or(out.rate);
        if inner.queue.waiting() > 0 {
            return None;
        }
        if inner.queue.called() == 0 {
            inner.supply.first_comes(now);
        } else {
            out.forfeited += inner.supply.forfeit(now);
        }
        let free = inner.supply.available(now, self.in_flight(inner));
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
    pub(super) fn pump(&self, inner: &mut Inner, now: u64, out: &mut Outbox) {
        out.rate = inner.supply.advance(now).or(out.rate);
        if inner.queue.waiting() == 0 {
            return;
        }
        if let Some(expired) = now.checked_sub(self.patience) {
            inner.queue.expire(expired);
        }
        out.forfeited += inner.supply.forfeit(now);
        let open = inner.supply.is_open();
        let free = inner.supply.available(now, self.in_flight(inner));
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
                    if inner.supply.is_timed() {
                        free -= 1;
                    }
                }
            }
        }
        if called && inner.queue.waiting() > 0 && !inner.supply.is_timed() {
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
        let due = inner.supply.give(now, slots);
        inner.gave = true;
        if inner.supply.is_timed() {
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
    pub(super) fn rest(&self, inner: &mut Inner, now: u64) {
        if std::mem::take(&mut inner.gave) && inner.waiting() == 0 {
            inner.supply.last_went(now);
        }
        if let (Some(courier), Supply::Leased(holdings)) = (&self.courier, &mut inner.supply) {
            let waiting = inner.queue.waiting() as u64 + inner.queue.called();
            if holdings.poke(waiting) {
                courier.notify_one();
            }
        }
    }
}
