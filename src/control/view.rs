//! What is shown of the parts of a node: the same shapes for people and for programs.

use std::time::Duration;

use serde::Serialize;

use crate::{
    node::{RunState, SettingView},
    scenario::{
        erased::Registered,
        settings::{Declaration, Origin, Update},
    },
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ThrottleView {
    /// Its name.
    pub name: String,
    /// Its rate now, as people write it.
    pub rate: String,
    /// `running`, `paused`, `ramping`, `unlocked` or such.
    pub state: String,
    /// How many wait on it.
    pub waiting: u64,
    /// How many were let through so far.
    pub released: u64,
    /// How many slots were forfeited, because they were missed by more than the tolerance.
    pub forfeited: u64,
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
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct MetricsView {
    /// Timed actions, by name.
    pub actions: Vec<ActionView>,
    /// Counters, by name.
    pub counters: Vec<(String, u64)>,
    /// Gauges, by name.
    pub gauges: Vec<(String, f64)>,
    /// Failures, the most frequent first.
    pub failures: Vec<FailureView>,
}

/// One timed action.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ActionView {
    /// Its name.
    pub name: String,
    /// How often it was done.
    pub count: u64,
    /// How often it failed.
    pub failed: u64,
    /// How often a second it was done in the last interval.
    pub rate: f64,
    /// From send to answer.
    pub service: TimesView,
    /// From when it should have started to the answer.
    pub response: TimesView,
}

/// A distribution of times, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names of the quantiles say all")]
pub struct TimesView {
    pub min: f64,
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p95: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

/// One reason that something failed for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailureView {
    /// Whose failure it is.
    pub owner: String,
    /// The reason.
    pub reason: String,
    /// How often.
    pub count: u64,
}

impl MetricsView {
    /// Only what bears the name.
    #[must_use]
    pub fn only(mut self, name: &str) -> Self {
        self.actions.retain(|action| action.name == name);
        self.counters.retain(|(counter, _)| counter == name);
        self.gauges.retain(|(gauge, _)| gauge == name);
        self.failures.clear();
        self
    }

    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
            && self.counters.is_empty()
            && self.gauges.is_empty()
            && self.failures.is_empty()
    }
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
        Self {
            name: view.declaration.name,
            value: view.value.text,
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

impl From<&dyn Registered> for ScenarioView {
    fn from(scenario: &dyn Registered) -> Self {
        Self {
            name: scenario.name().to_owned(),
            about: scenario.about().trim().to_owned(),
            descriptors_per_user: scenario.descriptors_per_user(),
            settings: scenario.declarations().all.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Declaration> for DeclarationView {
    fn from(declaration: Declaration) -> Self {
        Self {
            required: declaration.default.is_none() && !declaration.optional,
            name: declaration.name,
            r#type: declaration.type_name,
            default: declaration.default,
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
