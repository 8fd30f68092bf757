//! What nodes tell each other about who is master, and operators' commands on their way to it.

use std::sync::Arc;

use crowd_core::refusal::Refusal;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::{Protocol, Service};
use crate::cluster::{member::MemberId, packed::Packed};

/// Node to node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Operate {
    /// Let me be master. A call, answered with one of [`OperateAnswer`]'s first three.
    Claim {
        /// Counts the claims of that node.
        claim: u64,
    },
    /// I do not want to be master any more: that claim came to nothing. A cast.
    Release { claim: u64 },
    /// That is the master as far as I know: said to whoever comes, and to all when it changes. A
    /// cast.
    Known { master: Option<MemberId> },
    /// Carry this out. A call, answered with [`OperateAnswer::Relayed`].
    Relay(RelayRequest),
    /// What goes on here of a run whose master is gone? If `end`, end it. A call, answered with
    /// [`OperateAnswer::Orphan`].
    Orphan { end: bool },
}

/// What calls are answered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum OperateAnswer {
    /// You may be master, as far as I am concerned; I claim nothing until you say more.
    Granted,
    /// That node claims to be master as well.
    Busy(MemberId),
    /// That node is master.
    Taken(MemberId),
    /// The command was carried out, or refused.
    Relayed(Result<Packed, Refusal>),
    /// What goes on, or went on until now, without its master.
    Orphan(Option<Orphan>),
}

/// A node's part of a run whose master it does not reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Orphan {
    /// The scenario.
    pub(crate) scenario: String,
    /// The master that is gone.
    pub(crate) master: MemberId,
    /// How many users wait or run.
    pub(crate) users: u64,
}

/// Tells of this node's part of a run whose master is gone; ends it if that is said.
pub(crate) type Orphans = Arc<dyn Fn(bool) -> BoxFuture<'static, Option<Orphan>> + Send + Sync>;

impl Protocol for Operate {
    const SERVICE: Service = Service::Operate;
    type Answer = OperateAnswer;
}

/// An operator's command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RelayRequest {
    /// The line as it could be typed at the console.
    pub(crate) line: String,
}

/// What a command answers: its text for people, and its JSON for programs.
pub(crate) type RelayAnswer = Result<(String, String), Refusal>;

/// Carries relayed commands out.
pub(crate) type Relay = Arc<dyn Fn(RelayRequest) -> BoxFuture<'static, RelayAnswer> + Send + Sync>;
