//! Who waits, in the order they came. To wait costs an entry, not a task.

use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, Waker},
};

use super::bucket::Given;

/// Somebody in the queue.
pub(crate) enum Entry {
    /// Wants between one and `max` slots.
    Ask { ticket: Arc<Ticket>, max: u64, asked_at: u64 },
    /// A short action to be done.
    Send(Box<dyn FnOnce() + Send>),
    /// Work to be run.
    Run(Work),
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ask { .. } => "Ask",
            Self::Send(_) => "Send",
            Self::Run(_) => "Run",
        })
    }
}

impl Entry {
    /// Whether it is in flight after it was let through, until it says that it ended.
    pub(crate) fn holds(&self) -> bool {
        match self {
            Self::Ask { ticket, .. } => ticket.holds,
            Self::Send(_) => false,
            Self::Run(_) => true,
        }
    }

    fn is_gone(&self) -> bool {
        match self {
            Self::Ask { ticket, .. } => ticket.is_gone(),
            Self::Send(_) => false,
            Self::Run(work) => work.stage.is(Stage::DROPPED),
        }
    }
}

/// Work in the queue.
pub(crate) struct Work {
    /// What to run, given what it holds while it runs.
    pub(crate) start:
        Box<dyn FnOnce(super::Permit) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>,
    pub(crate) stage: Arc<Stage>,
}

/// How far work has come: waiting, then either taken out to run or dropped. It changes only under
/// the gate's lock, so that the queue's count is right.
#[derive(Debug, Default)]
pub(crate) struct Stage(AtomicU8);

impl Stage {
    const WAITING: u8 = 0;
    const TAKEN: u8 = 1;
    const DROPPED: u8 = 2;

    fn is(&self, stage: u8) -> bool {
        self.0.load(Ordering::Acquire) == stage
    }

    /// It is taken out of the queue.
    pub(crate) fn take(&self) {
        self.0.store(Self::TAKEN, Ordering::Release);
    }

    /// It is not wanted any more; says whether it still waited.
    pub(crate) fn drop_waiting(&self) -> bool {
        let waiting = self.is(Self::WAITING);
        if waiting {
            self.0.store(Self::DROPPED, Ordering::Release);
        }
        waiting
    }
}

/// Where somebody who asked looks for the answer. Answers and withdrawals happen under the gate's
/// lock, so that a ticket is in the queue exactly as long as it is open.
#[derive(Debug)]
pub(crate) struct Ticket {
    state: Mutex<State>,
    holds: bool,
}

#[derive(Debug)]
enum State {
    Open(Option<Waker>),
    Given(Answer),
    Stopped,
    Gone,
}

/// What was given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) given: Given,
    pub(crate) slots: u64,
    /// When it should have been let through: not before it asked.
    pub(crate) due: u64,
    /// When it was let through.
    pub(crate) released: u64,
}

/// What a withdrawn ticket was.
#[derive(Debug)]
pub(crate) enum Withdrawn {
    /// Still in the queue.
    Waiting,
    /// Answered, and nobody had seen it.
    Unseen(Answer),
    /// Over.
    Settled,
}

impl Ticket {
    pub(crate) fn new(holds: bool) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State::Open(None)), holds })
    }

    pub(crate) fn holds(&self) -> bool {
        self.holds
    }

    fn replace(&self, state: State) -> State {
        mem::replace(&mut *self.state.lock().unwrap_or_else(PoisonError::into_inner), state)
    }

    fn is_gone(&self) -> bool {
        matches!(*self.state.lock().unwrap_or_else(PoisonError::into_inner), State::Gone)
    }

    /// Answers it; whoever waits is to be woken after the lock is released.
    pub(crate) fn answer(&self, answer: Answer) -> Option<Waker> {
        match self.replace(State::Given(answer)) {
            State::Open(waker) => waker,
            _ => None,
        }
    }

    /// Answers it with the end of the throttle.
    pub(crate) fn stop(&self) -> Option<Waker> {
        match self.replace(State::Stopped) {
            State::Open(waker) => waker,
            _ => None,
        }
    }

    /// Withdraws it. The waker is to be dropped after the lock is released.
    pub(crate) fn withdraw(&self) -> (Withdrawn, Option<Waker>) {
        match self.replace(State::Gone) {
            State::Open(waker) => (Withdrawn::Waiting, waker),
            State::Given(answer) => (Withdrawn::Unseen(answer), None),
            State::Stopped | State::Gone => (Withdrawn::Settled, None),
        }
    }

    /// The answer, or `Err` if the throttle was stopped.
    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<Result<Answer, ()>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *state {
            State::Open(Some(waker)) if waker.will_wake(context.waker()) => Poll::Pending,
            State::Open(waker) => {
                let _old = waker.replace(context.waker().clone());
                Poll::Pending
            }
            State::Given(answer) => {
                let answer = *answer;
                *state = State::Gone;
                Poll::Ready(Ok(answer))
            }
            State::Stopped | State::Gone => Poll::Ready(Err(())),
        }
    }
}

/// The queue: first come, first served.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    entries: VecDeque<Entry>,
    /// How many of them were withdrawn.
    gone: usize,
}

/// Fewer withdrawn entries than this are not worth sweeping out.
const SWEEP_FROM: usize = 32;

impl Queue {
    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.entries.len() - self.gone
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
    }

    /// The first that still waits. Those before it go to `dead`: they may run code of users when
    /// they are dropped, so that must not happen under a lock.
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

    /// One more entry was withdrawn. If most are, all of them are taken out.
    pub(crate) fn withdrawn(&mut self, dead: &mut Vec<Entry>) {
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
        mem::take(&mut self.entries)
    }
}
