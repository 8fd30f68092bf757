//! What the master says, as the controller is told it. The controller is told in the order in which
//! the master spoke; whatever is to be answered is answered in a task of its own, so that nothing
//! holds up the beats.

use std::{future::Future, time::Duration};

use crowd_core::{
    refusal::{Code, Refusal},
    user_id::UserId,
};
use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};

use super::{
    actor::{Message, State, WorkerActor},
    begin::{ended, idle},
    core::Key,
};
use crate::{
    cluster::{
        mesh::Responder,
        protocol::run::{Assignment, ToWorker, WorkerAnswer},
    },
    controller::{
        machine::RunState,
        message::{ControllerMessage, Dealing},
    },
};

/// How many users one answer shows, at the most, so that it fits into a message.
const MOST_USERS: u64 = 4_000;

/// Who waits for an answer. An order that is no call is carried out and not answered.
pub(super) type Asker = Option<Responder<WorkerAnswer>>;

pub(super) fn reply(asker: Asker, answer: &WorkerAnswer) {
    if let Some(responder) = asker {
        responder.answer(answer);
    }
}

/// The assignment an order is about.
pub(super) fn assignment(order: &ToWorker) -> Option<Assignment> {
    match *order {
        ToWorker::Begin { assignment, .. }
        | ToWorker::Place { assignment, .. }
        | ToWorker::Remove { assignment, .. }
        | ToWorker::Release { assignment, .. }
        | ToWorker::CheckSettings { assignment, .. }
        | ToWorker::ApplySettings { assignment, .. }
        | ToWorker::Stop { assignment }
        | ToWorker::Finish { assignment }
        | ToWorker::Reset { assignment }
        | ToWorker::Renewed { assignment, .. }
        | ToWorker::Plan { assignment, .. }
        | ToWorker::Whereabouts { assignment, .. } => Some(assignment),
        ToWorker::Users { .. } | ToWorker::User { .. } => None,
    }
}

fn or_refused<T>(
    outcome: Result<T, Refusal>,
    answer: impl FnOnce(T) -> WorkerAnswer,
) -> WorkerAnswer {
    outcome.map_or_else(WorkerAnswer::Refused, answer)
}

impl WorkerActor {
    /// Tells the controller now, and answers when it does.
    fn relay<T: Send + 'static>(
        &self,
        state: &mut State,
        message: impl FnOnce(oneshot::Sender<T>) -> ControllerMessage,
        asker: Asker,
        answer: impl FnOnce(T) -> WorkerAnswer + Send + 'static,
    ) {
        let told = self.tell(message);
        state.tasks.spawn(async move {
            let answer = told.await.map_or_else(WorkerAnswer::Refused, answer);
            reply(asker, &answer);
        });
    }

    /// Tells the controller now; the answer is to be awaited.
    pub(super) fn tell<T: Send + 'static>(
        &self,
        message: impl FnOnce(oneshot::Sender<T>) -> ControllerMessage,
    ) -> impl Future<Output = Result<T, Refusal>> + Send + 'static {
        let (sender, receiver) = oneshot::channel();
        // If the controller is gone, the receiver hears of it.
        let _ = self.options.controller.cast(message(sender));
        async move { receiver.await.map_err(|_| ended()) }
    }

    /// The moment at which the master's clock stands at `time`, told by what was sent when it stood
    /// at `sent`: until its clock is known, that is taken to have come at once.
    fn their_moment(&self, key: &Key, time: u64, sent: u64) -> Instant {
        let ours = match self.mesh.clock(&key.master) {
            Some(reading) => i128::from(time) - i128::from(reading.offset),
            None => i128::from(self.mesh.now()) + i128::from(time) - i128::from(sent),
        };
        // To a node that joins, what began before itself is below the beginning of its clock.
        let (zero, nanos) = (self.mesh.instant(0), u64::try_from(ours.unsigned_abs()));
        let distance = Duration::from_nanos(nanos.unwrap_or(u64::MAX));
        let moment = if ours < 0 { zero.checked_sub(distance) } else { zero.checked_add(distance) };
        moment.unwrap_or(zero)
    }

    /// An order about the run this node takes part in.
    pub(super) fn obey(&self, state: &mut State, key: Key, order: ToWorker, asker: Asker) {
        use ControllerMessage as C;
        match order {
            ToWorker::Place { users, .. } => {
                state.placed();
                let _ = self.options.controller.cast(C::Place { users });
            }
            ToWorker::Plan { began, sent, words, .. } => {
                state.placed();
                let began = self.their_moment(&key, began, sent);
                let _ = self.options.controller.cast(C::Deal(Dealing { began, words }));
            }
            ToWorker::Release { count, .. } => {
                let _ = self.options.controller.cast(C::Release { count });
            }
            ToWorker::Remove { count, force, .. } => {
                let remove =
                    |reply: oneshot::Sender<_>| C::Remove { count, force, reply: reply.into() };
                self.relay(state, remove, asker, |chosen| or_refused(chosen, WorkerAnswer::Chosen));
            }
            ToWorker::CheckSettings { settings, .. } => {
                let check = |reply: oneshot::Sender<_>| C::CheckSet {
                    given: settings,
                    reply: reply.into(),
                };
                self.relay(state, check, asker, |ok| or_refused(ok, |()| WorkerAnswer::Done));
            }
            ToWorker::ApplySettings { settings, .. } => {
                let set =
                    |reply: oneshot::Sender<_>| C::Set { given: settings, reply: reply.into() };
                self.relay(state, set, asker, |set| or_refused(set, WorkerAnswer::Applied));
            }
            ToWorker::Stop { .. } => {
                state.stop_soon = Some(asker);
                self.stop_at_last(state);
            }
            ToWorker::Finish { .. } => {
                // Heard for the second time it is refused, or there is nothing to finish.
                drop(self.tell(|reply| C::StopGracefully { reply: reply.into() }));
            }
            ToWorker::Reset { .. } => self.reset(state, key, asker),
            ToWorker::Whereabouts { changes, .. } => (self.options.whereabouts)(&changes),
            // Heard before, by others.
            ToWorker::Begin { .. }
            | ToWorker::Renewed { .. }
            | ToWorker::Users { .. }
            | ToWorker::User { .. } => {}
        }
    }

    /// Answers as soon as the run is ending, or why it does not.
    pub(super) fn stop(&self, state: &mut State, asker: Asker) {
        let told = self.tell(|reply| ControllerMessage::Stop { reply: reply.into() });
        let mut run = self.options.state.clone();
        state.tasks.spawn(async move {
            let outcome = tokio::select! {
                biased;
                outcome = told => outcome.and_then(|outcome| outcome),
                // The controller answers when `terminate` is over, if nobody has to leave first.
                _ = ending(&mut run) => Ok(()),
            };
            let answer = match outcome {
                // It was told before.
                Err(Refusal { code: Code::InvalidStatus, .. }) => WorkerAnswer::Done,
                outcome => or_refused(outcome, |()| WorkerAnswer::Done),
            };
            reply(asker, &answer);
        });
    }

    fn reset(&self, state: &mut State, key: Key, asker: Asker) {
        let told = self.tell(|reply| ControllerMessage::Reset { reply: reply.into() });
        let (worker, followers) = (state.myself.clone(), state.followers.clone());
        let mut run = self.options.state.clone();
        state.tasks.spawn(async move {
            let outcome = told.await.and_then(|outcome| outcome);
            if outcome.is_ok() {
                idle(&mut run).await;
                followers.unfollow(&key);
                // Before the answer, so that whatever the master says next finds it done.
                let _ = worker.cast(Message::Forgotten { key });
            }
            reply(asker, &or_refused(outcome, |()| WorkerAnswer::Done));
        });
    }

    /// What any master may ask.
    pub(super) fn show_users(&self, state: &mut State, limit: u64, asker: Asker) {
        let limit = usize::try_from(limit.min(MOST_USERS)).unwrap_or_default();
        let users =
            |reply: oneshot::Sender<_>| ControllerMessage::Users { limit, reply: reply.into() };
        self.relay(state, users, asker, WorkerAnswer::Users);
    }

    /// What any master may ask.
    pub(super) fn show_user(&self, state: &mut State, id: UserId, asker: Asker) {
        let user = |reply: oneshot::Sender<_>| ControllerMessage::User { id, reply: reply.into() };
        self.relay(state, user, asker, |user| {
            // An id that is gone here may be anywhere, or nowhere.
            WorkerAnswer::User(user.ok().filter(|user| user.state != "gone"))
        });
    }
}

async fn ending(run: &mut watch::Receiver<RunState>) {
    let goes_on = |state: &RunState| matches!(state, RunState::Starting | RunState::Running);
    if run.wait_for(|state| !goes_on(state)).await.is_err() {
        // The controller is gone, and so is whoever answers in its place.
        std::future::pending::<()>().await;
    }
}
