//! What people ask a node to do: one grammar for the console, scripts and programs.
//!
//! [`parse`] turns a line into a [`Command`]; a command's `Display` is a line that parses back to
//! it. Everything here is pure: whether the node can do it is seen when it is executed.

use std::{fmt, str::FromStr, time::Duration};

use crowd_core::{refusal::Refusal, user_id::UserId};

mod grammar;
mod verbs;
mod words;

pub use grammar::{parse, parse_line};
pub use verbs::{VERBS, Verb, help};
pub use words::{COUNT_LIMIT, RateText, read_pairs, some as users};

/// A `KEY=VALUE` pair as it was given.
pub type Pair = (String, String);

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `do SCENARIO COUNT [KEY=VALUE…]`.
    Do {
        /// The scenario's name.
        scenario: String,
        /// How many users to start with; may be 0.
        users: u64,
        /// Settings of the scenario.
        settings: Vec<Pair>,
    },
    /// `add COUNT [on NODE,…]`.
    Add {
        /// How many; at least 1.
        count: u64,
        /// On which nodes; empty: on all.
        nodes: Vec<String>,
    },
    /// `add FROM..TO`.
    AddRange {
        /// The first id.
        first: u64,
        /// The last id, itself added too.
        last: u64,
    },
    /// `remove COUNT [force] [on NODE,…]`.
    Remove {
        /// How many; at least 1.
        count: u64,
        /// Whether those that do not end within two seconds are killed.
        force: bool,
        /// On which nodes; empty: on all.
        nodes: Vec<String>,
    },
    /// `stop`.
    Stop,
    /// `stop gracefully`.
    StopGracefully,
    /// `reset`.
    Reset,
    /// `set KEY=VALUE… [on NODE,…]`.
    Set {
        /// The settings to change; at least one.
        settings: Vec<Pair>,
        /// On which nodes; empty: on all.
        nodes: Vec<String>,
    },
    /// `status`.
    Status,
    /// `settings`.
    Settings,
    /// `scenarios [NAME]`.
    Scenarios {
        /// The scenario to describe; none: all are listed.
        name: Option<String>,
    },
    /// `nodes`.
    Nodes,
    /// `join ADDRESS`.
    Join {
        /// The node to connect to, `host:port`.
        address: String,
    },
    /// `drain NODE`.
    Drain {
        /// The node whose users move away.
        node: String,
    },
    /// `throttle …`.
    Throttle(ThrottleCommand),
    /// `coordinator …`.
    Coordinator(CoordinatorCommand),
    /// `capacity …`.
    Capacity(CapacityCommand),
    /// `users [LIMIT]`.
    Users {
        /// At most so many are shown.
        limit: usize,
    },
    /// `user ID`.
    User {
        /// Which user.
        id: UserId,
    },
    /// `metrics [NAME]`.
    Metrics {
        /// Only what bears this name.
        name: Option<String>,
    },
    /// `report`.
    Report,
    /// `wait [DURATION]`: until all users are gone or the time is up.
    Wait {
        /// How long at most; none: for ever.
        limit: Option<Duration>,
    },
    /// `help [VERB]`.
    Help {
        /// The verb to explain; none: all are listed.
        verb: Option<&'static Verb>,
    },
    /// `quit`.
    Quit,
}

/// `throttle …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ThrottleCommand {
    /// `throttle list`.
    List,
    /// `throttle info NAME`.
    Info {
        /// The throttle.
        name: String,
    },
    /// `throttle start NAME RATE`.
    Start {
        /// The throttle.
        name: String,
        /// Its rate.
        rate: RateText,
    },
    /// `throttle rate NAME RATE`.
    Rate {
        /// The throttle.
        name: String,
        /// Its new rate.
        rate: RateText,
    },
    /// `throttle ramp NAME FROM TO over DURATION [steps N]`.
    Ramp {
        /// The throttle.
        name: String,
        /// The gradual change.
        ramp: RampText,
    },
    /// `throttle pause NAME`.
    Pause {
        /// The throttle.
        name: String,
    },
    /// `throttle resume NAME`.
    Resume {
        /// The throttle.
        name: String,
    },
    /// `throttle unlock NAME`.
    Unlock {
        /// The throttle.
        name: String,
    },
    /// `throttle stop NAME`.
    Stop {
        /// The throttle.
        name: String,
    },
}

/// A gradual change of a rate, its rates not read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RampText {
    /// The rate it starts at.
    pub from: RateText,
    /// The rate it ends at.
    pub to: RateText,
    /// How long it takes; more than nothing.
    pub over: Duration,
    /// In how many steps; none: the throttle chooses.
    pub steps: Option<u32>,
}

/// `coordinator …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CoordinatorCommand {
    /// `coordinator list`.
    List,
    /// `coordinator reset NAME`.
    Reset {
        /// The coordinator.
        name: String,
    },
    /// `coordinator stop NAME`.
    Stop {
        /// The coordinator.
        name: String,
    },
}

/// `capacity …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CapacityCommand {
    /// `capacity start SCENARIO [KEY=VALUE…] [with KEY=VALUE…]`.
    Start {
        /// The scenario's name.
        scenario: String,
        /// Settings of the scenario.
        settings: Vec<Pair>,
        /// Settings of the search; `signal` and `query` may be there more than once.
        search: Vec<Pair>,
    },
    /// `capacity status`.
    Status,
    /// `capacity stop`.
    Stop,
}

/// How many users `users` shows unless told.
pub const USERS_SHOWN: usize = 20;

impl FromStr for Command {
    type Err = Refusal;

    fn from_str(line: &str) -> Result<Self, Refusal> {
        parse(line)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Do { scenario, users, settings } => {
                write!(f, "do {} {users}", words::quoted(scenario))?;
                words::write_pairs(f, settings)
            }
            Self::Add { count, nodes } => {
                write!(f, "add {count}")?;
                words::write_nodes(f, nodes)
            }
            Self::AddRange { first, last } => write!(f, "add {first}..{last}"),
            Self::Remove { count, force, nodes } => {
                write!(f, "remove {count}{}", if *force { " force" } else { "" })?;
                words::write_nodes(f, nodes)
            }
            Self::Stop => f.write_str("stop"),
            Self::StopGracefully => f.write_str("stop gracefully"),
            Self::Reset => f.write_str("reset"),
            Self::Set { settings, nodes } => {
                f.write_str("set")?;
                words::write_pairs(f, settings)?;
                words::write_nodes(f, nodes)
            }
            Self::Status => f.write_str("status"),
            Self::Settings => f.write_str("settings"),
            Self::Scenarios { name } => words::write_optional(f, "scenarios", name.as_deref()),
            Self::Nodes => f.write_str("nodes"),
            Self::Join { address } => write!(f, "join {}", words::quoted(address)),
            Self::Drain { node } => write!(f, "drain {}", words::quoted(node)),
            Self::Throttle(command) => write!(f, "throttle {command}"),
            Self::Coordinator(command) => write!(f, "coordinator {command}"),
            Self::Capacity(command) => write!(f, "capacity {command}"),
            Self::Users { limit } => write!(f, "users {limit}"),
            Self::User { id } => write!(f, "user {id}"),
            Self::Metrics { name } => words::write_optional(f, "metrics", name.as_deref()),
            Self::Report => f.write_str("report"),
            Self::Wait { limit: None } => f.write_str("wait"),
            Self::Wait { limit: Some(limit) } => {
                write!(f, "wait {}", humantime::format_duration(*limit))
            }
            Self::Help { verb } => words::write_optional(f, "help", verb.map(|verb| verb.name)),
            Self::Quit => f.write_str("quit"),
        }
    }
}

impl fmt::Display for ThrottleCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List => f.write_str("list"),
            Self::Info { name } => write!(f, "info {}", words::quoted(name)),
            Self::Start { name, rate } => write!(f, "start {} {rate}", words::quoted(name)),
            Self::Rate { name, rate } => write!(f, "rate {} {rate}", words::quoted(name)),
            Self::Ramp { name, ramp } => write!(f, "ramp {} {ramp}", words::quoted(name)),
            Self::Pause { name } => write!(f, "pause {}", words::quoted(name)),
            Self::Resume { name } => write!(f, "resume {}", words::quoted(name)),
            Self::Unlock { name } => write!(f, "unlock {}", words::quoted(name)),
            Self::Stop { name } => write!(f, "stop {}", words::quoted(name)),
        }
    }
}

impl fmt::Display for RampText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, over, steps } = self;
        let [from, to] = [from, to].map(words::beside);
        write!(f, "{from} {to} over {}", humantime::format_duration(*over))?;
        match steps {
            Some(steps) => write!(f, " steps {steps}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for CoordinatorCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List => f.write_str("list"),
            Self::Reset { name } => write!(f, "reset {}", words::quoted(name)),
            Self::Stop { name } => write!(f, "stop {}", words::quoted(name)),
        }
    }
}

impl fmt::Display for CapacityCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start { scenario, settings, search } => {
                write!(f, "start {}", words::quoted(scenario))?;
                words::write_pairs(f, settings)?;
                if !search.is_empty() {
                    f.write_str(" with")?;
                }
                words::write_pairs(f, search)
            }
            Self::Status => f.write_str("status"),
            Self::Stop => f.write_str("stop"),
        }
    }
}
