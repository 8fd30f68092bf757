//! What the runtime refuses users of a run.

use crate::user_id::UserId;

/// So many messages wait in a mailbox; it takes no more.
pub const MAILBOX: usize = 10_000;

/// A message could not be delivered, or nobody knows whether it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// No user of that id is running, on any node; or it is just being moved from a node that was
    /// lost to another, and runs on neither.
    #[error("no user {0} is running")]
    NoSuchUser(UserId),
    /// The node of the user was lost before it confirmed the message.
    #[error("the node of user {0} was lost before it confirmed a message")]
    Lost(UserId),
    /// The node of the user did not confirm the message within 5 s.
    #[error("the node of user {0} did not confirm a message in time")]
    TimedOut(UserId),
    /// The mailbox of the user is full: it takes its messages more slowly than they come. The message
    /// is not in it.
    #[error("the mailbox of user {0} is full: {MAILBOX} messages wait in it")]
    Full(UserId),
    /// Too many messages that nobody awaits wait for the node of the user. The message was not
    /// sent.
    #[error("too many messages wait for the node of user {0}")]
    Busy(UserId),
    /// The message is longer than 1020 KiB, which is the most between nodes. It was not sent.
    #[error("a message is too long for user {0} on another node; 1020 KiB are the most")]
    TooLong(UserId),
    /// The message cannot be written as bytes or read back, so it cannot go to another node. Types
    /// that serde can only read with a look ahead (`untagged`, `flatten`) are such.
    #[error("a message cannot be written as bytes, or read back, for user {0} on another node")]
    Unsendable(UserId),
}

impl SendError {
    /// What went wrong, without the id, so that equal reasons are counted together.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NoSuchUser(_) => "its receiver is not running",
            Self::Lost(_) => "the node of its receiver was lost",
            Self::TimedOut(_) => "the node of its receiver did not confirm it in time",
            Self::Full(_) => "the mailbox of its receiver is full",
            Self::Busy(_) => "too many messages wait for the node of its receiver",
            Self::TooLong(_) => "it is too long",
            Self::Unsendable(_) => "it cannot be written as bytes or read back",
        }
    }

    /// Whether the nodes are at fault, and not the scenario.
    pub fn is_of_the_nodes(self) -> bool {
        matches!(self, Self::Lost(_) | Self::TimedOut(_) | Self::Busy(_))
    }
}

/// A throttle was stopped, so nothing is let through by it any more: neither what waited nor what
/// comes later. Never to be taken as leave to go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("throttle `{0}` was stopped")]
pub struct ThrottleStopped(pub String);

/// A user could not be added to the coordinator of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    /// It takes no more users: it was stopped, or it died.
    #[error("coordinator `{0}` takes no more users: it has ended")]
    Stopped(String),
    /// It is one of the whole cluster, and 16 MiB of adds wait for the master on this node.
    #[error("coordinator `{0}` cannot take more users now: the master is too far behind")]
    Behind(String),
    /// It is one of the whole cluster, and the data is longer than 1020 KiB.
    #[error("the data for coordinator `{0}` is too long for another node; 1020 KiB are the most")]
    TooLong(String),
    /// It is one of the whole cluster, and the data cannot be written as bytes.
    #[error("the data for coordinator `{0}` cannot be written as bytes for another node")]
    Unsendable(String),
}
