//! Which timed action held up a worker.
//!
//! A user's poll that takes long is noticed where users are polled; what it was doing then is known
//! only here. Costs a look at the clock each time an action is not done yet.

use std::{
    cell::{Cell, RefCell},
    iter::empty,
    pin::Pin,
    task::{Context, Poll},
};

use crowd_core::failure::Failure;
use crowd_measure::{Fate, Measure, Place, Sample, given_up};
use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::{id::UserId, task::STALL};

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
    /// A timed action. From its first wait on it is among those under way; dropped then, it is
    /// unfinished.
    pub(super) struct Timed<'a, F> {
        name: &'a str,
        measure: &'a Measure,
        user: UserId,
        began: Instant,
        due: Instant,
        polled: bool,
        // Where it is under way.
        place: Option<Place>,
        #[pin]
        action: F,
    }

    impl<F> PinnedDrop for Timed<'_, F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(place) = this.place.take() {
                let sample = sample(*this.began, *this.due, given_up());
                this.measure.leave(this.name, Some(place), sample, Fate::Unfinished, 1, empty());
            }
        }
    }
}

impl<'a, F> Timed<'a, F> {
    /// `action`, which begins at `began` and was due at `due`.
    pub(super) fn new(
        (name, measure, user): (&'a str, &'a Measure, UserId),
        began: Instant,
        due: Instant,
        action: F,
    ) -> Self {
        Self { name, measure, user, began, due, polled: false, place: None, action }
    }
}

fn sample(began: Instant, due: Instant, now: Instant) -> Sample<'static> {
    Sample {
        service: now.saturating_duration_since(began),
        response: now.saturating_duration_since(due.min(began)),
        failure: None,
    }
}

impl<T, E: Into<Failure>, F: Future<Output = Result<T, E>>> Future for Timed<'_, F> {
    type Output = Result<T, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let entered = match std::mem::replace(this.polled, true) {
            false => Some(*this.began),
            true => SINCE.get(),
        };
        let outcome = this.action.poll(cx);
        let left = Instant::now();
        if entered.is_some_and(|entered| left.saturating_duration_since(entered) > STALL) {
            // An action within an action is left first, and was what took the time.
            BLAMED.with_borrow_mut(|blamed| {
                blamed.get_or_insert_with(|| (*this.name).to_owned());
            });
        }
        SINCE.set(Some(left));
        let Poll::Ready(outcome) = outcome else {
            if this.place.is_none() {
                let (name, user) = (*this.name, Some(this.user.0));
                *this.place = Some(this.measure.enter(name, *this.began, *this.due, user));
            }
            return Poll::Pending;
        };
        let outcome = outcome.map_err(Into::into);
        let fate = match &outcome {
            // Given up because of a stop: that says nothing about the target.
            Err(failure) if failure.is_stop() => Fate::Unfinished,
            outcome => Fate::Ended(outcome.as_ref().err()),
        };
        let sample = sample(*this.began, *this.due, left);
        this.measure.leave(this.name, this.place.take(), sample, fate, 1, empty());
        Poll::Ready(outcome)
    }
}
