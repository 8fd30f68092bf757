//! What a run offers to its scenario and its users.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use crowd_core::{failure::Failure, rate::Rate, refusal::Refusal, telemetry::Telemetry};
use crowd_measure::Measure;
use crowd_plan::load::gate::Gate;
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Scenario, iteration_rate::IterationRate};
use crate::{
    cluster::mail::Mail,
    coordinator::{Coordinator, CoordinatorData, Coordinators, Plan, Timeout},
    feed::{Feed, Feeder, RunFeeders},
    throttle::{Throttle, Throttles},
    user::{Post, directory::Directory},
};

/// The parts of a node that a run uses. One set per run.
#[derive(Clone, Debug)]
pub struct Services {
    /// The node's name.
    pub node: Arc<str>,
    /// The running users.
    pub directory: Directory,
    /// The throttles.
    pub throttles: Throttles,
    /// The coordinators.
    pub coordinators: Coordinators,
    /// Where measurements go.
    pub measure: Measure,
    /// Where events go.
    pub telemetry: Telemetry,
    mail: Option<Mail>,
    pub(crate) gate: Option<Gate>,
    feeders: RunFeeders,
    pub(crate) iteration_rate: Option<IterationRate>,
    seed: u64,
    tasks: TaskTracker,
    ending: CancellationToken,
}

impl Services {
    /// The services of a new run.
    pub fn new(
        node: Arc<str>,
        throttles: Throttles,
        coordinators: Coordinators,
        measure: Measure,
        telemetry: Telemetry,
    ) -> Self {
        Self {
            node,
            directory: Directory::default(),
            throttles,
            coordinators,
            measure,
            telemetry,
            mail: None,
            gate: None,
            feeders: RunFeeders::default(),
            iteration_rate: None,
            seed: 0,
            tasks: TaskTracker::new(),
            ending: CancellationToken::new(),
        }
    }

    /// With a way to users on other nodes, if there are any.
    #[must_use]
    pub(crate) fn with_mail(mut self, mail: Option<Mail>) -> Self {
        if let Some(mail) = &mail {
            self.directory = Directory::with_elsewhere(Arc::new(mail.clone()));
        }
        self.mail = mail;
        self
    }

    /// With a gate that arrivals come in by.
    #[must_use]
    pub(crate) fn with_gate(mut self, gate: Option<Gate>) -> Self {
        self.gate = gate;
        self
    }

    /// With the feeders of this run.
    #[must_use]
    pub(crate) fn with_feeders(mut self, feeders: RunFeeders) -> Self {
        self.feeders = feeders;
        self
    }

    /// With a throttle that users ask before each iteration, or without.
    #[must_use]
    pub(crate) fn with_iteration_rate(mut self, is_given: bool) -> Self {
        self.iteration_rate = is_given.then(|| IterationRate::of(self.throttles.clone()));
        self
    }

    /// With the seed of this run.
    #[must_use]
    pub(crate) fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Runs `work` beside the users; it is dropped when the run ends.
    pub(crate) fn spawn_for_run(&self, work: impl Future<Output = ()> + Send + 'static) {
        let ending = self.ending.clone();
        self.tasks.spawn(async move {
            let _ = ending.run_until_cancelled(work).await;
        });
    }

    /// Ends what was started with [`Run::spawn`]. Answers how many did not end within `limit`: they
    /// block their threads, and are dropped when they do not any more.
    pub(crate) async fn end(&self, limit: Duration) -> usize {
        self.ending.cancel();
        self.tasks.close();
        match timeout(limit, self.tasks.wait()).await {
            Ok(()) => 0,
            Err(_) => self.tasks.len(),
        }
    }
}

/// A run of a scenario on this node: settings, throttles, coordinators, measurements, the post.
/// Cheap to clone. Users reach everything of it through [`User`](crate::user::User) as well.
pub struct Run<S: Scenario> {
    inner: Arc<Inner<S>>,
}

struct Inner<S: Scenario> {
    services: Services,
    settings: ArcSwap<S::Settings>,
    post: Post<S::Message>,
}

impl<S: Scenario> Clone for Run<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<S: Scenario> fmt::Debug for Run<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("scenario", &S::NAME).finish_non_exhaustive()
    }
}

impl<S: Scenario> Run<S> {
    pub(crate) fn new(services: Services, settings: S::Settings) -> Self {
        let post = Post::new(services.directory.clone(), services.measure.clone());
        if let Some(mail) = &services.mail {
            mail.attach(post.intake(), services.measure.clone());
        }
        Self {
            inner: Arc::new(Inner { services, settings: ArcSwap::from_pointee(settings), post }),
        }
    }

    pub(crate) fn services(&self) -> &Services {
        &self.inner.services
    }

    pub(crate) fn set_settings(&self, settings: S::Settings) {
        self.inner.settings.store(Arc::new(settings));
    }

    /// The settings as they are now; ask again to see changes made while the run goes on.
    pub fn settings(&self) -> Arc<S::Settings> {
        self.inner.settings.load_full()
    }

    /// The name of this node.
    pub fn node(&self) -> &str {
        &self.inner.services.node
    }

    /// Sends messages to users.
    pub fn post(&self) -> &Post<S::Message> {
        &self.inner.post
    }

    /// Starts a throttle, or finds it running at the same rate.
    ///
    /// # Errors
    /// `wrong-reconfiguration` if it runs at another rate.
    pub async fn start_throttle(&self, name: &str, rate: Rate) -> Result<Throttle, Refusal> {
        self.inner.services.throttles.start(name, rate).await?;
        self.throttle(name)
    }

    /// A throttle that was started.
    ///
    /// # Errors
    /// `no-throttle` if it was not.
    pub fn throttle(&self, name: &str) -> Result<Throttle, Refusal> {
        self.inner.services.throttles.get(name)
    }

    /// Starts a coordinator.
    ///
    /// # Errors
    /// `invalid-plan` for a plan that makes no sense.
    pub async fn start_coordinator<D: CoordinatorData>(
        &self,
        name: &str,
        plan: Plan<D>,
        timeout: Timeout,
    ) -> Result<Coordinator<D>, Refusal> {
        self.inner.services.coordinators.start(name, plan, timeout).await
    }

    /// A coordinator that was started with this type of data.
    ///
    /// # Errors
    /// `no-coordinator` if it was not.
    pub fn coordinator<D: CoordinatorData>(&self, name: &str) -> Result<Coordinator<D>, Refusal> {
        self.inner.services.coordinators.get(name)
    }

    /// Starts a feeder, or finds one with the same rows running. Its file is read here and now, and
    /// on every other node from that node's own disk.
    ///
    /// # Errors
    /// `invalid-feeder` if its rows cannot be had, naming every fault in the file, or if they are
    /// not those of the other nodes; `wrong-reconfiguration` if one of that name runs with other
    /// rows or in another order.
    pub async fn start_feeder(&self, name: &str, feeder: Feeder) -> Result<Feed, Refusal> {
        let services = &self.inner.services;
        let spawn = |work| services.spawn_for_run(work);
        services.feeders.start(name, feeder, &services.telemetry, spawn).await
    }

    /// A feeder that was started.
    ///
    /// # Errors
    /// `no-feeder` if it was not.
    pub fn feeder(&self, name: &str) -> Result<Feed, Refusal> {
        self.inner.services.feeders.get(name)
    }

    /// What the random choices of this run come from: its setting `seed`. Users have streams of
    /// random numbers of their own, made of it: see
    /// [`User::random`](crate::user::User::random).
    pub fn seed(&self) -> u64 {
        self.inner.services.seed
    }

    /// Adds to a counter.
    pub fn count(&self, name: &str, by: u64) {
        self.measure().count(name, by);
    }

    /// Sets a gauge.
    pub fn gauge(&self, name: &str, value: f64) {
        self.measure().gauge(name, value);
    }

    /// Records whether something that should hold does; goes on either way and hands back
    /// `passed`.
    pub fn check(&self, name: &str, passed: bool) -> bool {
        self.measure().check(name, passed);
        passed
    }

    /// Counts a failure without ending anybody.
    pub fn note_failure(&self, failure: &Failure) {
        self.measure().failure(crowd_measure::Source::Noted, failure);
    }

    /// Where measurements go.
    pub fn measure(&self) -> &Measure {
        &self.inner.services.measure
    }

    /// Where events go; subscribe to see them.
    pub fn telemetry(&self) -> &Telemetry {
        &self.inner.services.telemetry
    }

    /// Runs something beside the users, a server say. It is dropped when the run ends, after
    /// `terminate`. One that blocks its thread holds the end of the run up for no longer than
    /// `terminate` may take, and is left behind then, which is told.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.inner.services.spawn_for_run(work);
    }
}
