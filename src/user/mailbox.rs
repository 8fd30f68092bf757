//! A user's mailbox.

use std::{
    any::Any,
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use super::id::UserId;
use crate::scenario::Message;

/// How many messages a mailbox holds, those for later included. A user that takes its messages more
/// slowly than others send them would take all memory in the end.
pub use crowd_core::errors::MAILBOX as CAPACITY;

/// A message with its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail<M> {
    /// The user that sent it; `None` if no user did (a coordinator's action, a throttle).
    pub from: Option<UserId>,
    /// What was sent.
    pub message: M,
}

/// What [`User::receive_within`](super::User::receive_within) ended with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received<M> {
    /// A message came.
    Mail(Mail<M>),
    /// Nothing came in time.
    TimedOut,
    /// The user was told to stop and its mailbox is empty.
    Stopped,
}

/// Why a message is not in the mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undelivered {
    /// The user has ended.
    Closed,
    /// There are [`CAPACITY`] messages in it.
    Full,
}

/// A queue that exists from the first message on. It does not know its message type, so that the
/// runtime can keep users of any scenario in one table; the queue within does.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    slot: Mutex<Slot>,
}

#[derive(Debug, Default)]
enum Slot {
    #[default]
    Empty,
    /// A [`Queue`].
    Queue(Box<dyn Any + Send>),
    Closed,
}

/// The messages that came, and those for later: they belong to the user, and are gone with it.
#[derive(Debug)]
struct Queue<M> {
    came: VecDeque<Mail<M>>,
    /// By when they come, and in the order in which they were left.
    later: BTreeMap<(Instant, u64), Mail<M>>,
    left: u64,
}

impl<M> Default for Queue<M> {
    fn default() -> Self {
        Self { came: VecDeque::new(), later: BTreeMap::new(), left: 0 }
    }
}

impl<M> Queue<M> {
    fn is_full(&self) -> bool {
        self.came.len() + self.later.len() >= CAPACITY
    }

    /// Those that should have come by now have.
    fn advance(&mut self, now: impl FnOnce() -> Instant) {
        if self.later.is_empty() {
            return;
        }
        let now = now();
        while let Some(first) = self.later.first_entry().filter(|first| first.key().0 <= now) {
            self.came.push_back(first.remove());
        }
    }
}

impl Mailbox {
    /// Appends a message; `now` is asked if there are messages for later, which may come before it.
    pub(crate) fn push<M: Message>(
        &self,
        mail: Mail<M>,
        now: impl FnOnce() -> Instant,
    ) -> Result<(), Undelivered> {
        self.add(|queue| {
            queue.advance(now);
            queue.came.push_back(mail);
        })
    }

    /// Leaves a message for later: it comes at `due`.
    pub(crate) fn push_later<M: Message>(
        &self,
        due: Instant,
        mail: Mail<M>,
    ) -> Result<(), Undelivered> {
        self.add(|queue| {
            queue.left += 1;
            queue.later.insert((due, queue.left), mail);
        })
    }

    fn add<M: Message>(&self, add: impl FnOnce(&mut Queue<M>)) -> Result<(), Undelivered> {
        let mut slot = self.slot();
        if matches!(*slot, Slot::Empty) {
            *slot = Slot::Queue(Box::new(Queue::<M>::default()));
        }
        let Slot::Queue(queue) = &mut *slot else { return Err(Undelivered::Closed) };
        // All users of a run have one scenario, hence one type.
        let queue = queue.downcast_mut::<Queue<M>>().ok_or(Undelivered::Closed)?;
        if queue.is_full() {
            return Err(Undelivered::Full);
        }
        add(queue);
        Ok(())
    }

    /// Takes the oldest message; `now` is asked if there are messages for later.
    pub(crate) fn pop<M: Message>(&self, now: impl FnOnce() -> Instant) -> Option<Mail<M>> {
        let mut slot = self.slot();
        let Slot::Queue(queue) = &mut *slot else { return None };
        let queue = queue.downcast_mut::<Queue<M>>()?;
        queue.advance(now);
        queue.came.pop_front()
    }

    /// When the next message for later comes, if there is one.
    pub(crate) fn next_due<M: Message>(&self) -> Option<Instant> {
        let slot = self.slot();
        let Slot::Queue(queue) = &*slot else { return None };
        let ((due, _), _) = queue.downcast_ref::<Queue<M>>()?.later.first_key_value()?;
        Some(*due)
    }

    /// Refuses messages from now on and forgets those that wait.
    pub(crate) fn close(&self) {
        let closed = std::mem::replace(&mut *self.slot(), Slot::Closed);
        // Not under the lock: dropping a message is the scenario's code.
        drop(closed);
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Push,
        /// In so many milliseconds.
        Later(u64),
        Pop,
        /// So many milliseconds pass.
        Pass(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => Just(Step::Push),
            3 => (0..50u64).prop_map(Step::Later),
            4 => Just(Step::Pop),
            2 => (0..30u64).prop_map(Step::Pass),
        ]
    }

    proptest! {
        /// Every message comes once, none before it is due, and in the order in which they were due.
        #[test]
        fn messages_come_when_they_are_due(steps in prop::collection::vec(step(), 0..100)) {
            let start = Instant::now();
            let (mailbox, mut now, mut number) = (Mailbox::default(), start, 0u64);
            // What has not come: by when it is due, and when it was left.
            let mut waiting = BTreeMap::new();
            let mut came = VecDeque::new();
            for step in steps {
                match step {
                    Step::Push => {
                        number += 1;
                        mailbox.push(Mail { from: None, message: number }, || now).unwrap();
                        advance(&mut waiting, &mut came, now);
                        came.push_back(number);
                    }
                    Step::Later(millis) => {
                        number += 1;
                        let due = now + Duration::from_millis(millis);
                        mailbox.push_later(due, Mail { from: None, message: number }).unwrap();
                        waiting.insert((due, number), number);
                    }
                    Step::Pop => {
                        advance(&mut waiting, &mut came, now);
                        let popped = mailbox.pop::<u64>(|| now).map(|mail| mail.message);
                        prop_assert_eq!(popped, came.pop_front());
                    }
                    Step::Pass(millis) => now += Duration::from_millis(millis),
                }
                let due = mailbox.next_due::<u64>();
                prop_assert_eq!(due, waiting.keys().next().map(|(due, _)| *due));
            }
        }
    }

    fn advance(
        waiting: &mut BTreeMap<(Instant, u64), u64>,
        came: &mut VecDeque<u64>,
        now: Instant,
    ) {
        while let Some(first) = waiting.first_entry().filter(|first| first.key().0 <= now) {
            came.push_back(first.remove());
        }
    }

    #[test]
    fn a_full_mailbox_takes_no_more_until_something_is_taken_out() {
        let (mailbox, now) = (Mailbox::default(), Instant::now());
        let mail = |message: u64| Mail { from: None, message };
        for n in 0..CAPACITY as u64 {
            // Those for later count, too.
            let left = match n % 2 {
                0 => mailbox.push(mail(n), || now),
                _ => mailbox.push_later(now + Duration::from_secs(n), mail(n)),
            };
            left.unwrap();
        }
        assert_eq!(mailbox.push(mail(0), || now), Err(Undelivered::Full));
        assert_eq!(mailbox.push_later(now, mail(0)), Err(Undelivered::Full));
        assert_eq!(mailbox.pop(|| now), Some(mail(0)));
        assert_eq!(mailbox.push(mail(7), || now), Ok(()));
        mailbox.close();
        assert_eq!(mailbox.push(mail(8), || now), Err(Undelivered::Closed));
        assert_eq!(mailbox.pop::<u64>(|| now), None);
        assert_eq!(mailbox.next_due::<u64>(), None);
    }

    #[test]
    fn a_user_that_nobody_writes_to_has_no_queue() {
        assert!(std::mem::size_of::<Mailbox>() <= 32, "{}", std::mem::size_of::<Mailbox>());
        let mailbox = Mailbox::default();
        assert_eq!(mailbox.pop::<u64>(|| unreachable!("no message is due")), None);
        assert!(matches!(*mailbox.slot(), Slot::Empty));
    }
}
