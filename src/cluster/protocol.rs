//! What nodes tell each other. One file per protocol holds all its messages.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub(crate) mod coordinator;
pub(crate) mod feed;
pub(crate) mod mail;
pub(crate) mod measure;
pub(crate) mod operate;
pub(crate) mod run;
pub(crate) mod throttle;

/// Changes with every change of any message, so that nodes that would misunderstand each other do
/// not meet.
pub(crate) const VERSION: u32 = 1;

/// Who in a node a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub(crate) enum Service {
    /// Master to worker: `protocol::run::ToWorker`.
    Run,
    /// Worker to master: `protocol::run::ToMaster`.
    Report,
    /// Who is master; an operator's command for the node that carries it out.
    Operate,
    /// Node to master: throttles.
    Throttle,
    /// Master to node: throttles.
    ThrottleTerms,
    /// Node to master: coordinators.
    Coordinator,
    /// Master to node: coordinators.
    CoordinatorWork,
    /// Users' messages to users.
    Mail,
    /// Worker to master: measurements.
    Measure,
    /// Node to master: feeders.
    Feeder,
}

impl Service {
    /// How many services there are.
    pub(crate) const COUNT: usize = Self::Feeder as usize + 1;
}

/// The messages for one service.
pub(crate) trait Protocol: Serialize + DeserializeOwned + Send + 'static {
    /// The service.
    const SERVICE: Service;
    /// What calls are answered with; `()` if there are only casts.
    type Answer: Serialize + DeserializeOwned + Send + 'static;
}
