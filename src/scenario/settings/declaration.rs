//! One declared setting.

use std::{borrow::Cow, fmt, sync::Arc};

use super::{DeclarationBuilder, Origin, SettingValue, Value, secrecy::Secrecy};

/// When a setting may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    /// Never during a run.
    ReadOnly,
    /// At any time; users see it when they ask.
    Free,
    /// At any time; the scenario's `updated` is called.
    Hook,
}

impl fmt::Display for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadOnly => "read-only",
            Self::Free => "free",
            Self::Hook => "hook",
        })
    }
}

/// Answers a text with the canonical text of its value, or says what would be right: "not a …".
pub type Check = Arc<dyn Fn(&str) -> Result<String, String> + Send + Sync>;

/// One declared setting. [`Declaration::of`] begins one.
#[derive(Clone)]
pub struct Declaration {
    /// Its name.
    pub name: String,
    /// Its type as people read it.
    pub type_name: String,
    /// What it means.
    pub description: String,
    /// Its default as a text; `None`: it has none.
    pub default: Option<String>,
    /// Whether it may be absent (its type is an `Option`).
    pub optional: bool,
    /// How much of its values is never to be shown: see [`Declaration::shown`].
    pub secrecy: Secrecy,
    /// Allowed values as canonical texts; empty: any that its type and its check let through.
    pub allowed: Vec<String>,
    /// When it may change.
    pub update: Update,
    /// Who declares it: the struct of a scenario's settings, or that of a group.
    pub owner: String,
    /// Reads a text as the type of the setting, without checking the value.
    pub parse: Check,
    /// Reads and checks a text, and perhaps puts another value in its place.
    pub check: Check,
}

impl Declaration {
    /// Begins the declaration of a setting of type `T`.
    pub fn of<T: SettingValue>(name: impl Into<String>) -> DeclarationBuilder<T> {
        DeclarationBuilder::new(name.into())
    }

    /// Gives it another default, as a text; an empty one is none if it may be absent.
    pub fn set_default(&mut self, text: impl Into<String>) {
        let text = text.into();
        self.default = (!self.optional || !text.is_empty()).then_some(text);
    }

    /// The text of a value as it may be shown: what is secret is masked, an absent value is empty.
    pub fn shown<'a>(&self, value: &'a Value) -> Cow<'a, str> {
        self.secrecy.masked(value.text.as_deref().unwrap_or_default())
    }

    /// The default as it may be shown.
    pub fn shown_default(&self) -> Option<Cow<'_, str>> {
        self.default.as_deref().map(|text| self.secrecy.masked(text))
    }

    /// The value that a canonical text stands for.
    pub(super) fn value(&self, text: String, origin: Origin) -> Value {
        if !self.optional || !text.is_empty() {
            return Value { text: Some(text), origin };
        }
        let origin = if origin == Origin::Default { Origin::Unset } else { origin };
        Value { text: None, origin }
    }
}

impl fmt::Debug for Declaration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Declaration")
            .field("name", &self.name)
            .field("type_name", &self.type_name)
            .field("default", &self.shown_default())
            .field("secrecy", &self.secrecy)
            .field("update", &self.update)
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}
