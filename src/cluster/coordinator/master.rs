//! The master's side: one task carries out, in order, what the [`hub`](super::hub) decides.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{
    sync::{mpsc, oneshot},
    task::coop::consume_budget,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    FRAME_BYTES,
    hub::{self, Command, Happened, Hub, Turn},
};
use crate::{
    cluster::{
        member::MemberId,
        mesh::Mesh,
        parts::Companion,
        protocol::{
            coordinator::{CoordinatorWork, Request, Requests},
            run::RunSpec,
        },
    },
    coordinator::CoordinatorInfo,
    refusal::{Code, Refusal},
    telemetry::{
        Telemetry,
        event::{CoordinatorFault, CoordinatorReset, CoordinatorStop, CoordinatorTimeout},
    },
};

/// With more unfinished batches than this, in bytes, workers are kept waiting with their adds.
const BACKLOG_BYTES: usize = 64 * 1024 * 1024;

/// How many frames of workers may wait. Each sends only so much that was not taken.
const INBOX: usize = 4096;

/// How long the end of a run waits for the actions on the stop.
const END: Duration = Duration::from_secs(10);

/// The coordinators of the whole cluster, on the master.
pub(crate) struct CoordinatorMaster {
    mesh: Mesh,
    orders: mpsc::UnboundedSender<Order>,
    turns: Mutex<Turns>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Turns {
    running: bool,
    last: Turn,
    workers: BTreeMap<MemberId, Turn>,
}

impl fmt::Debug for CoordinatorMaster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoordinatorMaster").finish_non_exhaustive()
    }
}

/// What this node itself says to the task.
enum Order {
    Joined(Turn, MemberId),
    Gone(Turn),
    List(oneshot::Sender<Vec<CoordinatorInfo>>),
    Reset(String, oneshot::Sender<Result<(), Refusal>>),
    Stop(String, oneshot::Sender<Result<(), Refusal>>),
    /// Stop all, and say when they have ended.
    End(oneshot::Sender<()>),
    Forget,
}

/// Who waits for an answer.
enum Asker {
    Worker(Turn, u64),
    Here(oneshot::Sender<Result<(), Refusal>>),
    /// Nobody: it is stopped because the run is over.
    Nobody,
}

impl CoordinatorMaster {
    /// To be called once, before the node joins others, in a runtime.
    pub(crate) fn new(mesh: Mesh, telemetry: Telemetry) -> Arc<Self> {
        let (orders, ordered) = mpsc::unbounded_channel();
        let (inbox, frames) = mpsc::channel(INBOX);
        mesh.serve(move |from: &MemberId, requests: Requests, _| {
            if inbox.try_send((from.clone(), requests)).is_err() {
                tracing::error!(target: "crowd", "requests of node `{from}` are dropped: it sends more than it may");
            }
        });
        let office = Office {
            mesh: mesh.clone(),
            telemetry,
            origin: Instant::now(),
            hub: Hub::new(rand::make_rng),
            workers: BTreeMap::new(),
            withheld: BTreeMap::new(),
            finished: BTreeMap::new(),
            ending: Vec::new(),
        };
        let task = AbortOnDropHandle::new(tokio::spawn(office.work(ordered, frames)));
        Arc::new(Self { mesh, orders, turns: Mutex::default(), _task: task })
    }

    /// What is known of each, by name.
    pub(crate) async fn list(&self) -> Vec<CoordinatorInfo> {
        let (answer, answered) = oneshot::channel();
        self.order(Order::List(answer));
        answered.await.unwrap_or_default()
    }

    /// Gives every item of a coordinator a reset event with whoever waits in it, and begins anew.
    /// Answers when the actions are over.
    ///
    /// # Errors
    /// `no-coordinator` if none of that name runs in the cluster.
    pub(crate) async fn reset(&self, name: &str) -> Result<(), Refusal> {
        let (answer, answered) = oneshot::channel();
        self.order(Order::Reset(name.to_owned(), answer));
        answered.await.unwrap_or_else(|_| Err(over()))
    }

    /// Stops a coordinator: gives every item a stop event with whoever waits in it. Answers when the
    /// actions are over.
    ///
    /// # Errors
    /// `no-coordinator` if none of that name runs in the cluster.
    pub(crate) async fn stop(&self, name: &str) -> Result<(), Refusal> {
        let (answer, answered) = oneshot::channel();
        self.order(Order::Stop(name.to_owned(), answer));
        answered.await.unwrap_or_else(|_| Err(over()))
    }

    fn order(&self, order: Order) {
        // Fails only if the task has ended, and with it whoever would answer.
        let _ = self.orders.send(order);
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn welcome(&self, worker: &MemberId) {
        let turn = {
            let mut turns = self.turns();
            turns.last += 1;
            let turn = turns.last;
            if let Some(old) = turns.workers.insert(worker.clone(), turn) {
                self.order(Order::Gone(old));
            }
            turn
        };
        self.order(Order::Joined(turn, worker.clone()));
        // A worker that cannot be reached is about to be gone.
        let _ = self.mesh.cast(worker, &CoordinatorWork::Welcome { turn });
    }
}

fn over() -> Refusal {
    Refusal::new(Code::Unavailable, "the run is over")
}

impl Companion for CoordinatorMaster {
    fn begin(&self, _: &RunSpec) {
        let workers: Vec<MemberId> = {
            let mut turns = self.turns();
            turns.running = true;
            turns.workers.keys().cloned().collect()
        };
        workers.iter().for_each(|worker| self.welcome(worker));
    }

    fn joined(&self, worker: &MemberId) {
        self.welcome(worker);
    }

    fn gone(&self, worker: &MemberId) {
        let turn = self.turns().workers.remove(worker);
        if let Some(turn) = turn {
            self.order(Order::Gone(turn));
        }
    }

    fn end(&self) -> BoxFuture<'static, ()> {
        let (answer, answered) = oneshot::channel();
        self.order(Order::End(answer));
        Box::pin(async move {
            if timeout(END, answered).await.is_err() {
                tracing::warn!(
                    target: "crowd",
                    "not all coordinators of the cluster have stopped after {END:?}; they are forgotten"
                );
            }
        })
    }

    fn forget(&self) {
        self.turns().running = false;
        self.order(Order::Forget);
    }
}

/// What the task has.
struct Office {
    mesh: Mesh,
    telemetry: Telemetry,
    origin: Instant,
    hub: Hub<Asker>,
    workers: BTreeMap<Turn, MemberId>,
    /// The last frame of each worker that was not yet told to be taken.
    withheld: BTreeMap<Turn, u64>,
    /// Workers on which the run is over, and the ticket of each.
    finished: BTreeMap<Turn, u64>,
    /// Who waits for all coordinators to have ended.
    ending: Vec<oneshot::Sender<()>>,
}

impl Office {
    async fn work(
        mut self,
        mut orders: mpsc::UnboundedReceiver<Order>,
        mut frames: mpsc::Receiver<(MemberId, Requests)>,
    ) {
        loop {
            let deadline = self.hub.deadline().map(|deadline| self.origin + deadline);
            let due = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            let mut commands = Vec::new();
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(order) => self.carry_out(order, &mut commands),
                    // Nobody is left to say anything.
                    None => return,
                },
                () = due => self.hub.tick(self.origin.elapsed(), &mut commands),
                Some((from, requests)) = frames.recv() => {
                    self.take(&from, requests, &mut commands);
                }
            }
            for command in commands {
                consume_budget().await;
                self.perform(command);
            }
            self.say_what_was_taken();
            self.say_the_end();
            consume_budget().await;
        }
    }

    fn carry_out(&mut self, order: Order, commands: &mut Vec<Command<Asker>>) {
        match order {
            Order::Joined(turn, worker) => {
                self.workers.insert(turn, worker);
            }
            Order::Gone(turn) => {
                self.workers.remove(&turn);
                self.withheld.remove(&turn);
                self.finished.remove(&turn);
                self.hub.gone(turn, commands);
                self.stop_if_over(commands);
            }
            // Whoever asked may have stopped waiting.
            Order::List(answer) => drop(answer.send(self.hub.list())),
            Order::Reset(name, answer) => match self.hub.named(&name) {
                Some(id) => self.hub.reset(id, Asker::Here(answer), commands),
                None => drop(answer.send(Err(hub::no_coordinator(&name)))),
            },
            Order::Stop(name, answer) => match self.hub.named(&name) {
                Some(id) => self.hub.stop(id, Asker::Here(answer), commands),
                None => drop(answer.send(Err(hub::no_coordinator(&name)))),
            },
            Order::End(answer) => {
                self.ending.push(answer);
                self.stop_all(commands);
            }
            Order::Forget => {
                // Who still waits for an answer hears that there is none.
                self.hub = Hub::new(rand::make_rng);
                self.finished.clear();
            }
        }
    }

    fn take(&mut self, from: &MemberId, frame: Requests, commands: &mut Vec<Command<Asker>>) {
        let Requests { turn, frame, requests } = frame;
        if self.workers.get(&turn) != Some(from) {
            return;
        }
        let now = self.origin.elapsed();
        for request in requests {
            match request {
                Request::Start { ticket, name, shape } => {
                    // Told before any work that comes of it.
                    let mut work = Vec::new();
                    let outcome = self.hub.start(turn, &name, shape, &mut work);
                    self.answer(turn, ticket, outcome);
                    commands.extend(work);
                }
                Request::Add { coordinator, user, data } => {
                    self.hub.add(now, turn, coordinator, (user, data), commands);
                }
                Request::Reset { coordinator, ticket } => {
                    self.hub.reset(coordinator, Asker::Worker(turn, ticket), commands);
                }
                Request::Stop { coordinator, ticket } => {
                    self.hub.stop(coordinator, Asker::Worker(turn, ticket), commands);
                }
                Request::Done { coordinator, batch, faults, last_fault } => {
                    self.hub.faults(turn, coordinator, faults, last_fault);
                    self.hub.done(turn, coordinator, batch, commands);
                }
                Request::Left { coordinator } => self.hub.left(turn, coordinator, commands),
                Request::Finish { ticket } => {
                    self.finished.insert(turn, ticket);
                    self.stop_if_over(commands);
                }
            }
        }
        self.withheld.insert(turn, frame);
    }

    /// When the run is over on all workers, it is over for coordinators.
    fn stop_if_over(&mut self, commands: &mut Vec<Command<Asker>>) {
        let over = |turn| self.finished.contains_key(turn);
        if !self.finished.is_empty() && self.workers.keys().all(over) {
            self.stop_all(commands);
        }
    }

    fn stop_all(&mut self, commands: &mut Vec<Command<Asker>>) {
        for id in self.hub.open() {
            self.hub.stop(id, Asker::Nobody, commands);
        }
    }

    fn perform(&mut self, command: Command<Asker>) {
        match command {
            Command::Run { to: turn, coordinator, number, batch } => {
                let (item, event, size) = hub::told(&batch);
                let mut members = Vec::new();
                let mut bytes = 0;
                for (user, data) in hub::members(batch) {
                    let more = data.0.len() + 16;
                    if bytes > 0 && bytes + more > FRAME_BYTES {
                        let members = std::mem::take(&mut members);
                        self.cast(turn, &CoordinatorWork::Members { turn, batch: number, members });
                        bytes = 0;
                    }
                    bytes += more;
                    members.push((user, data));
                }
                let batch = number;
                let run =
                    CoordinatorWork::Run { turn, coordinator, batch, item, event, size, members };
                self.cast(turn, &run);
            }
            Command::End { to: turn, coordinator } => {
                self.cast(turn, &CoordinatorWork::End { turn, coordinator });
            }
            Command::Answer(Asker::Worker(turn, ticket), outcome) => {
                self.answer(turn, ticket, outcome.map(|()| 0));
            }
            // Whoever asked may have stopped waiting.
            Command::Answer(Asker::Here(answer), outcome) => drop(answer.send(outcome)),
            Command::Answer(Asker::Nobody, _) => {}
            Command::Tell(happened, name) => self.tell(happened, name),
        }
    }

    fn tell(&self, happened: Happened, name: String) {
        let name: Arc<str> = name.into();
        let fault = |reason: &str| {
            let (name, reason) = (name.clone(), reason.to_owned());
            self.telemetry.emit(&CoordinatorFault { name, item: 0, reason });
        };
        match happened {
            Happened::TimedOut => {
                self.telemetry.emit(&CoordinatorTimeout { name });
            }
            Happened::Reset => {
                self.telemetry.emit(&CoordinatorReset { name });
            }
            Happened::Stopped => {
                self.telemetry.emit(&CoordinatorStop { name });
            }
            Happened::Late => {
                fault("a user was added on its way to the master when it was stopped")
            }
            Happened::Lost => fault("a group is lost: no node takes part in it any more"),
        }
    }

    fn answer(&self, turn: Turn, ticket: u64, outcome: Result<u64, Refusal>) {
        self.cast(turn, &CoordinatorWork::Answer { turn, ticket, outcome });
    }

    fn cast(&self, turn: Turn, message: &CoordinatorWork) {
        if let Some(worker) = self.workers.get(&turn) {
            // A worker that cannot be reached is about to be gone, and what it was to do is done
            // by another.
            let _ = self.mesh.cast(worker, message);
        }
    }

    fn say_what_was_taken(&mut self) {
        if self.hub.backlog() <= BACKLOG_BYTES {
            for (turn, frame) in std::mem::take(&mut self.withheld) {
                self.cast(turn, &CoordinatorWork::Taken { turn, frame });
            }
        }
    }

    fn say_the_end(&mut self) {
        if !self.hub.is_empty() {
            return;
        }
        for answer in self.ending.drain(..) {
            // It may have stopped waiting.
            let _ = answer.send(());
        }
        if self.workers.keys().all(|turn| self.finished.contains_key(turn)) {
            for (turn, ticket) in std::mem::take(&mut self.finished) {
                self.answer(turn, ticket, Ok(0));
            }
        }
    }
}
