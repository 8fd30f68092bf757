//! The task a user runs as, and how its end becomes known.

use std::{
    any::Any,
    fmt, mem,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::FutureExt;
use tokio::time::Instant;

use super::{core::UserCore, id::UserId};
use crate::failure::Failure;

/// How a user ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It returned of itself.
    Finished,
    /// It returned after it had been told to stop.
    Stopped,
    /// It returned a failure.
    Failed(Failure),
    /// Its code panicked.
    Panicked(String),
    /// It was killed.
    Killed,
}

/// The end of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// Who.
    pub user: UserId,
    /// How.
    pub ending: Ending,
    /// How long it lived.
    pub age: Duration,
}

/// Where users of one supervisor leave word of their end. The supervisor is called once for all
/// the ends it has not seen yet, so that a mass end is a few messages and not a million.
pub struct ExitBox {
    exits: Mutex<Vec<Exit>>,
    call: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for ExitBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExitBox").finish_non_exhaustive()
    }
}

impl ExitBox {
    /// A box that calls `call` when something was put into it while it was empty.
    pub(crate) fn new(call: impl Fn() + Send + Sync + 'static) -> Self {
        Self { exits: Mutex::default(), call: Box::new(call) }
    }

    fn put(&self, exit: Exit) {
        let mut exits = self.exits.lock().unwrap_or_else(PoisonError::into_inner);
        let first = exits.is_empty();
        exits.push(exit);
        drop(exits);
        if first {
            (self.call)();
        }
    }

    /// Takes all there is.
    pub(crate) fn take(&self) -> Vec<Exit> {
        mem::take(&mut *self.exits.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Runs a user to its end, whatever end that is.
pub(crate) async fn run_user(
    core: Arc<UserCore>,
    exits: Arc<ExitBox>,
    life: impl Future<Output = Result<(), Failure>>,
) {
    let last_word = LastWord { core, exits, ending: Ending::Killed };
    // Moved in, so that the user's own things are dropped before its end becomes known, also when
    // the task is aborted: locals are dropped in reverse order.
    let mut last_word = last_word;
    let outcome = AssertUnwindSafe(life).catch_unwind().await;
    let stopping = last_word.core.is_stopping();
    last_word.ending = match outcome {
        Ok(Ok(())) if stopping => Ending::Stopped,
        Ok(Ok(())) => Ending::Finished,
        Ok(Err(failure)) if failure.is_stop() => Ending::Stopped,
        Ok(Err(failure)) => Ending::Failed(failure),
        Err(panic) => Ending::Panicked(panic_text(&*panic)),
    };
}

/// Tells the end of the user when it is dropped.
struct LastWord {
    core: Arc<UserCore>,
    exits: Arc<ExitBox>,
    ending: Ending,
}

impl Drop for LastWord {
    fn drop(&mut self) {
        self.core.end();
        self.exits.put(Exit {
            user: self.core.id(),
            ending: mem::replace(&mut self.ending, Ending::Killed),
            age: Instant::now().saturating_duration_since(self.core.started()),
        });
    }
}

/// The text of a panic.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned())
}
