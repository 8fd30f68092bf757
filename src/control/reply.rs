//! What a command answers, for people and for programs.

use std::fmt;

use serde::Serialize;

use super::view::{
    Changed, Chosen, CoordinatorView, Dealt, Listing, MetricsView, NodeView, ScenarioView,
    SettingLine, StatusView, ThrottleView,
};
use crate::{
    capacity::CapacityStatus,
    node::{Added, RunState, Status, UserView},
    report::{Colour, RunReport, text::summary},
};

mod text;

/// The answer to a command that was carried out.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "reply", content = "data", rename_all = "kebab-case")]
pub enum Reply {
    /// A run was started.
    Started {
        /// The scenario.
        scenario: String,
        /// The users it starts with.
        users: Added,
        /// How many each node has got; empty on a node that is not part of a cluster.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        shares: Vec<(String, u64)>,
        /// What did not go as it should, as sentences.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        notes: Vec<String>,
    },
    /// Users were added.
    Added(Dealt),
    /// Users were told to stop.
    Removed {
        /// How many were asked for.
        asked: u64,
        /// Whether they will be killed.
        force: bool,
        /// How many were chosen, and where.
        #[serde(flatten)]
        chosen: Chosen,
    },
    /// The run ends or has ended.
    Stopped(Status),
    /// The run is forgotten.
    Reset,
    /// Settings were changed.
    Set(Changed),
    /// How the run stands.
    Status(StatusView),
    /// The settings of the run.
    Settings(Vec<SettingLine>),
    /// The scenarios there are.
    Scenarios(Vec<ScenarioView>),
    /// One scenario.
    Scenario(ScenarioView),
    /// The nodes there are.
    Nodes(Vec<NodeView>),
    /// The throttles there are.
    Throttles(Vec<ThrottleView>),
    /// One throttle.
    Throttle(ThrottleView),
    /// The coordinators there are.
    Coordinators(Vec<CoordinatorView>),
    /// How a capacity search stands.
    Capacity(Box<CapacityStatus>),
    /// Running users.
    Users {
        /// Those shown.
        #[serde(flatten)]
        listed: Listing,
        /// How many run.
        running: u64,
    },
    /// One user.
    User(UserView),
    /// Measurements.
    Metrics(MetricsView),
    /// The result of a run.
    Report(Box<RunReport>),
    /// The waiting is over.
    Waited {
        /// Whether all users are gone; otherwise the time is up.
        all_gone: bool,
        /// How the run stands.
        status: Status,
    },
    /// Text that explains.
    Help(String),
    /// Something was done of which there is no more to tell than this sentence.
    Done(String),
    /// Nothing more is to come.
    Quit,
    /// What another node has answered, as it has.
    #[serde(untagged)]
    Relayed {
        /// For people.
        #[serde(skip)]
        text: String,
        /// For programs.
        #[serde(flatten)]
        reply: serde_json::Value,
    },
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { scenario, users, shares, notes } => {
                write!(f, "`{scenario}` is running, {}", Ids(*users))?;
                text::shares(f, shares, notes)
            }
            Self::Added(Dealt { users, shares, notes }) => {
                write!(f, "added {}", Ids(*users))?;
                text::shares(f, shares, notes)
            }
            Self::Removed { asked, force, chosen: Chosen { chosen, shares, notes } } => {
                write!(f, "{} told to stop", people(*chosen))?;
                if chosen < asked {
                    write!(f, " (there are no more to choose)")?;
                }
                if *force && *chosen > 0 {
                    f.write_str("; those that do not end are killed in 2s")?;
                }
                text::shares(f, shares, notes)
            }
            Self::Stopped(status) => match (status.state, status.users.running) {
                (RunState::Terminating, 0) => f.write_str("the run is ending"),
                (RunState::Terminating, running) => {
                    write!(f, "the run is ending; {} still running", people(running))
                }
                (state, _) => write!(f, "the run is {}", state_name(state)),
            },
            Self::Reset => f.write_str("the node is idle again"),
            Self::Set(outcome) => text::outcome(f, outcome),
            Self::Status(view) => text::overview(f, view),
            Self::Settings(settings) => text::settings(f, settings),
            Self::Scenarios(scenarios) => text::scenarios(f, scenarios),
            Self::Scenario(scenario) => text::scenario(f, scenario),
            Self::Nodes(nodes) => text::nodes(f, nodes),
            Self::Throttles(throttles) => text::throttles(f, throttles),
            Self::Throttle(throttle) => text::throttle(f, throttle),
            Self::Coordinators(coordinators) => text::coordinators(f, coordinators),
            Self::Capacity(status) => f.write_str(&super::capacity::text::status(status)),
            Self::Users { listed, running } => text::users(f, listed, *running),
            Self::User(user) => text::user(f, user),
            Self::Metrics(metrics) => f.write_str(metrics.text.trim_end()),
            Self::Report(report) => f.write_str(summary(report, Colour::Plain).trim_end()),
            Self::Waited { all_gone: true, status } => match status.state {
                RunState::Idle => f.write_str("there is no run to wait for"),
                RunState::Running => f.write_str("all users are gone; the run is still on"),
                state => write!(f, "all users are gone; the run is {}", state_name(state)),
            },
            Self::Waited { all_gone: false, status } => {
                let users = status.users;
                write!(
                    f,
                    "the time is up: {} still running, {} waiting",
                    people(users.running),
                    users.waiting
                )
            }
            Self::Help(text) | Self::Done(text) => f.write_str(text),
            Self::Quit => f.write_str("bye"),
            Self::Relayed { text, .. } => f.write_str(text),
        }
    }
}

/// Ids given out, as people read them.
struct Ids(Added);

impl fmt::Display for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Added { first: 0, .. } => f.write_str("no users yet"),
            Added { first, last } if first == last => write!(f, "user {first}"),
            Added { first, last } => {
                write!(f, "users {first} to {last} ({} users)", last.saturating_sub(first) + 1)
            }
        }
    }
}

fn people(count: u64) -> String {
    if count == 1 { "1 user".to_owned() } else { format!("{count} users") }
}

/// A state as it is written.
pub(crate) fn state_name(state: RunState) -> &'static str {
    match state {
        RunState::Idle => "idle",
        RunState::Starting => "starting",
        RunState::Running => "running",
        RunState::Terminating => "terminating",
        RunState::Finished => "finished",
        RunState::Failed => "failed",
        RunState::Disabled => "disabled",
    }
}
