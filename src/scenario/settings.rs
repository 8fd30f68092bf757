//! A scenario's declared settings.
use std::{collections::BTreeMap, sync::Arc};

use crate::refusal::Refusal;

/// Settings of a scenario, declared once by a struct with `#[derive(Settings)]`.
pub trait Settings: Clone + Send + Sync + 'static {
    /// What is declared.
    fn declarations() -> Declarations;
    /// The typed settings from checked values.
    ///
    /// # Errors
    /// If a value is missing or is not of its type.
    fn from_values(values: &Values) -> Result<Self, Refusal>;
}
impl Settings for () {
    fn declarations() -> Declarations {
        Declarations::default()
    }
    fn from_values(_: &Values) -> Result<Self, Refusal> {
        Ok(())
    }
}
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
/// Parses, checks and perhaps rewrites a text; answers with the canonical text.
pub type Check = Arc<dyn Fn(&str) -> Result<String, String> + Send + Sync>;
/// One declared setting.
#[derive(Clone)]
pub struct Declaration {
    /// Name.
    pub name: String,
    /// Type as people read it.
    pub type_name: String,
    /// What it means.
    pub description: String,
    /// Default as text; `None`: none.
    pub default: Option<String>,
    /// May be absent (its type is an Option).
    pub optional: bool,
    /// Allowed values as texts; empty: any.
    pub allowed: Vec<String>,
    /// When it may change.
    pub update: Update,
    /// Who declares it: a scenario's or a group's struct name.
    pub owner: String,
    /// The check.
    pub check: Check,
}
impl std::fmt::Debug for Declaration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Declaration").field("name", &self.name).finish_non_exhaustive()
    }
}
/// Declared settings in order.
#[derive(Debug, Clone, Default)]
pub struct Declarations {
    /// In order of declaration.
    pub all: Vec<Declaration>,
}
/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Default.
    Default,
    /// An environment variable.
    Environment(String),
    /// The arguments of `do` or `run`.
    Argument,
    /// `set`.
    Set,
    /// Absent.
    Unset,
}
/// A checked value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// Canonical text; `None`: unset.
    pub text: Option<String>,
    /// Where it comes from.
    pub origin: Origin,
}
/// Checked values by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values {
    /// By name.
    pub all: BTreeMap<String, Value>,
}
/// What an update changes.
#[derive(Debug, Clone)]
pub struct Change {
    /// All values after it.
    pub values: Values,
    /// Names that really changed, in order of declaration.
    pub changed: Vec<String>,
    /// Those of them with a hook.
    pub hooks: Vec<String>,
}
/// The environment as one source (a map in tests).
pub trait Environment: Send + Sync {
    /// The variable's value.
    fn get(&self, variable: &str) -> Option<String>;
}
/// Resolves all values: default < environment < given.
///
/// # Errors
/// With every fault at once.
pub fn resolve(
    declarations: &Declarations,
    given: &[(String, String)],
    environment: &dyn Environment,
) -> Result<Values, Refusal> {
    let _ = (declarations, given, environment);
    unimplemented!()
}
/// Changes values during a run: all or nothing.
///
/// # Errors
/// With every fault at once; nothing changes then.
pub fn update(
    declarations: &Declarations,
    values: &Values,
    given: &[(String, String)],
) -> Result<Change, Refusal> {
    let _ = (declarations, values, given);
    unimplemented!()
}
