//! Work that a throttle runs when its turn comes.

use std::{
    fmt,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use crowd_core::panic::panic_text;
use futures_util::FutureExt;
use tokio::{sync::oneshot, task::AbortHandle};

use super::{
    Permit,
    gate::{Asked, Gate},
};

/// Work that waits for its turn or runs: a future of its outcome. Dropping it drops the work;
/// [`Running::detach`] lets it go on by itself.
#[must_use = "dropping it drops the work; call `detach` to let it go on"]
pub struct Running<T> {
    gate: Arc<Gate>,
    outcome: oneshot::Receiver<Result<T, RunError>>,
    /// Where it waits and runs, until it is over or left alone.
    task: Option<AbortHandle>,
}

impl<T> fmt::Debug for Running<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("gate", &self.gate).finish_non_exhaustive()
    }
}

/// Why work has no outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The throttle was stopped before the work ended.
    #[error("throttle `{0}` was stopped")]
    Stopped(String),
    /// The work panicked.
    #[error("what the throttle ran panicked: {0}")]
    Panicked(String),
}

impl<T: Send + 'static> Running<T> {
    pub(super) fn new(gate: &Arc<Gate>, work: impl Future<Output = T> + Send + 'static) -> Self {
        let (tell, outcome) = oneshot::channel();
        // Asked for here and now: the order is that of asking, not that of tasks starting.
        let asked = gate.ask(1, true);
        let theirs = gate.clone();
        let run = async move {
            let answer = match asked {
                Asked::Given(answer) => answer,
                Asked::Queued(waiting) => match waiting.await {
                    Some(answer) => answer,
                    None => return,
                },
                Asked::Stopped => return,
            };
            let permit = Permit::new(theirs.clone(), answer);
            let ended = AssertUnwindSafe(work).catch_unwind().await;
            // Who is told that it ended may rely on its place being free.
            drop(permit);
            let outcome = ended.map_err(|panic| {
                let text = panic_text(&*panic);
                theirs.fault(text.clone());
                RunError::Panicked(text)
            });
            // Nobody is told of detached work.
            let _ = tell.send(outcome);
        };
        let ending = gate.ending.clone();
        let task = gate.running.spawn_on(
            async move {
                // What is left of the work is dropped when the throttle is stopped.
                let _ = ending.run_until_cancelled(run).await;
            },
            &gate.runtime,
        );
        Self { gate: gate.clone(), outcome, task: Some(task.abort_handle()) }
    }
}

impl<T> Running<T> {
    /// Lets the work go on by itself: it then belongs to the throttle, and is dropped only when
    /// that is stopped.
    pub fn detach(mut self) {
        self.task = None;
    }
}

impl<T> Future for Running<T> {
    type Output = Result<T, RunError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.outcome).poll(context).map(|outcome| {
            self.task = None;
            outcome.unwrap_or_else(|_| Err(RunError::Stopped(self.gate.name.to_string())))
        })
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
