//! Targets: the hosts that users are spread over, each with a score of how well it does.
//!
//! Successes and failures move a score up and down, those that users report and those of a health
//! check that runs beside them. Users are dealt, one after the other, the targets whose score is 0
//! or more; if there are tiers, those of the lowest tier that has any. `docs/targets.md` tells more.
//!
//! ```
//! use crowd::{prelude::*, targets::{TargetOptions, Targets}};
//! use tokio::net::TcpStream;
//!
//! struct Shop {
//!     hosts: Targets<&'static str>,
//! }
//!
//! impl Scenario for Shop {
//!     const NAME: &'static str = "shop";
//!     type Settings = ();
//!     type Message = ();
//!
//!     async fn init(run: &Run<Self>) -> Result<Self, Failure> {
//!         let check = |host: crowd::targets::Target<&'static str>| async move {
//!             TcpStream::connect(*host).await.map(drop)
//!         };
//!         let list = ["10.0.0.1:80", "10.0.0.2:80"];
//!         Ok(Self { hosts: Targets::start(run, TargetOptions::default(), list, check)? })
//!     }
//!
//!     async fn start(&self, user: User<Self>) -> Result<(), Failure> {
//!         let host = self.hosts.pick()?;
//!         let outcome = user.time("connect", TcpStream::connect(*host)).await;
//!         self.hosts.report(&host, &outcome);
//!         outcome.map(drop)
//!     }
//! }
//! ```

use std::{fmt, future::Future, sync::Arc};

use tokio_util::sync::{CancellationToken, DropGuard};

mod check;
pub(crate) mod list;
use crowd_measure::target_names as names;
mod nobody;
mod options;
mod rotation;
pub(crate) mod score;
mod shared;
mod slot;

pub use check::Health;
pub use nobody::NobodyLeft;
pub use options::TargetOptions;
pub use slot::Target;

use self::{
    check::{Checker, Checking},
    shared::Shared,
};
use crate::scenario::{Run, Scenario};
use crowd_core::{
    failure::Failure,
    refusal::{Code, Refusal},
    telemetry::Telemetry,
};
use crowd_measure::Measure;

/// The targets of a run on this node, and their health check. Cheap to clone. The check ends with
/// the run, with [`Targets::end`], or with the last clone.
pub struct Targets<T> {
    inner: Arc<Inner<T>>,
}

struct Inner<T> {
    shared: Arc<Shared<T>>,
    checked: CancellationToken,
    ended: CancellationToken,
    ending: CancellationToken,
    _with_the_last: DropGuard,
}

impl<T> Clone for Targets<T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<T> fmt::Debug for Targets<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Targets").finish_non_exhaustive()
    }
}

impl<T: fmt::Display + Send + Sync + 'static> Targets<T> {
    /// Starts to spread users over the targets in `list`, and to check each of them: all at once
    /// now, and again every [`TargetOptions::interval`]. A target is known by its text form, which
    /// no other may have.
    ///
    /// `check` says how a target is: `Ok(())`, or its tier, or a failure. A failure that is not
    /// the target's (this machine has no descriptor left, say) is noted and lowers no score, and so
    /// is a panic. What takes longer than [`TargetOptions::timeout`] has failed and is dropped.
    ///
    /// # Errors
    /// `parameters-verification-failed`, with all that is wrong with the options and the list.
    pub fn start<S, F, H, E>(
        run: &Run<S>,
        options: TargetOptions,
        list: impl IntoIterator<Item = T>,
        check: impl Fn(Target<T>) -> F + Send + Sync + 'static,
    ) -> Result<Self, Refusal>
    where
        S: Scenario,
        F: Future<Output = Result<H, E>> + Send + 'static,
        H: Into<Health>,
        E: Into<Failure>,
    {
        let (measure, telemetry) = (run.measure().clone(), run.telemetry().clone());
        let (targets, checking) = Self::prepare(measure, telemetry, options, list, check)?;
        run.spawn(checking);
        Ok(targets)
    }

    /// The targets and the task that checks them.
    fn prepare<F, H, E>(
        measure: Measure,
        telemetry: Telemetry,
        options: TargetOptions,
        list: impl IntoIterator<Item = T>,
        check: impl Fn(Target<T>) -> F + Send + Sync + 'static,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static), Refusal>
    where
        F: Future<Output = Result<H, E>> + Send + 'static,
        H: Into<Health>,
        E: Into<Failure>,
    {
        let list: Vec<T> = list.into_iter().collect();
        let names: Vec<Arc<str>> = list.iter().map(|target| target.to_string().into()).collect();
        let rules = match (options.rules(), list::twice(&names)) {
            (Ok(rules), twice) if twice.is_empty() => rules,
            (rules, twice) => {
                let faults = rules.err().into_iter().flatten().chain(twice);
                return Err(refusal(&faults.collect::<Vec<_>>()));
            }
        };
        let shared = Shared::new(rules, measure, telemetry);
        shared.reconcile(list).map_err(|faults| refusal(&faults))?;
        let shared = Arc::new(shared);
        let [checked, ended, ending] = std::array::from_fn(|_| CancellationToken::new());
        let checker = Checker {
            shared: shared.clone(),
            options,
            check: move |target| -> Checking {
                let checking = check(target);
                Box::pin(async move {
                    let outcome: Result<H, E> = checking.await;
                    outcome.map(Into::into).map_err(Into::into)
                })
            },
            checked: checked.clone(),
            ended: ended.clone(),
        };
        let stop = ending.clone();
        let checking = async move {
            let _ = stop.run_until_cancelled(checker.run()).await;
        };
        let _with_the_last = ending.clone().drop_guard();
        let inner = Inner { shared, checked, ended, ending, _with_the_last };
        Ok((Self { inner: Arc::new(inner) }, checking))
    }

    /// The next target in turn. Takes no lock and waits for nobody, however many users pick.
    ///
    /// # Errors
    /// If no target has a score of 0 or more.
    pub fn pick(&self) -> Result<Target<T>, NobodyLeft> {
        self.inner.shared.pick()
    }

    /// The target to go on with, for a user that keeps one for long, by a connection say; answers
    /// whether `held` is another one now. While nothing changed it costs next to nothing, so ask
    /// before each use.
    ///
    /// The user keeps its target as long as that is in; otherwise it gets the next one in turn. When
    /// targets come back, users go over to them, as many as make their fair share, and all others
    /// stay where they are.
    ///
    /// # Errors
    /// If the target is out and so are all others; `held` stays.
    pub fn renew(&self, held: &mut Target<T>) -> Result<bool, NobodyLeft> {
        self.inner.shared.renew(held)
    }

    /// A target did its work: its score rises, up to the highest. No effect on a target that is not
    /// listed any more.
    pub fn up(&self, target: &Target<T>) {
        self.inner.shared.up(&target.slot);
    }

    /// A target failed: its score falls, down to the lowest. No effect on a target that is not
    /// listed any more, and none if the failure is not the target's: one of the generator, of the
    /// scenario, or because the user was told to stop, says nothing about it.
    pub fn down(&self, target: &Target<T>, failure: &Failure) {
        self.inner.shared.down(&target.slot, failure);
    }

    /// [`Targets::up`] or [`Targets::down`], as the outcome says.
    pub fn report<V>(&self, target: &Target<T>, outcome: &Result<V, Failure>) {
        match outcome {
            Ok(_) => self.up(target),
            Err(failure) => self.down(target, failure),
        }
    }

    /// All targets, in or out, in the order of the list.
    pub fn all(&self) -> Vec<Target<T>> {
        self.inner.shared.all()
    }

    /// How many targets there are, in or out.
    pub fn count(&self) -> usize {
        self.inner.shared.count()
    }

    /// The target of that name.
    pub fn find(&self, name: &str) -> Option<Target<T>> {
        self.all().into_iter().find(|target| target.name() == name)
    }

    /// Makes `list` the targets. Those known already stay as they are, with their score, their tier
    /// and their place in the row; those that are not in it are dropped; new ones come last, with
    /// the initial score.
    ///
    /// # Errors
    /// `parameters-verification-failed` if two have one name; nothing is changed then.
    pub fn reconcile(&self, list: impl IntoIterator<Item = T>) -> Result<(), Refusal> {
        let list = list.into_iter().collect();
        self.inner.shared.reconcile(list).map_err(|faults| refusal(&faults))
    }

    /// Waits until each target of the list at the start has been checked once.
    pub async fn wait_for_first_check(&self) {
        self.inner.checked.cancelled().await;
    }

    /// Ends the health check, and waits until it has. Targets are picked and reported as before, but
    /// one that is out comes back only if somebody reports it up.
    pub async fn end(&self) {
        self.inner.ending.cancel();
        self.inner.ended.cancelled().await;
    }
}

fn refusal(faults: &[String]) -> Refusal {
    let message = format!("targets: {}", faults.join("; "));
    Refusal::new(Code::ParametersVerificationFailed, message)
}

#[cfg(test)]
mod tests;
