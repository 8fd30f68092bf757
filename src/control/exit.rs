//! How the process ends: exit codes.

use std::process::ExitCode;

use crowd_core::refusal::{Code, Refusal};

/// The exit codes of the command line. Programs rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The run passed, the command worked.
    Passed = 0,
    /// The run or a command failed.
    Failed = 1,
    /// A threshold failed.
    ThresholdFailed = 2,
    /// The run says nothing: the generator itself could not keep up.
    Invalid = 3,
    /// A threshold ended the run.
    Aborted = 4,
    /// Somebody interrupted the run.
    Interrupted = 5,
    /// The run is worse than its baseline.
    WorseThanBaseline = 6,
    /// The command line or the configuration is at fault.
    BadUsage = 64,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// The exit code of that number; [`Exit::Failed`] for one that has no meaning.
    pub fn of_code(code: u8) -> Self {
        [
            Self::Passed,
            Self::ThresholdFailed,
            Self::Invalid,
            Self::Aborted,
            Self::Interrupted,
            Self::WorseThanBaseline,
            Self::BadUsage,
        ]
        .into_iter()
        .find(|exit| *exit as u8 == code)
        .unwrap_or(Self::Failed)
    }

    /// The code for a command line whose run was refused: what was typed is at fault, or what
    /// happened.
    pub fn of_refusal(refusal: &Refusal) -> Self {
        match refusal.code {
            Code::NoSuchScenario
            | Code::InvalidRange
            | Code::UndefinedParameters
            | Code::ParametersVerificationFailed
            | Code::ReadonlyParameters
            | Code::ParameterOverriding
            | Code::InvalidThrottle
            | Code::UnknownCommand
            | Code::BadUsage => Self::BadUsage,
            _ => Self::Failed,
        }
    }
}
