//! What is shown of the parts of a node: the same shapes for people and for programs.

use std::{borrow::Cow, time::Duration};

use crowd_core::settings::{Declaration, Origin, Secrecy, Update};
use crowd_plan::run_settings::runtime_declarations;
use serde::Serialize;

use crate::{
    node::{Added, RunState, SetOutcome, SettingView, Status, UserCounts, UserView},
    scenario::erased::Registered,
};

/// A node, as `nodes` shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NodeView {
    /// Its name; empty while nobody has answered at its address.
    pub name: String,
    /// Whether it is the one that was asked.
    pub here: bool,
    /// `master`, `worker`, or empty where there is no run over a cluster.
    pub role: &'static str,
    /// Whether it can be reached: `up`, or why not.
    pub state: String,
    /// The state of the run on it, if that is known.
    pub run: Option<RunState>,
    /// How many users run on it, if that is known.
    pub running: Option<u64>,
    /// Where other nodes reach it; none for a node that is not part of a cluster.
    pub address: Option<String>,
    /// The version of crowd it runs.
    pub version: Option<String>,
    /// How far its clock is ahead of that of the node that was asked, in microseconds.
    pub clock_offset_us: Option<i64>,
    /// The last round trip to it, in microseconds.
    pub round_trip_us: Option<u64>,
}

/// Users that were dealt out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Dealt {
    /// Their ids.
    #[serde(flatten)]
    pub users: Added,
    /// How many each node has got; empty on a node that is not part of a cluster.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<(String, u64)>,
    /// What did not go as it should, as sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl From<Added> for Dealt {
    fn from(users: Added) -> Self {
        Self { users, ..Self::default() }
    }
}

/// Users that were told to stop.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Chosen {
    /// How many.
    pub chosen: u64,
    /// How many of each node; empty on a node that is not part of a cluster.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<(String, u64)>,
    /// What did not go as it should, as sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Settings that were changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// Which, and what the scenario made of it.
    #[serde(flatten)]
    pub outcome: SetOutcome,
    /// What did not go as it should, as sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl From<SetOutcome> for Changed {
    fn from(outcome: SetOutcome) -> Self {
        Self { outcome, notes: Vec::new() }
    }
}

/// Running users, lowest ids first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// Those shown.
    pub shown: Vec<UserView>,
    /// Which nodes did not answer, as sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl From<Vec<UserView>> for Listing {
    fn from(shown: Vec<UserView>) -> Self {
        Self { shown, notes: Vec::new() }
    }
}

/// How a run stands, and over which nodes it goes.
#[derive(Debug, Clone, Serialize)]
pub struct StatusView {
    /// How it stands, over all nodes.
    #[serde(flatten)]
    pub status: Status,
    /// Each node's part; empty on a node that is not part of a cluster.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<PartView>,
    /// The nodes that were lost on the way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<GapView>,
    /// What did not go as it should, as sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl From<Status> for StatusView {
    fn from(status: Status) -> Self {
        Self { status, nodes: Vec::new(), gaps: Vec::new(), notes: Vec::new() }
    }
}

/// One node's part in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartView {
    /// The node's name.
    pub name: String,
    /// The state of the run on it, or `lost`, `leaving`.
    pub state: String,
    /// Its users by state.
    pub users: UserCounts,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A node that was lost during a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GapView {
    /// The node's name.
    pub node: String,
    /// When, in milliseconds since the run began.
    pub at_ms: u64,
    /// Why.
    pub reason: String,
    /// How many users lived on it.
    pub users: u64,
    /// Where they went.
    pub went: Vec<(String, u64)>,
    /// When it measured what is not known; left out if all is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<MissingView>,
}

/// When something was measured that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MissingView {
    /// From then on, in milliseconds since the run began.
    pub from_ms: u64,
    /// Until then at the latest; left out while that is not certain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_ms: Option<u64>,
}

/// A throttle, as `throttle list` and `throttle info` show it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ThrottleView {
    /// Its name.
    pub name: String,
    /// Its rate now, as people write it.
    pub rate: String,
    /// The ramp under way, as people write it.
    pub ramp: Option<String>,
    /// `running`, `paused` or `stopped`.
    pub state: String,
    /// How many wait on it.
    pub waiting: u64,
    /// How many were let through and have not ended.
    pub in_flight: u64,
    /// How late a slot may be used, in microseconds; in a cluster that of the strictest node.
    pub tolerance_us: u64,
    /// How many were let through so far.
    pub granted: u64,
    /// How many slots were missed by more than the tolerance.
    pub forfeited: u64,
    /// How many asked per second, over the last second or so.
    pub asked_per_second: f64,
    /// How many were let through per second, over the last second or so.
    pub given_per_second: f64,
}

/// A coordinator, as `coordinator list` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CoordinatorView {
    /// Its name.
    pub name: String,
    /// `running` or `stopping`.
    pub state: String,
    /// The sizes of the groups of its plan: `2, 5..10, all`.
    pub plan: String,
    /// How many users wait in its groups.
    pub waiting: u64,
    /// How many users were added to it so far.
    pub adds: u64,
    /// How many of its actions failed.
    pub faults: u64,
    /// Why the last of them did.
    pub last_fault: Option<String>,
}

/// Distributions and counters of a run, as `metrics` shows them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricsView {
    /// Tables for people.
    #[serde(skip)]
    pub text: String,
    /// The same shapes as in the document of a run.
    #[serde(flatten)]
    pub document: serde_json::Map<String, serde_json::Value>,
}

/// A setting of the run with its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettingLine {
    /// Its name.
    pub name: String,
    /// Its value; none: it is not set.
    pub value: Option<String>,
    /// Where the value comes from.
    pub origin: String,
    /// Whether it can change while the run goes on.
    pub changes: bool,
}

impl From<SettingView> for SettingLine {
    fn from(view: SettingView) -> Self {
        let value =
            view.value.text.is_some().then(|| view.declaration.shown(&view.value).into_owned());
        Self {
            name: view.declaration.name,
            value,
            origin: match view.value.origin {
                Origin::Default => "default".to_owned(),
                Origin::Environment(variable) => variable,
                Origin::Argument => "argument".to_owned(),
                Origin::Set => "set".to_owned(),
                Origin::Unset => "not set".to_owned(),
            },
            changes: view.declaration.update != Update::ReadOnly,
        }
    }
}

/// A scenario as it is described.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScenarioView {
    /// Its name.
    pub name: String,
    /// What it does.
    pub about: String,
    /// How many file descriptors a user holds open.
    pub descriptors_per_user: u64,
    /// Its settings, in order of declaration.
    pub settings: Vec<DeclarationView>,
}

/// A declared setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeclarationView {
    /// Its name.
    pub name: String,
    /// Its type.
    pub r#type: String,
    /// The default, if it has one.
    pub default: Option<String>,
    /// Whether a value has to be given.
    pub required: bool,
    /// The values allowed; empty: any of the type.
    pub allowed: Vec<String>,
    /// `no`, `yes`, or `yes, hook` where the scenario acts on the change.
    pub changes: &'static str,
    /// Whether its values, or parts of them, are never shown.
    pub secret: bool,
    /// What it means.
    pub description: String,
}

impl ScenarioView {
    /// Describes a scenario on a node that admits users at `user_rate` unless a run says otherwise.
    pub fn of(scenario: &dyn Registered, user_rate: &str) -> Self {
        let own = scenario.declarations().all.into_iter();
        let settings = own.chain(runtime_declarations(user_rate)).map(Into::into).collect();
        Self {
            name: scenario.name().to_owned(),
            about: scenario.about().trim().to_owned(),
            descriptors_per_user: scenario.descriptors_per_user(),
            settings,
        }
    }
}

impl DeclarationView {
    /// Whether it may change while a run goes on.
    pub fn may_change(&self) -> bool {
        self.changes != "no"
    }
}

impl From<Declaration> for DeclarationView {
    fn from(declaration: Declaration) -> Self {
        Self {
            required: declaration.default.is_none() && !declaration.optional,
            default: declaration.shown_default().map(Cow::into_owned),
            name: declaration.name,
            r#type: declaration.type_name,
            allowed: declaration.allowed,
            secret: matches!(declaration.secrecy, Secrecy::Whole | Secrecy::Parts(_)),
            changes: match declaration.update {
                Update::ReadOnly => "no",
                Update::Free => "yes",
                Update::Hook => "yes, hook",
            },
            description: declaration.description,
        }
    }
}

/// A length of time as people read it: whole seconds, and tenths below ten seconds.
pub(crate) fn age(duration: Duration) -> String {
    if duration < Duration::from_secs(10) {
        format!("{:.1}s", duration.as_secs_f64())
    } else {
        humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string()
    }
}
