//! The graceful end of a run: users begin nothing new, and what is under way may finish.

use std::{sync::Arc, time::Duration};

use crowd_core::{
    moment,
    refusal::{Code, Refusal},
};
use crowd_plan::run_settings::{DEFAULT_GRACEFUL_STOP, GRACEFUL_STOP};
use ractor::ActorRef;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{Controller, State, machine::RunState, message::ControllerMessage};
use crate::user::supervisor::SupervisorMessage;

/// How often it is looked who has finished.
const LOOK: Duration = Duration::from_millis(200);

/// Why a verb is refused that asks for more load of a run that ends.
pub(crate) fn it_ends(verb: &str) -> Refusal {
    let message =
        format!("`{verb}` asks for more of a run that ends gracefully; `do` starts another");
    Refusal::new(Code::InvalidStatus, message)
}

impl State {
    /// Refuses a verb that asks for more load once the run ends gracefully.
    pub(super) fn goes_on(&self, verb: &str) -> Result<(), Refusal> {
        match self.run.as_ref().and_then(|run| run.finish_by) {
            Some(_) => Err(it_ends(verb)),
            None => Ok(()),
        }
    }
}

impl Controller {
    /// Users are no longer needed; the run stops when none is left, or after its `graceful_stop`.
    pub(super) fn stop_gracefully(
        &self,
        myself: &ActorRef<ControllerMessage>,
        state: &mut State,
    ) -> Result<(), Refusal> {
        state.machine.require("stop", RunState::Running)?;
        let Some(run) = &mut state.run else { return Ok(()) };
        if run.finish_by.is_none() {
            let grace = run.values.read(GRACEFUL_STOP).unwrap_or(DEFAULT_GRACEFUL_STOP);
            let by = moment::after(Instant::now(), grace);
            run.finish_by = Some(by);
            if let Some(load) = &mut run.load {
                load.cut(by);
            }
            let (number, controller) = (run.number(), myself.clone());
            run.services().spawn_for_run(async move {
                let mut looks = interval(LOOK);
                looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    looks.tick().await;
                    if controller.cast(ControllerMessage::Finishing { run: number }).is_err() {
                        return;
                    }
                }
            });
        }
        Ok(())
    }

    /// Looks who has finished, and stops the run when nobody is left or the time is up. On a worker
    /// that is for the master to say.
    pub(super) fn finishing(
        &self,
        myself: &ActorRef<ControllerMessage>,
        state: &mut State,
        run: u64,
    ) {
        if !state.is_current(run) || state.machine.state() != RunState::Running {
            return;
        }
        let Some(active) = &state.run else { return };
        let (by, follows) = (active.finish_by, active.follows());
        let counts = state.machine.population().counts();
        let over =
            counts.waiting + counts.running == 0 || by.is_some_and(|by| Instant::now() >= by);
        if over && !follows {
            if let Ok(commands) = state.machine.stop() {
                self.perform(myself, state, commands);
            }
            return;
        }
        // Users that were let in meanwhile are no longer needed either.
        let commands = state.machine.retire_all();
        self.perform(myself, state, commands);
        self.let_go(state);
    }

    /// Tells users that are no longer needed, and have no boundary of their own to leave at, to stop
    /// as soon as nothing of theirs is under way.
    pub(super) fn let_go(&self, state: &State) {
        let Some(run) = &state.run else { return };
        let under_way = Arc::new(run.services().measure.users_under_way());
        let grace = self.options.kill_grace;
        state.tell_supervisors(|| SupervisorMessage::LetGo { under_way: under_way.clone(), grace });
    }
}
