//! Pure: users are added, dealt, removed, and moved.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crowd_core::{
    placement,
    refusal::{Code, Refusal},
    user_id::IdSet,
};

use super::{ANSWER, Answered, Command, Core, Outcome, Purpose, Workers, fault};
use crate::{
    cluster::{
        ids,
        master::view::{Dealt, Removed},
        protocol::run::{Assignment, ToWorker, WorkerAnswer},
        run::{Change, Part, Run, Stage, Standing},
    },
    controller::{finishing::it_ends, load::has_a_plan, machine::RunState, population::HIGHEST_ID},
};

/// A worker that is not heard of for so long is named to whoever deals users to it.
const QUIET: Duration = Duration::from_secs(2);

/// A `remove` that is not answered yet.
#[derive(Debug)]
pub(super) struct Removal {
    force: bool,
    /// How many are still to be chosen.
    left: u64,
    removed: Removed,
    shares: BTreeMap<String, u64>,
    /// The parts that are asked.
    of: BTreeSet<Assignment>,
    /// Calls that are not answered.
    open: BTreeSet<u64>,
}

impl Core {
    /// `add COUNT [on NODES]`.
    pub(crate) fn add(&mut self, now: Duration, verb: u64, count: u64, nodes: &[String]) {
        let outcome = self.check_add(count, nodes).map(|to| self.add_users(now, count, &to));
        self.answer(verb, outcome.map(Outcome::Dealt));
        self.tidy(now);
    }

    fn check_add(&self, count: u64, nodes: &[String]) -> Result<Vec<Assignment>, Refusal> {
        self.require_running("add")?;
        if self.finish_by.is_some() {
            return Err(it_ends("add"));
        }
        self.without_plan("add")?;
        let highest = self.run.as_ref().map_or(0, |run| run.highest);
        if count == 0 {
            let message = "0 users cannot be added; 1 is the least";
            return Err(Refusal::new(Code::InvalidRange, message));
        }
        if count > HIGHEST_ID - highest {
            let message =
                format!("{count} users are too many: {HIGHEST_ID} is the highest user id");
            return Err(Refusal::new(Code::InvalidRange, message));
        }
        let takers = self.takers();
        if takers.is_empty() {
            let message = "there is no node that takes users now";
            return Err(Refusal::new(Code::EmptyNodesList, message));
        }
        self.named(nodes, &takers, "takes no users of this run")
    }

    /// Refuses a verb that would disturb a load profile.
    fn without_plan(&self, verb: &str) -> Result<(), Refusal> {
        if self.load.is_some() { Err(has_a_plan(verb)) } else { Ok(()) }
    }

    /// The parts of those nodes; without nodes, all of them.
    pub(super) fn named(
        &self,
        nodes: &[String],
        of: &[Assignment],
        why_not: &str,
    ) -> Result<Vec<Assignment>, Refusal> {
        if nodes.is_empty() {
            return Ok(of.to_vec());
        }
        let name = |assignment: &Assignment| Some(&*self.part(*assignment)?.worker.name);
        let (mut found, mut bad) = (Vec::new(), Vec::new());
        for node in nodes {
            match of.iter().find(|assignment| name(assignment) == Some(node)) {
                Some(assignment) if found.contains(assignment) => {}
                Some(assignment) => found.push(*assignment),
                None => bad.push(format!("`{node}`")),
            }
        }
        if bad.is_empty() {
            found.sort_unstable();
            return Ok(found);
        }
        let there: Vec<_> = of.iter().filter_map(name).map(|name| format!("`{name}`")).collect();
        let message = format!("{} {why_not} (there are: {})", bad.join(", "), there.join(", "));
        Err(Refusal::new(Code::BadNodes, message))
    }

    pub(super) fn part(&self, assignment: Assignment) -> Option<&Part> {
        self.run.as_ref()?.parts.get(&assignment)
    }

    /// Gives the next ids out and deals them.
    pub(super) fn add_users(&mut self, now: Duration, count: u64, to: &[Assignment]) -> Dealt {
        let first = self.run.as_ref().map_or(0, |run| run.highest) + 1;
        let mut dealt = Dealt::default();
        if count == 0 {
            return dealt;
        }
        (dealt.first, dealt.last) = (first, first + count - 1);
        self.apply(Change::Added { count });
        let mut users = IdSet::default();
        users.insert(dealt.first..=dealt.last);
        for (assignment, share) in self.deal(users, to) {
            let Some(part) = self.part(assignment) else { continue };
            let node = part.worker.to_string();
            let quiet = self.quiet(now, assignment);
            if quiet >= QUIET {
                let quiet = humantime::format_duration(Duration::from_secs(quiet.as_secs()));
                dealt.notes.push(format!(
                    "node `{node}` has not been heard of for {quiet}; its share of {share} users \
                     waits until it is back, or lost"
                ));
            }
            dealt.shares.push((node, share));
        }
        dealt.shares.sort();
        dealt
    }

    /// Since when that part was not heard of.
    pub(super) fn quiet(&self, now: Duration, assignment: Assignment) -> Duration {
        self.heard.get(&assignment).map_or(Duration::ZERO, |heard| now.saturating_sub(heard.at))
    }

    /// Sends users, which wait to be placed, to workers.
    fn deal(&mut self, mut users: IdSet, to: &[Assignment]) -> Vec<(Assignment, u64)> {
        let mut to = to.to_vec();
        to.sort_by_key(|assignment| self.part(*assignment).map(|part| part.worker.clone()));
        let loads: Vec<_> = to.iter().map(|assignment| self.load(*assignment)).collect();
        let shares = placement::deal(users.len(), &loads);
        let shares: Vec<_> = to.into_iter().zip(shares).filter(|(_, share)| *share > 0).collect();
        for (assignment, share) in &shares {
            let block = users.take_lowest(*share);
            self.place(*assignment, block);
        }
        shares
    }

    fn place(&mut self, assignment: Assignment, users: IdSet) {
        let Some(worker) = self.part(assignment).map(|part| part.worker.clone()) else { return };
        for users in ids::parts(&users, ids::MOST_RANGES) {
            let message = ToWorker::Place { assignment, users };
            self.command(Command::Cast { to: worker.clone(), message });
        }
        self.whereabouts.push((users.clone(), Some(worker)));
        self.apply(Change::Placed { assignment, users });
    }

    /// How many users a part has, but for those on their way out. An estimate: among users that
    /// were chosen to be removed, some may end otherwise.
    pub(super) fn load(&self, assignment: Assignment) -> u64 {
        let Some(part) = self.part(assignment) else { return 0 };
        let leaving = self.on_their_way_out(assignment);
        let releasing = self.releasing.get(&assignment).map_or(0, |(count, _)| *count);
        part.load().saturating_sub(leaving).saturating_sub(releasing)
    }

    /// How many of its users were chosen to be removed and are not known to have ended so.
    pub(super) fn on_their_way_out(&self, assignment: Assignment) -> u64 {
        let chosen = self.chosen.get(&assignment).copied().unwrap_or(0);
        let removed = self.part(assignment).map_or(0, |part| part.account.users.removed);
        chosen.saturating_sub(removed)
    }

    /// The parts that take users: the master's own only while there is no other.
    pub(super) fn takers(&self) -> Vec<Assignment> {
        let Some(run) = &self.run else { return Vec::new() };
        let takes = |part: &Part| {
            let over = [RunState::Terminating, RunState::Finished, RunState::Failed];
            part.standing == Standing::Active
                && !over.contains(&part.state)
                && !run.drained.contains(&part.worker)
        };
        let me = &self.policy.me;
        let others = run.parts.values().any(|part| takes(part) && part.worker != *me);
        let parts = run.parts.iter().filter(|(_, part)| takes(part));
        parts
            .filter(|(_, part)| !others || part.worker != *me)
            .map(|(assignment, _)| *assignment)
            .collect()
    }

    /// Deals whoever waits to be placed. When the run ends, nobody waits on.
    pub(super) fn deal_unplaced(&mut self) {
        let Some(run) = self.run.as_ref().filter(|run| !run.unplaced.is_empty()) else { return };
        let users = run.unplaced.clone();
        match run.stage {
            Stage::Running => drop(self.deal(users, &self.takers())),
            Stage::Stopping => self.apply(Change::Cancelled { users }),
            Stage::Starting | Stage::Over => {}
        }
    }

    /// `remove COUNT [force] [on NODES]`.
    pub(crate) fn remove(
        &mut self,
        now: Duration,
        verb: u64,
        count: u64,
        force: bool,
        nodes: &[String],
    ) {
        match self.check_remove(count, nodes) {
            Ok(of) => {
                let mut removal = Removal {
                    force,
                    left: count,
                    removed: Removed::default(),
                    shares: BTreeMap::new(),
                    of: of.into_iter().collect(),
                    open: BTreeSet::new(),
                };
                if nodes.is_empty() {
                    let run = self.run.as_ref();
                    let mut waiting = run.map(|run: &Run| run.unplaced.clone()).unwrap_or_default();
                    let users = waiting.take_highest(count);
                    removal.left -= users.len();
                    removal.removed.chosen += users.len();
                    self.apply(Change::Cancelled { users });
                }
                self.removals.insert(verb, removal);
                self.remove_round(verb);
            }
            Err(refusal) => self.answer(verb, Err(refusal)),
        }
        self.tidy(now);
    }

    fn check_remove(&self, count: u64, nodes: &[String]) -> Result<Vec<Assignment>, Refusal> {
        self.require_running("remove")?;
        self.without_plan("remove")?;
        if count == 0 {
            return Err(Refusal::new(Code::InvalidRange, "0 users cannot be removed"));
        }
        let parts = self.workers(Part::is_begun);
        let all: Vec<_> = parts.into_iter().map(|(assignment, _)| assignment).collect();
        self.named(nodes, &all, "has no users of this run")
    }

    /// Asks workers to choose; answers when nobody is left to ask.
    fn remove_round(&mut self, verb: u64) {
        let Some(removal) = self.removals.get(&verb) else { return };
        let (left, force) = (removal.left, removal.force);
        let of: Workers = self
            .workers(Part::is_begun)
            .into_iter()
            .filter(|(assignment, _)| removal.of.contains(assignment))
            .collect();
        let loads: Vec<_> = of.iter().map(|(assignment, _)| self.load(*assignment)).collect();
        let shares = placement::collect(left, &loads);
        let mut open = BTreeSet::new();
        for ((assignment, worker), share) in of.into_iter().zip(shares) {
            if share > 0 {
                let message = ToWorker::Remove { assignment, count: share, force };
                let purpose = Purpose::Remove { verb, assignment, asked: share };
                open.insert(self.call(&worker, message, ANSWER, purpose));
            }
        }
        if !open.is_empty() {
            if let Some(removal) = self.removals.get_mut(&verb) {
                removal.open = open;
            }
        } else if let Some(mut removal) = self.removals.remove(&verb) {
            removal.removed.shares = removal.shares.into_iter().collect();
            self.answer(verb, Ok(Outcome::Removed(removal.removed)));
        }
    }

    pub(super) fn removed(
        &mut self,
        verb: u64,
        assignment: Assignment,
        asked: u64,
        call: u64,
        answer: Answered,
    ) {
        let worker = self.part(assignment).map(|part| part.worker.to_string());
        let worker = worker.unwrap_or_default();
        let Some(removal) = self.removals.get_mut(&verb) else { return };
        removal.open.remove(&call);
        let chosen = match answer {
            Ok(WorkerAnswer::Chosen(chosen)) => chosen.min(asked),
            answer => {
                removal.removed.notes.push(format!(
                    "whether node `{worker}` removes its share of {asked} users is not known: {}",
                    fault(&answer)
                ));
                0
            }
        };
        // It has no more than that, or does not say: others are asked for the rest.
        if chosen < asked {
            removal.of.remove(&assignment);
        }
        removal.left = removal.left.saturating_sub(chosen);
        removal.removed.chosen += chosen;
        if chosen > 0 {
            *removal.shares.entry(worker).or_default() += chosen;
            *self.chosen.entry(assignment).or_default() += chosen;
        }
        if removal.open.is_empty() {
            self.remove_round(verb);
        }
    }
}
