//! The task a user runs as, and how its end becomes known.

use std::{
    any::Any,
    cell::Cell,
    fmt,
    future::poll_fn,
    mem,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::FutureExt;
use tokio::time::Instant;

use super::{core::UserCore, id::UserId};
use crate::{failure::Failure, measure::Measure};

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

/// A poll of a user that takes longer than this holds up every user on its thread, and spoils what
/// they measure.
pub(crate) const STALL: Duration = Duration::from_millis(20);

thread_local! {
    static IN_USER: Cell<bool> = const { Cell::new(false) };
}

/// Sends panics to the log instead of standard error, where they would garble a console. Those of
/// users are counted and told by the runtime, and a crowd of them is no news: they are logged at
/// `debug`. To be called once, by a program that logs.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        if IN_USER.get() {
            tracing::debug!(target: "crowd", "a user panicked: {panic}");
        } else {
            tracing::error!(target: "crowd", "{panic}");
        }
    }));
}

/// Runs a user to its end, whatever end that is.
pub(crate) async fn run_user(
    core: Arc<UserCore>,
    exits: Arc<ExitBox>,
    measure: Measure,
    scenario: &'static str,
    life: impl Future<Output = Result<(), Failure>>,
) {
    // Declared before the user's life is pinned: locals are dropped in reverse order, so that the
    // user's own things are gone before its end becomes known, also when the task is aborted.
    let mut last_word = LastWord { core, exits, ending: Ending::Killed };
    let life = AssertUnwindSafe(life).catch_unwind();
    let mut life = pin!(life);
    let outcome = poll_fn(|cx| {
        let began = std::time::Instant::now();
        IN_USER.set(true);
        let poll = life.as_mut().poll(cx);
        IN_USER.set(false);
        let took = began.elapsed();
        if took > STALL {
            measure.stalled(scenario, took);
        }
        poll
    })
    .await;
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
