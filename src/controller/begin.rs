//! How a run begins: what it needs is checked, `init` set going, and its outcome heard.

use std::sync::Arc;

use crowd_core::{
    failure::Failure,
    refusal::{Code, Refusal},
};
use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::{
    Controller, State, answer,
    endings::Endings,
    machine::{Command, RunState},
    message::{Added, ControllerMessage},
    population,
    run::{ActiveRun, Ended},
};
use crate::{
    scenario::erased::Running,
    user::supervisor::{SupervisorMessage, UserSupervisor},
};

impl Controller {
    pub(super) async fn supervisor(
        &self,
        myself: &ActorRef<ControllerMessage>,
        index: u64,
        of: u64,
    ) -> Result<ActorRef<SupervisorMessage>, ActorProcessingErr> {
        let controller = myself.clone();
        let supervisor = UserSupervisor {
            index,
            of,
            telemetry: self.options.telemetry.clone(),
            on_exits: Box::new(move |exits| {
                // Fails only when the controller is gone, and the node with it.
                let _ = controller.cast(ControllerMessage::Exits(exits));
            }),
            fence: self.options.fence.clone(),
        };
        let (actor, _) = Actor::spawn_linked(None, supervisor, (), myself.get_cell()).await?;
        Ok(actor)
    }

    /// Checks a `do` and sets `init` going.
    pub(super) fn begin(
        &self,
        myself: &ActorRef<ControllerMessage>,
        state: &mut State,
        scenario: &str,
        (users, follows): (u64, bool),
        given: Vec<(String, String)>,
    ) -> Result<ActiveRun, Refusal> {
        state.machine.require("do", RunState::Idle)?;
        let registered = self.options.catalog.get(scenario)?;
        if users > population::HIGHEST_ID {
            return Err(Refusal::new(
                Code::InvalidRange,
                format!("{users} users are too many; {} are the most", population::HIGHEST_ID),
            ));
        }
        let each = registered.descriptors_per_user();
        self.check_descriptors(each, users)?;
        let number = state.runs + 1;
        let run = ActiveRun::new(&self.options, number, registered, (users, follows), &given)?;
        if let Some(load) = &run.load {
            let most = load.plan.profile().peak_users();
            self.check_descriptors(each, most)?;
        }
        // Nothing is refused any more once the run is starting.
        let prepared = run.prepare()?;
        let commands = state.machine.start()?;
        if follows {
            state.machine.keep_gone();
        }
        state.runs += 1;
        state.endings = Endings::default();
        debug_assert_eq!(commands, [Command::Init], "a run begins with `init`");
        Ok(run.init(prepared, &self.options, myself.clone()))
    }

    pub(super) fn init_done(
        &self,
        myself: &ActorRef<ControllerMessage>,
        state: &mut State,
        number: u64,
        outcome: Result<Arc<dyn Running>, Failure>,
    ) {
        if !state.is_current(number) {
            return;
        }
        let Some(run) = &mut state.run else { return };
        let (users, reply) = run.take_answer();
        match outcome {
            Ok(running) => {
                if !state.machine.initialised() {
                    return;
                }
                run.admit_users(running, self.options.fence.clone(), myself.clone());
                run.begin_load(&self.options, myself);
                let added = if users == 0 { Ok(Added::NOBODY) } else { self.add(state, users) };
                reply.into_iter().for_each(|reply| answer(reply, added.clone()));
            }
            Err(failure) => {
                let reason = failure.to_string();
                state.machine.init_failed(reason.clone());
                run.finish(Ended::default());
                let message = format!("`init` of `{}` failed: {reason}", run.scenario());
                let refusal = Refusal::new(Code::InitFailed, message);
                reply.into_iter().for_each(|reply| answer(reply, Err(refusal.clone())));
            }
        }
    }
}
