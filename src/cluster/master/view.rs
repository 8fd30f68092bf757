//! What the master answers.

use std::time::{Duration, SystemTime};

use crowd_plan::load::{status::PlanStatus, tally::Tallies};
use serde::{Deserialize, Serialize};

use crate::{
    cluster::protocol::run::Assignment,
    controller::{
        endings::EndingCounts, machine::RunState, message::UserView, population::UserCounts,
    },
};

/// Where the users went that `do` or `add` gave out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Dealt {
    /// The first id; 0 if no user was asked for.
    pub(crate) first: u64,
    /// The last id; 0 if no user was asked for.
    pub(crate) last: u64,
    /// How many by node. A share is sent, not yet admitted.
    pub(crate) shares: Vec<(String, u64)>,
    /// What is to be said beside it, in sentences.
    pub(crate) notes: Vec<String>,
}

/// Whom `remove` hit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Removed {
    /// How many were chosen, those among them that waited to be placed.
    pub(crate) chosen: u64,
    /// How many by node.
    pub(crate) shares: Vec<(String, u64)>,
    /// What is to be said beside it, in sentences.
    pub(crate) notes: Vec<String>,
}

/// What `set` did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClusterSet {
    /// The settings that changed.
    pub(crate) changed: Vec<String>,
    /// What the scenario's hooks failed with: the node, the setting and the reason.
    pub(crate) faults: Vec<(String, String, String)>,
    /// What is to be said beside it, in sentences.
    pub(crate) notes: Vec<String>,
}

/// What `users` tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listed {
    /// Running users, lowest ids first.
    pub(crate) users: Vec<UserView>,
    /// Which nodes did not answer, in sentences.
    pub(crate) notes: Vec<String>,
}

/// What `status` tells.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ClusterStatus {
    /// The node that tells it.
    pub(crate) master: String,
    /// The state of the run.
    pub(crate) state: RunState,
    /// Why it failed.
    pub(crate) reason: Option<String>,
    /// The scenario of the run.
    pub(crate) scenario: Option<String>,
    /// Users of all nodes by state; those nobody accounts for at the moment are waiting.
    pub(crate) users: UserCounts,
    /// The highest user id given out.
    pub(crate) highest_user_id: u64,
    /// The rate users are admitted at, as people write it.
    pub(crate) user_rate: Option<String>,
    /// How long the run goes on, or took.
    pub(crate) elapsed: Duration,
    /// How far its load profile is.
    pub(crate) profile: Option<PlanStatus>,
    /// All nodes, by name; those that were lost, too.
    pub(crate) nodes: Vec<NodeStatus>,
    /// Workers that were lost, the first one first.
    pub(crate) gaps: Vec<GapView>,
}

/// What `status` tells of one node.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct NodeStatus {
    /// Its name.
    pub(crate) name: String,
    /// Whether it is the master.
    pub(crate) master: bool,
    /// The state of the run there, as told last.
    pub(crate) state: RunState,
    /// `master`, `member` (no part in the run), `joining`, `worker`, `drained`, `leaving`, `left`,
    /// `failed` or `lost`.
    pub(crate) standing: &'static str,
    /// Its users, as told last.
    pub(crate) users: UserCounts,
    /// How its users ended, as told last.
    pub(crate) endings: EndingCounts,
    /// How many living users it has, waiting ones and those on their way to it among them.
    pub(crate) load: u64,
    /// Why it failed or was lost.
    pub(crate) reason: Option<String>,
    /// How long it has not been heard of.
    pub(crate) quiet: Duration,
}

/// A worker that was lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct GapView {
    /// Its name.
    pub(crate) node: String,
    /// Which part of it.
    pub(crate) assignment: Assignment,
    /// When, since the run began.
    pub(crate) at: Duration,
    /// Why.
    pub(crate) reason: String,
    /// How many living users it had.
    pub(crate) users: u64,
    /// Where they were placed again: how many by node.
    pub(crate) placed: Vec<(String, u64)>,
    /// How many were counted as failed.
    pub(crate) failed: u64,
    /// How many were removed, because the run was ending or somebody asked for it.
    pub(crate) removed: u64,
    /// When the part went on, since the run began: its node was out of reach, and kept its users.
    pub(crate) back: Option<Duration>,
    /// How many still wait to be placed, because they may live, or because there is no worker.
    pub(crate) waiting: u64,
}

/// All that a report tells of a run over the cluster, but for what was measured.
#[derive(Debug, Clone)]
pub(crate) struct ClusterAccount {
    /// Unique among runs.
    pub(crate) id: String,
    /// The scenario.
    pub(crate) scenario: String,
    /// The settings by name, secrets masked; `None` for one without a value.
    pub(crate) settings: Vec<(String, Option<String>)>,
    /// The state now.
    pub(crate) state: RunState,
    /// Why it failed.
    pub(crate) reason: Option<String>,
    /// When it was asked for.
    pub(crate) started: SystemTime,
    /// How long it took, or takes so far.
    pub(crate) elapsed: Duration,
    /// Users of all nodes, those of lost ones too.
    pub(crate) users: UserCounts,
    /// Users by how they ended.
    pub(crate) endings: EndingCounts,
    /// The nodes that took part, by name.
    pub(crate) nodes: Vec<String>,
    /// The rate users were admitted at, as people write it.
    pub(crate) user_rate: Option<String>,
    /// Workers that were lost, the first one first.
    pub(crate) gaps: Vec<GapView>,
    /// What became of arrivals, by stage.
    pub(crate) arrivals: Tallies,
    /// When the load profile began, since the run did.
    pub(crate) profile_began: Option<Duration>,
}
