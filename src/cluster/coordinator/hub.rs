//! What the master decides about coordinators of the whole cluster: who is in which group, which
//! worker runs its actions, and when. Pure: requests, losses and times go in, commands come out.
//!
//! A batch is kept until its worker says that its actions are over. If the worker is lost, another
//! one runs them: who is in a batch is decided once, but its actions may run twice. Batches of one
//! coordinator start in the order in which they were completed; on one worker they also run in that
//! order. What comes of a reset or a stop starts when all before it is over, and nothing starts
//! until it is over itself.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use crowd_core::{
    refusal::{Code, Refusal},
    user_id::UserId,
};
use rand::rngs::SmallRng;

use crate::{
    cluster::protocol::coordinator::Bytes,
    coordinator::{
        CoordinatorInfo, Event, Member,
        batch::{Batch, Batcher},
        shared::Shape,
    },
};

mod row;

use row::{Row, Step, cost};

/// A worker's part in the run, by number.
pub(super) type Turn = u64;

/// What a user handed over, and the worker it is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Handed {
    pub(super) turn: Turn,
    pub(super) data: Bytes,
}

/// What is to be done. `A` is whoever waits for an answer.
#[derive(Debug, PartialEq)]
pub(super) enum Command<A> {
    /// Have that worker run actions.
    Run { to: Turn, coordinator: u64, number: u64, batch: Batch<Handed> },
    /// Tell that worker that the coordinator has ended.
    End { to: Turn, coordinator: u64 },
    /// What was asked for has been done.
    Answer(A, Result<(), Refusal>),
    /// Tell of something that happened to the coordinator of that name.
    Tell(Happened, String),
}

/// What happened to a coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Happened {
    TimedOut,
    Reset,
    Stopped,
    /// A user was added that came after the stop.
    Late,
    /// A group was lost, because no worker takes part any more.
    Lost,
}

/// All coordinators of a run.
pub(super) struct Hub<A> {
    rows: BTreeMap<u64, Row<A>>,
    /// Those that have ended, for what comes too late.
    ended: BTreeMap<u64, String>,
    next_coordinator: u64,
    next_batch: u64,
    random: fn() -> SmallRng,
}

/// The number of the run's first coordinator.
const FIRST: u64 = 1;

impl<A> Hub<A> {
    /// No coordinators; what is random comes from `random`.
    pub(super) fn new(random: fn() -> SmallRng) -> Self {
        Self {
            rows: BTreeMap::new(),
            ended: BTreeMap::new(),
            next_coordinator: FIRST,
            next_batch: 1,
            random,
        }
    }

    /// Has a worker take part in a coordinator, made if there is none of that name: its number.
    pub(super) fn start(
        &mut self,
        turn: Turn,
        name: &str,
        shape: Shape,
        commands: &mut Vec<Command<A>>,
    ) -> Result<u64, Refusal> {
        let id = match self.named(name) {
            Some(id) => id,
            None => self.create(name, shape.clone()),
        };
        let Some(row) = self.rows.get_mut(&id) else { return Err(no_coordinator(name)) };
        if row.shape != shape {
            return Err(Refusal::new(
                Code::InvalidPlan,
                format!(
                    "coordinator `{name}`: it runs in the whole cluster, with another plan, timeout \
                     or type of data"
                ),
            ));
        }
        row.sites.insert(turn);
        // What waited for a worker need not any more.
        row.advance(id, commands);
        Ok(id)
    }

    fn create(&mut self, name: &str, shape: Shape) -> u64 {
        // All members are kept, to be taken out when their worker is lost.
        let groups = shape.items.iter().map(|item| (item.group, true));
        let batcher = Batcher::new(groups, shape.timeout, (self.random)());
        let id = self.next_coordinator;
        self.next_coordinator += 1;
        self.rows.insert(
            id,
            Row {
                name: name.to_owned(),
                shape,
                batcher,
                sites: BTreeSet::new(),
                faults: BTreeMap::new(),
                last_fault: None,
                steps: VecDeque::new(),
                out: BTreeMap::new(),
                out_bytes: 0,
                backlog: 0,
                stopping: false,
            },
        );
        id
    }

    /// The coordinator of that name that takes users.
    pub(super) fn named(&self, name: &str) -> Option<u64> {
        let found = self.rows.iter().find(|(_, row)| row.name == name && !row.stopping);
        found.map(|(id, _)| *id)
    }

    /// Those that take users.
    pub(super) fn open(&self) -> Vec<u64> {
        self.rows.iter().filter(|(_, row)| !row.stopping).map(|(id, _)| *id).collect()
    }

    /// Adds a user.
    pub(super) fn add(
        &mut self,
        now: Duration,
        turn: Turn,
        id: u64,
        (user, data): (UserId, Bytes),
        commands: &mut Vec<Command<A>>,
    ) {
        let next_batch = &mut self.next_batch;
        match self.rows.get_mut(&id) {
            Some(row) if !row.stopping => {
                let mut fired = Vec::new();
                let handed = Handed { turn, data };
                let added = row.batcher.add(now, user, handed, |batch| fired.push(batch));
                if added.timed_out {
                    commands.push(Command::Tell(Happened::TimedOut, row.name.clone()));
                }
                row.enqueue(next_batch, fired);
                row.advance(id, commands);
            }
            Some(row) => commands.push(Command::Tell(Happened::Late, row.name.clone())),
            None => {
                let name = self.ended.get(&id).cloned().unwrap_or_default();
                commands.push(Command::Tell(Happened::Late, name));
            }
        }
    }

    /// Ends all groups of a coordinator, and begins anew.
    pub(super) fn reset(&mut self, id: u64, asker: A, commands: &mut Vec<Command<A>>) {
        let ended = self.ended.get(&id);
        let Some(row) = self.rows.get_mut(&id).filter(|row| !row.stopping) else {
            let refusal = no_coordinator(ended.map_or("", String::as_str));
            return commands.push(Command::Answer(asker, Err(refusal)));
        };
        let mut fired = Vec::new();
        row.batcher.reset(|batch| fired.push(batch));
        commands.push(Command::Tell(Happened::Reset, row.name.clone()));
        row.steps.push_back(Step::Barrier);
        row.enqueue(&mut self.next_batch, fired);
        row.steps.push_back(Step::Barrier);
        row.steps.push_back(Step::Answer(asker));
        row.advance(id, commands);
    }

    /// Ends all groups of a coordinator for good.
    pub(super) fn stop(&mut self, id: u64, asker: A, commands: &mut Vec<Command<A>>) {
        let ended = self.ended.get(&id);
        let Some(row) = self.rows.get_mut(&id).filter(|row| !row.stopping) else {
            let refusal = no_coordinator(ended.map_or("", String::as_str));
            return commands.push(Command::Answer(asker, Err(refusal)));
        };
        let mut fired = Vec::new();
        row.batcher.stop(|batch| fired.push(batch));
        row.stopping = true;
        commands.push(Command::Tell(Happened::Stopped, row.name.clone()));
        row.steps.push_back(Step::Barrier);
        row.enqueue(&mut self.next_batch, fired);
        row.steps.push_back(Step::Barrier);
        row.steps.push_back(Step::End(asker));
        row.advance(id, commands);
        self.bury(id);
    }

    /// The actions on a batch are over.
    pub(super) fn done(
        &mut self,
        turn: Turn,
        id: u64,
        number: u64,
        commands: &mut Vec<Command<A>>,
    ) {
        let Some(row) = self.rows.get_mut(&id) else { return };
        // Another worker may have it by now, if this one was taken for lost.
        if row.out.get(&number).is_none_or(|(by, _)| *by != turn) {
            return;
        }
        if let Some((_, batch)) = row.out.remove(&number) {
            let cost = cost(&batch);
            row.out_bytes -= cost;
            row.backlog -= cost;
        }
        row.advance(id, commands);
        self.bury(id);
    }

    /// So many faults a worker has had in a coordinator, and the last one.
    pub(super) fn faults(&mut self, turn: Turn, id: u64, faults: u64, last: Option<String>) {
        if let Some(row) = self.rows.get_mut(&id)
            && row.faults.insert(turn, faults).unwrap_or_default() < faults
        {
            row.last_fault = last;
        }
    }

    /// A worker takes part in a coordinator no more; its users do.
    pub(super) fn left(&mut self, turn: Turn, id: u64, commands: &mut Vec<Command<A>>) {
        if let Some(row) = self.rows.get_mut(&id) {
            row.lose_site(turn);
            row.advance(id, commands);
        }
        self.bury(id);
    }

    /// A worker is gone, and its users with it.
    pub(super) fn gone(&mut self, turn: Turn, commands: &mut Vec<Command<A>>) {
        for (id, row) in &mut self.rows {
            row.batcher.withdraw(|member| member.data.turn == turn);
            row.lose_site(turn);
            row.advance(*id, commands);
        }
        let all: Vec<u64> = self.rows.keys().copied().collect();
        all.into_iter().for_each(|id| self.bury(id));
    }

    /// When the next timeout is due, if nobody is added before.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.rows.values().filter_map(|row| row.batcher.deadline()).min()
    }

    /// Ends groups whose timeout is due.
    pub(super) fn tick(&mut self, now: Duration, commands: &mut Vec<Command<A>>) {
        for (id, row) in &mut self.rows {
            let mut fired = Vec::new();
            if row.batcher.tick(now, |batch| fired.push(batch)) {
                commands.push(Command::Tell(Happened::TimedOut, row.name.clone()));
                row.enqueue(&mut self.next_batch, fired);
                row.advance(*id, commands);
            }
        }
    }

    /// What all unfinished batches cost, in bytes.
    pub(super) fn backlog(&self) -> usize {
        self.rows.values().map(|row| row.backlog).sum()
    }

    /// Whether there is none, not even one that is being stopped.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What is known of each, by name and age.
    pub(super) fn list(&self) -> Vec<CoordinatorInfo> {
        let mut list: Vec<_> = self.rows.values().map(Row::info).collect();
        list.sort_by(|a, b| a.name.cmp(&b.name));
        list
    }

    /// Forgets a coordinator that has ended.
    fn bury(&mut self, id: u64) {
        if self.rows.get(&id).is_some_and(|row| row.stopping && row.steps.is_empty()) {
            let row = self.rows.remove(&id);
            self.ended.extend(row.map(|row| (id, row.name)));
        }
    }
}

/// The refusal for a name that no coordinator of the cluster has.
pub(super) fn no_coordinator(name: &str) -> Refusal {
    let message = match name {
        "" => "that coordinator has been stopped".to_owned(),
        name => format!("coordinator `{name}` has been stopped"),
    };
    Refusal::new(Code::NoCoordinator, message)
}

/// Members of a batch as they are sent.
pub(super) fn members(batch: Batch<Handed>) -> impl Iterator<Item = (UserId, Bytes)> {
    batch.members.into_iter().map(|Member { user, data }| (user, data.data))
}

/// The event and size of a batch, which are sent with it.
pub(super) fn told(batch: &Batch<Handed>) -> (u64, Event, Option<u64>) {
    (batch.item as u64, batch.event, batch.size)
}

#[cfg(test)]
mod tests;
