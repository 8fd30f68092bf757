//! The actor of one coordinator: it runs all its actions, one after the other.

use std::{
    fmt,
    marker::PhantomData,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
};

use crowd_core::panic::panic_text;
use crowd_core::telemetry::event::CoordinatorExecute;
use futures_util::FutureExt;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::task::coop::consume_budget;
use tokio_util::task::AbortOnDropHandle;

use super::{
    CoordinatorData,
    action::{Outcome, Shape, pairs},
    batch::Batch,
    core::WITHIN,
    instance::{AnyInstance, Instance, Job, drop_quietly},
    plan::{Item, Timeout},
};

/// A list of jobs that is longer than this is given back once it is done.
const KEPT_CAPACITY: usize = 4096;

/// The only message: there is something in the queue. It is sent once for all that piles up until
/// the worker has seen it, so that an add is not a message.
#[derive(Debug)]
pub(super) struct Wake;

impl ractor::Message for Wake {}

pub(super) struct Worker<D>(PhantomData<fn() -> D>);

impl<D> Worker<D> {
    pub(super) const fn new() -> Self {
        Self(PhantomData)
    }
}

pub(super) struct Work<D: CoordinatorData> {
    instance: Arc<Instance<D>>,
    /// In the order of their turns.
    items: Vec<Item<D>>,
    jobs: Vec<Job<D>>,
    /// Only if there is a timeout.
    _clock: Option<AbortOnDropHandle<()>>,
}

impl<D: CoordinatorData> fmt::Debug for Work<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("instance", &self.instance).finish_non_exhaustive()
    }
}

/// However the worker ends, nobody waits for it in vain.
impl<D: CoordinatorData> Drop for Work<D> {
    fn drop(&mut self) {
        self.instance.close();
        drop_quietly(mem::take(&mut self.jobs));
        drop_quietly(mem::take(&mut self.items));
    }
}

impl<D: CoordinatorData> Actor for Worker<D> {
    type Msg = Wake;
    type State = Work<D>;
    type Arguments = (Arc<Instance<D>>, Vec<Item<D>>);

    async fn pre_start(
        &self,
        myself: ActorRef<Wake>,
        (instance, items): Self::Arguments,
    ) -> Result<Work<D>, ActorProcessingErr> {
        // The instance is new: nobody else can have given it a worker.
        let _ = instance.core.worker.set(myself);
        let clock = (instance.core.timeout != Timeout::Never)
            .then(|| AbortOnDropHandle::new(tokio::spawn(instance.clone().keep_time())));
        Ok(Work { instance, items, jobs: Vec::new(), _clock: clock })
    }

    async fn handle(
        &self,
        myself: ActorRef<Wake>,
        _: Wake,
        work: &mut Work<D>,
    ) -> Result<(), ActorProcessingErr> {
        let id = work.instance.core.id;
        if WITHIN.scope(id, work.empty_the_queue()).await {
            work.instance.finish();
            myself.stop(None);
        }
        Ok(())
    }
}

impl<D: CoordinatorData> Work<D> {
    /// Does what there is to do; says whether that was all there will ever be.
    async fn empty_the_queue(&mut self) -> bool {
        let Self { instance, items, jobs, .. } = self;
        while instance.take_jobs(jobs) {
            for job in jobs.drain(..) {
                match job {
                    Job::Run(batch) => {
                        if let Some(item) = items.get(batch.item) {
                            run(instance, item, batch).await;
                        }
                        instance.core.done.fetch_add(1, Ordering::Relaxed);
                    }
                    // Whoever asked may have stopped waiting.
                    Job::Answer(answer) => drop(answer.send(())),
                    Job::Tell(tell) => tell(),
                    Job::End => return true,
                }
                // Leaves the thread to others now and then, and can be killed there.
                consume_budget().await;
            }
            jobs.shrink_to(KEPT_CAPACITY);
        }
        false
    }
}

/// Runs the actions of an item on a group.
async fn run<D: CoordinatorData>(instance: &Instance<D>, item: &Item<D>, batch: Batch<D>) {
    let Batch { event, size, mut members, .. } = batch;
    let core = &instance.core;
    core.telemetry.emit_with(event.count(), || CoordinatorExecute {
        name: core.name.clone(),
        event: event.name(),
        configured: size.map_or_else(|| "all".to_owned(), |size| size.to_string()),
        members: event.count(),
    });
    // They were counted oldest first; actions see them newest first.
    members.reverse();
    for action in &item.actions {
        let mut faults = Faults::default();
        match &action.shape {
            Shape::Event(act) => faults.note(settle(|| act(event)).await),
            Shape::Members(act) => faults.note(settle(|| act(event, &members)).await),
            Shape::Pairs(act) => {
                for (newer, older) in pairs(&members) {
                    faults.note(settle(|| act(event, newer, older)).await);
                    consume_budget().await;
                }
            }
        }
        if let Some(reason) = faults.told() {
            core.fault(item.number, reason);
        }
    }
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(members))) {
        let text = panic_text(&*panic);
        core.fault(item.number, format!("the data of a member panicked when dropped: {text}"));
    }
}

/// Calls an action and waits for what it returns, if that is a future.
async fn settle(action: impl FnOnce() -> Outcome) -> Result<(), String> {
    let result = match catch_unwind(AssertUnwindSafe(action)) {
        Ok(Outcome::Done(result)) => Ok(result),
        Ok(Outcome::Later(future)) => AssertUnwindSafe(future).catch_unwind().await,
        Err(panic) => Err(panic),
    };
    match result {
        Ok(Ok(())) => Ok(()),
        Ok(Err(failure)) => Err(failure.to_string()),
        Err(panic) => Err(format!("panicked: {}", panic_text(&*panic))),
    }
}

/// What went wrong in the calls of one action for one group. They are told together: an action on
/// the pairs of a hundred users that always fails would otherwise be 4950 lines in the log.
#[derive(Default)]
struct Faults {
    first: Option<String>,
    more: u64,
}

impl Faults {
    fn note(&mut self, call: Result<(), String>) {
        match (call, &self.first) {
            (Ok(()), _) => {}
            (Err(reason), None) => self.first = Some(reason),
            (Err(_), Some(_)) => self.more += 1,
        }
    }

    fn told(self) -> Option<String> {
        let Self { first, more } = self;
        first.map(|first| match more {
            0 => first,
            1 => format!("{first} (and 1 more call of this action failed)"),
            _ => format!("{first} (and {more} more calls of this action failed)"),
        })
    }
}
