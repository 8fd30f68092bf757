//! One coordinator of the cluster as the master keeps it. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand::rngs::SmallRng;

use super::{Command, Handed, Happened, Turn};
use crate::coordinator::{
    CoordinatorInfo, CoordinatorState, ItemInfo, Timeout,
    batch::{Batch, Batcher},
    shared::Shape,
};

/// So many bytes of batches may be with workers at once, for each coordinator; one at least.
const OUT_BYTES: usize = 4 * 1024 * 1024;

/// And so many batches.
const OUT_BATCHES: usize = 1024;

/// What a member costs beside its data, in bytes.
const OVERHEAD: usize = 64;

/// One coordinator.
pub(super) struct Row<A> {
    pub(super) name: String,
    pub(super) shape: Shape,
    pub(super) batcher: Batcher<Handed, SmallRng>,
    /// The workers that take part, each with how many faults it had.
    pub(super) sites: BTreeSet<Turn>,
    pub(super) faults: BTreeMap<Turn, u64>,
    pub(super) last_fault: Option<String>,
    /// What is to be done next, in order.
    pub(super) steps: VecDeque<Step<A>>,
    /// What workers are doing, by the number of the batch.
    pub(super) out: BTreeMap<u64, (Turn, Batch<Handed>)>,
    pub(super) out_bytes: usize,
    /// What the batches in `steps` and `out` cost.
    pub(super) backlog: usize,
    pub(super) stopping: bool,
}

pub(super) enum Step<A> {
    /// Run this, best on that worker.
    Run { number: u64, near: Option<Turn>, batch: Batch<Handed> },
    /// Go on when all before is over.
    Barrier,
    /// All before is over: say so.
    Answer(A),
    /// The coordinator has ended: say so.
    End(A),
}

pub(super) fn cost(batch: &Batch<Handed>) -> usize {
    let data: usize = batch.members.iter().map(|member| member.data.data.0.len()).sum();
    data + OVERHEAD * (batch.members.len() + 1)
}

impl<A> Row<A> {
    /// Appends what one event or add has completed. All of it has one worker, so that it runs in
    /// the order of the plan's items: that of the newest member.
    pub(super) fn enqueue(&mut self, next_batch: &mut u64, fired: Vec<Batch<Handed>>) {
        // Every add is in every item, so the newest of one item is the newest of all.
        let near = fired.iter().find_map(|batch| batch.members.last()).map(|m| m.data.turn);
        for batch in fired {
            self.backlog += cost(&batch);
            let number = *next_batch;
            *next_batch += 1;
            self.steps.push_back(Step::Run { number, near, batch });
        }
    }

    /// Does what can be done now.
    pub(super) fn advance(&mut self, id: u64, commands: &mut Vec<Command<A>>) {
        while let Some(step) = self.steps.pop_front() {
            match step {
                Step::Run { batch, .. } if self.stopping && self.sites.is_empty() => {
                    // Nobody can join it any more.
                    self.backlog -= cost(&batch);
                    commands.push(Command::Tell(Happened::Lost, self.name.clone()));
                }
                Step::Run { number, near, batch } => {
                    let more = cost(&batch);
                    let full = self.out.len() >= OUT_BATCHES
                        || (!self.out.is_empty() && self.out_bytes + more > OUT_BYTES);
                    let site = near.filter(|turn| self.sites.contains(turn));
                    let site = site.or_else(|| self.sites.first().copied());
                    let Some(to) = site.filter(|_| !full) else {
                        self.steps.push_front(Step::Run { number, near, batch });
                        return;
                    };
                    self.out_bytes += more;
                    self.out.insert(number, (to, batch.clone()));
                    let batch = self.as_seen(batch);
                    commands.push(Command::Run { to, coordinator: id, number, batch });
                }
                Step::Barrier if !self.out.is_empty() => {
                    self.steps.push_front(Step::Barrier);
                    return;
                }
                Step::Barrier => {}
                Step::Answer(asker) => commands.push(Command::Answer(asker, Ok(()))),
                Step::End(asker) => {
                    let ends =
                        self.sites.iter().map(|to| Command::End { to: *to, coordinator: id });
                    commands.extend(ends);
                    commands.push(Command::Answer(asker, Ok(())));
                }
            }
        }
    }

    /// The batch without members if no action wants to know them.
    pub(super) fn as_seen(&self, mut batch: Batch<Handed>) -> Batch<Handed> {
        if self.shape.items.get(batch.item).is_none_or(|item| !item.keeps) {
            batch.members = Vec::new();
        }
        batch
    }

    /// What that worker was doing is to be done again by another.
    pub(super) fn lose_site(&mut self, turn: Turn) {
        self.sites.remove(&turn);
        let lost: Vec<u64> =
            self.out.iter().filter(|(_, (by, _))| *by == turn).map(|(n, _)| *n).collect();
        for number in lost.into_iter().rev() {
            if let Some((_, batch)) = self.out.remove(&number) {
                self.out_bytes -= cost(&batch);
                self.steps.push_front(Step::Run { number, near: None, batch });
            }
        }
    }

    pub(super) fn info(&self) -> CoordinatorInfo {
        let gathered = self.shape.items.iter().zip(self.batcher.gathered());
        let runs = self.steps.iter().filter(|step| matches!(step, Step::Run { .. })).count();
        CoordinatorInfo {
            name: self.name.clone(),
            state: match self.stopping {
                true => CoordinatorState::Stopping,
                false => CoordinatorState::Running,
            },
            timeout: self.shape.timeout.map_or(Timeout::Never, Timeout::After),
            items: gathered
                .map(|(item, (size, waiting))| ItemInfo {
                    item: item.number,
                    group: item.group.to_string(),
                    size,
                    waiting,
                })
                .collect(),
            adds: self.batcher.adds(),
            events: self.batcher.fired(),
            queued: (self.out.len() + runs) as u64,
            faults: self.faults.values().sum(),
            last_fault: self.last_fault.clone(),
        }
    }
}
