//! The task a user runs as, and how its end becomes known.

use std::{
    cell::Cell,
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use crowd_core::failure::Failure;
use crowd_core::panic::{is_untold, panic_text};
use crowd_measure::{Measure, give_up_at};
use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::{blame, core::UserCore, fence::Fence, id::UserId};

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
pub(crate) use crowd_measure::blocked::STALL;

thread_local! {
    static IN_USER: Cell<bool> = const { Cell::new(false) };
}

/// Sends panics to the log instead of standard error, where they would garble a console. Those of
/// users are counted and told by the runtime, and a crowd of them is no news: they are logged at
/// `debug`. To be called once, by a program that logs.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        if is_untold() {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(target: "crowd", "what reads a setting panicked at {place}");
        } else if IN_USER.get() {
            tracing::debug!(target: "crowd", "a user panicked: {panic}");
        } else {
            tracing::error!(target: "crowd", "{panic}");
        }
    }));
}

/// What the users that one supervisor starts have in common.
#[derive(Debug)]
pub struct Watch {
    /// Where their ends are told.
    pub(crate) exits: Arc<ExitBox>,
    /// Where stalls are noted.
    pub(crate) measure: Measure,
    /// The scenario they run.
    pub(crate) scenario: &'static str,
    /// Until when they may act.
    pub(crate) fence: Fence,
}

pin_project! {
    /// The task of a user: polls its life, catches its panic, tells its end, whatever end that is.
    /// A type of its own and not an `async fn`, which would keep room for the life twice.
    pub(crate) struct UserTask<L> {
        // Dropped before the last word, also when the task is aborted: the user's own things are
        // gone before its end becomes known.
        #[pin]
        life: L,
        last_word: LastWord,
    }

    impl<L> PinnedDrop for UserTask<L> {
        fn drop(this: Pin<&mut Self>) {
            // The life is dropped next, and then the last word.
            give_up_at(this.last_word.watch.fence.over_since());
        }
    }
}

impl<L> UserTask<L> {
    pub(crate) fn new(core: Arc<UserCore>, watch: Arc<Watch>, life: L) -> Self {
        Self { life, last_word: LastWord { core, watch, told: false } }
    }
}

impl<L: Future<Output = Result<(), Failure>>> Future for UserTask<L> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.last_word.watch.fence.is_over() {
            // Dropped without another poll, which tells of it as of a kill.
            return Poll::Ready(());
        }
        let began = Instant::now();
        let watch = &this.last_word.watch;
        watch.measure.polling(began);
        blame::begin(began);
        IN_USER.set(true);
        let poll = catch_unwind(AssertUnwindSafe(|| this.life.poll(cx)));
        IN_USER.set(false);
        let took = began.elapsed();
        watch.measure.polled();
        blame::end();
        if took > STALL {
            match blame::take() {
                Some(action) => {
                    watch.measure.stalled(&format!("{}: {action}", watch.scenario), took);
                }
                None => watch.measure.stalled(watch.scenario, took),
            }
        }
        let stopping = this.last_word.core.is_stopping();
        this.last_word.tell(match poll {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(()))) if stopping => Ending::Stopped,
            Ok(Poll::Ready(Ok(()))) => Ending::Finished,
            Ok(Poll::Ready(Err(failure))) if failure.is_stop() => Ending::Stopped,
            Ok(Poll::Ready(Err(failure))) => Ending::Failed(failure),
            Err(panic) => Ending::Panicked(panic_text(&*panic)),
        });
        Poll::Ready(())
    }
}

/// Tells the end of the user, at the latest when it is dropped.
struct LastWord {
    core: Arc<UserCore>,
    watch: Arc<Watch>,
    told: bool,
}

impl LastWord {
    fn tell(&mut self, ending: Ending) {
        if !std::mem::replace(&mut self.told, true) {
            self.core.end();
            let age = Instant::now().saturating_duration_since(self.core.started());
            self.watch.exits.put(Exit { user: self.core.id(), ending, age });
        }
    }
}

impl Drop for LastWord {
    fn drop(&mut self) {
        give_up_at(None);
        self.tell(Ending::Killed);
    }
}

#[cfg(test)]
mod tests;
