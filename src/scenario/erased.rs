//! A scenario without its types, so that the runtime can hold any.

use std::{fmt, panic::AssertUnwindSafe, sync::Arc};

use crowd_core::panic::panic_text;
use crowd_core::{failure::Failure, refusal::Refusal};
use futures_util::{FutureExt, future::BoxFuture};

use super::{
    Run, Scenario,
    run::Services,
    settings::{Declarations, Settings, Values},
};
use crate::user::{
    User, UserCore,
    task::{UserTask, Watch},
};

/// A scenario that is compiled in.
pub trait Registered: fmt::Debug + Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;
    /// What it does.
    fn about(&self) -> &'static str;
    /// Its settings.
    fn declarations(&self) -> Declarations;
    /// How many file descriptors a user holds open.
    fn descriptors_per_user(&self) -> u64;
    /// Runs `init`.
    fn init(&self, services: Services, values: &Values) -> Result<Starting, Refusal>;
}

/// An `init` under way.
pub type Starting = BoxFuture<'static, Result<Arc<dyn Running>, Failure>>;

/// A scenario whose `init` succeeded.
pub trait Running: fmt::Debug + Send + Sync {
    /// Starts a user as a task of its own.
    fn start(&self, core: Arc<UserCore>, watch: Arc<Watch>);
    /// Whether settings can be made of these values.
    fn check_values(&self, values: &Values) -> Result<(), Refusal>;
    /// Makes changed settings visible to users.
    fn set_values(&self, values: &Values) -> Result<(), Refusal>;
    /// Tells the scenario that a hooked setting changed.
    fn updated(&self, name: String) -> BoxFuture<'static, Result<(), Failure>>;
    /// Runs `terminate`.
    fn terminate(&self) -> BoxFuture<'static, Result<(), Failure>>;
}

/// The registration of `S`.
pub(crate) struct Entry<S>(std::marker::PhantomData<fn(S)>);

impl<S> Entry<S> {
    pub(crate) fn new() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<S: Scenario> fmt::Debug for Entry<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entry").field(&S::NAME).finish()
    }
}

impl<S: Scenario> Registered for Entry<S> {
    fn name(&self) -> &'static str {
        S::NAME
    }

    fn about(&self) -> &'static str {
        S::ABOUT
    }

    fn declarations(&self) -> Declarations {
        S::declarations()
    }

    fn descriptors_per_user(&self) -> u64 {
        S::DESCRIPTORS_PER_USER
    }

    fn init(&self, services: Services, values: &Values) -> Result<Starting, Refusal> {
        let run = Run::<S>::new(services, S::Settings::from_values(values)?);
        Ok(Box::pin(async move {
            let scenario = Arc::new(guarded(S::init(&run)).await??);
            Ok(Arc::new(Live { scenario, run }) as Arc<dyn Running>)
        }))
    }
}

struct Live<S: Scenario> {
    scenario: Arc<S>,
    run: Run<S>,
}

impl<S: Scenario> fmt::Debug for Live<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Live").field(&S::NAME).finish()
    }
}

impl<S: Scenario> Running for Live<S> {
    fn start(&self, core: Arc<UserCore>, watch: Arc<Watch>) {
        let scenario = self.scenario.clone();
        let user = User::<S>::new(core.clone(), self.run.clone());
        let life = async move { scenario.start(user).await };
        let task = tokio::spawn(UserTask::new(core.clone(), watch, life));
        core.runs_as(task.abort_handle());
    }

    fn check_values(&self, values: &Values) -> Result<(), Refusal> {
        S::Settings::from_values(values).map(drop)
    }

    fn set_values(&self, values: &Values) -> Result<(), Refusal> {
        self.run.set_settings(S::Settings::from_values(values)?);
        Ok(())
    }

    fn updated(&self, name: String) -> BoxFuture<'static, Result<(), Failure>> {
        let (scenario, run) = (self.scenario.clone(), self.run.clone());
        Box::pin(async move { guarded(scenario.updated(&run, &name)).await? })
    }

    fn terminate(&self) -> BoxFuture<'static, Result<(), Failure>> {
        let (scenario, run) = (self.scenario.clone(), self.run.clone());
        Box::pin(async move { guarded(scenario.terminate(&run)).await })
    }
}

/// Runs a scenario's own code; a panic becomes the scenario's failure.
async fn guarded<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .map_err(|panic| Failure::scenario(format!("panicked: {}", panic_text(&*panic))))
}
