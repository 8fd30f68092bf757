//! The environment as one source, and the names used in it.

use std::{
    collections::{BTreeMap, HashMap},
    env,
};

/// What every variable of ours starts with.
pub const PREFIX: &str = "CROWD_";

/// Names the file of node settings.
pub const CONFIG: &str = "CROWD_CONFIG";

/// What the system calls this host, where the kernel does not tell.
pub const HOSTNAME: &str = "HOSTNAME";

/// The variable that carries a setting: `CROWD_` and its name in capitals.
pub fn variable(setting: &str) -> String {
    format!("{PREFIX}{}", setting.to_ascii_uppercase())
}

/// The environment as one source (a map in tests).
pub trait Environment: Send + Sync {
    /// The variable's value; `None` if it is not set.
    fn get(&self, variable: &str) -> Option<String>;
}

/// The environment of this process. What is not Unicode in a value is replaced by U+FFFD, so that
/// a type or a check can refuse it; it is not taken for unset.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessEnvironment;

impl ProcessEnvironment {
    /// Every variable there is now.
    pub fn variables(self) -> BTreeMap<String, String> {
        env::vars_os()
            .map(|(name, value)| {
                (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
            })
            .collect()
    }
}

impl Environment for ProcessEnvironment {
    fn get(&self, variable: &str) -> Option<String> {
        env::var_os(variable).map(|value| value.to_string_lossy().into_owned())
    }
}

impl Environment for BTreeMap<String, String> {
    fn get(&self, variable: &str) -> Option<String> {
        BTreeMap::get(self, variable).cloned()
    }
}

impl Environment for HashMap<String, String> {
    fn get(&self, variable: &str) -> Option<String> {
        HashMap::get(self, variable).cloned()
    }
}
