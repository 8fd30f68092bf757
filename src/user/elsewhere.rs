//! Users that live on other nodes, as sending sees them.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::{SendError, id::UserId};

/// Takes messages to users on other nodes.
pub(crate) trait Carrier: Send + Sync + 'static {
    /// Sends a message; the answer comes when it is in the mailbox of its receiver, or when it is
    /// certain or likely that it never will be.
    fn send(&self, from: Option<UserId>, to: UserId, message: Vec<u8>) -> Sending;

    /// Sends a message without waiting. What goes wrong later is noted as a failure of the run.
    ///
    /// # Errors
    /// If the receiver is known not to run anywhere, or too much is on its way to its node.
    fn post(&self, from: Option<UserId>, to: UserId, message: Vec<u8>) -> Result<(), SendError>;

    /// Notes that a message of which nobody awaits the outcome came to nothing.
    fn undelivered(&self, from: Option<UserId>, to: UserId, error: SendError);
}

/// A message under way.
pub(crate) type Sending = BoxFuture<'static, Result<(), SendError>>;

/// Puts a message from another node into a mailbox here.
pub(crate) type Intake =
    Arc<dyn Fn(Option<UserId>, UserId, &[u8]) -> Result<(), Bounce> + Send + Sync>;

/// Why a message from another node is in no mailbox here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Bounce {
    /// No user of that id is running here.
    Gone,
    /// The bytes are no message of this scenario.
    Unreadable,
    /// Its mailbox is full.
    Full,
}

impl Bounce {
    /// What the sender is told.
    pub(crate) fn told(self, to: UserId) -> SendError {
        match self {
            Self::Gone => SendError::NoSuchUser(to),
            Self::Unreadable => SendError::Unsendable(to),
            Self::Full => SendError::Full(to),
        }
    }
}
