//! The controller: the actor that owns the run on this node. It hears verbs and happenings, asks
//! [`machine`] what follows, and performs it. It never waits for a scenario's own code: `init`,
//! `terminate` and hooks run in tasks of their own and report back.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use tokio::sync::watch;

mod admission;
mod begin;
pub mod descriptors;
pub mod endings;
pub(crate) mod finishing;
mod following;
pub(crate) mod lateness;
pub(crate) mod load;
pub mod machine;
pub mod message;
pub mod population;
mod rates;
pub(crate) mod run;
mod users;
mod view;

use self::{
    endings::Endings,
    lateness::lateness,
    machine::{Command, Machine, RunState},
    message::{ControllerMessage, ControllerOptions, SetOutcome},
    run::ActiveRun,
};
use crate::user::supervisor::SupervisorMessage;
use crowd_core::{
    refusal::{Code, Refusal},
    telemetry::event::{ControllerState, ControllerUsers},
};

type Reply<T> = RpcReplyPort<Result<T, Refusal>>;

/// The controller actor; what never changes of it.
pub(crate) struct Controller {
    /// What it needs from the node.
    pub(crate) options: ControllerOptions,
    /// Told of every change of state.
    pub(crate) state: watch::Sender<RunState>,
}

/// What changes.
pub(crate) struct State {
    machine: Machine,
    supervisors: Vec<ActorRef<SupervisorMessage>>,
    run: Option<ActiveRun>,
    runs: u64,
    endings: Endings,
    /// Who waits for the end of a `reset`.
    resets: Vec<Reply<()>>,
}

impl Actor for Controller {
    type Msg = ControllerMessage;
    type State = State;
    type Arguments = ();

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        (): (),
    ) -> Result<State, ActorProcessingErr> {
        let of = self.options.supervisors.max(1);
        let mut supervisors = Vec::new();
        for index in 0..of {
            supervisors.push(self.supervisor(&myself, index, of).await?);
        }
        Ok(State {
            machine: Machine::default(),
            supervisors,
            run: None,
            runs: 0,
            endings: Endings::default(),
            resets: Vec::new(),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        use ControllerMessage as M;
        let before = state.machine.state();
        let mut reset = Vec::new();
        match message {
            M::Do { scenario, users, given, follows, reply } => {
                match self.begin(&myself, state, &scenario, (users, follows), given) {
                    Ok(run) => state.run = Some(run.answering(reply)),
                    Err(refusal) => answer(reply, Err(refusal)),
                }
            }
            M::InitDone { run, outcome } => self.init_done(&myself, state, run, outcome),
            M::Add { count, reply } => {
                let added = self.add(state, count);
                answer(reply, added);
            }
            M::AddRange { first, last, reply } => {
                let added = self.add_range(state, first, last);
                answer(reply, added);
            }
            M::Remove { count, force, reply } => {
                let allowed = state.without_plan("remove");
                let removed = allowed.and_then(|()| state.machine.remove(count, force));
                let chosen = removed.map(|(chosen, commands)| {
                    self.perform(&myself, state, commands);
                    if chosen > 0 {
                        self.emit_users(state, chosen, "remove");
                    }
                    chosen
                });
                answer(reply, chosen);
            }
            M::Stop { reply } => {
                let counts = state.machine.population().counts();
                match state.machine.stop() {
                    Ok(commands) => {
                        let over = commands.contains(&Command::Terminate);
                        self.perform(&myself, state, commands);
                        self.emit_users(state, counts.waiting + counts.running, "remove");
                        match &mut state.run {
                            // Nobody has to leave: the run is over as soon as `terminate` is.
                            Some(run) if over => run.answer_when_over(reply),
                            _ => answer(reply, Ok(())),
                        }
                    }
                    Err(refusal) => answer(reply, Err(refusal)),
                }
            }
            M::StopGracefully { reply } => {
                let finishing = self.stop_gracefully(&myself, state);
                answer(reply, finishing);
            }
            M::Finishing { run } => self.finishing(&myself, state, run),
            M::Reset { reply } => match state.machine.reset() {
                Ok(commands) => {
                    state.resets.push(reply);
                    self.perform(&myself, state, commands);
                }
                Err(refusal) => answer(reply, Err(refusal)),
            },
            M::Cleared => {
                let commands = state.machine.cleared();
                self.perform(&myself, state, commands);
                reset = std::mem::take(&mut state.resets);
            }
            M::Set { given, reply } => self.set(state, given, reply).await,
            M::CheckSet { given, reply } => answer(reply, self.check_set(state, &given)),
            M::Place { users } => self.place(state, &users),
            M::Release { count } => self.release(&myself, state, count),
            M::Deal(dealing) => self.deal(&myself, state, dealing),
            M::Arrive { run, arrivals } => self.arrive(state, run, &arrivals, false),
            M::Follow { run } => self.follow(&myself, state, run),
            M::Overdue { run, timer } => {
                if state.is_current(run) {
                    let commands = state.machine.overdue(timer);
                    self.perform(&myself, state, commands);
                }
            }
            M::GraceIsOver { run, timer } => {
                if state.is_current(run) {
                    let commands = state.machine.grace_is_over(timer);
                    self.perform(&myself, state, commands);
                }
            }
            M::End { reason, at_once, reply } => {
                let commands = state.machine.end(reason, at_once);
                self.perform(&myself, state, commands);
                answer_plain(reply, ());
            }
            M::Standing { living, reply } => answer_plain(reply, state.standing(living)),
            M::Admit { run, count, reply } => {
                let started = if state.is_current(run) && !self.options.fence.is_over() {
                    let commands = state.machine.admit(count);
                    if let Some(run) = &state.run {
                        run.demand(state.machine.population().waiting());
                    }
                    self.start_users(state, commands)
                } else {
                    Vec::new()
                };
                answer_plain(reply, started);
            }
            M::Exits(exits) => {
                self.note_exits(state, exits);
                let commands = state.machine.terminate_when_empty();
                self.perform(&myself, state, commands);
            }
            M::Terminated { run, ended } => {
                if state.is_current(run) {
                    state.machine.terminated();
                    if let Some(run) = &mut state.run {
                        run.finish(ended);
                    }
                }
            }
            M::Status { reply } => answer_plain(reply, state.status(&self.options)),
            M::Users { limit, reply } => answer_plain(reply, state.users(&self.options, limit)),
            M::User { id, reply } => answer(reply, state.user(&self.options, id)),
            M::Settings { reply } => {
                let settings = state.run.as_ref().map(ActiveRun::settings).unwrap_or_default();
                answer_plain(reply, settings);
            }
            M::Account { reply } => {
                let account = state.run.as_ref().map(|run| run.account(state));
                answer_plain(reply, account);
            }
        }
        self.publish(before, state);
        // Whoever hears of it finds the node idle.
        reset.into_iter().for_each(|reply| answer(reply, Ok(())));
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let (who, why) = match event {
            SupervisionEvent::ActorFailed(who, why) => (who, why.to_string()),
            SupervisionEvent::ActorTerminated(who, _, why) => {
                (who, why.unwrap_or_else(|| "it was stopped".to_owned()))
            }
            _ => return Ok(()),
        };
        let of = state.supervisors.len() as u64;
        let position = state.supervisors.iter().position(|actor| actor.get_id() == who.get_id());
        let Some(index) = position else { return Ok(()) };
        let before = state.machine.state();
        let reason = format!("user supervisor {index} broke: {why}");
        tracing::error!("{reason}");
        // Its users were killed with it; a new one takes its place for the next run.
        let index = index as u64;
        state.supervisors[index as usize] = self.supervisor(&myself, index, of).await?;
        let commands = state.machine.broke(reason, |id| id.0 % of == index);
        self.perform(&myself, state, commands);
        self.publish(before, state);
        Ok(())
    }
}

impl Controller {
    /// Performs what the machine asks for, but for starting users, which is answered for.
    fn perform(
        &self,
        myself: &ActorRef<ControllerMessage>,
        state: &mut State,
        commands: Vec<Command>,
    ) {
        self.look_at_load(state);
        for command in commands {
            match command {
                Command::Stop(ids) => {
                    let ids = Arc::new(ids);
                    state.tell_supervisors(|| SupervisorMessage::Stop(ids.clone()));
                }
                Command::Retire(ids, timer) => self.retired(myself, state, ids, timer),
                Command::KillAfterGrace(timer) => self.kill_after_grace(myself, state, timer),
                Command::Kill(ids) => {
                    let ids = Arc::new(ids);
                    state.tell_supervisors(|| SupervisorMessage::Kill(ids.clone()));
                }
                Command::AbortInit => {
                    if let Some(run) = &mut state.run {
                        let message = format!("`{}` was stopped while `init` ran", run.scenario());
                        run.abort_init(&self.options);
                        if let (_, Some(reply)) = run.take_answer() {
                            answer(reply, Err(Refusal::new(Code::InitFailed, message)));
                        }
                    }
                }
                Command::Terminate => {
                    if let Some(run) = &mut state.run {
                        run.terminate(&self.options, myself.clone());
                    }
                }
                Command::Clear => {
                    let (options, controller) = (self.options.clone(), myself.clone());
                    let before = state.run.as_mut().and_then(ActiveRun::take_clearing);
                    tokio::spawn(async move {
                        if let Some(before) = before {
                            // However it went, it is over.
                            let _ = before.await;
                        }
                        run::stop_parts(&options).await;
                        // Fails only when the node has ended.
                        let _ = controller.cast(ControllerMessage::Cleared);
                    });
                }
                Command::Forget => {
                    state.run = None;
                    state.endings = Endings::default();
                }
                Command::Demand(_) => self.demand(state, &[command]),
                // `begin` and `admit` take care of these, since somebody awaits what comes of them.
                Command::Init | Command::Start(_) => {}
            }
        }
    }

    /// If the load is over, what the generator does from now on is not judged: users are only told
    /// to stop, killed and dropped.
    fn look_at_load(&self, state: &mut State) {
        let goes_on = matches!(state.machine.state(), RunState::Starting | RunState::Running);
        let Some(run) = state.run.as_mut().filter(|_| !goes_on) else { return };
        if run.end_load() {
            let measure = run.services().measure.clone();
            let gate = run.load.as_ref().map(|load| load.gate.clone());
            let arrivals = state.tallies().total();
            let late = lateness(&self.options.throttles.here(), gate.as_ref(), arrivals);
            self.options.watchdog.load_over(&measure, late);
        }
    }

    fn demand(&self, state: &State, commands: &[Command]) {
        for command in commands {
            if let (Command::Demand(waiting), Some(run)) = (command, &state.run) {
                run.demand(*waiting);
            }
        }
    }

    async fn set(&self, state: &mut State, given: Vec<(String, String)>, reply: Reply<SetOutcome>) {
        let allowed = state.machine.require("set", RunState::Running);
        let change = match (&state.run, allowed) {
            (_, Err(refusal)) => Err(refusal),
            (Some(run), Ok(())) => run.change(&self.options, &given).await,
            (None, Ok(())) => Err(unavailable()),
        };
        match (change, &mut state.run) {
            (Ok(change), Some(run)) => run.apply(&self.options, change, reply),
            (Err(refusal), _) => answer(reply, Err(refusal)),
            (Ok(_), None) => answer(reply, Err(unavailable())),
        }
    }

    fn emit_users(&self, state: &State, users: u64, change: &'static str) {
        if let Some(run) = &state.run {
            let scenario = run.scenario();
            self.options.telemetry.emit(&ControllerUsers { scenario, users, change });
        }
    }

    /// Tells everybody who watches about a change of state, after all of it is done.
    fn publish(&self, before: RunState, state: &State) {
        let now = state.machine.state();
        if now != before {
            let (from, to) = (before.as_str(), now.as_str());
            if before == RunState::Running
                && let Some(load) = state.run.as_ref().and_then(|run| run.load.as_ref())
            {
                load.gate.close();
            }
            self.options.telemetry.emit(&ControllerState { from, to });
            self.state.send_replace(now);
        }
    }
}

impl State {
    fn is_current(&self, run: u64) -> bool {
        self.run.as_ref().is_some_and(|current| current.number() == run)
    }

    fn tell_supervisors(&self, mut message: impl FnMut() -> SupervisorMessage) {
        for supervisor in &self.supervisors {
            // A supervisor that broke is replaced, and its users are counted, when we hear of it.
            let _ = supervisor.cast(message());
        }
    }
}

fn unavailable() -> Refusal {
    Refusal::new(Code::Unavailable, "the run has just ended")
}

/// Answers somebody who may have stopped waiting, which is no concern of ours.
fn answer<T: Send + 'static>(reply: Reply<T>, value: Result<T, Refusal>) {
    let _ = reply.send(value);
}

fn answer_plain<T: Send + 'static>(reply: RpcReplyPort<T>, value: T) {
    let _ = reply.send(value);
}
