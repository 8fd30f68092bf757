//! The task on the master.

use std::{collections::BTreeMap, sync::Arc};

use crowd_core::{
    refusal::Refusal,
    telemetry::{
        Telemetry,
        event::{CoordinatorFault, CoordinatorReset, CoordinatorStop, CoordinatorTimeout},
    },
};
use tokio::{
    sync::{mpsc, oneshot},
    task::coop::consume_budget,
    time::{Instant, sleep_until},
};

use super::{
    super::{
        FRAME_BYTES,
        hub::{self, Command, Happened, Hub, Turn},
    },
    Asker, BACKLOG_BYTES, Order,
};
use crate::cluster::{
    member::MemberId,
    mesh::Mesh,
    protocol::coordinator::{CoordinatorWork, Request, Requests},
};

/// What the task has.
pub(super) struct Office {
    pub(super) mesh: Mesh,
    pub(super) telemetry: Telemetry,
    pub(super) origin: Instant,
    pub(super) hub: Hub<Asker>,
    pub(super) workers: BTreeMap<Turn, MemberId>,
    /// The last frame of each worker that was not yet told to be taken.
    pub(super) withheld: BTreeMap<Turn, u64>,
    /// Workers on which the run is over, and the ticket of each.
    pub(super) finished: BTreeMap<Turn, u64>,
    /// Who waits for all coordinators to have ended.
    pub(super) ending: Vec<oneshot::Sender<()>>,
}

impl Office {
    pub(super) async fn work(
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
                    let mesh = self.mesh.clone();
                    mesh.guard(&from, || self.take(&from, requests, &mut commands));
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
