//! A node, assembled: settings and scenarios in, a handle for operators out.
//!
//! Supervision, from the top: [`Node`] → root actor → { controller → user supervisors → users,
//! throttle registry, coordinator registry }.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use crowd_core::{
    aside::aside,
    fence::Fence,
    refusal::{Code, Refusal},
    settings::Environment,
    telemetry::Telemetry,
    user_id::UserId,
};
use crowd_measure::{
    Measure, Snapshot,
    health::{GeneratorVerdict, watchdog::Watchdog},
};
use ractor::{
    Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent, rpc::CallResult,
};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    capacity::Desk,
    cluster::{mail::Mail, measure::feed::MeasureFeed, mesh::Mesh},
    controller::{
        Controller, descriptors,
        message::{ControllerMessage, ControllerOptions},
        run::is_over,
    },
    coordinator::Coordinators,
    feed::Feeders,
    report::RunReport,
    scenario::catalog::Catalog,
    settings::NodeSettings,
    throttle::{ThrottleOptions, Throttles},
};

mod account;
mod cluster;
mod judging;
pub(crate) mod weak;

use judging::Judging;

pub use self::cluster::ClusterNode;
pub use crate::controller::{
    endings::EndingCounts,
    machine::RunState,
    message::{Account, Added, SetOutcome, SettingView, Status, UserView},
    population::UserCounts,
};

/// From a forced stop to the kill.
const KILL_GRACE: Duration = Duration::from_secs(2);

/// A handle to a node. Cheap to clone; the node ends with [`Node::shutdown`].
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

struct Inner {
    settings: NodeSettings,
    options: ControllerOptions,
    controller: ActorRef<ControllerMessage>,
    root: ActorRef<Never>,
    state: watch::Receiver<RunState>,
    judging: Mutex<Judging>,
    desk: Desk,
    /// Sends what is measured to a master.
    feed: Option<Arc<MeasureFeed>>,
    tasks: TaskTracker,
    ending: CancellationToken,
}

/// What of a node is not its own alone.
#[derive(Default)]
pub(crate) struct Spanning {
    pub(crate) telemetry: Telemetry,
    /// Until when users may act.
    pub(crate) fence: Fence,
    /// Users' messages to users on other nodes.
    pub(crate) mail: Option<Mail>,
    /// The other nodes.
    pub(crate) mesh: Option<Mesh>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("name", &self.inner.options.node).finish_non_exhaustive()
    }
}

/// The top of the supervision tree: hears when a part of the node breaks for good.
struct Root {
    broken: CancellationToken,
}

/// The top is told nothing; a type of this process alone, so that other nodes are not told of it.
#[derive(Debug)]
enum Never {}

impl ractor::Message for Never {}

impl Actor for Root {
    type Msg = Never;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Never>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Never>,
        event: SupervisionEvent,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(_, why) = event {
            tracing::error!("the controller broke, and this node ends: {why}");
            self.broken.cancel();
        }
        Ok(())
    }
}

impl Node {
    /// Starts a node.
    ///
    /// # Errors
    /// `unavailable` if a part of it cannot be started.
    pub async fn start(
        settings: NodeSettings,
        catalog: Catalog,
        environment: Arc<dyn Environment>,
    ) -> Result<Self, Refusal> {
        Self::assemble(settings, catalog, environment, Spanning::default()).await
    }

    /// Starts a node that may be part of something larger.
    pub(crate) async fn assemble(
        settings: NodeSettings,
        catalog: Catalog,
        environment: Arc<dyn Environment>,
        spanning: Spanning,
    ) -> Result<Self, Refusal> {
        let Spanning { telemetry, fence, mail, mesh } = spanning;
        let pacing = ThrottleOptions { tolerance: settings.throttle_tolerance };
        let throttles = Throttles::spawn_with(telemetry.clone(), pacing)
            .await
            .map_err(|failure| unavailable(&failure.to_string()))?;
        let coordinators = Coordinators::spawn(telemetry.clone())
            .await
            .map_err(|failure| unavailable(&failure.to_string()))?;
        let limit = descriptors::raise_limit();
        let options = ControllerOptions {
            node: settings.node_name.as_str().into(),
            catalog,
            environment,
            watchdog: Watchdog::start(telemetry.clone()),
            telemetry,
            throttles,
            coordinators,
            feeders: Feeders::default(),
            mail,
            supervisors: supervisors(&settings),
            user_rate: settings.user_rate.clone(),
            init_timeout: settings.init_timeout,
            terminate_timeout: settings.terminate_timeout,
            kill_grace: KILL_GRACE,
            descriptor_limit: limit.filter(|_| settings.descriptor_check),
            fence,
        };
        let ending = CancellationToken::new();
        let broken = |why: ractor::SpawnErr| unavailable(&why.to_string());
        let (root, _) =
            Actor::spawn(None, Root { broken: ending.clone() }, ()).await.map_err(broken)?;
        let (state, watched) = watch::channel(RunState::Idle);
        let controller = Controller { options: options.clone(), state };
        let (controller, _) =
            Actor::spawn_linked(None, controller, (), root.get_cell()).await.map_err(broken)?;
        let inner = Arc::new_cyclic(|inner| Inner {
            feed: mesh.map(|mesh| {
                let source = account::source(inner.clone());
                MeasureFeed::new(&mesh, options.telemetry.clone(), source)
            }),
            settings,
            options,
            controller,
            root,
            state: watched,
            judging: Mutex::default(),
            desk: Desk::default(),
            tasks: TaskTracker::new(),
            ending,
        });
        let node = Self { inner };
        node.keep_time();
        Ok(node)
    }

    pub(crate) fn controller(&self) -> &ActorRef<ControllerMessage> {
        &self.inner.controller
    }

    pub(crate) fn watch_state(&self) -> watch::Receiver<RunState> {
        self.inner.state.clone()
    }

    pub(crate) fn feed(&self) -> Option<Arc<MeasureFeed>> {
        self.inner.feed.clone()
    }

    /// The node's own settings.
    pub fn node_settings(&self) -> &NodeSettings {
        &self.inner.settings
    }

    /// The node's name.
    pub fn name(&self) -> &str {
        &self.inner.options.node
    }

    /// The scenarios compiled in.
    pub fn catalog(&self) -> &Catalog {
        &self.inner.options.catalog
    }

    /// The throttles.
    pub fn throttles(&self) -> &Throttles {
        &self.inner.options.throttles
    }

    /// The coordinators.
    pub fn coordinators(&self) -> &Coordinators {
        &self.inner.options.coordinators
    }

    /// The feeders.
    pub(crate) fn feeders(&self) -> &Feeders {
        &self.inner.options.feeders
    }

    /// Where events go.
    pub fn telemetry(&self) -> &Telemetry {
        &self.inner.options.telemetry
    }

    /// Where the one capacity search of this node is kept.
    pub fn desk(&self) -> &Desk {
        &self.inner.desk
    }

    /// What was measured in the current or last run; `None` when idle.
    pub async fn measure(&self) -> Option<Measure> {
        Some(self.account().await?.measure)
    }

    /// What was measured so far; `None` when idle.
    pub(crate) async fn snapshot(&self) -> Option<Snapshot> {
        let measure = self.measure().await?;
        aside(move || measure.snapshot()).await
    }

    /// `do`: answers when `init` is over.
    ///
    /// # Errors
    /// The state, the scenario, the settings, the count, the machine's limits or `init` itself
    /// may refuse; but for `init`, nothing has changed then.
    pub async fn start_run(
        &self,
        scenario: &str,
        users: u64,
        given: Vec<(String, String)>,
    ) -> Result<Added, Refusal> {
        let scenario = scenario.to_owned();
        self.ask(|reply| ControllerMessage::Do { scenario, users, given, follows: false, reply })
            .await?
    }

    /// `add COUNT`.
    ///
    /// # Errors
    /// If the state, the count or the machine's limits refuse.
    pub async fn add(&self, count: u64) -> Result<Added, Refusal> {
        self.ask(|reply| ControllerMessage::Add { count, reply }).await?
    }

    /// `add FROM..TO`, both ends included.
    ///
    /// # Errors
    /// If the state, the range or the machine's limits refuse.
    pub async fn add_range(&self, first: u64, last: u64) -> Result<Added, Refusal> {
        self.ask(|reply| ControllerMessage::AddRange { first, last, reply }).await?
    }

    /// `remove COUNT [force]`: the number chosen.
    ///
    /// # Errors
    /// If the state refuses, or the count is 0.
    pub async fn remove(&self, count: u64, force: bool) -> Result<u64, Refusal> {
        self.ask(|reply| ControllerMessage::Remove { count, force, reply }).await?
    }

    /// `stop`: answers at once while users have to leave, and [`Node::ended`] waits for the end; if
    /// nobody runs, the run is over when it answers.
    ///
    /// # Errors
    /// If the state refuses.
    pub async fn stop(&self) -> Result<(), Refusal> {
        self.ask(|reply| ControllerMessage::Stop { reply }).await?
    }

    /// `stop gracefully`: users begin nothing new, and what is under way may finish within
    /// `graceful_stop`; then the run stops. Answers when that is under way.
    ///
    /// # Errors
    /// If the state refuses.
    pub async fn stop_gracefully(&self) -> Result<(), Refusal> {
        self.ask(|reply| ControllerMessage::StopGracefully { reply }).await?
    }

    /// `reset`.
    ///
    /// # Errors
    /// If the state refuses.
    pub async fn reset(&self) -> Result<(), Refusal> {
        self.ask(|reply| ControllerMessage::Reset { reply }).await?
    }

    /// `set KEY=VALUE…`: all or nothing.
    ///
    /// # Errors
    /// If the state or any of the changes is refused; nothing has changed then.
    pub async fn set(&self, given: Vec<(String, String)>) -> Result<SetOutcome, Refusal> {
        self.ask(|reply| ControllerMessage::Set { given, reply }).await?
    }

    /// `status`.
    ///
    /// # Errors
    /// `unavailable` if the node has ended.
    pub async fn status(&self) -> Result<Status, Refusal> {
        self.ask(|reply| ControllerMessage::Status { reply }).await
    }

    /// The state of the run, without asking the controller.
    pub fn state(&self) -> RunState {
        *self.inner.state.borrow()
    }

    /// Waits until there is no run, or it is over.
    pub async fn ended(&self) -> RunState {
        let mut state = self.inner.state.clone();
        let over = state.wait_for(|state| is_over(*state)).await.map(|state| *state);
        // The sender is gone only when the controller is, and the run with it.
        over.unwrap_or(RunState::Failed)
    }

    /// `settings`: those of the current or last run; none when idle.
    ///
    /// # Errors
    /// `unavailable` if the node has ended.
    pub async fn settings(&self) -> Result<Vec<SettingView>, Refusal> {
        self.ask(|reply| ControllerMessage::Settings { reply }).await
    }

    /// `users [LIMIT]`: running users, lowest ids first.
    ///
    /// # Errors
    /// `unavailable` if the node has ended.
    pub async fn users(&self, limit: usize) -> Result<Vec<UserView>, Refusal> {
        self.ask(|reply| ControllerMessage::Users { limit, reply }).await
    }

    /// `user ID`.
    ///
    /// # Errors
    /// `no-such-user` if that id was never given out.
    pub async fn user(&self, id: UserId) -> Result<UserView, Refusal> {
        self.ask(|reply| ControllerMessage::User { id, reply }).await?
    }

    /// All that is known of the current or last run; `None` when idle.
    pub async fn account(&self) -> Option<Account> {
        self.ask(|reply| ControllerMessage::Account { reply }).await.ok().flatten()
    }

    /// The result of the current or last run, as of now; `None` when idle.
    pub async fn report(&self, interrupted: bool) -> Option<RunReport> {
        let account = self.account().await?;
        account::report(self, account, interrupted).await
    }

    /// Resolves when the node has broken and can do nothing any more.
    pub async fn broken(&self) {
        self.inner.ending.cancelled().await;
    }

    /// Ends the run, if there is one (`terminate` runs), and the node.
    pub async fn shutdown(&self) {
        self.inner.desk.end().await;
        if !is_over(self.state()) {
            // Refused only when the run is ending already.
            let _ = self.stop().await;
            self.ended().await;
        }
        self.inner.ending.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        self.inner.root.stop(None);
        self.inner.controller.stop(None);
    }

    async fn ask<T: Send + 'static>(
        &self,
        message: impl FnOnce(RpcReplyPort<T>) -> ControllerMessage,
    ) -> Result<T, Refusal> {
        match self.inner.controller.call(message, None).await {
            Ok(CallResult::Success(answer)) => Ok(answer),
            _ => Err(unavailable("the node has ended")),
        }
    }

    /// The verdict on the generator in the current or last run, so far. It needs nothing of the event
    /// loop, so it can be asked from another thread however busy that is.
    pub fn generator(&self) -> GeneratorVerdict {
        self.watchdog().verdict()
    }

    pub(crate) fn watchdog(&self) -> &Watchdog {
        &self.inner.options.watchdog
    }

    fn judging(&self) -> MutexGuard<'_, Judging> {
        self.inner.judging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thresholds that the current run does not keep to as things are, a sentence each.
    pub(crate) fn failing_thresholds(&self) -> Vec<String> {
        self.judging().failing()
    }

    /// Once a second: judges the run that this node commands.
    fn judge_cluster(&self, parts: Weak<cluster::Parts>) {
        let ending = self.inner.ending.clone();
        let work = judging::keep_judging(parts);
        self.inner.tasks.spawn(async move {
            let _ = ending.run_until_cancelled(work).await;
        });
    }

    /// Once a second: closes the interval of what is measured, and looks at the generator itself.
    fn keep_time(&self) {
        let node = self.clone();
        let ending = self.inner.ending.clone();
        let work = async move { account::keep_time(&node, node.inner.feed.as_deref()).await };
        self.inner.tasks.spawn(async move {
            let _ = ending.run_until_cancelled(work).await;
        });
    }
}

fn supervisors(settings: &NodeSettings) -> u64 {
    match settings.user_supervisors {
        0 => std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64),
        given => given as u64,
    }
}

fn unavailable(why: &str) -> Refusal {
    Refusal::new(Code::Unavailable, why)
}
