//! A user's mailbox.

use std::{
    any::Any,
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use super::id::UserId;
use crate::scenario::Message;

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
    Queue(Box<dyn Any + Send>),
    Closed,
}

impl Mailbox {
    /// Appends a message; says whether the mailbox was open for it.
    pub(crate) fn push<M: Message>(&self, mail: Mail<M>) -> bool {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *slot {
            Slot::Closed => false,
            Slot::Empty => {
                *slot = Slot::Queue(Box::new(VecDeque::from([mail])));
                true
            }
            Slot::Queue(queue) => match queue.downcast_mut::<VecDeque<Mail<M>>>() {
                Some(queue) => {
                    queue.push_back(mail);
                    true
                }
                // All users of a run have one scenario, hence one type.
                None => false,
            },
        }
    }

    /// Takes the oldest message.
    pub(crate) fn pop<M: Message>(&self) -> Option<Mail<M>> {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        let Slot::Queue(queue) = &mut *slot else { return None };
        queue.downcast_mut::<VecDeque<Mail<M>>>()?.pop_front()
    }

    /// Refuses messages from now on and forgets those that wait.
    pub(crate) fn close(&self) {
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = Slot::Closed;
    }
}
