//! Throttles: how often something may happen, or how much of it at once, over all users.
//!
//! A throttle is started by name with a [`Rate`], and lets users through at that rate in the
//! order they asked: a wait that is granted, a message that is sent, work that is run. The rate
//! can be changed at any time, at once or gradually, and paused and resumed.
//!
//! What it guarantees, how it counts and what it refuses is told in `docs/throttles.md`.
//!
//! Pure parts, which know no clock and no task: `rate`, `ramp`, `exact`, `schedule`, `bucket`.
//! Around them: `queue` (who waits), `gate` (the lock around bucket and queue; `gate/turns` lets
//! through), `outbox` (what follows from that), `actor` (control and pacing), `registry` (names
//! and supervision).

use std::{sync::Arc, time::Duration};

use ractor::{Actor, ActorRef, RpcReplyPort, rpc::CallResult};

mod actor;
mod bucket;
mod exact;
mod gate;
mod handle;
mod info;
mod outbox;
mod permit;
mod queue;
mod ramp;
pub(crate) mod rate;
mod registry;
mod running;
mod schedule;
mod tally;
mod waiting;

use self::registry::{Registration, Registry, Table};
pub use self::{
    handle::{Throttle, ThrottleStopped},
    info::{Lateness, ThrottleInfo, ThrottleState},
    permit::Permit,
    ramp::{Ramp, RampError},
    rate::{Rate, RateError},
    running::{RunError, Running},
};
use crate::{
    failure::Failure,
    refusal::{Code, Refusal},
    telemetry::Telemetry,
};

/// Whether `start` started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// It is new.
    New,
    /// It ran already at this rate.
    Already,
}

/// What all throttles of a node have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThrottleOptions {
    /// How late a slot may be given. What is missed by more is forfeited, not caught up. 5 ms,
    /// because timers here are late by about 2 ms at the 99th percentile.
    pub tolerance: Duration,
}

impl Default for ThrottleOptions {
    fn default() -> Self {
        Self { tolerance: Duration::from_millis(5) }
    }
}

/// All throttles of a node. Cheap to clone; all clones are one. When the last is dropped, they
/// are stopped.
#[derive(Debug, Clone)]
pub struct Throttles {
    owner: Arc<Owner>,
}

#[derive(Debug)]
struct Owner {
    registry: ActorRef<Registration>,
    table: Arc<Table>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.registry.stop(None);
    }
}

impl Throttles {
    /// Starts the registry, with no throttles.
    ///
    /// # Errors
    /// If its actor cannot be started.
    pub async fn spawn(telemetry: Telemetry) -> Result<Self, Failure> {
        Self::spawn_with(telemetry, ThrottleOptions::default()).await
    }

    /// As [`Throttles::spawn`], with options.
    ///
    /// # Errors
    /// If its actor cannot be started.
    pub async fn spawn_with(
        telemetry: Telemetry,
        options: ThrottleOptions,
    ) -> Result<Self, Failure> {
        let table = Arc::new(Table::default());
        let (registry, _task) = Actor::spawn(None, Registry, (table.clone(), telemetry, options))
            .await
            .map_err(|error| Failure::generator(format!("cannot start throttles: {error}")))?;
        Ok(Self { owner: Arc::new(Owner { registry, table }) })
    }

    /// Starts a throttle, or finds it running at the same rate. The first one to ask a fresh
    /// throttle is let through at once.
    ///
    /// # Errors
    /// `wrong-reconfiguration` if it runs at another rate; `invalid-throttle` without a name.
    pub async fn start(&self, name: &str, rate: Rate) -> Result<Started, Refusal> {
        self.call(|reply| Registration::Start(name.into(), rate, reply)).await?
    }

    /// The throttle of that name.
    ///
    /// # Errors
    /// `no-throttle` if none is started by that name.
    pub fn get(&self, name: &str) -> Result<Throttle, Refusal> {
        self.owner.table.get(name)
    }

    /// Changes the rate at once, paused or not. Who waits keeps its place and is let through at
    /// the new rate; the part of a slot that has passed is kept. The rate it has already: nothing
    /// happens, even on a ramp.
    ///
    /// # Errors
    /// `cannot-change-rate` on a ramp; `no-throttle`.
    pub async fn change_rate(&self, name: &str, rate: Rate) -> Result<(), Refusal> {
        self.get(name)?.change_rate(rate).await
    }

    /// Changes the rate gradually. The ramp starts at its `from`, whatever the rate is now, and
    /// its `to` stays. A pause does not stop it.
    ///
    /// # Errors
    /// `cannot-change-rate` on a ramp; `no-throttle`.
    pub async fn ramp(&self, name: &str, ramp: Ramp) -> Result<(), Refusal> {
        self.get(name)?.ramp(ramp).await
    }

    /// Lets nothing through until it is resumed. A paused one stays paused.
    ///
    /// # Errors
    /// `no-throttle`.
    pub async fn pause(&self, name: &str) -> Result<(), Refusal> {
        self.get(name)?.pause().await
    }

    /// Goes on after a pause, where it stood: nothing is caught up. A running one runs on.
    ///
    /// # Errors
    /// `no-throttle`.
    pub async fn resume(&self, name: &str) -> Result<(), Refusal> {
        self.get(name)?.resume().await
    }

    /// Makes it unlimited; the same as changing the rate to [`Rate::UNLIMITED`].
    ///
    /// # Errors
    /// `cannot-change-rate` on a ramp; `no-throttle`.
    pub async fn unlock(&self, name: &str) -> Result<(), Refusal> {
        self.get(name)?.unlock().await
    }

    /// Stops it, on a ramp too: who waits is answered with an error, and what it runs is dropped.
    ///
    /// # Errors
    /// `no-throttle`.
    pub async fn stop(&self, name: &str) -> Result<(), Refusal> {
        self.call(|reply| Registration::Stop(name.into(), None, reply)).await?
    }

    /// What is known of one.
    ///
    /// # Errors
    /// `no-throttle`.
    #[expect(clippy::unused_async, reason = "in a cluster another node is asked")]
    pub async fn info(&self, name: &str) -> Result<ThrottleInfo, Refusal> {
        Ok(self.get(name)?.info())
    }

    /// What is known of all, by name.
    #[expect(clippy::unused_async, reason = "in a cluster another node is asked")]
    pub async fn list(&self) -> Vec<ThrottleInfo> {
        self.owner.table.all().iter().map(Throttle::info).collect()
    }

    /// Stops all: who waits is answered with an error, and what they run is dropped. Tells what
    /// is known of them at their end. New ones can be started afterwards.
    pub async fn stop_all(&self) -> Vec<ThrottleInfo> {
        // Without a registry there are no throttles.
        self.call(Registration::StopAll).await.unwrap_or_default()
    }

    async fn call<T: Send + 'static>(
        &self,
        registration: impl FnOnce(RpcReplyPort<T>) -> Registration,
    ) -> Result<T, Refusal> {
        match self.owner.registry.call(registration, None).await {
            Ok(CallResult::Success(answer)) => Ok(answer),
            _ => Err(Refusal::new(Code::Unavailable, "the registry of throttles has ended")),
        }
    }
}

#[cfg(test)]
mod tests;
