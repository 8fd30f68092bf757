//! Pure: in which order rows are given.

use crowd_core::settings::SettingValue;
use serde::{Deserialize, Serialize};

/// In which order the rows of a feeder are given to whoever asks.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, SettingValue,
)]
pub enum Order {
    /// One after the other, and after the last the first again.
    #[default]
    Circular,
    /// Any, by the run's seed.
    Random,
    /// One after the other, each once, until they run out.
    Sequential,
    /// To each user one of its own, always the same.
    Unique,
}
