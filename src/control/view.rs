//! What is shown of the parts of a node: the same shapes for people and for programs.

use std::time::Duration;

use serde::Serialize;

use crate::{
    node::{RunState, SettingView},
    scenario::{
        erased::Registered,
        settings::{Declaration, Origin, Update, user_rate_declaration},
    },
    settings::secret::MASK,
};

/// A node, as `nodes` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// Whether it is the one that was asked.
    pub here: bool,
    /// The state of the run on it.
    pub state: RunState,
    /// How many users run on it.
    pub running: u64,
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
            view.value.text.is_some().then(|| view.declaration.shown(&view.value).to_owned());
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
    /// What it means.
    pub description: String,
}

impl ScenarioView {
    /// Describes a scenario on a node that admits users at `user_rate` unless a run says otherwise.
    pub fn of(scenario: &dyn Registered, user_rate: &str) -> Self {
        let own = scenario.declarations().all.into_iter();
        let settings = own.chain([user_rate_declaration(user_rate)]).map(Into::into).collect();
        Self {
            name: scenario.name().to_owned(),
            about: scenario.about().trim().to_owned(),
            descriptors_per_user: scenario.descriptors_per_user(),
            settings,
        }
    }
}

impl From<Declaration> for DeclarationView {
    fn from(declaration: Declaration) -> Self {
        Self {
            required: declaration.default.is_none() && !declaration.optional,
            name: declaration.name,
            r#type: declaration.type_name,
            default: declaration
                .default
                .map(|text| if declaration.secret { MASK.to_owned() } else { text }),
            allowed: declaration.allowed,
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
