//! What can be set.

use crowd::prelude::*;

/// The settings of the `chat` scenario.
#[derive(Debug, Clone, Settings)]
pub struct ChatSettings {
    /// The host of the server; without it, the scenario starts a server of its own.
    pub host: Option<String>,
    /// The port of the server; 0 lets the scenario's own server take any free one.
    #[setting(default = "0")]
    pub port: u16,
    /// How many users around itself a user talks to, half of them below its id and half above.
    #[setting(default = "4", check = at_least_one)]
    pub number_of_neighbours: u64,
    /// The fewest messages a user sends.
    #[setting(default = "20")]
    pub messages_min: u64,
    /// The most messages a user sends.
    #[setting(default = "30")]
    pub messages_max: u64,
    /// How long it is from one message to the next; each time it is up to half less or half more.
    #[setting(default = "1s", update = free)]
    pub message_interval: Duration,
    /// A user that has sent all leaves when it has heard nothing for so long.
    #[setting(default = "3s", update = free)]
    pub idle_time: Duration,
}

fn at_least_one(number: u64) -> Result<u64, String> {
    if number == 0 { Err("0 neighbours; write 1 or more".into()) } else { Ok(number) }
}
