//! What a refused verb answers: a stable code for programs and a sentence for people.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A verb or call that was refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message} [{code}]")]
pub struct Refusal {
    /// The stable reason, for programs.
    pub code: Code,
    /// The sentence for people: it names the bad value and what would be right.
    pub message: String,
}

impl Refusal {
    /// A refusal with this code and sentence.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// The stable codes of refusals, written in kebab-case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Code {
    /// The verb does not fit the state of the run.
    InvalidStatus,
    /// No scenario of that name is compiled in.
    NoSuchScenario,
    /// A number or a range of users is not usable.
    InvalidRange,
    /// Settings were given that nobody declared.
    UndefinedParameters,
    /// Values were refused by their type or their check.
    ParametersVerificationFailed,
    /// Settings were to be changed that may not change during a run.
    ReadonlyParameters,
    /// Two declarations claim the same setting.
    ParameterOverriding,
    /// `init` returned an error, panicked or did not end in time.
    InitFailed,
    /// Only the master carries out this verb.
    NotAMaster,
    /// Another node is master already.
    MasterIsAlreadySet,
    /// Nodes were named that are not members.
    BadNodes,
    /// There is no node to run users on.
    EmptyNodesList,
    /// No throttle of that name is started.
    NoThrottle,
    /// The throttle runs already, at another rate.
    WrongReconfiguration,
    /// The rate cannot change now, because a ramp is under way.
    CannotChangeRate,
    /// A rate or a ramp that makes no sense.
    InvalidThrottle,
    /// No coordinator of that name is started.
    NoCoordinator,
    /// A plan that makes no sense.
    InvalidPlan,
    /// No feeder of that name is started.
    NoFeeder,
    /// The rows of a feeder cannot be had, or are not those of the other nodes.
    InvalidFeeder,
    /// No user of that id is running.
    NoSuchUser,
    /// The machine does not allow what was asked (file descriptors, say).
    InsufficientResources,
    /// The line is not a command.
    UnknownCommand,
    /// The command's words are off.
    BadUsage,
    /// The node is ending, or a part of it did not answer.
    Unavailable,
}

impl Code {
    /// The code as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidStatus => "invalid-status",
            Self::NoSuchScenario => "no-such-scenario",
            Self::InvalidRange => "invalid-range",
            Self::UndefinedParameters => "undefined-parameters",
            Self::ParametersVerificationFailed => "parameters-verification-failed",
            Self::ReadonlyParameters => "readonly-parameters",
            Self::ParameterOverriding => "parameter-overriding",
            Self::InitFailed => "init-failed",
            Self::NotAMaster => "not-a-master",
            Self::MasterIsAlreadySet => "master-is-already-set",
            Self::BadNodes => "bad-nodes",
            Self::EmptyNodesList => "empty-nodes-list",
            Self::NoThrottle => "no-throttle",
            Self::WrongReconfiguration => "wrong-reconfiguration",
            Self::CannotChangeRate => "cannot-change-rate",
            Self::InvalidThrottle => "invalid-throttle",
            Self::NoCoordinator => "no-coordinator",
            Self::InvalidPlan => "invalid-plan",
            Self::NoFeeder => "no-feeder",
            Self::InvalidFeeder => "invalid-feeder",
            Self::NoSuchUser => "no-such-user",
            Self::InsufficientResources => "insufficient-resources",
            Self::UnknownCommand => "unknown-command",
            Self::BadUsage => "bad-usage",
            Self::Unavailable => "unavailable",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
