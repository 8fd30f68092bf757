//! One run on this node: what the controller keeps of it, and the tasks that run the scenario's
//! own code for it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use crowd_core::{
    failure::Failure,
    fence::Fence,
    refusal::Refusal,
    settings::{Change, Declarations, Faults, Values},
    telemetry::event::{
        ConfigEnv, ConfigHook, ConfigUpdate, ConfigVerify, GeneratorWarning, InitException,
        InitStart, InitStop, TerminateException, TerminateStart, TerminateStop,
    },
};
use crowd_measure::Measure;
use crowd_plan::run_settings::check_thresholds;
use crowd_plan::run_settings::{RATES, SEED, check_iteration_rate, runtime_declarations};
use ractor::{ActorRef, RpcReplyPort};
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinHandle},
    time::{Instant, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    admission::admit,
    load::ActiveLoad,
    machine::RunState,
    message::{Added, ControllerMessage, ControllerOptions, SetOutcome},
    rates,
};
use crate::{
    coordinator::CoordinatorInfo,
    feed::RunFeeders,
    scenario::{
        erased::{Registered, Running, Starting},
        run::Services,
        settings,
    },
    throttle::ThrottleInfo,
};

/// What is left of a run's throttles and coordinators when it ends.
#[derive(Debug, Clone, Default)]
pub struct Ended {
    /// The throttles as they were last.
    pub throttles: Vec<ThrottleInfo>,
    /// The coordinators as they were last.
    pub coordinators: Vec<CoordinatorInfo>,
}

/// A run.
pub(crate) struct ActiveRun {
    number: u64,
    registered: Arc<dyn Registered>,
    pub(super) declarations: Declarations,
    pub(super) values: Values,
    pub(super) services: Services,
    running: Option<Arc<dyn Running>>,
    pub(super) load: Option<ActiveLoad>,
    demand: watch::Sender<u64>,
    /// `init` first, admission later.
    task: Option<AbortHandle>,
    /// Who waits for the outcome of `init`, and for how many users they asked.
    asked: Option<(u64, RpcReplyPort<Result<Added, Refusal>>)>,
    /// Who waits for the end of the run.
    stopping: Option<RpcReplyPort<Result<(), Refusal>>>,
    users: u64,
    follows: bool,
    /// The load is over.
    load_over: bool,
    /// Ends what an `init` that was given up has started.
    clearing: Option<JoinHandle<()>>,
    pub(super) started: SystemTime,
    pub(super) began: Instant,
    pub(super) ended: Option<(Instant, Ended)>,
    /// When it stops at the latest, once it ends gracefully.
    pub(super) finish_by: Option<Instant>,
}

/// An `init` that may begin.
pub(crate) struct Prepared {
    rates: Vec<rates::Named>,
    work: Starting,
}

impl ActiveRun {
    /// A run with checked settings; nothing has happened yet.
    pub(crate) fn new(
        options: &ControllerOptions,
        number: u64,
        registered: Arc<dyn Registered>,
        (users, follows): (u64, bool),
        given: &[(String, String)],
    ) -> Result<Self, Refusal> {
        let declarations = full_declarations(&*registered, &options.user_rate);
        let values = settings::resolve(&declarations, given, &*options.environment)
            .map_err(|faults| refuse(faults, options))?;
        let values = settings::with_rate_of_profile(values);
        check_thresholds(&values)?;
        check_iteration_rate(&values)?;
        let load = ActiveLoad::of(&values)?;
        if let Some(load) = &load {
            load.takes_users(users)?;
        }
        let services = Services::new(
            options.node.clone(),
            options.throttles.clone(),
            options.coordinators.clone(),
            Measure::new(options.telemetry.clone()),
            options.telemetry.clone(),
        )
        .with_mail(options.mail.clone())
        .with_gate(load.as_ref().map(|load| load.gate.clone()))
        .with_feeders(RunFeeders::of(options.feeders.clone()))
        .with_seed(values.read(SEED)?)
        .with_iteration_rate(rates::iterations_are_paced(&values));
        Ok(Self {
            number,
            registered,
            declarations,
            values,
            services,
            running: None,
            load,
            demand: watch::Sender::new(0),
            task: None,
            asked: None,
            stopping: None,
            users,
            follows,
            load_over: false,
            clearing: None,
            started: SystemTime::now(),
            began: Instant::now(),
            ended: None,
            finish_by: None,
        })
    }

    /// Remembers who is to hear of the outcome of `init`.
    pub(crate) fn answering(mut self, reply: RpcReplyPort<Result<Added, Refusal>>) -> Self {
        self.asked = Some((self.users, reply));
        self
    }

    /// Who waits for the outcome of `init`, once.
    pub(crate) fn take_answer(&mut self) -> (u64, Option<RpcReplyPort<Result<Added, Refusal>>>) {
        self.asked.take().map_or((0, None), |(users, reply)| (users, Some(reply)))
    }

    /// All that `init` needs; nothing has happened yet.
    pub(crate) fn prepare(&self) -> Result<Prepared, Refusal> {
        Ok(Prepared {
            rates: rates::given(&self.values)?,
            work: self.registered.init(self.services.clone(), &self.values)?,
        })
    }

    /// Starts the throttles of the run's rates and `init`, in a task.
    pub(crate) fn init(
        mut self,
        Prepared { rates, work }: Prepared,
        options: &ControllerOptions,
        controller: ActorRef<ControllerMessage>,
    ) -> Self {
        options.watchdog.begin(self.scenario(), &self.services.measure);
        let (options, services) = (options.clone(), self.services.clone());
        let (run, scenario, follows) = (self.number, self.scenario(), self.follows);
        let task = tokio::spawn(async move {
            let began = Instant::now();
            options.telemetry.emit(&InitStart { scenario });
            let outcome = async {
                rates::start(&options, &rates, follows).await?;
                timeout(options.init_timeout, work).await.unwrap_or_else(|_| {
                    let limit = humantime::format_duration(options.init_timeout);
                    Err(Failure::scenario(format!("it did not end within {limit}")))
                })
            }
            .await;
            let duration = began.elapsed();
            match &outcome {
                Ok(_) => options.telemetry.emit(&InitStop { scenario, duration }),
                Err(failure) => {
                    let reason = failure.to_string();
                    options.telemetry.emit(&InitException { scenario, duration, reason });
                    end_services(&options, &services, scenario).await;
                }
            }
            // Fails only when the node has ended.
            let _ = controller.cast(ControllerMessage::InitDone { run, outcome });
        });
        self.task = Some(task.abort_handle());
        self
    }

    /// Gives `init` up, and ends what it has started so far.
    pub(crate) fn abort_init(&mut self, options: &ControllerOptions) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
        self.ended = Some((Instant::now(), Ended::default()));
        let (options, services) = (options.clone(), self.services.clone());
        let scenario = self.scenario();
        let ending = async move { drop(end_services(&options, &services, scenario).await) };
        self.clearing = Some(tokio::spawn(ending));
    }

    /// `init` succeeded: users are let in from now on, as fast as the user rate allows.
    pub(crate) fn admit_users(
        &mut self,
        running: Arc<dyn Running>,
        fence: Fence,
        controller: ActorRef<ControllerMessage>,
    ) {
        self.running = Some(running);
        let throttles = self.services.throttles.clone();
        let demand = self.demand.subscribe();
        let admission = admit(self.number, throttles, fence, demand, controller);
        self.task = Some(tokio::spawn(admission).abort_handle());
    }

    /// So many users wait now.
    pub(crate) fn demand(&self, waiting: u64) {
        self.demand.send_replace(waiting);
    }

    /// Runs `terminate`, then ends everything the run has started, in a task.
    pub(crate) fn terminate(
        &mut self,
        options: &ControllerOptions,
        controller: ActorRef<ControllerMessage>,
    ) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
        let Some(running) = self.running.take() else { return };
        let (options, services) = (options.clone(), self.services.clone());
        let (run, scenario) = (self.number, self.scenario());
        tokio::spawn(async move {
            let began = Instant::now();
            options.telemetry.emit(&TerminateStart { scenario });
            // In a task of its own: one that blocks its thread does not hear of a timeout.
            let work = AbortOnDropHandle::new(tokio::spawn(running.terminate()));
            let outcome = match timeout(options.terminate_timeout, work).await {
                Ok(ended) => {
                    ended.unwrap_or_else(|fault| Err(Failure::scenario(fault.to_string())))
                }
                Err(_) => {
                    let limit = humantime::format_duration(options.terminate_timeout);
                    Err(Failure::scenario(format!("it did not end within {limit}")))
                }
            };
            let duration = began.elapsed();
            match outcome {
                Ok(()) => options.telemetry.emit(&TerminateStop { scenario, duration }),
                Err(failure) => {
                    let reason = failure.to_string();
                    options.telemetry.emit(&TerminateException { scenario, duration, reason });
                }
            }
            let ended = end_services(&options, &services, scenario).await;
            // Fails only when the node has ended.
            let _ = controller.cast(ControllerMessage::Terminated { run, ended });
        });
    }

    /// Remembers who is to hear of the end of the run.
    pub(crate) fn answer_when_over(&mut self, reply: RpcReplyPort<Result<(), Refusal>>) {
        self.stopping = Some(reply);
    }

    /// The run is over.
    pub(crate) fn finish(&mut self, ended: Ended) {
        if let Some(reply) = self.stopping.take() {
            super::answer(reply, Ok(()));
        }
        self.running = None;
        self.services.directory.shrink();
        self.ended = Some((Instant::now(), ended));
    }

    /// Checks changes of settings, and whether the throttles of rates would take a new one; changes
    /// nothing.
    pub(crate) fn check(
        &self,
        options: &ControllerOptions,
        given: &[(String, String)],
    ) -> Result<Change, Refusal> {
        let change = settings::update(&self.declarations, &self.values, given)
            .map_err(|faults| refuse(faults, options))?;
        if let Some(running) = &self.running {
            running.check_values(&change.values)?;
        }
        rates::check(options, &self.values, &change)?;
        Ok(change)
    }

    /// As [`ActiveRun::check`], and sets new rates on their throttles, which may refuse still.
    pub(crate) async fn change(
        &self,
        options: &ControllerOptions,
        given: &[(String, String)],
    ) -> Result<Change, Refusal> {
        let change = self.check(options, given)?;
        // The cluster's throttles are far away: the controller does not wait for them.
        if !self.follows {
            for (name, rate) in rates::changed(&change)? {
                options.throttles.change_rate(name, rate).await?;
            }
        }
        Ok(change)
    }

    /// Makes changed settings visible, then runs the scenario's hooks one after the other, in a
    /// task that answers.
    pub(crate) fn apply(
        &mut self,
        options: &ControllerOptions,
        change: Change,
        reply: RpcReplyPort<Result<SetOutcome, Refusal>>,
    ) {
        let Some(running) = self.running.clone() else { return };
        if let Err(refusal) = running.set_values(&change.values) {
            return super::answer(reply, Err(refusal));
        }
        let rates = match rates::changed(&change) {
            Ok(rates) => rates.into_iter().filter(|_| self.follows).collect::<Vec<_>>(),
            Err(refusal) => return super::answer(reply, Err(refusal)),
        };
        self.values = change.values;
        let telemetry = options.telemetry.clone();
        if !change.changed.is_empty() {
            let views = self.settings().into_iter();
            let changed = views
                .filter(|view| change.changed.contains(&view.declaration.name))
                .map(|view| {
                    let shown = view.declaration.shown(&view.value).into_owned();
                    (view.declaration.name, shown)
                })
                .collect();
            telemetry.emit(&ConfigUpdate { changed });
        }
        let limit = options.init_timeout;
        let throttles = options.throttles.clone();
        self.services.spawn_for_run(async move {
            let mut outcome = SetOutcome { changed: change.changed, faults: Vec::new() };
            for (name, rate) in rates {
                if let Err(refusal) = throttles.change_rate(name, rate).await {
                    outcome.faults.push((name.to_owned(), refusal.message));
                }
            }
            let own = |name: &String| !RATES.contains(&name.as_str());
            for name in change.hooks.into_iter().filter(own) {
                let hook = timeout(limit, running.updated(name.clone()));
                let result = hook.await.unwrap_or_else(|_| {
                    let limit = humantime::format_duration(limit);
                    Err(Failure::scenario(format!("it did not end within {limit}")))
                });
                if let Err(failure) = result {
                    let reason = failure.to_string();
                    telemetry.emit(&ConfigHook { setting: name.clone(), reason: reason.clone() });
                    outcome.faults.push((name, reason));
                }
            }
            super::answer(reply, Ok(outcome));
        });
    }

    /// What is still to end of an `init` that was given up, once: it must not end what belongs to the
    /// next run.
    pub(super) fn take_clearing(&mut self) -> Option<JoinHandle<()>> {
        self.clearing.take()
    }

    /// The load is over; whether it was not before.
    pub(super) fn end_load(&mut self) -> bool {
        !std::mem::replace(&mut self.load_over, true)
    }

    pub(super) fn follows(&self) -> bool {
        self.follows
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn scenario(&self) -> &'static str {
        self.registered.name()
    }

    pub(crate) fn descriptors_per_user(&self) -> u64 {
        self.registered.descriptors_per_user()
    }

    pub(crate) fn running(&self) -> Option<Arc<dyn Running>> {
        self.running.clone()
    }

    pub(crate) fn services(&self) -> &Services {
        &self.services
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.ended.as_ref().map_or_else(Instant::now, |(at, _)| *at) - self.began
    }
}

/// A scenario's settings and the runtime's own.
pub(crate) fn full_declarations(registered: &dyn Registered, user_rate: &str) -> Declarations {
    let own = registered.declarations();
    runtime_declarations(user_rate).into_iter().fold(own, Declarations::with)
}

/// Tells the faults as events, and makes a refusal of them.
fn refuse(faults: Faults, options: &ControllerOptions) -> Refusal {
    for fault in &faults.0 {
        let reason = fault.to_string();
        match fault.variable() {
            Some(variable) => {
                options.telemetry.emit(&ConfigEnv { variable: variable.to_owned(), reason });
            }
            None => {
                options.telemetry.emit(&ConfigVerify { setting: fault.setting.clone(), reason });
            }
        }
    }
    faults.into()
}

/// Ends what a run has started beside its users, in the order in which one needs the other. What
/// does not end in time is given up, which is told.
async fn end_services(
    options: &ControllerOptions,
    services: &Services,
    scenario: &'static str,
) -> Ended {
    let ended = stop_parts(options).await;
    let limit = options.terminate_timeout;
    let left = services.end(limit).await;
    if left > 0 {
        let tasks = if left == 1 { "task" } else { "tasks" };
        let limit = humantime::format_duration(limit);
        options.telemetry.emit(&GeneratorWarning {
            reason: format!(
                "{left} {tasks} that `{scenario}` started with `run.spawn` did not end within \
                 {limit} and were given up: code that blocks its thread cannot be stopped, move it \
                 to a blocking task"
            ),
        });
    }
    ended
}

/// Stops all coordinators, whose actions may still need throttles, and then the throttles.
pub(crate) async fn stop_parts(options: &ControllerOptions) -> Ended {
    let coordinators = options.coordinators.list();
    for name in options.coordinators.stop_all_within(options.terminate_timeout).await {
        tracing::warn!("coordinator `{name}` did not end in time and was killed");
    }
    Ended { throttles: options.throttles.stop_all().await, coordinators }
}

/// Whether a run in this state is over.
pub(crate) fn is_over(state: RunState) -> bool {
    matches!(state, RunState::Idle | RunState::Finished | RunState::Failed)
}
