//! The master: who commands, and the run over all nodes.
//!
//! Every clustered node has one of these; at most one of them *is* master, and the others know
//! which. [`core`] decides, pure; [`actor`] feeds it with what happens and performs what it says.
//! Nothing here waits for a slow node but the one verb that needs its answer.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crowd_core::{
    refusal::{Code, Refusal},
    settings::Environment,
    telemetry::Telemetry,
    user_id::UserId,
};
use futures_util::future::join_all;
use ractor::{Actor, ActorRef, RpcReplyPort, rpc::CallResult};
use tokio::sync::watch;

use super::{
    member::MemberId,
    mesh::Mesh,
    parts::Companion,
    protocol::{
        operate::{Operate, OperateAnswer, Orphan, Orphans, Relay, RelayAnswer, RelayRequest},
        run::{ToWorker, WorkerAnswer},
    },
};
use crate::{
    controller::{
        machine::RunState,
        message::{SettingView, UserView},
        run::is_over,
    },
    scenario::catalog::Catalog,
    settings::OnNodeLoss,
};

mod actor;
pub(crate) mod core;
mod message;
mod perform;
mod settings;
pub(crate) mod view;

use self::core::{ANSWER, Outcome, status::Located};
use actor::MasterActor;
use message::{MasterMessage, Verb};
use view::{ClusterAccount, ClusterSet, ClusterStatus, Dealt, Listed, Removed};

/// How long other nodes have to say what goes on there without a master.
const LOOK: Duration = Duration::from_secs(1);

/// What the master needs from the node.
#[derive(Clone)]
pub(crate) struct MasterOptions {
    pub(crate) catalog: Catalog,
    pub(crate) environment: Arc<dyn Environment>,
    /// What becomes of users of a lost worker.
    pub(crate) on_node_loss: OnNodeLoss,
    /// Whether users are moved to workers that join.
    pub(crate) rebalance: bool,
    /// How long workers keep their users when the master is lost.
    pub(crate) master_timeout: Duration,
    /// How long `init` may take.
    pub(crate) init_timeout: Duration,
    /// How long `terminate` may take.
    pub(crate) terminate_timeout: Duration,
    /// The rate users are admitted at unless the run says otherwise.
    pub(crate) user_rate: String,
    pub(crate) telemetry: Telemetry,
    /// The sides on the master of what spans nodes; told in this order.
    pub(crate) companions: Vec<Arc<dyn Companion>>,
    /// Told whom this node knows as master, whenever that changes.
    pub(crate) announce: Arc<dyn Fn(Option<MemberId>) + Send + Sync>,
    /// Carries out commands that other nodes relay.
    pub(crate) relay: Relay,
    /// This node's part of a run whose master is gone.
    pub(crate) orphans: Orphans,
}

/// A handle to a node's master. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Master {
    mesh: Mesh,
    actor: ActorRef<MasterMessage>,
    master: watch::Receiver<Option<MemberId>>,
    state: watch::Receiver<RunState>,
    patience: Duration,
}

impl std::fmt::Debug for Master {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Master").field("node", self.mesh.me()).finish_non_exhaustive()
    }
}

impl Master {
    /// Starts it; to be done before the mesh has members. Ends with [`Master::shutdown`].
    ///
    /// # Errors
    /// `unavailable` if it cannot be started.
    pub(crate) async fn start(mesh: Mesh, options: MasterOptions) -> Result<Self, Refusal> {
        let (told_master, master) = watch::channel(None);
        let (told_state, state) = watch::channel(RunState::Idle);
        let patience =
            options.init_timeout + 2 * options.terminate_timeout + Duration::from_secs(60);
        let actor =
            MasterActor { mesh: mesh.clone(), options, master: told_master, state: told_state };
        let (actor, _) = Actor::spawn(None, actor, ())
            .await
            .map_err(|why| Refusal::new(Code::Unavailable, why.to_string()))?;
        Ok(Self { mesh, actor, master, state, patience })
    }

    /// Whom this node knows as master: perhaps itself, perhaps one that is gone.
    pub(crate) fn master(&self) -> Option<MemberId> {
        self.master.borrow().clone()
    }

    /// Whether this node is the master.
    pub(crate) fn is_master(&self) -> bool {
        self.master.borrow().as_ref() == Some(self.mesh.me())
    }

    /// Makes this node the master, if no other is.
    ///
    /// # Errors
    /// `master-is-already-set`, naming the other; `unavailable` if a member does not answer.
    pub(crate) async fn claim(&self) -> Result<(), Refusal> {
        self.ask(|reply| MasterMessage::Claim { reply }).await?
    }

    /// Has the master carry a command out.
    ///
    /// # Errors
    /// What the master refuses; `unavailable` if there is none, or if it does not answer.
    pub(crate) async fn relay(&self, line: String) -> RelayAnswer {
        let Some(master) = self.master() else {
            return Err(unavailable("no node is master: `do` makes one"));
        };
        let request = Operate::Relay(RelayRequest { line });
        match self.mesh.call(&master, &request, self.patience).await {
            Ok(OperateAnswer::Relayed(answer)) => answer?.unpack().map_err(|fault| {
                unavailable(&format!("the answer of node `{master}` cannot be read: {fault}"))
            }),
            Ok(_) => Err(unavailable(&format!("node `{master}` did not understand"))),
            Err(fault) => Err(unavailable(&format!(
                "whether the master carried it out is not known: {fault}"
            ))),
        }
    }

    /// What goes on without its master on this node and all that it reaches, by node; ended, if that
    /// is said.
    pub(crate) async fn orphans(&self, end: bool) -> BTreeMap<String, Orphan> {
        let mut nodes: Vec<MemberId> =
            self.mesh.members().into_iter().map(|member| member.id).collect();
        nodes.push(self.mesh.me().clone());
        let within = if end { ANSWER } else { LOOK };
        let question = Operate::Orphan { end };
        let answers = nodes.iter().map(|node| self.mesh.call(node, &question, within));
        let answers = join_all(answers).await;
        nodes
            .iter()
            .zip(answers)
            .filter_map(|(node, answer)| match answer {
                Ok(OperateAnswer::Orphan(Some(orphan))) => Some((node.to_string(), orphan)),
                // Whoever does not answer has nothing to tell that could be acted on.
                _ => None,
            })
            .collect()
    }

    /// `do`: makes this node the master, and answers when `init` is over on all workers. A run that
    /// is over is forgotten first.
    ///
    /// # Errors
    /// Another master; the state, the scenario, the settings or the count; or any worker on which
    /// `init` failed: then all that was begun is ended again. Nothing goes on in any of these cases.
    pub(crate) async fn start_run(
        &self,
        scenario: &str,
        users: u64,
        settings: Vec<(String, String)>,
    ) -> Result<Dealt, Refusal> {
        let verb =
            || Verb::Start { scenario: scenario.to_owned(), users, settings: settings.clone() };
        // What is refused anyway makes nobody master.
        self.ask(|reply| MasterMessage::CheckStart { verb: verb(), reply }).await??;
        self.claim().await?;
        match self.verb(verb()).await? {
            Outcome::Dealt(dealt) => Ok(dealt),
            other => Err(mismatch(&other)),
        }
    }

    /// `add COUNT`, on all nodes that take users if none is named.
    ///
    /// # Errors
    /// If the state or the count refuses; `bad-nodes` for nodes that take no users;
    /// `empty-nodes-list` if there is none that does.
    pub(crate) async fn add(&self, count: u64, nodes: Vec<String>) -> Result<Dealt, Refusal> {
        match self.verb(Verb::Add { count, nodes }).await? {
            Outcome::Dealt(dealt) => Ok(dealt),
            other => Err(mismatch(&other)),
        }
    }

    /// `remove COUNT [force]`, on all nodes if none is named: users that wait to be placed first,
    /// then from the most loaded.
    ///
    /// # Errors
    /// If the state or the count refuses; `bad-nodes` for nodes without a part in the run.
    pub(crate) async fn remove(
        &self,
        count: u64,
        force: bool,
        nodes: Vec<String>,
    ) -> Result<Removed, Refusal> {
        match self.verb(Verb::Remove { count, force, nodes }).await? {
            Outcome::Removed(removed) => Ok(removed),
            other => Err(mismatch(&other)),
        }
    }

    /// `set KEY=VALUE…`, on all nodes if none is named: checked everywhere, then applied everywhere.
    ///
    /// # Errors
    /// If the state, the master or any node refuses, or a node does not answer; nothing has changed
    /// then.
    pub(crate) async fn set(
        &self,
        settings: Vec<(String, String)>,
        nodes: Vec<String>,
    ) -> Result<ClusterSet, Refusal> {
        match self.verb(Verb::Set { settings, nodes }).await? {
            Outcome::Set(set) => Ok(set),
            other => Err(mismatch(&other)),
        }
    }

    /// `stop`: answers when all workers know; [`Master::ended`] waits for the end.
    ///
    /// # Errors
    /// If the state refuses.
    pub(crate) async fn stop(&self) -> Result<(), Refusal> {
        self.verb(Verb::Stop).await.map(drop)
    }

    /// `stop gracefully`: answers when it is under way.
    ///
    /// # Errors
    /// If the state refuses.
    pub(crate) async fn stop_gracefully(&self) -> Result<(), Refusal> {
        self.verb(Verb::StopGracefully).await.map(drop)
    }

    /// `reset`: the run is forgotten everywhere, and nobody is master any more.
    ///
    /// # Errors
    /// If the state refuses.
    pub(crate) async fn reset(&self) -> Result<(), Refusal> {
        self.verb(Verb::Reset).await.map(drop)
    }

    /// `drain NODE`: answers when all its users have gone elsewhere, with their number. It gets no
    /// more until the run is over.
    ///
    /// # Errors
    /// If the state refuses; `bad-nodes` if it has no part in the run; `empty-nodes-list` if there
    /// is no other that could take its users; `unavailable` if it is lost, or does not give them
    /// back in time.
    pub(crate) async fn drain(&self, node: &str) -> Result<u64, Refusal> {
        match self.verb(Verb::Drain { node: node.to_owned() }).await? {
            Outcome::Moved(moved) => Ok(moved),
            other => Err(mismatch(&other)),
        }
    }

    /// The state of the run, without asking anybody.
    pub(crate) fn state(&self) -> RunState {
        *self.state.borrow()
    }

    /// Waits until there is no run here, or it is over.
    pub(crate) async fn ended(&self) -> RunState {
        let mut state = self.state.clone();
        let over = state.wait_for(|state| is_over(*state)).await.map(|state| *state);
        // The sender is gone only when the master is.
        over.unwrap_or(RunState::Failed)
    }

    /// `status`, as the master tells it; that of a node which is none knows no run.
    ///
    /// # Errors
    /// `unavailable` if the node is ending.
    pub(crate) async fn status(&self) -> Result<ClusterStatus, Refusal> {
        self.ask(|reply| MasterMessage::Status { reply }).await
    }

    /// `settings`: those of the current or last run; none without one.
    ///
    /// # Errors
    /// `unavailable` if the node is ending.
    pub(crate) async fn settings(&self) -> Result<Vec<SettingView>, Refusal> {
        self.ask(|reply| MasterMessage::Settings { reply }).await
    }

    /// What a report tells of the run; `None` without one.
    pub(crate) async fn account(&self) -> Option<ClusterAccount> {
        self.ask(|reply| MasterMessage::Account { reply }).await.ok().flatten()
    }

    /// `users [LIMIT]`: running users of all nodes, lowest ids first.
    ///
    /// # Errors
    /// `unavailable` if the node is ending.
    pub(crate) async fn users(&self, limit: usize) -> Result<Listed, Refusal> {
        let workers = self.ask(|reply| MasterMessage::Workers { reply }).await?;
        let ask = ToWorker::Users { limit: limit as u64 };
        let answers = workers.iter().map(|worker| self.mesh.call(worker, &ask, ANSWER));
        let mut listed = Listed::default();
        for (worker, answer) in workers.iter().zip(join_all(answers).await) {
            match answer {
                Ok(WorkerAnswer::Users(users)) => listed.users.extend(users),
                Ok(_) => listed.notes.push(format!("node `{worker}` tells no users")),
                Err(fault) => listed.notes.push(fault.to_string()),
            }
        }
        listed.users.sort_by_key(|user| user.id);
        listed.users.truncate(limit);
        Ok(listed)
    }

    /// `user ID`.
    ///
    /// # Errors
    /// `no-such-user` if that id was never given out; `unavailable` if its node does not answer.
    pub(crate) async fn user(&self, id: UserId) -> Result<UserView, Refusal> {
        let view = |state: &str, node: String| UserView {
            id,
            state: state.to_owned(),
            age: None,
            node,
            failure: None,
        };
        match self.ask(|reply| MasterMessage::Locate { id, reply }).await? {
            Located::Never { highest } => {
                let message = format!("no user {id} was ever added; the highest id is {highest}");
                Err(Refusal::new(Code::NoSuchUser, message))
            }
            Located::Waiting(node) => Ok(view("waiting", node)),
            Located::On(worker) => {
                match self.mesh.call(&worker, &ToWorker::User { id }, ANSWER).await {
                    Ok(WorkerAnswer::User(Some(user))) => Ok(user),
                    // It is on its way.
                    Ok(_) => Ok(view("waiting", worker.to_string())),
                    Err(fault) => Err(unavailable(&fault.to_string())),
                }
            }
            Located::Ended(workers) => {
                let ask = ToWorker::User { id };
                let answers = workers.iter().map(|worker| self.mesh.call(worker, &ask, ANSWER));
                let known = join_all(answers).await.into_iter().filter_map(|answer| match answer {
                    Ok(WorkerAnswer::User(user)) => user,
                    _ => None,
                });
                // Of several, the one that knows more than that it is gone.
                let known = known.max_by_key(|user| user.failure.is_some());
                Ok(known.unwrap_or_else(|| view("gone", String::new())))
            }
        }
    }

    /// Ends it, and with it all that it has under way. The run goes on without a master.
    pub(crate) fn shutdown(&self) {
        self.actor.stop(None);
    }

    async fn verb(&self, verb: Verb) -> Result<Outcome, Refusal> {
        self.ask(|reply| MasterMessage::Verb { verb, reply }).await?
    }

    async fn ask<T: Send + 'static>(
        &self,
        message: impl FnOnce(RpcReplyPort<T>) -> MasterMessage,
    ) -> Result<T, Refusal> {
        match self.actor.call(message, None).await {
            Ok(CallResult::Success(answer)) => Ok(answer),
            _ => Err(unavailable("the node is ending")),
        }
    }
}

fn unavailable(why: &str) -> Refusal {
    Refusal::new(Code::Unavailable, why)
}

/// The core answers each verb with its own outcome.
fn mismatch(outcome: &Outcome) -> Refusal {
    unavailable(&format!("the master answered something else than was asked: {outcome:?}"))
}

#[cfg(test)]
mod tests;
