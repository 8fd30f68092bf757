//! Throttles: how often something may happen, or how much of it at once, over all users.
//!
//! A throttle is started by name with a [`Rate`], and lets users through at that rate in the
//! order they asked: a wait that is granted, a message that is sent, work that is run. The rate
//! can be changed at any time, at once or gradually, and paused and resumed.
//!
//! What it guarantees, how it counts and what it refuses is told in `docs/throttles.md`.
//!
//! Pure parts, which know no clock and no task: `rate`, `ramp`, `exact`, `schedule`, `bucket`; for
//! clusters `dealer` (who gets which slot, on the master), `holdings` (what a node was given) and
//! `block`. Around them: `supply` (bucket or holdings), `queue` (who waits), `gate` (the lock
//! around supply and queue; `gate/turns` lets through, `gate/lease` speaks with the master),
//! `outbox` (what follows from that), `actor` (control and pacing), `registry` (names and
//! supervision), `master` (the throttles of a cluster), `follower` and `courier` (a node of it).

use std::{
    sync::{Arc, RwLock},
    time::Duration,
};

use ractor::{Actor, ActorRef, RpcReplyPort, rpc::CallResult};
use serde::{Deserialize, Serialize};

mod actor;
mod block;
mod bucket;
mod courier;
mod dealer;
mod follower;
mod gate;
mod handle;
mod holdings;
mod info;
mod master;
mod outbox;
mod permit;
mod queue;
mod ramp;
mod registry;
mod running;
mod schedule;
mod supply;
mod tally;
mod waiting;

pub use crowd_core::errors::ThrottleStopped;
use crowd_core::exact;
pub(crate) use crowd_core::rate;

pub(crate) use self::block::Block;
pub(crate) use self::master::ThrottleMaster;
use self::{
    follower::Following,
    registry::{Registration, Registry, Table},
};
pub use self::{
    handle::Throttle,
    info::{Lateness, ThrottleInfo, ThrottleState},
    permit::Permit,
    ramp::{Ramp, RampError},
    rate::{Rate, RateError},
    running::{RunError, Running},
};
use crate::cluster::protocol::throttle::{Change, ThrottleAnswer, ToThrottles, Which};
use crowd_core::{
    failure::Failure,
    refusal::{Code, Refusal},
    telemetry::Telemetry,
};

/// Whether `start` started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The master whose throttles are used instead of this node's own.
    following: RwLock<Option<Arc<Following>>>,
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
        Ok(Self { owner: Arc::new(Owner { registry, table, following: RwLock::default() }) })
    }

    /// Starts a throttle, or finds it running at the same rate. The first one to ask a fresh
    /// throttle is let through at once.
    ///
    /// # Errors
    /// `wrong-reconfiguration` if it runs at another rate; `invalid-throttle` without a name.
    pub async fn start(&self, name: &str, rate: Rate) -> Result<Started, Refusal> {
        if let Some(following) = self.owner.following() {
            return self.start_with(&following, name, rate).await;
        }
        self.call(|reply| Registration::Start(name.into(), rate, reply)).await?
    }

    /// Starts a throttle, whether or not this node has one by that name: the old one is stopped.
    /// In a cluster, one that runs is left alone, because others use it; the master has stopped
    /// what was left of before.
    ///
    /// # Errors
    /// As [`Throttles::start`].
    pub(crate) async fn start_afresh(&self, name: &str, rate: Rate) -> Result<Started, Refusal> {
        if self.owner.following().is_none() {
            // That there is none is fine.
            let _ = self.stop(name).await;
        }
        self.start(name, rate).await
    }

    async fn start_with(
        &self,
        following: &Arc<Following>,
        name: &str,
        rate: Rate,
    ) -> Result<Started, Refusal> {
        let start = ToThrottles::Start { name: name.to_owned(), rate };
        let ThrottleAnswer::Started(started, terms) = following.ask(&start).await? else {
            return Err(Refusal::new(Code::Unavailable, "the master answers oddly"));
        };
        // So that whoever started it finds it.
        let terms = terms.into_iter().map(|terms| *terms).collect();
        self.call(|reply| Registration::Terms(terms, following.clone(), Some(reply))).await?;
        Ok(started)
    }

    /// Has the master change the throttle of that name.
    async fn ask(&self, name: &str, change: Change) -> Option<Result<(), Refusal>> {
        let following = self.owner.following()?;
        let which = Which::Named(name.to_owned());
        Some(following.ask(&ToThrottles::Change { which, change }).await.map(|_done| ()))
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
        match self.ask(name, Change::Rate(rate)).await {
            Some(outcome) => outcome,
            None => self.get(name)?.change_rate(rate).await,
        }
    }

    /// Changes the rate gradually. The ramp starts at its `from`, whatever the rate is now, and
    /// its `to` stays. A pause does not stop it.
    ///
    /// # Errors
    /// `cannot-change-rate` on a ramp; `no-throttle`.
    pub async fn ramp(&self, name: &str, ramp: Ramp) -> Result<(), Refusal> {
        match self.ask(name, Change::Ramp(ramp.into())).await {
            Some(outcome) => outcome,
            None => self.get(name)?.ramp(ramp).await,
        }
    }

    /// Lets nothing through until it is resumed. A paused one stays paused.
    ///
    /// # Errors
    /// `no-throttle`.
    pub async fn pause(&self, name: &str) -> Result<(), Refusal> {
        match self.ask(name, Change::Pause).await {
            Some(outcome) => outcome,
            None => self.get(name)?.pause().await,
        }
    }

    /// Goes on after a pause, where it stood: nothing is caught up. A running one runs on.
    ///
    /// # Errors
    /// `no-throttle`.
    pub async fn resume(&self, name: &str) -> Result<(), Refusal> {
        match self.ask(name, Change::Resume).await {
            Some(outcome) => outcome,
            None => self.get(name)?.resume().await,
        }
    }

    /// Makes it unlimited; the same as changing the rate to [`Rate::UNLIMITED`].
    ///
    /// # Errors
    /// `cannot-change-rate` on a ramp; `no-throttle`.
    pub async fn unlock(&self, name: &str) -> Result<(), Refusal> {
        self.change_rate(name, Rate::UNLIMITED).await
    }

    /// Stops it, on a ramp too: who waits is answered with an error, and what it runs is dropped.
    ///
    /// # Errors
    /// `no-throttle`.
    pub async fn stop(&self, name: &str) -> Result<(), Refusal> {
        if let Some(outcome) = self.ask(name, Change::Stop).await {
            if outcome.is_ok()
                && let Ok(throttle) = self.get(name)
                && let Some((id, _)) = throttle.lease
            {
                // The master's word is on its way; whoever stops it need not wait for that.
                throttle.gate.close();
                let _ = self.owner.registry.cast(Registration::Over(id));
            }
            return outcome;
        }
        self.call(|reply| Registration::Stop(name.into(), None, reply)).await?
    }

    /// What is known of one; in a cluster, on all nodes together.
    ///
    /// # Errors
    /// `no-throttle`.
    pub async fn info(&self, name: &str) -> Result<ThrottleInfo, Refusal> {
        if let Some(following) = self.owner.following() {
            let info = ToThrottles::Info { name: name.to_owned() };
            return match following.ask(&info).await? {
                ThrottleAnswer::Infos(infos) if infos.len() == 1 => Ok(infos[0].clone()),
                _ => Err(Refusal::new(Code::Unavailable, "the master answers oddly")),
            };
        }
        Ok(self.get(name)?.info())
    }

    /// What is known of all, by name; in a cluster, on all nodes together. If its master does not
    /// answer, on this node alone.
    pub async fn list(&self) -> Vec<ThrottleInfo> {
        if let Some(following) = self.owner.following()
            && let Ok(ThrottleAnswer::Infos(infos)) = following.ask(&ToThrottles::List).await
        {
            return infos;
        }
        self.here()
    }

    /// What is known of all on this node alone, by name; nobody else is asked.
    pub(crate) fn here(&self) -> Vec<ThrottleInfo> {
        self.owner.table.all().iter().map(Throttle::info).collect()
    }

    /// Stops all: who waits is answered with an error, and what they run is dropped. Tells what
    /// is known of them at their end. New ones can be started afterwards. In a cluster they end on
    /// this node only, and are gone here until it takes part in another run.
    pub async fn stop_all(&self) -> Vec<ThrottleInfo> {
        if let Some(following) = self.owner.following() {
            following.finish();
        }
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
