//! What only a node that follows a master is told.

use crowd_core::{refusal::Refusal, user_id::IdSet};
use ractor::ActorRef;

use super::{Controller, State, message::ControllerMessage, unavailable};
use crate::controller::{machine::RunState, message::Standing};

impl Controller {
    /// Adds exactly these users. Nobody is there to hear of a refusal: who places users has
    /// counted on them, and sees in how the run stands that they are not there.
    pub(super) fn place(&self, state: &mut State, users: &IdSet) {
        if let Err(refusal) = self.check_more(state, users.len()) {
            tracing::warn!(target: "crowd", "{}", refusal.message);
        }
        match state.machine.place(users) {
            Ok((placed, commands)) => {
                self.demand(state, &commands);
                if placed > 0 {
                    self.emit_users(state, placed, "add");
                }
            }
            Err(refusal) => {
                let count = users.len();
                tracing::warn!(target: "crowd", "{count} users are not taken: {refusal}");
            }
        }
    }

    /// Gives so many users back.
    pub(super) fn release(
        &self,
        myself: &ActorRef<ControllerMessage>,
        state: &mut State,
        count: u64,
    ) {
        let commands = state.machine.release(count);
        self.perform(myself, state, commands);
    }

    /// Whether `set` would be done.
    pub(super) fn check_set(
        &self,
        state: &State,
        given: &[(String, String)],
    ) -> Result<(), Refusal> {
        state.machine.require("set", RunState::Running)?;
        let run = state.run.as_ref().ok_or_else(unavailable)?;
        run.check(&self.options, given).map(drop)
    }
}

impl State {
    /// How the run stands; forgets which ids are gone.
    pub(super) fn standing(&mut self, living: bool) -> Standing {
        Standing {
            state: self.machine.state(),
            reason: self.machine.reason().map(str::to_owned),
            users: self.machine.population().counts(),
            endings: self.endings.counts(),
            gone: self.machine.take_gone(),
            plan: self.plan_beat(),
            living: living.then(|| self.machine.population().living()),
        }
    }
}
