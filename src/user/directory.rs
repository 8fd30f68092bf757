//! Who is where: the table of running users, and sending by id.

use std::{fmt, marker::PhantomData, sync::Arc};

use dashmap::DashMap;
use rustc_hash::FxBuildHasher;

use super::{core::UserCore, id::UserId, mailbox::Mail};
use crate::scenario::Message;

/// The running users of this node. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Directory {
    users: Arc<DashMap<UserId, Arc<UserCore>, FxBuildHasher>>,
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").field("users", &self.users.len()).finish()
    }
}

impl Directory {
    /// The user of that id, if it runs here.
    pub fn get(&self, id: UserId) -> Option<Arc<UserCore>> {
        self.users.get(&id).map(|user| user.clone())
    }

    /// How many users are in the table.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    pub(crate) fn insert(&self, user: Arc<UserCore>) {
        self.users.insert(user.id(), user);
    }

    pub(crate) fn remove(&self, id: UserId) {
        self.users.remove(&id);
    }

    /// Kills and removes the users whose ids `which` says yes to.
    pub(crate) fn kill_and_forget(&self, which: impl Fn(UserId) -> bool) {
        self.users.retain(|id, user| {
            let goes = which(*id);
            if goes {
                user.kill();
            }
            !goes
        });
    }

    /// Gives back memory that a larger crowd needed.
    pub(crate) fn shrink(&self) {
        self.users.shrink_to_fit();
    }
}

/// A message could not be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No user of that id is running.
    #[error("no user {0} is running")]
    NoSuchUser(UserId),
}

/// Sends messages to users of a run. Cheap to clone.
pub struct Post<M> {
    directory: Directory,
    message: PhantomData<fn(M)>,
}

impl<M> Clone for Post<M> {
    fn clone(&self) -> Self {
        Self { directory: self.directory.clone(), message: PhantomData }
    }
}

impl<M> fmt::Debug for Post<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").finish_non_exhaustive()
    }
}

impl<M: Message> Post<M> {
    pub(crate) fn new(directory: Directory) -> Self {
        Self { directory, message: PhantomData }
    }

    /// The address of the user of that id.
    pub fn address(&self, id: UserId) -> Address<M> {
        Address { id, post: self.clone() }
    }

    /// Sends a message in nobody's name.
    ///
    /// # Errors
    /// If no user of that id is running.
    pub fn send(&self, to: UserId, message: M) -> Result<(), SendError> {
        self.send_from(None, to, message)
    }

    pub(crate) fn send_from(
        &self,
        from: Option<UserId>,
        to: UserId,
        message: M,
    ) -> Result<(), SendError> {
        let delivered =
            self.directory.get(to).is_some_and(|user| user.deliver(Mail { from, message }));
        if delivered { Ok(()) } else { Err(SendError::NoSuchUser(to)) }
    }
}

/// Where a user is reached; can be handed to others.
pub struct Address<M> {
    id: UserId,
    post: Post<M>,
}

impl<M> Clone for Address<M> {
    fn clone(&self) -> Self {
        Self { id: self.id, post: self.post.clone() }
    }
}

impl<M> fmt::Debug for Address<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Address").field(&self.id).finish()
    }
}

impl<M: Message> Address<M> {
    /// The id of the user there.
    pub fn id(&self) -> UserId {
        self.id
    }

    /// Sends a message in nobody's name; use [`User::send`](super::User::send) to sign it.
    ///
    /// # Errors
    /// If the user is not running any more.
    pub fn send(&self, message: M) -> Result<(), SendError> {
        self.post.send(self.id, message)
    }
}
