//! Everything the master actor is told and asked.

use std::fmt;

use crowd_core::{refusal::Refusal, user_id::UserId};
use ractor::RpcReplyPort;

use super::{
    core::{Answered, Outcome, status::Located},
    view::{ClusterAccount, ClusterStatus},
};
use crate::{
    cluster::{
        member::MemberId,
        mesh::{MeshEvent, Responder},
        protocol::{
            operate::{Operate, OperateAnswer},
            run::ToMaster,
        },
    },
    controller::message::SettingView,
};

/// What operators ask for.
#[derive(Debug, Clone)]
pub(super) enum Verb {
    Start { scenario: String, users: u64, settings: Vec<(String, String)> },
    Add { count: u64, nodes: Vec<String> },
    Remove { count: u64, force: bool, nodes: Vec<String> },
    Set { settings: Vec<(String, String)>, nodes: Vec<String> },
    Drain { node: String },
    Stop,
    StopGracefully,
    Reset,
}

impl Verb {
    /// The word that is typed.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Start { .. } => "do",
            Self::Add { .. } => "add",
            Self::Remove { .. } => "remove",
            Self::Set { .. } => "set",
            Self::Drain { .. } => "drain",
            Self::Stop | Self::StopGracefully => "stop",
            Self::Reset => "reset",
        }
    }
}

/// Everything the master actor is told.
pub(super) enum MasterMessage {
    /// A member came or went.
    Member(MeshEvent),
    /// From another node: who is master, or a command.
    Operate { from: MemberId, message: Operate, responder: Option<Responder<OperateAnswer>> },
    /// What went on here under that master, which is gone, was ended.
    Abandoned { master: MemberId },
    /// From a worker.
    Report { from: MemberId, message: ToMaster },
    /// A call of the core has ended.
    Answered { from: MemberId, call: u64, answer: Answered },
    /// A claim was answered, or was not.
    ClaimAnswered { from: MemberId, claim: u64, answer: Option<OperateAnswer> },
    /// The companions have ended the run of that number.
    Ended { run: u64 },
    /// Time passes.
    Tick,
    /// To become master.
    Claim { reply: RpcReplyPort<Result<(), Refusal>> },
    /// Whether a `do` makes sense.
    CheckStart { verb: Verb, reply: RpcReplyPort<Result<(), Refusal>> },
    /// A verb, answered when it is carried out.
    Verb { verb: Verb, reply: RpcReplyPort<Result<Outcome, Refusal>> },
    /// `status`.
    Status { reply: RpcReplyPort<ClusterStatus> },
    /// `settings`.
    Settings { reply: RpcReplyPort<Vec<SettingView>> },
    /// For reports.
    Account { reply: RpcReplyPort<Option<ClusterAccount>> },
    /// The workers that know users.
    Workers { reply: RpcReplyPort<Vec<MemberId>> },
    /// Where to ask for a user.
    Locate { id: UserId, reply: RpcReplyPort<Located> },
}

impl ractor::Message for MasterMessage {}

impl fmt::Debug for MasterMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterMessage")
    }
}
