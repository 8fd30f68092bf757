//! What of a coordinator does not depend on the type of its data.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crowd_core::{
    refusal::{Code, Refusal},
    telemetry::{Telemetry, event::CoordinatorFault},
};
use ractor::ActorRef;
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    plan::{Group, Timeout},
    worker::Wake,
};

tokio::task_local! {
    /// The coordinator whose action this task is running.
    pub(super) static WITHIN: u64;
}

/// The part of a coordinator that does not depend on the type of its data.
pub(super) struct Core {
    /// Tells this coordinator from another of the same name, before or after it.
    pub(super) id: u64,
    pub(super) name: Arc<str>,
    pub(super) telemetry: Telemetry,
    pub(super) timeout: Timeout,
    /// Number and group of each item, in the order of their turns.
    pub(super) items: Vec<(usize, Group)>,
    /// Where the batcher's times count from.
    origin: Instant,
    /// Called when there is a deadline again.
    pub(super) armed: Notify,
    pub(super) worker: OnceLock<ActorRef<Wake>>,
    /// Whatever end it was.
    ended: CancellationToken,
    /// Batches whose actions are over.
    pub(super) done: AtomicU64,
    pub(super) faults: AtomicU64,
    last_fault: Mutex<Option<String>>,
}

impl Core {
    pub(super) fn new(
        id: u64,
        name: Arc<str>,
        telemetry: Telemetry,
        timeout: Timeout,
        items: Vec<(usize, Group)>,
    ) -> Self {
        Self {
            id,
            name,
            telemetry,
            timeout,
            items,
            origin: Instant::now(),
            armed: Notify::new(),
            worker: OnceLock::new(),
            ended: CancellationToken::new(),
            done: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            last_fault: Mutex::new(None),
        }
    }

    /// The time for the batcher. Nobody asks the clock if nothing depends on it.
    pub(super) fn now(&self) -> Duration {
        match self.timeout {
            Timeout::After(_) => self.origin.elapsed(),
            Timeout::Never => Duration::ZERO,
        }
    }

    /// Tells of a fault: in item number `item`, or with 0 in the coordinator itself.
    pub(super) fn fault(&self, item: usize, reason: String) {
        self.faults.fetch_add(1, Ordering::Relaxed);
        *self.last_fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.clone());
        self.telemetry.emit(&CoordinatorFault { name: self.name.clone(), item, reason });
    }

    /// Has the worker look at the queue.
    pub(super) fn wake(&self) {
        if let Some(worker) = self.worker.get() {
            // A worker that is gone has closed the intake, or is about to.
            let _ = worker.cast(Wake);
        }
    }

    /// Whether the caller is an action of this very coordinator, which must not wait for itself.
    pub(super) fn is_caller(&self) -> bool {
        WITHIN.try_with(|id| *id == self.id).unwrap_or(false)
    }

    /// Why the last action that failed did.
    pub(super) fn last_fault(&self) -> Option<String> {
        self.last_fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets go whoever waits for the end.
    pub(super) fn tell_end(&self) {
        self.ended.cancel();
    }

    /// Waits until the coordinator has ended; not at all in one of its own actions.
    pub(super) async fn ended(&self) {
        if !self.is_caller() {
            self.ended.cancelled().await;
        }
    }

    /// The refusal after a stop.
    pub(super) fn gone(&self) -> Refusal {
        let name = &self.name;
        Refusal::new(Code::NoCoordinator, format!("coordinator `{name}` has been stopped"))
    }

    /// The refusal of what a death has cut short.
    pub(super) fn died(&self) -> Refusal {
        let name = &self.name;
        let message =
            format!("coordinator `{name}` died before it could do this; its log says why");
        Refusal::new(Code::Unavailable, message)
    }
}
