//! The actor: hears the master, the controller and the clock, asks `core` what follows, and does
//! it. It waits for nobody.

use std::{sync::Arc, time::Duration};

use crowd_core::{
    refusal::{Code, Refusal},
    telemetry::event::ClusterMasterDown,
};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::{
    sync::{oneshot, watch},
    task::{JoinHandle, JoinSet},
};

use super::{
    Status, WorkerOptions,
    begin::Beginning,
    core::{Awake, Begin, Command, Core, Deadline, Key, Seen, Stage},
    followers::Followers,
    orders::{Asker, assignment, reply},
    outbox::Outbox,
};
use crate::{
    cluster::{
        member::MemberId,
        mesh::Mesh,
        protocol::run::{RunSpec, ToMaster, ToWorker, WorkerAnswer},
    },
    controller::{
        machine::RunState,
        message::{ControllerMessage, Standing},
        run::is_over,
    },
};

/// How often the lease is looked at.
const TICK: Duration = Duration::from_millis(100);

/// Everything a worker hears.
#[derive(Debug)]
pub(super) enum Message {
    /// From another node, or this one.
    Order { from: MemberId, order: ToWorker, responder: Asker },
    /// From the beginning of a part: what was before is gone.
    Cleared { key: Key },
    /// From the beginning of a part: how it went.
    Begun { key: Key, outcome: Result<(), Refusal> },
    /// From the controller: how the run stands, and how many times users had been placed when it
    /// was asked.
    Standing { key: Key, standing: Box<Standing>, placed: u64 },
    /// The state of the run has changed.
    StateChanged,
    /// The parts have sent what was left.
    Flushed { key: Key },
    /// The run was forgotten.
    Forgotten { key: Key },
    /// That node can be reached.
    Reachable(MemberId),
    /// That node cannot be reached any more.
    Gone,
    /// The clock.
    Tick,
    /// This node is to leave.
    Leave,
    /// It ends now, whoever is left.
    Quit,
    /// What goes on here without its master is to end. Answered with the master, if something does.
    Abandon { reply: oneshot::Sender<Option<MemberId>> },
}

impl ractor::Message for Message {}

/// What never changes.
pub(super) struct WorkerActor {
    pub(super) mesh: Mesh,
    pub(super) options: WorkerOptions,
}

/// What changes.
pub(super) struct State {
    pub(super) myself: ActorRef<Message>,
    pub(super) followers: Arc<Followers>,
    /// All that runs beside; ends with the worker.
    pub(super) tasks: JoinSet<()>,
    pub(super) core: Core,
    awake: Awake,
    pub(super) status: watch::Sender<Status>,
    beginning: Option<JoinHandle<()>>,
    /// What came of the beginning of the current part.
    begun: Option<Result<(), Refusal>>,
    /// Who waits to hear it.
    asker: Asker,
    /// The run is to be stopped as soon as there is one, and who waits for that.
    pub(super) stop_soon: Option<Asker>,
    /// How the run stood last, and how many times users had been placed then.
    pub(super) standing: (Standing, u64),
    /// How many times users were placed here.
    pub(super) placed: u64,
    /// Whether the controller has been asked how the run stands and has not answered.
    pub(super) asking: bool,
    /// Whether the next beat is the first over a new link: it says who lives here.
    pub(super) relinked: bool,
    pub(super) outbox: Outbox,
    pub(super) beat_due: Duration,
    pub(super) flush: Flush,
}

/// Whether the parts have sent what was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flush {
    /// There may come more.
    Early,
    UnderWay,
    Done,
}

impl Drop for State {
    fn drop(&mut self) {
        if let Some(beginning) = &self.beginning {
            beginning.abort();
        }
        if let Some(key) = self.core.key() {
            self.followers.unfollow(key);
        }
    }
}

impl State {
    /// Whether the controller has begun the run, or has refused to.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.is_some()
    }

    /// What was asked before says nothing of these users.
    pub(super) fn placed(&mut self) {
        self.placed += 1;
        self.core.placed();
    }
}

impl Actor for WorkerActor {
    type Msg = Message;
    type State = State;
    type Arguments = watch::Sender<Status>;

    async fn pre_start(
        &self,
        myself: ActorRef<Message>,
        status: watch::Sender<Status>,
    ) -> Result<State, ActorProcessingErr> {
        let mut tasks = JoinSet::new();
        tasks.spawn(tell_of_time(myself.clone()));
        let worker = myself.clone();
        self.mesh.listen(move |event| worker.cast(event.clone().into()).is_ok());
        tasks.spawn(tell_of_state(myself.clone(), self.options.state.clone()));
        Ok(State {
            myself,
            followers: Arc::new(Followers::new(self.options.followers.clone())),
            tasks,
            core: Core::new(self.mesh.me().clone(), self.options.master_timeout),
            awake: Awake::default(),
            status,
            beginning: None,
            begun: None,
            asker: None,
            stop_soon: None,
            standing: (Standing::default(), 0),
            placed: 0,
            asking: false,
            relinked: false,
            outbox: Outbox::default(),
            beat_due: Duration::ZERO,
            flush: Flush::Early,
        })
    }

    async fn handle(
        &self,
        _myself: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Order { from, order, responder } => {
                let who = from.clone();
                self.mesh.guard(&who, || self.order(state, from, order, responder));
            }
            Message::Cleared { key } => {
                let commands = state.core.cleared(&key);
                self.perform(state, commands);
                self.beat_now(state);
            }
            Message::Begun { key, outcome } => self.begun(state, &key, outcome),
            Message::Standing { key, standing, placed } => {
                self.stands(state, &key, *standing, placed);
            }
            Message::StateChanged => {
                self.stop_at_last(state);
                self.flush_when_over(state);
                self.beat_now(state);
            }
            Message::Flushed { key } => self.flushed(state, &key),
            Message::Forgotten { key } => {
                if state.core.is_current(&key) {
                    let commands = state.core.forget(&key);
                    self.perform(state, commands);
                }
            }
            Message::Reachable(id) => {
                if state.core.key().is_some_and(|key| key.master == id) {
                    self.relinked(state);
                }
            }
            // The lease runs on, and its end decides.
            Message::Gone => {}
            Message::Tick => self.tick(state),
            Message::Leave => {
                if let Some(Key { master, assignment }) = state.core.leave() {
                    // If it cannot be told it sees this node go.
                    let _ = self.mesh.cast(&master, &ToMaster::Leaving { assignment });
                    self.beat_now(state);
                } else if matches!(state.core.stage(), Some(Stage::GivingUp | Stage::Stopped)) {
                    let commands = state.core.quit();
                    self.perform(state, commands);
                }
                self.flush_when_over(state);
            }
            Message::Abandon { reply } => {
                let master = self.abandon(state);
                let _ = reply.send(master);
            }
            Message::Quit => {
                let commands = state.core.quit();
                self.perform(state, commands);
            }
        }
        while state.tasks.try_join_next().is_some() {}
        self.publish(state);
        Ok(())
    }
}

impl WorkerActor {
    pub(super) fn now(&self) -> Duration {
        Duration::from_nanos(self.mesh.now())
    }

    pub(super) fn run_state(&self) -> RunState {
        *self.options.state.borrow()
    }

    fn order(&self, state: &mut State, from: MemberId, order: ToWorker, asker: Asker) {
        match order {
            ToWorker::Begin { assignment, run } => {
                return self.begin(state, Key { master: from, assignment }, run, asker);
            }
            ToWorker::Users { limit } => return self.show_users(state, limit, asker),
            ToWorker::User { id } => return self.show_user(state, id, asker),
            _ => {}
        }
        let Some(assignment) = assignment(&order) else { return };
        let key = Key { master: from, assignment };
        if !state.core.is_current(&key) {
            let reset = matches!(order, ToWorker::Reset { .. });
            let answer = if reset && state.core.is_forgotten(&key) {
                WorkerAnswer::Done
            } else {
                let message = format!("node `{}` does not take part in that run", self.mesh.me());
                WorkerAnswer::Refused(Refusal::new(Code::InvalidStatus, message))
            };
            return reply(asker, &answer);
        }
        if let ToWorker::Renewed { sent, members, .. } = order {
            let sent = Duration::from_nanos(sent);
            state.outbox.answered(sent);
            let commands = state.core.renewed(&key, sent, members, self.now());
            return self.perform(state, commands);
        }
        self.obey(state, key, order, asker);
    }

    fn begin(&self, state: &mut State, key: Key, run: RunSpec, asker: Asker) {
        let run_state = self.run_state();
        if state.core.key().is_none() && run_state != RunState::Idle {
            let (node, scenario) = (self.mesh.me(), run.scenario);
            let message = format!(
                "`{scenario}` needs node `{node}` to be idle; a run of its own is {run_state}"
            );
            let refusal = Refusal::new(Code::InvalidStatus, message);
            return reply(asker, &WorkerAnswer::Refused(refusal));
        }
        let over = is_over(run_state);
        let (begin, commands) = state.core.begin(key.clone(), over, self.now());
        self.perform(state, commands);
        let clear = match begin {
            Begin::New { clear } => clear,
            Begin::Again => {
                match &state.begun {
                    Some(outcome) => reply(asker, &answer(outcome)),
                    // Whoever asked before has given up.
                    None => state.asker = asker,
                }
                return;
            }
            Begin::Refused(refusal) => return reply(asker, &WorkerAnswer::Refused(refusal)),
        };
        if let Some(before) = state.asker.take() {
            let refusal = Refusal::new(Code::InitFailed, "another run was begun meanwhile");
            reply(Some(before), &WorkerAnswer::Refused(refusal));
        }
        (state.begun, state.asker, state.stop_soon) = (None, asker, None);
        (state.standing, state.placed) = ((Standing::default(), 0), 0);
        (state.asking, state.outbox, state.flush) = (false, Outbox::default(), Flush::Early);
        state.relinked = false;
        let beginning = Beginning {
            controller: self.options.controller.clone(),
            state: self.options.state.clone(),
            followers: state.followers.clone(),
            worker: state.myself.clone(),
            key,
            run,
            clear,
            before: state.beginning.take(),
        };
        state.beginning = Some(tokio::spawn(beginning.run()));
        self.beat_now(state);
    }

    fn begun(&self, state: &mut State, key: &Key, outcome: Result<(), Refusal>) {
        if !state.core.is_current(key) {
            return;
        }
        reply(state.asker.take(), &answer(&outcome));
        if outcome.is_err() {
            let idle = self.run_state() == RunState::Idle;
            let commands = state.core.refused(key, idle);
            self.perform(state, commands);
            if !state.core.is_current(key) {
                state.followers.unfollow(key);
            }
        }
        state.begun = Some(outcome);
        self.stop_at_last(state);
    }

    /// Stops a run that is to be stopped, as soon as the controller knows of it.
    pub(super) fn stop_at_last(&self, state: &mut State) {
        let ours = !matches!(state.core.stage(), None | Some(Stage::Clearing));
        let there = ours && self.run_state() == RunState::Starting;
        if (there || state.has_begun())
            && let Some(asker) = state.stop_soon.take()
        {
            self.stop(state, asker);
        }
    }

    fn abandon(&self, state: &mut State) -> Option<MemberId> {
        let master = state.core.key()?.master.clone();
        if self.mesh.reaches(&master) || is_over(self.run_state()) {
            return None;
        }
        let commands = state.core.abandon(self.now())?;
        self.perform(state, commands);
        Some(master)
    }

    fn tick(&self, state: &mut State) {
        let now = self.now();
        let awake = state.awake.look(now);
        let Some(Key { master, .. }) = state.core.key().cloned() else { return };
        let eyes = &self.options.eyes;
        let seen = Seen {
            linked: self.mesh.reaches(&master),
            reached: eyes.reached(&master),
            master_is_seen: eyes.master_is_seen(&master),
            reborn: self.mesh.lives_anew(&master),
            awake,
        };
        // Without users there is nothing to hold; but a node that was cut off may give up later.
        let over = matches!(self.run_state(), RunState::Finished | RunState::Failed);
        if !over || state.core.stage() == Some(Stage::CutOff) || state.core.is_leaving() {
            let commands = state.core.tick(now, &seen);
            self.perform(state, commands);
            self.say_if_given_up(state);
        }
        if now >= state.beat_due {
            if state.asking {
                // The controller is busy; the master is to know that this node is there.
                self.beat(state);
            } else {
                self.beat_now(state);
            }
        }
    }

    fn perform(&self, state: &mut State, commands: Vec<Command>) {
        let end = |state: &mut State, reason, at_once| {
            let told =
                self.tell(|reply| ControllerMessage::End { reason, at_once, reply: reply.into() });
            // That it is over is seen in the state of the run.
            state.tasks.spawn(async move { drop(told.await) });
        };
        for command in commands {
            match command {
                Command::Fence(deadline) => self.fence(deadline),
                Command::Kill { reason } => end(state, reason, true),
                Command::End { reason } => end(state, reason, false),
                Command::Tell { reason } => {
                    let node = state.core.key().map(|key| key.master.to_string());
                    let node = node.unwrap_or_default();
                    self.options.telemetry.emit(&ClusterMasterDown { node, reason });
                }
            }
        }
        // It may have been over before, and the end of the part says nothing new.
        self.flush_when_over(state);
    }

    fn fence(&self, deadline: Deadline) {
        match deadline {
            Deadline::Never => self.options.fence.lift(),
            Deadline::Now => self.options.fence.close(),
            Deadline::At(time) => {
                let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
                self.options.fence.set(self.mesh.instant(time));
            }
        }
    }

    fn publish(&self, state: &State) {
        let following = state.core.following().cloned();
        let left = state.core.has_left() && !self.owes_the_rest(state);
        state.status.send_if_modified(|status| {
            let changed = status.following != following || status.left != left;
            (status.following, status.left) = (following, left);
            changed
        });
    }
}

fn answer(outcome: &Result<(), Refusal>) -> WorkerAnswer {
    match outcome {
        Ok(()) => WorkerAnswer::Done,
        Err(refusal) => WorkerAnswer::Refused(refusal.clone()),
    }
}

async fn tell_of_time(worker: ActorRef<Message>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if worker.cast(Message::Tick).is_err() {
            return;
        }
    }
}

async fn tell_of_state(worker: ActorRef<Message>, mut state: watch::Receiver<RunState>) {
    while state.changed().await.is_ok() {
        if worker.cast(Message::StateChanged).is_err() {
            return;
        }
    }
}
