//! A node: everything assembled.
use std::time::Duration;

use serde::Serialize;

use crate::{
    coordinator::Coordinators,
    measure::Measure,
    refusal::Refusal,
    scenario::{
        catalog::Catalog,
        settings::{Declaration, Value},
    },
    telemetry::Telemetry,
    throttle::Throttles,
    user::UserId,
};

/// The state of the run on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// No run.
    Idle,
    /// `init` is under way.
    Starting,
    /// Users run, or may be added.
    Running,
    /// Users are being told to go, or `terminate` runs.
    Terminating,
    /// Ended.
    Finished,
    /// `init` failed, or the runtime broke.
    Failed,
    /// This node only commands others.
    Disabled,
}

/// How many users are in which state; asked = waiting + running + finished + failed + removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct UserCounts {
    /// All that were ever added.
    pub asked: u64,
    /// Not admitted yet.
    pub waiting: u64,
    /// Running now (those that are told to stop and have not ended yet included).
    pub running: u64,
    /// Ended by themselves.
    pub finished: u64,
    /// Ended with an error or a panic.
    pub failed: u64,
    /// Cancelled while waiting, stopped or killed.
    pub removed: u64,
    /// The most that ran at once.
    pub peak: u64,
}

/// What `status` tells.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// This node's name.
    pub node: String,
    /// The state.
    pub state: RunState,
    /// Why it failed.
    pub reason: Option<String>,
    /// The scenario of the run.
    pub scenario: Option<String>,
    /// Users by state.
    pub users: UserCounts,
    /// Highest user id given out.
    pub highest_user_id: u64,
    /// The rate users are admitted at, as people write it.
    pub user_rate: Option<String>,
    /// How long the run goes on, or took.
    pub elapsed: Duration,
}

/// The ids an `add` gave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Added {
    /// First id; 0 if no user was asked for.
    pub first: u64,
    /// Last id; 0 if no user was asked for.
    pub last: u64,
}

/// What `set` did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetOutcome {
    /// The settings that changed.
    pub changed: Vec<String>,
    /// What the scenario's hooks failed with: (setting, reason).
    pub faults: Vec<(String, String)>,
}

/// What `user ID` tells.
#[derive(Debug, Clone, Serialize)]
pub struct UserView {
    /// The id.
    pub id: UserId,
    /// `waiting`, `running`, `stopping`, `finished`, `stopped`, `failed`, `panicked`, `killed`, `cancelled`, `gone`.
    pub state: &'static str,
    /// How long it lives or lived.
    pub age: Option<Duration>,
    /// The node it is on.
    pub node: String,
    /// Why it ended, if it failed and that is still known.
    pub failure: Option<String>,
}

/// A setting with its current value.
#[derive(Debug, Clone)]
pub struct SettingView {
    /// Its declaration.
    pub declaration: Declaration,
    /// Its value and where that comes from.
    pub value: Value,
}

/// A handle to a node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Node;

#[expect(clippy::unused_async, reason = "skeleton")]
impl Node {
    /// The scenarios compiled in.
    pub fn catalog(&self) -> &Catalog {
        unimplemented!()
    }
    /// `do`: answers when `init` is over.
    pub async fn start_run(
        &self,
        _scenario: &str,
        _users: u64,
        _given: Vec<(String, String)>,
    ) -> Result<Added, Refusal> {
        unimplemented!()
    }
    /// `add COUNT`.
    pub async fn add(&self, _count: u64) -> Result<Added, Refusal> {
        unimplemented!()
    }
    /// `add FROM..TO`.
    pub async fn add_range(&self, _first: u64, _last: u64) -> Result<Added, Refusal> {
        unimplemented!()
    }
    /// `remove COUNT [force]`: the number chosen.
    pub async fn remove(&self, _count: u64, _force: bool) -> Result<u64, Refusal> {
        unimplemented!()
    }
    /// `stop`: answers at once; the run is then terminating or finished.
    pub async fn stop(&self) -> Result<(), Refusal> {
        unimplemented!()
    }
    /// `reset`.
    pub async fn reset(&self) -> Result<(), Refusal> {
        unimplemented!()
    }
    /// `set KEY=VALUE…`.
    pub async fn set(&self, _given: Vec<(String, String)>) -> Result<SetOutcome, Refusal> {
        unimplemented!()
    }
    /// `status`.
    pub async fn status(&self) -> Status {
        unimplemented!()
    }
    /// Waits until the run is idle, finished or failed.
    pub async fn ended(&self) -> Status {
        unimplemented!()
    }
    /// `settings`: those of the current or last run; empty when idle.
    pub async fn settings(&self) -> Vec<SettingView> {
        unimplemented!()
    }
    /// `users [LIMIT]`.
    pub async fn users(&self, _limit: usize) -> Vec<UserView> {
        unimplemented!()
    }
    /// `user ID`.
    pub async fn user(&self, _id: UserId) -> Result<UserView, Refusal> {
        unimplemented!()
    }
    /// Throttles of the node.
    pub fn throttles(&self) -> &Throttles {
        unimplemented!()
    }
    /// Coordinators of the node.
    pub fn coordinators(&self) -> &Coordinators {
        unimplemented!()
    }
    /// Measurements of the current or last run.
    pub fn measure(&self) -> Measure {
        unimplemented!()
    }
    /// Events of the node.
    pub fn telemetry(&self) -> &Telemetry {
        unimplemented!()
    }
    /// Ends the run, if any, and the node: `terminate` runs once.
    pub async fn shutdown(&self) {
        unimplemented!()
    }
}
