//! What is wrong with settings.

use std::fmt;

use super::Origin;
use crate::refusal::{Code, Refusal};

/// The kinds of faults. Of several, the first in this order gives the refusal its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// The scenario's declarations do not go together.
    Declaration,
    /// A setting was given that nobody declared.
    Undefined,
    /// A setting was to be changed that may not change during a run.
    ReadOnly,
    /// A setting was given twice.
    Repeated,
    /// A setting that must be given was not.
    Missing,
    /// A value is not of its type, or its check refused it.
    Refused,
    /// The check of a setting panicked.
    Panicked,
}

/// One fault of one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The setting's name, as it was given.
    pub setting: String,
    /// What kind of fault it is.
    pub kind: FaultKind,
    /// The offending text without what is secret in it.
    pub value: Option<String>,
    /// Where that came from.
    pub origin: Option<Origin>,
    /// What is wrong and what would be right, to be read after the name. It quotes no secret.
    pub reason: String,
}

impl Fault {
    /// The environment variable that holds the offending value, if one does.
    pub fn variable(&self) -> Option<&str> {
        match &self.origin {
            Some(Origin::Environment(variable)) => Some(variable),
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, value, origin, reason, .. } = self;
        let Some(value) = value else { return write!(f, "`{setting}` {reason}") };
        write!(f, "`{setting}` = `{value}`")?;
        match origin {
            Some(Origin::Default) => f.write_str(" (its default)")?,
            Some(Origin::Environment(variable)) => write!(f, " (from {variable})")?,
            _ => {}
        }
        write!(f, ": {reason}")
    }
}

/// Every fault found: keys that do not fit first, then values in the order of declaration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// `value` if nothing is wrong.
    pub(super) fn none_or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }

    /// The code of the refusal they amount to.
    pub fn code(&self) -> Code {
        match self.0.iter().map(|fault| fault.kind).min() {
            Some(FaultKind::Declaration) => Code::ParameterOverriding,
            Some(FaultKind::Undefined) => Code::UndefinedParameters,
            Some(FaultKind::ReadOnly) => Code::ReadonlyParameters,
            _ => Code::ParametersVerificationFailed,
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

impl From<Faults> for Refusal {
    fn from(faults: Faults) -> Self {
        Self::new(faults.code(), faults.to_string())
    }
}
