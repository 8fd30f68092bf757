//! How a node begins to take part in a run: what was before goes first.

use std::{sync::Arc, time::Duration};

use crowd_core::refusal::{Code, Refusal};
use ractor::{ActorRef, RpcReplyPort, rpc::CallResult};
use tokio::{sync::watch, task::JoinHandle};

use super::{actor::Message, core::Key, followers::Followers};
use crate::{
    cluster::protocol::run::RunSpec,
    controller::{machine::RunState, message::ControllerMessage, run::is_over},
};

/// How long the `terminate` of what was before may take, whatever its own limits are.
const CLEARING: Duration = Duration::from_secs(120);

/// How long it may take until what the controller has done is seen.
const SHOWN: Duration = Duration::from_secs(1);

/// What it takes to begin.
pub(super) struct Beginning {
    pub(super) controller: ActorRef<ControllerMessage>,
    pub(super) state: watch::Receiver<RunState>,
    pub(super) followers: Arc<Followers>,
    pub(super) worker: ActorRef<Message>,
    pub(super) key: Key,
    pub(super) run: RunSpec,
    /// Whether there is something to clear away.
    pub(super) clear: bool,
    /// The beginning before this one, which may still be under way.
    pub(super) before: Option<JoinHandle<()>>,
}

impl Beginning {
    /// Begins, and tells the worker how it went.
    pub(super) async fn run(mut self) {
        if let Some(before) = self.before.take() {
            before.abort();
            // Aborted or not: it does nothing more.
            let _ = before.await;
        }
        let (worker, key) = (self.worker.clone(), self.key.clone());
        let outcome = self.begin().await;
        // Fails only when the node ends.
        let _ = worker.cast(Message::Begun { key, outcome });
    }

    async fn begin(mut self) -> Result<(), Refusal> {
        if self.clear {
            self.clear_away().await?;
        }
        self.followers.follow(&self.key);
        let _ = self.worker.cast(Message::Cleared { key: self.key });
        let RunSpec { scenario, settings: given, .. } = self.run;
        let begin =
            |reply| ControllerMessage::Do { scenario, users: 0, given, follows: true, reply };
        ask(&self.controller, begin).await?.map(drop)
    }

    async fn clear_away(&mut self) -> Result<(), Refusal> {
        let reason = "the master began another run".to_owned();
        let end = |reply| ControllerMessage::End { reason, at_once: true, reply };
        ask(&self.controller, end).await?;
        // Answered after the controller has shown what came of whatever it was told before.
        let over = self.state.wait_for(|state| is_over(*state));
        match tokio::time::timeout(CLEARING, over).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return Err(ended()),
            Err(_) => {
                let limit = humantime::format_duration(CLEARING);
                let message = format!("the run before this one did not end within {limit}");
                return Err(Refusal::new(Code::Unavailable, message));
            }
        }
        ask(&self.controller, |reply| ControllerMessage::Reset { reply }).await??;
        idle(&mut self.state).await;
        Ok(())
    }
}

/// Waits until a run that was reset is seen as such: the controller answers before it shows it.
pub(super) async fn idle(state: &mut watch::Receiver<RunState>) {
    let idle = state.wait_for(|state| *state == RunState::Idle);
    if tokio::time::timeout(SHOWN, idle).await.is_err() {
        tracing::error!(target: "crowd", "a run was reset and is not idle");
    }
}

/// Asks the controller.
pub(super) async fn ask<T: Send + 'static>(
    controller: &ActorRef<ControllerMessage>,
    message: impl FnOnce(RpcReplyPort<T>) -> ControllerMessage,
) -> Result<T, Refusal> {
    match controller.call(message, None).await {
        Ok(CallResult::Success(answer)) => Ok(answer),
        _ => Err(ended()),
    }
}

/// The controller is gone.
pub(super) fn ended() -> Refusal {
    Refusal::new(Code::Unavailable, "the node has ended")
}
