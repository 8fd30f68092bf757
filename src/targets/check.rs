//! The health check: a task that looks at every target, again and again.

use std::{
    collections::HashSet, fmt::Display, future::Future, ops::RangeInclusive,
    panic::AssertUnwindSafe, pin::Pin, sync::Arc,
};

use crowd_core::{failure::Failure, moment};
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    list::TargetId,
    options::TargetOptions,
    shared::Shared,
    slot::{Slot, Target},
};

/// What a check that was passed says of its target. `()` will do; a number is its tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Health {
    /// The tier it belongs to; `None` if that is as before.
    pub tier: Option<u8>,
}

impl From<()> for Health {
    fn from((): ()) -> Self {
        Self::default()
    }
}

impl From<u8> for Health {
    fn from(tier: u8) -> Self {
        Self { tier: Some(tier) }
    }
}

impl From<Option<u8>> for Health {
    fn from(tier: Option<u8>) -> Self {
        Self { tier }
    }
}

/// A check under way.
pub(super) type Checking = Pin<Box<dyn Future<Output = Result<Health, Failure>> + Send>>;

/// What is checked how.
pub(super) struct Checker<T: Display, C> {
    pub(super) shared: Arc<Shared<T>>,
    pub(super) options: TargetOptions,
    pub(super) check: C,
    /// Cancelled when each target of the first round has been checked; or never will be.
    pub(super) checked: CancellationToken,
    /// Cancelled when the task is over.
    pub(super) ended: CancellationToken,
}

/// Counts what there is left to count and tells everybody, however the task ends: it may be dropped
/// at any time.
impl<T: Display, C> Drop for Checker<T, C> {
    fn drop(&mut self) {
        self.shared.account();
        self.checked.cancel();
        self.ended.cancel();
    }
}

impl<T, C> Checker<T, C>
where
    T: Display + Send + Sync + 'static,
    C: Fn(Target<T>) -> Checking + Send + Sync,
{
    /// Checks until dropped. All checks of a round run at once, each under its own time-out: a host
    /// that is dead holds up nobody else's. One that takes longer than the interval is not begun a
    /// second time.
    pub(super) async fn run(self) {
        let Self { shared, options, check, checked, .. } = &self;
        let mut running = FuturesUnordered::new();
        let mut under_way: HashSet<TargetId> = HashSet::new();
        // Those of the first round that are under way; `None` before it.
        let mut first: Option<HashSet<TargetId>> = None;
        let (mut round, mut due) = (0u64, Instant::now());
        loop {
            tokio::select! {
                // What is known counts before anything new is asked.
                biased;
                Some((slot, outcome)) = running.next(), if !running.is_empty() => {
                    let slot: Arc<Slot<T>> = slot;
                    under_way.remove(&slot.id);
                    if let Some(first) = &mut first {
                        first.remove(&slot.id);
                    }
                    conclude(shared, &slot, outcome, &options.tiers);
                }
                () = sleep_until(due) => {
                    shared.account();
                    for target in shared.all() {
                        if under_way.insert(target.slot.id) {
                            running.push(one(target, check, options));
                        }
                    }
                    first.get_or_insert_with(|| under_way.clone());
                    // After a standstill rounds go on from now; none is caught up.
                    let wait = options.wait(round, rand::random());
                    due = moment::after(due, wait).max(Instant::now());
                    round += 1;
                }
            }
            if first.as_ref().is_some_and(HashSet::is_empty) {
                checked.cancel();
            }
        }
    }
}

/// One check of one target; a panic in it is a failure of the scenario.
async fn one<T>(
    target: Target<T>,
    check: &impl Fn(Target<T>) -> Checking,
    options: &TargetOptions,
) -> (Arc<Slot<T>>, Result<Health, Failure>) {
    let slot = target.slot.clone();
    let checking = async { timeout(options.timeout, check(target)).await };
    let outcome = match AssertUnwindSafe(checking).catch_unwind().await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(Failure::target("no answer to the health check in time")),
        Err(_) => Err(Failure::scenario("a health check panicked")),
    };
    (slot, outcome)
}

fn conclude<T: Display>(
    shared: &Shared<T>,
    slot: &Slot<T>,
    outcome: Result<Health, Failure>,
    tiers: &RangeInclusive<u8>,
) {
    match outcome {
        Ok(Health { tier: Some(tier) }) if !tiers.contains(&tier) => {
            let (first, last) = (tiers.start(), tiers.end());
            shared.note(&Failure::scenario(format!(
                "a health check says tier {tier}; the tiers are {first} to {last}"
            )));
            shared.passed(slot, None);
        }
        Ok(Health { tier }) => shared.passed(slot, tier),
        Err(failure) => shared.failed(slot, &failure),
    }
}
