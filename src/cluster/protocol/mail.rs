//! What nodes tell each other about users' messages to users.

use crowd_core::user_id::UserId;
use serde::{Deserialize, Serialize};

use super::{Protocol, Service};
use crate::user::elsewhere::Bounce;

/// Between any two nodes; all of it is cast.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MailMessage {
    /// Master to worker, before it hears of a run: letters of that run bear this number. Ids of
    /// users begin anew with every run, so a letter that comes late must not find a namesake.
    Run { run: u64 },
    /// Letters, in the order in which they were sent. Answered with an [`MailMessage::Ack`].
    Letters {
        /// The run they belong to.
        run: u64,
        /// Which frame of the sender's it is, never twice.
        frame: u64,
        /// The letters.
        letters: Vec<Letter>,
    },
    /// All letters of that frame are in their mailboxes, but for these.
    Ack {
        /// The frame.
        frame: u64,
        /// Which of its letters came to nothing, from 0, and why.
        bounced: Vec<(u32, Bounce)>,
    },
}

/// A message with its sender and receiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Letter {
    /// Who sent it; `None` if no user did.
    pub(crate) from: Option<UserId>,
    /// Whom it is for.
    pub(crate) to: UserId,
    /// The scenario's message, by the codec.
    pub(crate) message: Vec<u8>,
}

impl Protocol for MailMessage {
    const SERVICE: Service = Service::Mail;
    type Answer = ();
}
