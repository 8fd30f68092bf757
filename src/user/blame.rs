//! Which timed action held up a worker.
//!
//! A user's poll that takes long is noticed where users are polled; what it was doing then is known
//! only here. Costs a look at the clock each time an action is not done yet.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::task::STALL;

thread_local! {
    /// Since when the code that runs now has the worker: since the user's poll began, or since the
    /// action before was left.
    static SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
    /// The action that held up the worker in this poll of a user.
    static BLAMED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// A user is polled from now on.
pub(super) fn begin(now: Instant) {
    SINCE.set(Some(now));
    // Of a task that is no user, but whose code timed an action.
    BLAMED.take();
}

/// The user is not polled any more: what runs next on this thread is somebody else's.
pub(super) fn end() {
    SINCE.set(None);
}

/// The action that held up the worker since then, if one did; to be asked after a long poll.
pub(super) fn take() -> Option<String> {
    BLAMED.take()
}

pin_project! {
    /// A timed action.
    pub(super) struct Timed<'a, F> {
        name: &'a str,
        // When it was begun; taken by the first poll.
        began: Option<Instant>,
        #[pin]
        action: F,
    }
}

impl<'a, F> Timed<'a, F> {
    pub(super) fn new(name: &'a str, began: Instant, action: F) -> Self {
        Self { name, began: Some(began), action }
    }
}

impl<F: Future> Future for Timed<'_, F> {
    /// With when it was done.
    type Output = (F::Output, Instant);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let entered = this.began.take().or_else(|| SINCE.get());
        let outcome = this.action.poll(cx);
        let left = Instant::now();
        if entered.is_some_and(|entered| left.saturating_duration_since(entered) > STALL) {
            // An action within an action is left first, and was what took the time.
            BLAMED.with_borrow_mut(|blamed| {
                blamed.get_or_insert_with(|| (*this.name).to_owned());
            });
        }
        SINCE.set(Some(left));
        outcome.map(|outcome| (outcome, left))
    }
}
