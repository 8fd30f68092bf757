//! What the master hears of this node's part: how the run stands here, twice a second, and at once
//! when its state changes.

use std::time::Duration;

use crowd_core::user_id::IdSet;

use super::{
    actor::{Flush, Message, State, WorkerActor},
    core::{Key, Stage},
};
use crate::{
    cluster::{
        ids::MOST_RANGES,
        lease::BEAT,
        protocol::run::{Beat, ToMaster},
    },
    controller::{
        machine::RunState,
        message::{ControllerMessage, Standing},
        population::Gone,
        run::is_over,
    },
};

impl WorkerActor {
    /// Asks the controller how the run stands; the beat follows.
    pub(super) fn beat_now(&self, state: &mut State) {
        let Some(key) = state.core.key().cloned() else { return };
        if !self.mesh.reaches(&key.master) {
            return;
        }
        if state.core.stage() == Some(Stage::Clearing) {
            return self.beat(state);
        }
        if state.asking {
            return;
        }
        state.asking = true;
        let relinked = std::mem::take(&mut state.relinked);
        let living = relinked && state.core.holds() && state.followers.outlive_a_break();
        let told = self.tell(|reply| ControllerMessage::Standing { living, reply: reply.into() });
        let (worker, placed) = (state.myself.clone(), state.placed);
        state.tasks.spawn(async move {
            if let Ok(standing) = told.await {
                let standing = Box::new(standing);
                let _ = worker.cast(Message::Standing { key, standing, placed });
            }
        });
    }

    /// The master is linked again.
    pub(super) fn relinked(&self, state: &mut State) {
        state.relinked = true;
        self.beat_now(state);
    }

    pub(super) fn stands(&self, state: &mut State, key: &Key, mut standing: Standing, placed: u64) {
        // What another part has left behind is nobody's concern any more.
        if !state.core.is_current(key) {
            return;
        }
        state.asking = false;
        let returns = standing.living.is_some();
        if returns {
            // What was told over this link without saying who lives here was not heeded.
            state.outbox.tell_again();
        }
        state.outbox.put(std::mem::take(&mut standing.gone));
        state.standing = (standing, placed);
        self.beat(state);
        if returns && state.core.is_leaving() {
            // The master has heard it of the part that it had lost. If it cannot be told it sees this
            // node go.
            let _ = self.mesh.cast(&key.master, &ToMaster::Leaving { assignment: key.assignment });
        }
        // It may have changed since it was asked for, or the link may have.
        if state.standing.0.state != self.run_state() || state.relinked {
            self.beat_now(state);
        }
    }

    /// Sends beats until all is told.
    pub(super) fn beat(&self, state: &mut State) {
        let Some(Key { master, assignment }) = state.core.key().cloned() else { return };
        if state.standing.0.state == RunState::Idle && state.has_begun() {
            // It is being reset, and about to be forgotten.
            return;
        }
        state.beat_due = self.now() + BEAT;
        let clearing = state.core.stage() == Some(Stage::Clearing);
        let mut living = state.standing.0.living.take();
        loop {
            let (gone, more) = state.outbox.take();
            let (standing, placed) = &state.standing;
            // All of it is said at once, or nothing of it.
            let fits = |living: &IdSet| !more && living.ranges().count() <= MOST_RANGES;
            let living = living.take().filter(fits);
            let mut beat = Beat {
                assignment,
                sent: self.mesh.now(),
                state: standing.state,
                reason: standing.reason.clone(),
                users: standing.users,
                endings: standing.endings,
                ended: gone.ended,
                released: gone.released,
                plan: standing.plan.clone(),
                living,
                cut_off: state.core.is_cut_off(is_over(standing.state)),
            };
            // It has not begun until it says so, and is not over until all was said.
            if clearing || standing.state == RunState::Idle {
                (beat.state, beat.reason) = (RunState::Starting, None);
            } else if is_over(standing.state) && (more || state.flush != Flush::Done) {
                (beat.state, beat.reason) = (RunState::Terminating, None);
            }
            let sent = Duration::from_nanos(beat.sent);
            let empty = !more
                && *placed == state.placed
                && standing.users.waiting == 0
                && standing.users.running == 0;
            let beat = Box::new(beat);
            let message = ToMaster::Beat(beat);
            if let Err(fault) = self.mesh.cast(&master, &message) {
                tracing::debug!(target: "crowd", "no beat: {fault}");
                let ToMaster::Beat(beat) = message else { return };
                state.outbox.put(Gone { ended: beat.ended, released: beat.released });
                return;
            }
            if let ToMaster::Beat(beat) = message {
                state.outbox.told(sent, Gone { ended: beat.ended, released: beat.released });
            }
            state.core.beat(sent, empty);
            if !more {
                return;
            }
        }
    }

    /// Whether the master is there and has not been sent all.
    pub(super) fn owes_the_rest(&self, state: &State) -> bool {
        let others = state.core.following().filter(|master| *master != self.mesh.me());
        let there = others.is_some_and(|master| self.mesh.reaches(master));
        there && state.flush != Flush::Done
    }

    /// What is left to be sent is sent before the master hears that the run is over, and before
    /// this node leaves.
    pub(super) fn flush_when_over(&self, state: &mut State) {
        let over = matches!(self.run_state(), RunState::Finished | RunState::Failed)
            || state.core.has_left();
        let ours = !matches!(state.core.stage(), None | Some(Stage::Clearing));
        let Some(key) = state.core.key().cloned() else { return };
        if over && ours && state.flush == Flush::Early {
            state.flush = Flush::UnderWay;
            let (worker, followers) = (state.myself.clone(), state.followers.clone());
            let leaves = state.core.has_left();
            state.tasks.spawn(async move {
                followers.flush(&key, leaves).await;
                let _ = worker.cast(Message::Flushed { key });
            });
        }
    }

    pub(super) fn flushed(&self, state: &mut State, key: &Key) {
        if !state.core.is_current(key) {
            return;
        }
        state.flush = Flush::Done;
        self.beat_now(state);
        let stage = state.core.stage();
        if matches!(stage, Some(Stage::CutOff | Stage::GivingUp | Stage::Stopped)) {
            state.followers.unfollow(key);
        }
        self.say_if_given_up(state);
    }

    /// Says that this node has given up, once there is no more to be done here.
    pub(super) fn say_if_given_up(&self, state: &State) {
        if state.flush == Flush::Done && state.core.stage() == Some(Stage::GivingUp) {
            state.status.send_if_modified(|status| !std::mem::replace(&mut status.gave_up, true));
        }
    }
}
