//! Pure: users go from one worker to others, because theirs is drained, leaves, or has too many.

use std::time::Duration;

use crowd_core::{
    placement,
    refusal::{Code, Refusal},
};

use super::{ANSWER, Command, Core, Outcome};
use crate::cluster::{
    lease::{BEAT, CLEAN_END},
    protocol::run::{Assignment, ToWorker},
    run::{Change, Part, Standing},
};

/// A node that gives all its users back.
#[derive(Debug)]
pub(super) struct Drain {
    /// Who waits for it.
    pub(super) verbs: Vec<u64>,
    /// How many have come back.
    moved: u64,
    until: Duration,
}

impl Core {
    /// `drain NODE`.
    pub(crate) fn drain(&mut self, now: Duration, verb: u64, node: &str) {
        match self.check_drain(node) {
            Ok(assignment) => {
                if let Some(part) = self.part(assignment) {
                    self.apply(Change::Drained { worker: part.worker.clone() });
                }
                let until = now + CLEAN_END + ANSWER;
                let drain = Drain { verbs: Vec::new(), moved: 0, until };
                let drain = self.drains.entry(assignment).or_insert(drain);
                drain.verbs.push(verb);
                drain.until = until;
                self.release(now, assignment, u64::MAX);
            }
            Err(refusal) => self.answer(verb, Err(refusal)),
        }
        self.tidy(now);
    }

    fn check_drain(&self, node: &str) -> Result<Assignment, Refusal> {
        self.require_running("drain")?;
        let parts = self.workers(Part::is_begun);
        let all: Vec<_> = parts.into_iter().map(|(assignment, _)| assignment).collect();
        let found = self.named(&[node.to_owned()], &all, "has no users of this run")?;
        let assignment = found.first().copied().unwrap_or_default();
        if self.takers().iter().all(|taker| *taker == assignment) {
            let message = format!("there is no node that could take the users of `{node}`");
            return Err(Refusal::new(Code::EmptyNodesList, message));
        }
        Ok(assignment)
    }

    /// Asks a worker to give users back.
    pub(super) fn release(&mut self, now: Duration, assignment: Assignment, count: u64) {
        if self.load.is_some() {
            // Users of a profile end where they are, when it does not ask for them there any more.
            return;
        }
        let load = self.load(assignment);
        let Some(part) = self.part(assignment) else { return };
        let (to, all) = (part.worker.clone(), part.load());
        // For all of them it is told of all, those included that leave otherwise.
        let (ask, expect) = if count >= load { (all, all) } else { (count, count) };
        if ask > 0 {
            let (count, _) = self.releasing.get(&assignment).copied().unwrap_or_default();
            let expect = (count + expect).min(all);
            self.releasing.insert(assignment, (expect, now + CLEAN_END + 4 * BEAT));
            let message = ToWorker::Release { assignment, count: ask };
            self.command(Command::Cast { to, message });
        }
    }

    /// Has those that have more than their fair share give the rest back.
    pub(super) fn rebalance(&mut self, now: Duration) {
        let takers = self.takers();
        let loads: Vec<_> = takers.iter().map(|assignment| self.load(*assignment)).collect();
        let mine: Vec<_> = self
            .workers(|part| part.is_begun() && part.worker == self.policy.me)
            .into_iter()
            .map(|(assignment, _)| assignment)
            .filter(|assignment| !takers.contains(assignment))
            .collect();
        let extra = mine.iter().map(|assignment| self.load(*assignment)).sum::<u64>();
        let waiting = self.run.as_ref().map_or(0, |run| run.unplaced.len());
        let excess = placement::excess(&loads, extra + waiting);
        for (assignment, count) in takers.into_iter().zip(excess) {
            if count > 0 {
                self.release(now, assignment, count);
            }
        }
        if self.takers().is_empty() {
            return;
        }
        for assignment in mine {
            self.release(now, assignment, u64::MAX);
        }
    }

    /// Users have come back from a worker.
    pub(super) fn came_back(&mut self, assignment: Assignment, count: u64) {
        if let Some((releasing, _)) = self.releasing.get_mut(&assignment) {
            *releasing = releasing.saturating_sub(count);
        }
        let Some(part) = self.part(assignment) else { return };
        let drained = self.run.as_ref().is_some_and(|run| run.drained.contains(&part.worker));
        let from = part.worker.clone();
        let reason = match part.standing {
            Standing::Leaving => "it is about to end",
            _ if drained => "it is drained",
            _ => "others have fewer",
        };
        self.command(Command::Moved { from, users: count, reason: reason.to_owned() });
        if let Some(drain) = self.drains.get_mut(&assignment) {
            drain.moved += count;
        }
    }

    /// Answers `drain` for those that have no users left, or are no workers any more.
    pub(super) fn answer_drains(&mut self) {
        let over: Vec<_> = self
            .drains
            .keys()
            .copied()
            .filter(|assignment| {
                self.part(*assignment).is_none_or(|part| !part.is_begun() || part.load() == 0)
            })
            .collect();
        for assignment in over {
            let Some(drain) = self.drains.remove(&assignment) else { continue };
            let part = self.part(assignment);
            let lost = part.filter(|part| part.is_lost()).map(|part| part.worker.clone());
            for verb in drain.verbs {
                match &lost {
                    Some(node) => {
                        let message = format!("node `{node}` was lost while it was drained");
                        self.refuse(verb, Code::Unavailable, message);
                    }
                    None => self.answer(verb, Ok(Outcome::Moved(drain.moved))),
                }
            }
        }
    }

    /// Gives up waiting for users that should have come back.
    pub(super) fn tick_users(&mut self, now: Duration) {
        self.releasing.retain(|_, (_, until)| now < *until);
        let late: Vec<_> = self
            .drains
            .iter()
            .filter(|(_, drain)| now >= drain.until)
            .map(|(assignment, _)| *assignment)
            .collect();
        for assignment in late {
            let Some(drain) = self.drains.remove(&assignment) else { continue };
            let Some(part) = self.part(assignment) else { continue };
            let message = format!(
                "node `{}` has not given {} of its users back yet; they move when it does",
                part.worker,
                part.load()
            );
            for verb in drain.verbs {
                self.refuse(verb, Code::Unavailable, message.clone());
            }
        }
    }
}
