//! The coordinators of a node by name, and the actor that supervises them.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crowd_core::{
    failure::Failure,
    refusal::{Code, Refusal},
    suggestion::did_you_mean,
    telemetry::Telemetry,
};
use ractor::{Actor, ActorCell, ActorRef, rpc::CallResult};

use super::{
    Coordinator, CoordinatorData,
    core::Core,
    info::CoordinatorInfo,
    instance::{AnyInstance, Instance},
    plan::{Item, Plan, Timeout},
    shared::{Bureau, Shape, Shared},
    supervisor::{Beginning, Start, Supervisor, Table},
    worker::Worker,
};

/// All coordinators of a node. Cheap to clone; all clones are one.
///
/// A coordinator of [`Scope::Node`](super::Scope::Node) gathers users of *its* node: `all` means all
/// users of the node, and a group never spans nodes. The same scenario starts a coordinator of its
/// own on each node. One of [`Scope::Cluster`](super::Scope::Cluster) gathers those of all nodes.
#[derive(Clone)]
pub struct Coordinators {
    inner: Arc<Inner>,
}

struct Inner {
    table: Arc<Table>,
    supervisor: ActorRef<Start>,
    telemetry: Telemetry,
    next_id: AtomicU64,
    /// The way to the master, while this node takes part in a run of a cluster.
    bureau: Mutex<Option<Arc<dyn Bureau>>>,
}

/// The supervisor, and with it whatever coordinator still runs, ends with the last handle.
impl Drop for Inner {
    fn drop(&mut self) {
        self.supervisor.stop(None);
    }
}

impl fmt::Debug for Coordinators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coordinators").finish_non_exhaustive()
    }
}

impl Coordinators {
    /// Starts the supervisor of a node's coordinators, none of which runs yet.
    ///
    /// # Errors
    /// If the actor cannot be started.
    pub async fn spawn(telemetry: Telemetry) -> Result<Self, Failure> {
        let table = Arc::new(Table::default());
        let (supervisor, _) = Actor::spawn(None, Supervisor, table.clone())
            .await
            .map_err(|error| Failure::generator(format!("no coordinators: {error}")))?;
        let next_id = AtomicU64::new(0);
        let bureau = Mutex::default();
        Ok(Self { inner: Arc::new(Inner { table, supervisor, telemetry, next_id, bureau }) })
    }

    /// Starts a coordinator. If one of that name runs, it is stopped first, and this waits until
    /// its actions on the stop are over (but not in one of those actions). Its handles stay with
    /// it: they take no more users. But one of the whole cluster is joined if it runs already.
    ///
    /// # Errors
    /// `invalid-plan` for a plan or a timeout that makes no sense, or another one than the cluster's
    /// coordinator of that name was started with; a running coordinator of that name then goes on.
    /// `unavailable` if the master cannot be asked.
    pub async fn start<D: CoordinatorData>(
        &self,
        name: &str,
        plan: Plan<D>,
        timeout: Timeout,
    ) -> Result<Coordinator<D>, Refusal> {
        let invalid = |why: &dyn fmt::Display| {
            Refusal::new(Code::InvalidPlan, format!("coordinator `{name}`: {why}"))
        };
        let of_the_cluster = plan.is_of_the_cluster();
        let items = plan.arrange().map_err(|error| invalid(&error))?;
        if timeout == Timeout::After(Duration::ZERO) {
            return Err(invalid(&"a timeout is more than 0s, or `Timeout::Never`"));
        }
        let shape = Shape::of(&items, timeout);
        let bureau = self.bureau().filter(|_| of_the_cluster);
        match self.inner.table.find(name) {
            Some(old) if old.shared().is_some() && old.is_open() => {
                let same = old.shared().is_some_and(|shared| shared.shape == shape);
                if bureau.is_some() && same {
                    return self.get(name);
                }
                return Err(invalid(&"it runs in the whole cluster, with another plan"));
            }
            Some(old) => {
                old.begin_stop();
                old.core().ended().await;
            }
            None => {}
        }
        let shared = bureau.map(|bureau| Shared::new(bureau, shape));
        let coordinator = self.spawn_instance(name, timeout, items, shared).await?;
        let instance = &coordinator.instance;
        if let Some(shared) = &instance.shared {
            let asked = shared.bureau.clone().start(name, shared.shape.clone(), instance.clone());
            match asked.await {
                Ok(id) => shared.id.get_or_init(|| id),
                Err(refusal) => {
                    instance.begin_end();
                    return Err(refusal);
                }
            };
        }
        Ok(coordinator)
    }

    /// The way to the master changed; coordinators of the cluster are started there from now on.
    pub(crate) fn set_bureau(&self, bureau: Option<Arc<dyn Bureau>>) {
        *self.inner.bureau.lock().unwrap_or_else(PoisonError::into_inner) = bureau;
    }

    fn bureau(&self) -> Option<Arc<dyn Bureau>> {
        self.inner.bureau.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn spawn_instance<D: CoordinatorData>(
        &self,
        name: &str,
        timeout: Timeout,
        items: Vec<Item<D>>,
        shared: Option<Shared>,
    ) -> Result<Coordinator<D>, Refusal> {
        let instance = self.instance(name, timeout, &items, shared);
        let arguments = (instance.clone(), items);
        let begin = move |supervisor: ActorCell| -> Beginning {
            Box::pin(async move {
                let spawned =
                    Actor::spawn_linked(None, Worker::<D>::new(), arguments, supervisor).await;
                spawned.map(|(worker, _)| worker.get_id()).map_err(|error| error.to_string())
            })
        };
        let start = |reply| Start { instance: instance.clone(), begin: Box::new(begin), reply };
        let why = match self.inner.supervisor.call(start, None).await {
            Ok(CallResult::Success(Ok(()))) => return Ok(Coordinator { instance }),
            Ok(CallResult::Success(Err(why))) => why,
            Ok(_) | Err(_) => "the supervisor of coordinators has ended".to_owned(),
        };
        let message = format!("coordinator `{name}` cannot be started: {why}");
        Err(Refusal::new(Code::Unavailable, message))
    }

    fn instance<D: CoordinatorData>(
        &self,
        name: &str,
        timeout: Timeout,
        items: &[Item<D>],
        shared: Option<Shared>,
    ) -> Arc<Instance<D>> {
        let core = Core::new(
            self.inner.next_id.fetch_add(1, Ordering::Relaxed),
            name.into(),
            self.inner.telemetry.clone(),
            timeout,
            items.iter().map(|item| (item.number, item.group)).collect(),
        );
        let keeps: Vec<bool> = items.iter().map(Item::keeps_members).collect();
        Arc::new(Instance::new(core, &keeps, shared))
    }

    /// A coordinator that was started with this type of data.
    ///
    /// # Errors
    /// `no-coordinator` if none of that name runs, or if it runs with another type.
    pub fn get<D: CoordinatorData>(&self, name: &str) -> Result<Coordinator<D>, Refusal> {
        let found = self.running(name)?;
        match found.into_any().downcast::<Instance<D>>() {
            Ok(instance) => Ok(Coordinator { instance }),
            Err(_) => Err(Refusal::new(
                Code::NoCoordinator,
                format!(
                    "coordinator `{name}` was started with data of another type than is asked for \
                     here"
                ),
            )),
        }
    }

    /// Gives every item of a coordinator a reset event with whoever waits in it, and begins anew.
    /// Answers when the actions are over.
    ///
    /// # Errors
    /// `no-coordinator` if none of that name runs.
    pub async fn reset(&self, name: &str) -> Result<(), Refusal> {
        self.running(name)?.reset_and_wait().await
    }

    /// Stops a coordinator: gives every item a stop event with whoever waits in it. Answers when
    /// the actions are over.
    ///
    /// # Errors
    /// `no-coordinator` if none of that name runs.
    pub async fn stop(&self, name: &str) -> Result<(), Refusal> {
        self.running(name)?.stop_and_wait().await
    }

    /// What is known of each, by name, but for those of the whole cluster, which the master knows.
    /// One that is being stopped is in the list until its actions
    /// are over; so for a while there may be two of one name, if an action has replaced its own
    /// coordinator.
    pub fn list(&self) -> Vec<CoordinatorInfo> {
        self.gathering_here().iter().filter_map(|instance| instance.info()).collect()
    }

    fn gathering_here(&self) -> Vec<Arc<dyn AnyInstance>> {
        let mut all = self.inner.table.all();
        all.retain(|instance| instance.shared().is_none());
        all
    }

    /// Stops all coordinators, as [`Coordinators::stop`] does, and waits for the actions of all.
    /// Others can be started after that. Those of the whole cluster are left to the master.
    pub async fn stop_all(&self) {
        let all = self.gathering_here();
        for instance in &all {
            instance.begin_stop();
        }
        for instance in &all {
            instance.core().ended().await;
        }
    }

    /// As [`Coordinators::stop_all`], but gives actions only this long to end. Coordinators that
    /// have not ended by then are killed, which is told as a fault of each. Answers with their
    /// names.
    pub async fn stop_all_within(&self, limit: Duration) -> Vec<String> {
        let all = self.gathering_here();
        if tokio::time::timeout(limit, self.stop_all()).await.is_ok() {
            return Vec::new();
        }
        let late = all.iter().filter(|instance| instance.info().is_some());
        late.map(|instance| {
            instance.kill();
            instance.core().name.to_string()
        })
        .collect()
    }

    fn running(&self, name: &str) -> Result<Arc<dyn AnyInstance>, Refusal> {
        self.inner.table.find(name).ok_or_else(|| {
            let mut known: Vec<_> = self.list().into_iter().map(|info| info.name).collect();
            known.dedup();
            Refusal::new(Code::NoCoordinator, not_found(name, &known))
        })
    }
}

/// The sentence for a name that nobody has.
fn not_found(name: &str, known: &[String]) -> String {
    if known.is_empty() {
        return format!("no coordinator `{name}` is started; none is");
    }
    let near = did_you_mean(name, known.iter().map(String::as_str));
    format!("no coordinator `{name}` is started (there are: {}){near}", known.join(", "))
}
