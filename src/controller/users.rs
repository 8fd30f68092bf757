//! Users as the controller has them added, started and killed, and hears of their ends.

use std::sync::Arc;

use crowd_core::{
    failure::Failure,
    refusal::Refusal,
    telemetry::event::{UserException, UserStop},
};
use crowd_measure::Source;
use ractor::ActorRef;
use tokio::sync::oneshot;

use super::{
    Controller, State, descriptors,
    machine::{Command, RunState, Timer},
    message::{Added, ControllerMessage},
    population::Departure,
    run::ActiveRun,
};
use crate::user::{
    supervisor::SupervisorMessage,
    task::{Ending, Exit},
};

impl Controller {
    pub(super) fn add(&self, state: &mut State, count: u64) -> Result<Added, Refusal> {
        state.machine.require("add", RunState::Running)?;
        state.goes_on("add")?;
        state.without_plan("add")?;
        self.check_more(state, count)?;
        let (first, last, commands) = state.machine.add(count)?;
        self.demand(state, &commands);
        self.emit_users(state, count, "add");
        Ok(Added { first, last })
    }

    pub(super) fn add_range(
        &self,
        state: &mut State,
        first: u64,
        last: u64,
    ) -> Result<Added, Refusal> {
        state.machine.require("add", RunState::Running)?;
        state.goes_on("add")?;
        state.without_plan("add")?;
        let count = last.saturating_sub(first).saturating_add(1);
        self.check_more(state, count)?;
        let commands = state.machine.add_range(first, last)?;
        self.demand(state, &commands);
        self.emit_users(state, count, "add");
        Ok(Added { first, last })
    }

    pub(super) fn check_more(&self, state: &State, count: u64) -> Result<(), Refusal> {
        let counts = state.machine.population().counts();
        let users = counts.waiting.saturating_add(counts.running).saturating_add(count);
        let each = state.run.as_ref().map_or(0, ActiveRun::descriptors_per_user);
        self.check_descriptors(each, users)
    }

    pub(super) fn check_descriptors(&self, each: u64, users: u64) -> Result<(), Refusal> {
        match self.options.descriptor_limit {
            Some(limit) => descriptors::check(users, each, limit),
            None => Ok(()),
        }
    }

    /// Hands users to the supervisors; the answers come when they are started.
    pub(super) fn start_users(
        &self,
        state: &State,
        commands: Vec<Command>,
    ) -> Vec<oneshot::Receiver<u64>> {
        let mut started = Vec::new();
        let Some((run, scenario)) = state.run.as_ref().and_then(|run| Some((run, run.running()?)))
        else {
            return started;
        };
        for command in commands {
            let Command::Start(ids) = command else { continue };
            let ids = Arc::new(ids);
            state.tell_supervisors(|| {
                let (done, receiver) = oneshot::channel();
                started.push(receiver);
                SupervisorMessage::Start {
                    scenario: scenario.clone(),
                    name: run.scenario(),
                    ids: ids.clone(),
                    directory: run.services().directory.clone(),
                    measure: run.services().measure.clone(),
                    dues: None,
                    gate: None,
                    done: Some(done.into()),
                }
            });
        }
        started
    }

    pub(super) fn kill_after_grace(
        &self,
        myself: &ActorRef<ControllerMessage>,
        state: &State,
        timer: Timer,
    ) {
        let Some(run) = &state.run else { return };
        let (grace, controller, number) = (self.options.kill_grace, myself.clone(), run.number());
        run.services().spawn_for_run(async move {
            tokio::time::sleep(grace).await;
            // Fails only when the controller is gone, and its users with it.
            let _ = controller.cast(ControllerMessage::GraceIsOver { run: number, timer });
        });
    }

    pub(super) fn note_exits(&self, state: &mut State, exits: Vec<Exit>) {
        let Some(run) = &state.run else { return };
        let (measure, telemetry) = (&run.services().measure, &self.options.telemetry);
        let scenario = run.scenario();
        let (mut left, mut finished) = (0, 0);
        for exit in exits {
            match state.machine.ended(exit.user, exit.ending.count()) {
                Departure::Unknown => continue,
                departure @ (Departure::Counted | Departure::Left) => {
                    let kept = departure == Departure::Counted;
                    left += u64::from(!kept);
                    finished += u64::from(kept && matches!(exit.ending, Ending::Finished));
                    state.endings.note(&exit);
                    measure.lifetime(exit.age);
                }
                // It goes on elsewhere, and ends there.
                Departure::Released => {}
            }
            let (user, duration) = (exit.user, exit.age);
            match &exit.ending {
                Ending::Finished | Ending::Stopped => {
                    telemetry.emit_with(1, || UserStop { scenario, user, duration });
                    continue;
                }
                Ending::Failed(failure) => measure.failure(Source::User, failure),
                Ending::Panicked(text) => {
                    let failure = Failure::scenario(format!("panicked: {text}"));
                    measure.failure(Source::User, &failure);
                }
                // Whoever asked for force got what they asked for: no failure.
                Ending::Killed => {}
            }
            telemetry.emit_with(1, || {
                let (kind, reason) = exit.ending.story().unwrap_or_default();
                UserException { scenario, user, duration, kind, reason: reason.to_owned() }
            });
        }
        if let Some(load) = run.load.as_ref().filter(|_| left > 0) {
            // Arrivals that waited are begun by new users.
            let (run, arrivals) = (run.number(), load.gate.ended(left));
            self.arrive(state, run, &arrivals, true);
        }
        if finished > 0 {
            self.replace(state, finished);
        }
    }
}
