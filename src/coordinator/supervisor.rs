//! The actor that supervises the coordinators of a node, and the table it keeps.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use crowd_core::telemetry::event::CoordinatorStart;
use futures_util::future::BoxFuture;
use ractor::{
    Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent,
};

use super::instance::AnyInstance;

/// The start of a worker: its id, or why there is none.
pub(super) type Beginning = BoxFuture<'static, Result<ActorId, String>>;

/// The only message: start a coordinator and enter it into the table.
pub(super) struct Start {
    pub(super) instance: Arc<dyn AnyInstance>,
    /// Starts the worker, under the supervisor given.
    pub(super) begin: Box<dyn FnOnce(ActorCell) -> Beginning + Send>,
    pub(super) reply: RpcReplyPort<Result<(), String>>,
}

impl ractor::Message for Start {}

impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start").field("name", &self.instance.core().name).finish_non_exhaustive()
    }
}

/// Sees every coordinator end, and tells if it was not by a stop.
pub(super) struct Supervisor;

/// The supervisor's state.
pub(super) struct Supervised {
    table: Arc<Table>,
}

impl Actor for Supervisor {
    type Msg = Start;
    type State = Supervised;
    type Arguments = Arc<Table>;

    async fn pre_start(
        &self,
        _: ActorRef<Start>,
        table: Arc<Table>,
    ) -> Result<Supervised, ActorProcessingErr> {
        Ok(Supervised { table })
    }

    async fn handle(
        &self,
        myself: ActorRef<Start>,
        start: Start,
        state: &mut Supervised,
    ) -> Result<(), ActorProcessingErr> {
        let Start { instance, begin, reply } = start;
        let begun = begin(myself.get_cell()).await.map(|worker| {
            if let Some(old) = state.table.insert(worker, instance.clone()) {
                // Another start of the same name at the same time: the later one has it.
                old.begin_stop();
            }
            let core = instance.core();
            core.telemetry.emit(&CoordinatorStart { name: core.name.clone() });
        });
        // Whoever asked may have stopped waiting; the coordinator can be found by its name.
        let _ = reply.send(begun);
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Start>,
        event: SupervisionEvent,
        state: &mut Supervised,
    ) -> Result<(), ActorProcessingErr> {
        let (worker, why) = match event {
            // The worker's state, if there is one, is dropped here: it closes the intake.
            SupervisionEvent::ActorTerminated(worker, _, why) => (worker, why),
            SupervisionEvent::ActorFailed(worker, why) => (worker, Some(why.to_string())),
            _ => return Ok(()),
        };
        if let Some(instance) = state.table.remove(worker.get_id()) {
            bury(&*instance, why.as_deref().unwrap_or("its actor ended"));
        }
        Ok(())
    }
}

/// No coordinator outlives its supervisor; their end is told here too.
impl Drop for Supervised {
    fn drop(&mut self) {
        for instance in self.table.clear() {
            bury(&*instance, "the supervisor of coordinators ended");
        }
    }
}

/// Tells that a coordinator died, unless it ended as it should.
fn bury(instance: &dyn AnyInstance, why: &str) {
    instance.close();
    if let Some(lost) = instance.take_death() {
        let events = if lost == 1 { "event is" } else { "events are" };
        let reason = format!("the coordinator died: {why}; {lost} {events} lost");
        instance.core().fault(0, reason);
    }
}

/// The coordinators of a node.
#[derive(Default)]
pub(super) struct Table(RwLock<Rows>);

#[derive(Default)]
struct Rows {
    /// The one that is meant by a name. It may have ended a moment ago.
    by_name: BTreeMap<Arc<str>, Arc<dyn AnyInstance>>,
    /// All whose worker lives, also those that were replaced and have something left to do.
    by_worker: HashMap<ActorId, Arc<dyn AnyInstance>>,
}

impl Table {
    /// The coordinator of a name, if it has not ended.
    pub(super) fn find(&self, name: &str) -> Option<Arc<dyn AnyInstance>> {
        let rows = self.0.read().unwrap_or_else(PoisonError::into_inner);
        rows.by_name.get(name).filter(|instance| !instance.has_ended()).cloned()
    }

    /// All that have not ended, by name and age.
    pub(super) fn all(&self) -> Vec<Arc<dyn AnyInstance>> {
        let rows = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let living = rows.by_worker.values().filter(|instance| !instance.has_ended());
        let mut all: Vec<_> = living.cloned().collect();
        all.sort_by(|a, b| (&a.core().name, a.core().id).cmp(&(&b.core().name, b.core().id)));
        all
    }

    /// Enters a coordinator under its name; hands back the one that had it.
    fn insert(
        &self,
        worker: ActorId,
        instance: Arc<dyn AnyInstance>,
    ) -> Option<Arc<dyn AnyInstance>> {
        let mut rows = self.0.write().unwrap_or_else(PoisonError::into_inner);
        rows.by_worker.insert(worker, instance.clone());
        rows.by_name.insert(instance.core().name.clone(), instance)
    }

    /// Takes the coordinator of this worker out, and its name unless another has that by now.
    fn remove(&self, worker: ActorId) -> Option<Arc<dyn AnyInstance>> {
        let mut rows = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let instance = rows.by_worker.remove(&worker)?;
        let core = instance.core();
        if rows.by_name.get(&core.name).is_some_and(|named| named.core().id == core.id) {
            rows.by_name.remove(&core.name);
        }
        Some(instance)
    }

    fn clear(&self) -> Vec<Arc<dyn AnyInstance>> {
        let mut rows = self.0.write().unwrap_or_else(PoisonError::into_inner);
        rows.by_name.clear();
        rows.by_worker.drain().map(|(_, instance)| instance).collect()
    }
}

#[cfg(test)]
mod tests;
