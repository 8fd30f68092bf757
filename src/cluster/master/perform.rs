//! What the master actor does when the pure parts have decided.

use std::time::{Duration, SystemTime};

use crowd_core::telemetry::event::{ClusterBack, ClusterMoved};
use futures_util::poll;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    actor::{MasterActor, State, answer},
    core::{ANSWER, Command},
    message::MasterMessage,
};
use crate::{
    cluster::{
        leadership::{CLAIM, Order},
        member::MemberId,
        parts::Companion,
        protocol::{operate::Operate, run::ToWorker},
    },
    controller::machine::RunState,
};

impl MasterActor {
    /// Performs what the pure parts say, until they say nothing more.
    pub(super) async fn obey(&self, state: &mut State, now: Duration) {
        loop {
            let orders = state.leadership.orders();
            let changed = !orders.is_empty();
            for order in orders {
                self.order(state, order).await;
            }
            for member in state.leadership.members() {
                let free = state.leadership.is_free(&member);
                state.core.free(now, &member, free);
            }
            let commands = state.core.commands();
            if !changed && commands.is_empty() {
                break;
            }
            for command in commands {
                self.command(state, command).await;
            }
        }
        let run_state = state.core.run().map_or(RunState::Idle, |run| run.state());
        self.state.send_if_modified(|told| std::mem::replace(told, run_state) != run_state);
    }

    async fn order(&self, state: &mut State, order: Order) {
        match order {
            Order::Ask { to, claim } => {
                let (mesh, actor) = (self.mesh.clone(), state.myself.clone());
                let ask = async move {
                    let answer = mesh.call(&to, &Operate::Claim { claim }, CLAIM).await.ok();
                    let _ = actor.cast(MasterMessage::ClaimAnswered { from: to, claim, answer });
                };
                spawn_now(&mut state.tasks, ask).await;
            }
            // One that cannot be reached is about to be told of as gone.
            Order::Cast { to, message } => drop(self.mesh.cast(&to, &message)),
            Order::Claimed(outcome) => {
                for reply in std::mem::take(&mut state.claims) {
                    answer(reply, outcome.clone());
                }
            }
            Order::Master(master) => {
                self.master.send_replace(master.clone());
                (self.options.announce)(master);
            }
            Order::Conflict(other) => {
                tracing::warn!(
                    target: "crowd",
                    "node `{other}` is master of a run of its own; each keeps its workers"
                );
            }
        }
    }

    async fn command(&self, state: &mut State, command: Command) {
        match command {
            Command::Call { call, to, message, within } => {
                let (mesh, actor) = (self.mesh.clone(), state.myself.clone());
                let work = async move {
                    let answer = mesh.call(&to, &message, within).await;
                    let answer = answer.map_err(|fault| fault.to_string());
                    let _ = actor.cast(MasterMessage::Answered { from: to, call, answer });
                };
                spawn_now(&mut state.tasks, work).await;
            }
            Command::Cast { to, message } => self.cast(&to, &message),
            Command::Answer { verb, outcome } => {
                if let Some(reply) = state.verbs.remove(&verb) {
                    answer(reply, outcome);
                }
            }
            Command::Begin(spec) => {
                state.runs += 1;
                state.resolved = state.candidate.take();
                (state.started, state.began) = (SystemTime::now(), Instant::now());
                self.tell(|companion| companion.begin(&spec));
            }
            Command::Joined(worker, assignment) => {
                self.tell(|companion| companion.joined(&worker, assignment));
            }
            Command::Gone(worker) => self.tell(|companion| companion.gone(&worker)),
            Command::End => {
                let companions = self.options.companions.clone();
                let (run, actor) = (state.runs, state.myself.clone());
                state.tasks.spawn(async move {
                    for companion in companions {
                        if timeout(ANSWER, companion.end()).await.is_err() {
                            tracing::warn!(target: "crowd", "a part of the run did not end in time");
                        }
                    }
                    let _ = actor.cast(MasterMessage::Ended { run });
                });
            }
            Command::Forget => {
                state.resolved = None;
                self.tell(|companion| companion.forget());
            }
            Command::Moved { from, users, reason } => {
                let from = from.to_string();
                self.options.telemetry.emit(&ClusterMoved { from, users, reason });
            }
            Command::Back { worker, users } => {
                let node = worker.to_string();
                self.options.telemetry.emit(&ClusterBack { node, users });
            }
            Command::Settings(settings) => {
                if let Some(resolved) = &mut state.resolved {
                    resolved.apply(&settings);
                }
            }
            Command::Resign => state.leadership.resign(),
        }
    }

    fn cast(&self, to: &MemberId, message: &ToWorker) {
        if let Err(fault) = self.mesh.cast(to, message) {
            // What was sent to one that is gone is taken care of when it is told of as gone.
            tracing::debug!(target: "crowd", "a worker cannot be told: {fault}");
        }
    }

    fn tell(&self, tell: impl Fn(&dyn Companion)) {
        self.options.companions.iter().for_each(|companion| tell(&**companion));
    }
}

/// Begins at once what is then awaited in a task, so that messages leave in the order in which they
/// were decided on.
async fn spawn_now(tasks: &mut JoinSet<()>, work: impl Future<Output = ()> + Send + 'static) {
    let mut work = Box::pin(work);
    if poll!(&mut work).is_pending() {
        tasks.spawn(work);
    }
}
