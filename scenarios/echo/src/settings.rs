//! What can be set.

use std::path::PathBuf;

use crowd::{feed::Order, prelude::*, settings::NodeAddress};

/// The name of the setting that holds the rate.
pub(crate) const RATE: &str = "rate";

/// The settings of the `echo` scenario.
#[derive(Debug, Clone, Settings)]
pub struct EchoSettings {
    /// The server, as host:port; without it, the scenario starts a server of its own.
    pub target: Option<NodeAddress>,
    /// How long it is from one line of a user to its next.
    #[setting(default = "1s", update = free)]
    pub interval: Duration,
    /// How many lines all users together send at most.
    #[setting(default = "unlimited", update = hook)]
    pub rate: Rate,
    /// How long a user lives; without it, until it is told to stop.
    pub lifetime: Option<Duration>,
    /// A file of rows (.csv or .jsonl), one of which is said with each line.
    pub rows: Option<PathBuf>,
    /// In which order rows are given, over all nodes. When they run out, users end.
    #[setting(default = Order::Sequential)]
    pub rows_order: Order,
    /// Whether users are paired and greet their partner before each line.
    #[setting(default = "false")]
    pub partners: bool,
}
