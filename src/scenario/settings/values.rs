//! Checked values and where they come from.

use std::{collections::BTreeMap, fmt};

use super::{SettingValue, Shape};
use crate::{
    refusal::{Code, Refusal},
    settings::Secret,
};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Its default.
    Default,
    /// An environment variable, by name.
    Environment(String),
    /// The arguments of `do` or `run`.
    Argument,
    /// `set`.
    Set,
    /// Nowhere: it may be absent, and is.
    Unset,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Environment(variable) => f.write_str(variable),
            Self::Argument => f.write_str("argument"),
            Self::Set => f.write_str("set"),
            Self::Unset => f.write_str("unset"),
        }
    }
}

/// A checked value. Its `Debug` does not tell the text: nothing here knows whether it is secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Value {
    /// Canonical text; `None`: absent.
    pub text: Option<String>,
    /// Where it comes from.
    pub origin: Origin,
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text.as_ref().map(|_| Secret::new(""));
        f.debug_struct("Value").field("text", &text).field("origin", &self.origin).finish()
    }
}

/// Checked values by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values {
    /// By name.
    pub all: BTreeMap<String, Value>,
}

impl Values {
    /// The canonical text of a setting; `None` if it is absent or nobody declared it.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all.get(name)?.text.as_deref()
    }

    /// The typed value of a setting.
    ///
    /// # Errors
    /// `undefined-parameters` if nobody declared it, `parameters-verification-failed` if its text
    /// is not of the type asked for.
    pub fn read<T: SettingValue>(&self, name: &str) -> Result<T, Refusal> {
        let Some(value) = self.all.get(name) else {
            let message = format!("`{name}` is not a declared setting");
            return Err(Refusal::new(Code::UndefinedParameters, message));
        };
        let wrong = |reason| {
            let message = format!("`{name}` cannot be read as {}: {reason}", T::type_name());
            Refusal::new(Code::ParametersVerificationFailed, message)
        };
        match &value.text {
            Some(text) => T::parse(text).map_err(wrong),
            None if T::SHAPE == Shape::Optional => T::parse("").map_err(wrong),
            None => Err(wrong("it has no value".into())),
        }
    }
}
