//! Who waits, in the order they came. To wait costs an entry, not a task.
//!
//! When it is somebody's turn it is *called*: taken out of the queue and woken. Only when it runs
//! does it take its slot, so that what users do is spaced as the slots are, however late the
//! runtime lets them run. If there is none left by then, it goes back to its place in the queue.

use std::{
    collections::VecDeque,
    fmt, mem,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Waker},
};

/// Somebody in the queue.
pub(crate) struct Entry {
    /// Grows with each that comes.
    order: u64,
    pub(crate) what: What,
}

/// What somebody waits for.
pub(crate) enum What {
    Ask(Arc<Ticket>),
    /// To have a short action done.
    Send(Box<dyn FnOnce() + Send>),
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entry").field(&self.order).finish_non_exhaustive()
    }
}

impl Entry {
    pub(crate) fn order(&self) -> u64 {
        self.order
    }

    fn is_gone(&self) -> bool {
        match &self.what {
            What::Ask(ticket) => ticket.is_gone(),
            What::Send(_) => false,
        }
    }
}

/// What somebody who asked holds. It changes under the gate's lock only, but for its waker.
#[derive(Debug)]
pub(crate) struct Ticket {
    /// Wants between one and so many slots.
    pub(crate) max: u64,
    /// Whether it is in flight afterwards.
    pub(crate) holds: bool,
    pub(crate) asked_at: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Waiting(Option<Waker>),
    Called(Call),
    Stopped,
    /// Let through, or given up.
    Gone,
}

/// A call: when, at which place of the queue, and for how many slots.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) at: u64,
    pub(crate) order: u64,
    pub(crate) slots: u64,
}

/// What a ticket is when somebody looks at it.
#[derive(Debug)]
pub(crate) enum Look {
    Waiting,
    Called(Call),
    Over,
}

impl Ticket {
    pub(crate) fn new(max: u64, holds: bool, asked_at: u64) -> Arc<Self> {
        Arc::new(Self { max, holds, asked_at, state: Mutex::new(State::Waiting(None)) })
    }

    fn replace(&self, state: State) -> State {
        mem::replace(&mut *self.state.lock().unwrap_or_else(PoisonError::into_inner), state)
    }

    fn is_gone(&self) -> bool {
        matches!(*self.state.lock().unwrap_or_else(PoisonError::into_inner), State::Gone)
    }

    /// Calls it. Its waker is to be woken after the gate's lock is released.
    pub(crate) fn call(&self, call: Call) -> Option<Waker> {
        match self.replace(State::Called(call)) {
            State::Waiting(waker) => waker,
            _ => None,
        }
    }

    /// Answers it with the end of the throttle; the waker as above.
    pub(crate) fn stop(&self) -> Option<Waker> {
        match self.replace(State::Stopped) {
            State::Waiting(waker) => waker,
            _ => None,
        }
    }

    /// It is let through or given up: what it was, and its waker to be dropped after the gate's
    /// lock is released.
    pub(crate) fn settle(&self) -> (Look, Option<Waker>) {
        match self.replace(State::Gone) {
            State::Waiting(waker) => (Look::Waiting, waker),
            State::Called(call) => (Look::Called(call), None),
            State::Stopped | State::Gone => (Look::Over, None),
        }
    }

    /// It was called in vain and waits again.
    pub(crate) fn wait_again(&self, context: &Context<'_>) {
        self.replace(State::Waiting(Some(context.waker().clone())));
    }

    /// What it is; if it waits, it will be woken.
    pub(crate) fn look(&self, context: &Context<'_>) -> Look {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *state {
            State::Waiting(Some(waker)) if waker.will_wake(context.waker()) => Look::Waiting,
            State::Waiting(waker) => {
                let old = waker.replace(context.waker().clone());
                drop(state);
                drop(old);
                Look::Waiting
            }
            State::Called(call) => Look::Called(*call),
            State::Stopped | State::Gone => Look::Over,
        }
    }
}

/// The queue: first come, first served.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    entries: VecDeque<Entry>,
    /// How many of them were given up.
    gone: usize,
    next_order: u64,
    /// How many are called and not seen again.
    called: u64,
    /// For whom slots are kept: when they were called, how many they are, for how many slots.
    /// Oldest first.
    calls: VecDeque<(u64, u64, u64)>,
}

/// Fewer given-up entries than this are not worth sweeping out.
const SWEEP_FROM: usize = 32;

impl Queue {
    /// How many wait and are not called.
    pub(crate) fn waiting(&self) -> usize {
        self.entries.len() - self.gone
    }

    /// About how many slots those who wait want, the called ones among them: only the first
    /// `looks` are asked, the others count as one each.
    pub(crate) fn wanted(&self, looks: usize) -> u64 {
        let first = self.entries.iter().take(looks).fold(0, |sum: u64, entry| {
            sum.saturating_add(match &entry.what {
                _ if entry.is_gone() => 0,
                What::Ask(ticket) => ticket.max,
                What::Send(_) => 1,
            })
        });
        let others = self.entries.len().saturating_sub(looks.max(self.gone)) as u64;
        first.saturating_add(others).saturating_add(self.reserved())
    }

    /// How many are called and not seen again.
    pub(crate) fn called(&self) -> u64 {
        self.called
    }

    /// How many slots are kept for them.
    pub(crate) fn reserved(&self) -> u64 {
        self.calls.iter().fold(0, |sum, (.., slots)| sum.saturating_add(*slots))
    }

    pub(crate) fn push(&mut self, what: What) {
        self.entries.push_back(Entry { order: self.next_order, what });
        self.next_order += 1;
    }

    /// The first that still waits. Those before it go to `dead`: what they hold may run code of
    /// users when it is dropped, so that must not happen under a lock.
    pub(crate) fn pop(&mut self, dead: &mut Vec<Entry>) -> Option<Entry> {
        while let Some(entry) = self.entries.pop_front() {
            if !entry.is_gone() {
                return Some(entry);
            }
            self.gone -= 1;
            dead.push(entry);
        }
        None
    }

    /// Calls a ticket just taken out.
    pub(crate) fn call(
        &mut self,
        order: u64,
        ticket: &Ticket,
        slots: u64,
        at: u64,
    ) -> Option<Waker> {
        self.called += 1;
        match self.calls.back_mut() {
            Some((time, tickets, all)) if *time == at => {
                *tickets += 1;
                *all = all.saturating_add(slots);
            }
            _ => self.calls.push_back((at, 1, slots)),
        }
        ticket.call(Call { at, order, slots })
    }

    /// Somebody called was seen again, or given up.
    pub(crate) fn answered(&mut self, call: Call) {
        self.called -= 1;
        if let Ok(index) = self.calls.binary_search_by_key(&call.at, |(at, ..)| *at) {
            let (_, tickets, slots) = &mut self.calls[index];
            *tickets -= 1;
            *slots = slots.saturating_sub(call.slots);
            if *tickets == 0 {
                self.calls.remove(index);
            }
        }
    }

    /// Keeps no slots any longer for those called at `time` or before: somebody who does not look
    /// at what it waits for must not hold up others.
    pub(crate) fn expire(&mut self, time: u64) {
        while self.calls.front().is_some_and(|(at, ..)| *at <= time) {
            self.calls.pop_front();
        }
    }

    /// When the oldest call was.
    pub(crate) fn oldest_call(&self) -> Option<u64> {
        self.calls.front().map(|(at, ..)| *at)
    }

    /// Puts somebody back to its place.
    pub(crate) fn put_back(&mut self, order: u64, ticket: Arc<Ticket>) {
        // Only others that were put back can be before it: few, if any.
        let place = self.entries.iter().take_while(|entry| entry.order < order).count();
        self.entries.insert(place, Entry { order, what: What::Ask(ticket) });
    }

    /// One more entry was given up. If most are, all of them are taken out.
    pub(crate) fn given_up(&mut self, dead: &mut Vec<Entry>) {
        self.gone += 1;
        if self.gone >= SWEEP_FROM && self.gone * 2 > self.entries.len() {
            let (gone, kept): (VecDeque<_>, VecDeque<_>) =
                mem::take(&mut self.entries).into_iter().partition(Entry::is_gone);
            self.entries = kept;
            self.gone = 0;
            dead.extend(gone);
        }
    }

    /// Everything there is.
    pub(crate) fn drain(&mut self) -> VecDeque<Entry> {
        self.gone = 0;
        self.called = 0;
        self.calls.clear();
        mem::take(&mut self.entries)
    }
}
