//! What is wrong with the settings of a node.

use std::fmt;

/// Every fault of the node's settings, each a sentence that names the setting, its value, where
/// that came from and what would be right. `Display` prints one a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettingsFaults(pub Vec<String>);

impl SettingsFaults {
    pub(super) fn add(&mut self, fault: impl Into<String>) {
        self.0.push(fault.into());
    }

    /// `value` if nothing is wrong.
    pub(super) fn none_or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl fmt::Display for SettingsFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for SettingsFaults {}
