//! A coordinator that runs: the groups behind a lock, what waits for the worker, and the clock.

use std::{
    any::Any,
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
};

use crowd_core::{
    refusal::Refusal,
    telemetry::event::{CoordinatorAdd, CoordinatorReset, CoordinatorStop, CoordinatorTimeout},
    user_id::UserId,
};
use rand::rngs::SmallRng;
use tokio::sync::oneshot;

use super::{
    AddError, CoordinatorData,
    batch::{Batch, Batcher},
    core::Core,
    info::{CoordinatorInfo, CoordinatorState, ItemInfo},
    plan::Timeout,
    shared::Shared,
};

/// What waits for the worker.
pub(super) enum Job<D> {
    /// Run the actions on this.
    Run(Batch<D>),
    /// Say that all before this is done.
    Answer(oneshot::Sender<()>),
    /// Call this: all before it is done.
    Tell(Box<dyn FnOnce() + Send>),
    /// There will be no more.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    Stopping,
    Stopped,
    /// It ended in no proper way, and so many batches were lost.
    Died {
        lost: u64,
        told: bool,
    },
}

struct Intake<D> {
    phase: Phase,
    batcher: Batcher<D, SmallRng>,
    queue: Vec<Job<D>>,
    /// The worker has been woken and has not found the queue empty since.
    awake: bool,
}

impl<D> Intake<D> {
    /// Whether the worker is to be woken now.
    fn calls(&mut self) -> bool {
        !self.queue.is_empty() && !mem::replace(&mut self.awake, true)
    }
}

/// A coordinator that runs.
pub(super) struct Instance<D> {
    pub(super) core: Core,
    /// Its groups are gathered by the master of the cluster, not here.
    pub(super) shared: Option<Shared>,
    intake: Mutex<Intake<D>>,
}

impl<D> fmt::Debug for Instance<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance").field("name", &self.core.name).finish_non_exhaustive()
    }
}

impl<D: CoordinatorData> Instance<D> {
    /// A coordinator whose items, in the order of their turns, keep their members or not.
    pub(super) fn new(core: Core, keeps: &[bool], shared: Option<Shared>) -> Self {
        let timeout = match core.timeout {
            Timeout::After(timeout) => Some(timeout),
            Timeout::Never => None,
        };
        let groups = core.items.iter().map(|(_, group)| *group).zip(keeps.iter().copied());
        let batcher = Batcher::new(groups, timeout, rand::make_rng());
        let intake = Intake { phase: Phase::Running, batcher, queue: Vec::new(), awake: false };
        Self { core, shared, intake: Mutex::new(intake) }
    }

    fn intake(&self) -> MutexGuard<'_, Intake<D>> {
        self.intake.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a user in every item.
    pub(super) fn add(&self, user: UserId, data: D) -> Result<(), AddError> {
        if let Some(shared) = &self.shared {
            return self.add_there(shared, user, &data);
        }
        let core = &self.core;
        let now = core.now();
        let (added, wake) = {
            let mut intake = self.intake();
            if intake.phase != Phase::Running {
                return Err(AddError::Stopped(core.name.to_string()));
            }
            let Intake { batcher, queue, .. } = &mut *intake;
            let added = batcher.add(now, user, data, |batch| queue.push(Job::Run(batch)));
            (added, intake.calls())
        };
        if added.timed_out {
            core.telemetry.emit(&CoordinatorTimeout { name: core.name.clone() });
        }
        core.telemetry.emit_with(1, || CoordinatorAdd { name: core.name.clone(), user });
        if added.armed && core.timeout != Timeout::Never {
            core.armed.notify_one();
        }
        if wake {
            core.wake();
        }
        Ok(())
    }

    /// Takes what waits, in exchange for an empty list; says whether there was anything. If there
    /// was not, the next batch wakes the worker again.
    pub(super) fn take_jobs(&self, jobs: &mut Vec<Job<D>>) -> bool {
        let mut intake = self.intake();
        mem::swap(&mut intake.queue, jobs);
        intake.awake = !jobs.is_empty();
        intake.awake
    }

    /// Ends groups by timeout, for as long as the coordinator lives. Its own task, so that a slow
    /// action delays what is done with a group but not who is in it.
    pub(super) async fn keep_time(self: Arc<Self>) {
        loop {
            let deadline = self.intake().batcher.deadline();
            match deadline {
                None => self.core.armed.notified().await,
                Some(deadline) => {
                    tokio::time::sleep(deadline.saturating_sub(self.core.now())).await;
                    self.tick();
                }
            }
        }
    }

    fn tick(&self) {
        let now = self.core.now();
        let (timed_out, wake) = {
            let mut intake = self.intake();
            if intake.phase != Phase::Running {
                return;
            }
            let Intake { batcher, queue, .. } = &mut *intake;
            let timed_out = batcher.tick(now, |batch| queue.push(Job::Run(batch)));
            (timed_out, intake.calls())
        };
        if timed_out {
            self.core.telemetry.emit(&CoordinatorTimeout { name: self.core.name.clone() });
        }
        if wake {
            self.core.wake();
        }
    }

    /// Whether users can be added.
    pub(super) fn is_open(&self) -> bool {
        self.intake().phase == Phase::Running
    }

    /// Has the worker do this, after all before; says whether it is still there for it.
    pub(super) fn enqueue(&self, jobs: impl IntoIterator<Item = Job<D>>) -> bool {
        let wake = {
            let mut intake = self.intake();
            if intake.phase != Phase::Running {
                return false;
            }
            intake.queue.extend(jobs);
            intake.calls()
        };
        if wake {
            self.core.wake();
        }
        true
    }

    /// Takes no more users, and ends after what is to be done, without any event; says whether it
    /// was this call that ended it.
    pub(super) fn begin_end(&self) -> bool {
        let wake = {
            let mut intake = self.intake();
            if intake.phase != Phase::Running {
                return false;
            }
            intake.phase = Phase::Stopping;
            intake.queue.push(Job::End);
            intake.calls()
        };
        if wake {
            self.core.wake();
        }
        true
    }

    /// The worker has done everything that was to be done.
    pub(super) fn finish(&self) {
        self.intake().phase = Phase::Stopped;
        self.core.tell_end();
    }
}

/// A coordinator that runs, whatever the type of its data.
pub(super) trait AnyInstance: Send + Sync {
    fn core(&self) -> &Core;
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
    /// Whether it has ended, in whatever way.
    fn has_ended(&self) -> bool;
    /// What is known of it; `None` once it has ended.
    fn info(&self) -> Option<CoordinatorInfo>;
    /// Ends all groups by reset; the answer comes when the actions are over.
    fn reset(&self) -> Result<oneshot::Receiver<()>, Refusal>;
    /// Ends all groups for good; says whether it was this call that did.
    fn begin_stop(&self) -> bool;
    /// It is over, in no proper way unless [`Instance::finish`] was first.
    fn close(&self);
    /// The way to the master that gathers its groups, and what it knows of it; `None`: they are
    /// gathered here.
    fn shared(&self) -> Option<&Shared>;
    /// Whether users can be added.
    fn is_open(&self) -> bool;
    /// If it ended in no proper way, how many batches were lost; the first time only.
    fn take_death(&self) -> Option<u64>;
    /// Whether it ended in no proper way.
    fn has_died(&self) -> bool;
}

impl<D: CoordinatorData> AnyInstance for Instance<D> {
    fn core(&self) -> &Core {
        &self.core
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn has_ended(&self) -> bool {
        matches!(self.intake().phase, Phase::Stopped | Phase::Died { .. })
    }

    fn info(&self) -> Option<CoordinatorInfo> {
        let core = &self.core;
        let intake = self.intake();
        let state = match intake.phase {
            Phase::Running => CoordinatorState::Running,
            Phase::Stopping => CoordinatorState::Stopping,
            Phase::Stopped | Phase::Died { .. } => return None,
        };
        let gathered = intake.batcher.gathered();
        let items = core.items.iter().zip(gathered).map(|((item, group), (size, waiting))| {
            ItemInfo { item: *item, group: group.to_string(), size, waiting }
        });
        let events = intake.batcher.fired();
        Some(CoordinatorInfo {
            name: core.name.to_string(),
            state,
            timeout: core.timeout,
            items: items.collect(),
            adds: self
                .shared
                .as_ref()
                .map_or(intake.batcher.adds(), |shared| shared.adds.load(Ordering::Relaxed)),
            events,
            queued: events.total().saturating_sub(core.done.load(Ordering::Relaxed)),
            faults: core.faults.load(Ordering::Relaxed),
            last_fault: core.last_fault(),
        })
    }

    fn shared(&self) -> Option<&Shared> {
        self.shared.as_ref()
    }

    fn is_open(&self) -> bool {
        Instance::is_open(self)
    }

    fn reset(&self) -> Result<oneshot::Receiver<()>, Refusal> {
        let (answer, answered) = oneshot::channel();
        let wake = {
            let mut intake = self.intake();
            if intake.phase != Phase::Running {
                return Err(self.core.gone());
            }
            let Intake { batcher, queue, .. } = &mut *intake;
            batcher.reset(|batch| queue.push(Job::Run(batch)));
            queue.push(Job::Answer(answer));
            intake.calls()
        };
        self.core.telemetry.emit(&CoordinatorReset { name: self.core.name.clone() });
        if wake {
            self.core.wake();
        }
        Ok(answered)
    }

    fn begin_stop(&self) -> bool {
        if self.shared.is_some() {
            return self.begin_end();
        }
        let wake = {
            let mut intake = self.intake();
            if intake.phase != Phase::Running {
                return false;
            }
            intake.phase = Phase::Stopping;
            let Intake { batcher, queue, .. } = &mut *intake;
            batcher.stop(|batch| queue.push(Job::Run(batch)));
            queue.push(Job::End);
            intake.calls()
        };
        self.core.telemetry.emit(&CoordinatorStop { name: self.core.name.clone() });
        if wake {
            self.core.wake();
        }
        true
    }

    fn close(&self) {
        let lost = {
            let mut intake = self.intake();
            if let Phase::Stopped | Phase::Died { .. } = intake.phase {
                return;
            }
            let done = self.core.done.load(Ordering::Relaxed);
            let lost = intake.batcher.fired().total().saturating_sub(done);
            intake.phase = Phase::Died { lost, told: false };
            mem::take(&mut intake.queue)
        };
        if let Some(shared) = &self.shared {
            shared.bureau.left(shared.id());
        }
        drop_quietly(lost);
        self.core.tell_end();
    }

    fn take_death(&self) -> Option<u64> {
        match &mut self.intake().phase {
            Phase::Died { lost, told } => (!mem::replace(told, true)).then_some(*lost),
            _ => None,
        }
    }

    fn has_died(&self) -> bool {
        matches!(self.intake().phase, Phase::Died { .. })
    }
}

impl dyn AnyInstance + '_ {
    /// Resets, and waits for the actions.
    pub(super) async fn reset_and_wait(&self) -> Result<(), Refusal> {
        if let Some(shared) = self.shared() {
            let answer = shared.bureau.clone().reset(shared.id());
            return if self.core().is_caller() { Ok(()) } else { answer.await };
        }
        let answer = self.reset()?;
        if self.core().is_caller() {
            return Ok(());
        }
        answer.await.map_err(|_| self.core().died())
    }

    /// Stops, and waits for the actions.
    pub(super) async fn stop_and_wait(&self) -> Result<(), Refusal> {
        if let Some(shared) = self.shared() {
            let answer = shared.bureau.clone().stop(shared.id());
            return if self.core().is_caller() { Ok(()) } else { answer.await };
        }
        if !self.begin_stop() {
            return Err(self.core().gone());
        }
        self.core().ended().await;
        if self.has_died() { Err(self.core().died()) } else { Ok(()) }
    }

    /// Ends the coordinator without waiting for its actions.
    pub(super) fn kill(&self) {
        if let Some(worker) = self.core().worker.get() {
            worker.get_cell().kill();
        }
        self.close();
    }
}

/// Drops what is the scenario's, whose code may panic at that too.
pub(super) fn drop_quietly<T>(value: T) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(value)));
}
