//! Work that a throttle runs when its turn comes.

use std::{
    fmt,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::FutureExt;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{
    gate::Gate,
    outbox::panic_text,
    queue::{Entry, Stage, Work},
};

/// Work that waits for its turn or runs: a future of its outcome. Dropping it drops the work;
/// [`Running::detach`] lets it go on by itself.
#[must_use = "dropping it drops the work; call `detach` to let it go on"]
pub struct Running<T> {
    gate: Arc<Gate>,
    outcome: oneshot::Receiver<Result<T, RunError>>,
    shared: Arc<Shared>,
    /// Nobody is to be told when this is dropped.
    released: bool,
}

#[derive(Debug, Default)]
struct Shared {
    /// Shared with the entry in the queue.
    stage: Arc<Stage>,
    cancel: CancellationToken,
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
        let shared = Arc::new(Shared::default());
        let (mine, theirs) = (shared.clone(), gate.clone());
        let start = Box::new(move |permit| {
            let run = async move {
                let work = AssertUnwindSafe(work).catch_unwind();
                let ended = mine.cancel.run_until_cancelled(work).await;
                // Who is told that it ended may rely on its place being free.
                drop(permit);
                let told = match ended {
                    None => return,
                    Some(Ok(value)) => tell.send(Ok(value)),
                    Some(Err(panic)) => {
                        let text = panic_text(&*panic);
                        theirs.fault(text.clone());
                        tell.send(Err(RunError::Panicked(text)))
                    }
                };
                // Nobody is told of detached work.
                drop(told);
            };
            Box::pin(run) as Pin<Box<dyn Future<Output = ()> + Send>>
        });
        let work = Work { start, stage: shared.stage.clone() };
        // On a stopped throttle the entry is dropped, and with it the sender of the outcome.
        drop(gate.enter(Entry::Run(work)));
        Self { gate: gate.clone(), outcome, shared, released: false }
    }
}

impl<T> Running<T> {
    /// Lets the work go on by itself: it then belongs to the throttle, and is dropped only when
    /// that is stopped.
    pub fn detach(mut self) {
        self.released = true;
    }
}

impl<T> Future for Running<T> {
    type Output = Result<T, RunError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.outcome).poll(context).map(|outcome| {
            self.released = true;
            outcome.unwrap_or_else(|_| Err(RunError::Stopped(self.gate.name.to_string())))
        })
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        if self.released {
            return;
        }
        self.gate.drop_work(&self.shared.stage);
        self.shared.cancel.cancel();
    }
}
