//! Pure: settings are changed everywhere or nowhere. Every worker checks them first; only when all
//! have agreed are they applied. A worker that cannot apply what it has agreed to is not one with
//! the others any more: its part is over, as if it were lost.

use std::{collections::BTreeSet, time::Duration};

use crowd_core::refusal::{Code, Refusal};

use super::{ANSWER, Answered, Core, Outcome, Purpose, Workers, fault};
use crate::cluster::{
    master::view::ClusterSet,
    member::MemberId,
    protocol::run::{Assignment, ToWorker, WorkerAnswer},
    run::{Change, Part, Stage},
};

/// A `set` that the master has checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Set {
    pub(crate) verb: u64,
    pub(crate) settings: Vec<(String, String)>,
    /// The names that really change.
    pub(crate) changed: Vec<String>,
    /// How many of them the scenario acts on, one after the other.
    pub(crate) hooks: u32,
    /// Where; empty: everywhere.
    pub(crate) nodes: Vec<String>,
}

/// The `set` that is under way.
#[derive(Debug)]
pub(super) struct Setting {
    set: Set,
    /// Calls that are not answered.
    open: BTreeSet<u64>,
    /// Why it is refused.
    refusal: Option<Refusal>,
    applying: bool,
    done: ClusterSet,
}

impl Core {
    /// `set KEY=VALUE…`. One after the other.
    pub(crate) fn set(&mut self, now: Duration, set: Set) {
        self.sets.push_back(set);
        self.next_set(now);
        self.tidy(now);
    }

    fn next_set(&mut self, now: Duration) {
        while self.setting.is_none()
            && let Some(set) = self.sets.pop_front()
        {
            match self.check_set(&set) {
                Ok(of) => self.begin_set(now, set, of),
                Err(refusal) => self.answer(set.verb, Err(refusal)),
            }
        }
    }

    fn check_set(&self, set: &Set) -> Result<Workers, Refusal> {
        self.require_running("set")?;
        let all = self.workers(Part::is_begun);
        let ids: Vec<_> = all.iter().map(|(assignment, _)| *assignment).collect();
        let of = self.named(&set.nodes, &ids, "has no part in this run")?;
        Ok(all.into_iter().filter(|(assignment, _)| of.contains(assignment)).collect())
    }

    fn begin_set(&mut self, now: Duration, set: Set, of: Workers) {
        let done = ClusterSet { changed: set.changed.clone(), ..Default::default() };
        let mut open = BTreeSet::new();
        for (assignment, worker) in of {
            let message = ToWorker::CheckSettings { assignment, settings: set.settings.clone() };
            open.insert(self.call(&worker, message, ANSWER, Purpose::Check(assignment)));
        }
        self.setting = Some(Setting { set, open, refusal: None, applying: false, done });
        self.go_on_setting(now);
    }

    pub(super) fn checked(
        &mut self,
        now: Duration,
        assignment: Assignment,
        call: u64,
        answer: Answered,
    ) {
        // One that has left meanwhile need not agree.
        let part = self.part(assignment).filter(|part| part.is_begun());
        let worker = part.map(|part| part.worker.clone());
        let Some(setting) = &mut self.setting else { return };
        if !setting.open.remove(&call) {
            return;
        }
        if let Some(worker) = worker
            && answer != Ok(WorkerAnswer::Done)
        {
            let refusal = match &answer {
                Ok(WorkerAnswer::Refused(refusal)) => {
                    Refusal::new(refusal.code, format!("node `{worker}`: {}", refusal.message))
                }
                _ => Refusal::new(
                    Code::Unavailable,
                    format!(
                        "nothing was changed: node `{worker}` does not agree ({})",
                        fault(&answer)
                    ),
                ),
            };
            setting.refusal.get_or_insert(refusal);
        }
        self.go_on_setting(now);
    }

    pub(super) fn applied(
        &mut self,
        now: Duration,
        assignment: Assignment,
        call: u64,
        answer: Answered,
    ) {
        let part = self.part(assignment);
        let worker = part.map(|part| part.worker.clone());
        let Some(setting) = &mut self.setting else { return };
        if !setting.open.remove(&call) {
            return;
        }
        let node = worker.map(|worker| worker.to_string()).unwrap_or_default();
        match answer {
            Ok(WorkerAnswer::Applied(outcome)) => {
                let faults = outcome.faults.into_iter();
                let faults = faults.map(|(name, reason)| (node.clone(), name, reason));
                setting.done.faults.extend(faults);
            }
            answer => {
                let why = fault(&answer);
                let going = self.stage() == Some(Stage::Running);
                if part_stands(self.part(assignment)) && going {
                    let why = format!("it did not apply changed settings: {why}");
                    if let Some(setting) = &mut self.setting {
                        setting.done.notes.push(format!(
                            "node `{node}` takes no part any more, and its users are treated as \
                             those of a lost node: {why}"
                        ));
                    }
                    self.evict(now, assignment, &why);
                }
            }
        }
        self.go_on_setting(now);
    }

    /// A worker that cannot be relied on is treated as lost, and asked to begin anew.
    fn evict(&mut self, now: Duration, assignment: Assignment, why: &str) {
        let worker = self.part(assignment).map(|part| part.worker.clone());
        self.lose(now, assignment, why);
        let there = |worker: &MemberId| *worker == self.policy.me || self.free.contains(worker);
        if let Some(worker) = worker.filter(there)
            && self.stage() == Some(Stage::Running)
        {
            self.assign(now, &worker);
        }
    }

    fn go_on_setting(&mut self, now: Duration) {
        let Some(setting) = self.setting.as_mut().filter(|setting| setting.open.is_empty()) else {
            return;
        };
        if setting.applying || setting.refusal.is_some() {
            if let Some(Setting { set, refusal, done, .. }) = self.setting.take() {
                self.answer(set.verb, refusal.map_or(Ok(Outcome::Set(done)), Err));
            }
            return self.next_set(now);
        }
        setting.applying = true;
        let set = setting.set.clone();
        if set.nodes.is_empty() {
            self.apply(Change::Settings { settings: set.settings.clone() });
            self.command(super::Command::Settings(set.settings.clone()));
        }
        // Those too that have begun since the others agreed.
        let of = self.check_set(&set).unwrap_or_default();
        // The scenario may take as long as for `init` over each of them.
        let within = ANSWER + set.hooks * self.policy.init_timeout;
        let mut open = BTreeSet::new();
        for (assignment, worker) in of {
            let message = ToWorker::ApplySettings { assignment, settings: set.settings.clone() };
            open.insert(self.call(&worker, message, within, Purpose::Apply(assignment)));
        }
        if let Some(setting) = &mut self.setting {
            setting.open = open;
        }
        self.go_on_setting(now);
    }
}

fn part_stands(part: Option<&Part>) -> bool {
    part.is_some_and(Part::stands)
}
