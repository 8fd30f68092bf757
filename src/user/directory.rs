//! Who is where: the table of running users, and sending by id.

use std::{fmt, marker::PhantomData, sync::Arc};

use crowd_core::codec::{self, CodecError};
use crowd_measure::Measure;
use dashmap::DashMap;
use rustc_hash::FxBuildHasher;
use tokio::time::Instant;

use super::{
    SendError,
    core::UserCore,
    elsewhere::{Bounce, Carrier, Intake},
    id::UserId,
    mailbox::{Mail, Undelivered},
};
use crate::scenario::Message;

/// The running users of this node, and the way to those elsewhere. Cheap to clone; all clones are
/// one.
#[derive(Clone, Default)]
pub struct Directory {
    users: Arc<DashMap<UserId, Arc<UserCore>, FxBuildHasher>>,
    /// `None`: there is no other node.
    elsewhere: Option<Arc<dyn Carrier>>,
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").field("users", &self.users.len()).finish()
    }
}

impl Directory {
    /// An empty table, with a way to users on other nodes.
    pub(crate) fn with_elsewhere(elsewhere: Arc<dyn Carrier>) -> Self {
        Self { elsewhere: Some(elsewhere), ..Self::default() }
    }

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

    /// Looks at all users.
    pub(crate) fn each(&self, mut look: impl FnMut(&Arc<UserCore>)) {
        self.users.iter().for_each(|user| look(user.value()));
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

/// How many messages full mailboxes have refused on a node: a counter of each run.
pub const REFUSED: &str = "messages refused by full mailboxes";

/// Sends messages to users of a run. Cheap to clone.
pub struct Post<M> {
    directory: Directory,
    /// Where messages are counted that full mailboxes refuse.
    measure: Measure,
    message: PhantomData<fn(M)>,
}

impl<M> Clone for Post<M> {
    fn clone(&self) -> Self {
        let (directory, measure) = (self.directory.clone(), self.measure.clone());
        Self { directory, measure, message: PhantomData }
    }
}

impl<M> fmt::Debug for Post<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").finish_non_exhaustive()
    }
}

impl<M: Message> Post<M> {
    pub(crate) fn new(directory: Directory, measure: Measure) -> Self {
        Self { directory, measure, message: PhantomData }
    }

    /// The address of the user of that id.
    pub fn address(&self, id: UserId) -> Address<M> {
        Address { id, post: self.clone() }
    }

    /// Sends a message in nobody's name, without waiting. What is sent to a user on another node and
    /// comes to nothing later is noted as a failure of the run and told as `crowd.user.undelivered`.
    ///
    /// # Errors
    /// If no user of that id is known to run, or if [`CAPACITY`](super::mailbox::CAPACITY) messages wait in its mailbox. For a user on another node also if too many messages
    /// are on their way there, or if the message cannot be sent between nodes.
    pub fn send(&self, to: UserId, message: M) -> Result<(), SendError> {
        self.send_from(None, to, message)
    }

    pub(crate) fn send_from(
        &self,
        from: Option<UserId>,
        to: UserId,
        message: M,
    ) -> Result<(), SendError> {
        match self.way(to)? {
            Way::Here(user) => hand_over(&user, from, message, &self.measure),
            Way::Elsewhere(carrier) => carrier.post(from, to, encode(to, &message)?),
        }
    }

    /// Sends a message and waits until it is in the mailbox of its receiver.
    pub(crate) async fn deliver(
        &self,
        from: Option<UserId>,
        to: UserId,
        message: M,
    ) -> Result<(), SendError> {
        let sending = match self.way(to)? {
            Way::Here(user) => return hand_over(&user, from, message, &self.measure),
            Way::Elsewhere(carrier) => carrier.send(from, to, encode(to, &message)?),
        };
        drop(message);
        sending.await
    }

    /// Leaves a message for later in a user's own mailbox, unless it has ended.
    pub(crate) fn remind(&self, user: &UserCore, due: Instant, message: M) {
        let mail = Mail { from: Some(user.id()), message };
        if user.deliver_at(due, mail) == Err(Undelivered::Full) {
            self.measure.count(REFUSED, 1);
        }
    }

    /// As [`Post::send`], for those who can tell nobody: what the nodes are at fault for is noted.
    pub(crate) fn send_or_note(&self, to: UserId, message: M) {
        // A user that has ended needs no message.
        if let Err(error) = self.send(to, message)
            && !matches!(error, SendError::NoSuchUser(_))
            && let Some(carrier) = &self.directory.elsewhere
        {
            carrier.undelivered(None, to, error);
        }
    }

    /// Puts messages from other nodes into mailboxes here.
    pub(crate) fn intake(&self) -> Intake {
        // Not the way to other nodes: that holds this intake.
        let here = Directory { users: self.directory.users.clone(), elsewhere: None };
        let measure = self.measure.clone();
        Arc::new(move |from, to, bytes| {
            let user = here.get(to).ok_or(Bounce::Gone)?;
            let message = codec::decode::<M>(bytes).map_err(|_| Bounce::Unreadable)?;
            hand_over(&user, from, message, &measure).map_err(|error| match error {
                SendError::Full(_) => Bounce::Full,
                _ => Bounce::Gone,
            })
        })
    }

    fn way(&self, to: UserId) -> Result<Way<'_>, SendError> {
        match (self.directory.get(to), &self.directory.elsewhere) {
            (Some(user), _) => Ok(Way::Here(user)),
            (None, Some(carrier)) => Ok(Way::Elsewhere(&**carrier)),
            (None, None) => Err(SendError::NoSuchUser(to)),
        }
    }
}

/// How a user is reached.
enum Way<'a> {
    Here(Arc<UserCore>),
    Elsewhere(&'a dyn Carrier),
}

fn hand_over<M: Message>(
    user: &UserCore,
    from: Option<UserId>,
    message: M,
    measure: &Measure,
) -> Result<(), SendError> {
    user.deliver(Mail { from, message }).map_err(|why| match why {
        Undelivered::Closed => SendError::NoSuchUser(user.id()),
        Undelivered::Full => {
            measure.count(REFUSED, 1);
            SendError::Full(user.id())
        }
    })
}

fn encode<M: Message>(to: UserId, message: &M) -> Result<Vec<u8>, SendError> {
    codec::encode(message).map_err(|error| match error {
        CodecError::TooLong(_) => SendError::TooLong(to),
        CodecError::Encode(_) | CodecError::Decode(_) => SendError::Unsendable(to),
    })
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

    /// Sends a message in nobody's name, as [`Post::send`] does; use
    /// [`User::send`](super::User::send) or [`User::post`](super::User::post) to sign it.
    ///
    /// # Errors
    /// Those of [`Post::send`].
    pub fn send(&self, message: M) -> Result<(), SendError> {
        self.post.send(self.id, message)
    }
}
