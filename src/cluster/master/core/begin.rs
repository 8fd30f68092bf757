//! Pure: how a run begins, and how workers take part in it.

use std::time::Duration;

use crowd_core::{
    refusal::{Code, Refusal},
    user_id::IdSet,
};

use super::{ANSWER, Answered, Command, Core, Outcome, Plan, Purpose, end::Then, fault};
use crate::{
    cluster::{
        lease::CLEAN_END,
        member::MemberId,
        protocol::run::{Assignment, RunSpec, ToWorker, WorkerAnswer},
        run::{Change, Part, Run, Stage, Standing},
    },
    controller::population::HIGHEST_ID,
};

/// How much longer than `init` itself a worker may take to answer.
const INIT_MARGIN: Duration = Duration::from_secs(5);

/// A `do` that is not answered yet.
#[derive(Debug)]
pub(super) struct Doing {
    verb: u64,
    users: u64,
    /// Why it came to nothing; what was begun is being ended.
    refusal: Option<Refusal>,
    /// When those that have not ended are left alone; `None`: they are not told to yet.
    undone_by: Option<Duration>,
}

impl Core {
    /// Whether a `do` could begin now.
    ///
    /// # Errors
    /// `invalid-status` if a run goes on; `invalid-range` for too many users.
    pub(crate) fn check_start(&self, users: u64) -> Result<(), Refusal> {
        let state = match &self.run {
            _ if self.resetting.is_some() => Some("being reset"),
            Some(run) if run.stage != Stage::Over => Some(run.state().as_str()),
            _ => None,
        };
        if let Some(state) = state {
            return Err(self.wrong_state("do", "idle, finished or failed", state));
        }
        if users > HIGHEST_ID {
            let message = format!("{users} users are too many; {HIGHEST_ID} are the most");
            return Err(Refusal::new(Code::InvalidRange, message));
        }
        Ok(())
    }

    /// `do`, with settings that are checked.
    pub(crate) fn start(&mut self, now: Duration, verb: u64, plan: Plan) {
        match self.check_start(plan.users) {
            Err(refusal) => {
                self.answer(verb, Err(refusal));
                if self.is_idle() {
                    self.command(Command::Resign);
                }
            }
            Ok(()) if self.run.is_some() => self.reset_then(now, Then::Start(verb, plan)),
            Ok(()) => self.begin(now, verb, plan),
        }
        self.tidy(now);
    }

    pub(super) fn begin(&mut self, now: Duration, verb: u64, plan: Plan) {
        self.began = now;
        self.run = Some(Run::new(plan.id, plan.scenario, plan.settings));
        self.load = plan.load;
        self.doing = Some(Doing { verb, users: plan.users, refusal: None, undone_by: None });
        self.command(Command::Begin(self.spec(now)));
        let others: Vec<_> = self.free.iter().cloned().collect();
        // A lone master is its own worker.
        let workers = if others.is_empty() { vec![self.policy.me.clone()] } else { others };
        for worker in workers {
            self.assign(now, &worker);
        }
    }

    fn spec(&self, now: Duration) -> RunSpec {
        let (id, scenario, settings) = self.run.as_ref().map_or_else(Default::default, |run| {
            (run.id.clone(), run.scenario.clone(), run.settings.clone())
        });
        RunSpec { id, scenario, settings, elapsed: now.saturating_sub(self.began) }
    }

    /// Has a worker take part.
    pub(super) fn assign(&mut self, now: Duration, worker: &MemberId) {
        self.assignments += 1;
        let assignment = Assignment(self.assignments);
        self.apply(Change::Assigned { assignment, worker: worker.clone() });
        self.tried.insert(worker.clone());
        self.renew(now, assignment);
        self.command(Command::Joined(worker.clone(), assignment));
        let message = ToWorker::Begin { assignment, run: self.spec(now) };
        let within = self.policy.init_timeout + INIT_MARGIN;
        self.call(worker, message, within, Purpose::Begin(assignment));
    }

    /// Has those take part that came later, and those that are back.
    pub(super) fn join_all(&mut self, now: Duration) {
        if self.stage() != Some(Stage::Running) {
            return;
        }
        let new = self.free.difference(&self.tried).filter(|worker| !self.may_come_back(worker));
        let new: Vec<_> = new.cloned().collect();
        for worker in new {
            self.assign(now, &worker);
        }
        // A master that is left alone is its own worker, as one that begins alone. Users wait for
        // that until those that are lost are dead or back; arrivals do not.
        let me = self.policy.me.clone();
        let waits = self.load.is_none();
        let mut parts = self.run.iter().flat_map(|run| run.parts.values());
        let alone = !parts.any(|part| part.stands() || waits && part.is_lost());
        if alone && !self.tried.contains(&me) {
            self.assign(now, &me);
        }
    }

    /// A worker's `init` is over, or was not heard of in time.
    pub(super) fn begun(&mut self, now: Duration, assignment: Assignment, answer: Answered) {
        let Some(run) = &self.run else { return };
        let Some(part) = run.parts.get(&assignment) else { return };
        if part.standing != Standing::Beginning {
            return;
        }
        let worker = part.worker.clone();
        let outdated = part.revision != run.revision;
        match answer {
            Ok(WorkerAnswer::Done) if outdated && run.stage == Stage::Running => {
                // The settings have changed while its `init` ran.
                self.apply(Change::Left { assignment });
                self.settle_all_of(now, &worker);
                self.say_gone(&worker);
                self.assign(now, &worker);
            }
            Ok(WorkerAnswer::Done) => self.takes_part(now, assignment, &worker),
            answer => {
                let code = match &answer {
                    Ok(WorkerAnswer::Refused(refusal)) => refusal.code,
                    _ => Code::Unavailable,
                };
                self.part_failed(assignment, code, fault(&answer));
                // Its `init` may still run.
                let message = ToWorker::Reset { assignment };
                self.call(&worker, message, ANSWER, Purpose::Nothing);
            }
        }
        self.go_on_starting(now);
    }

    fn takes_part(&mut self, now: Duration, assignment: Assignment, worker: &MemberId) {
        // All the others hear of what has changed before this one hears of everything.
        self.tell_whereabouts();
        self.apply(Change::Begun { assignment });
        self.renew(now, assignment);
        self.settle_all_of(now, worker);
        let parts = self.run.iter().flat_map(|run| run.parts.values());
        let everybody: Vec<(IdSet, Option<MemberId>)> = parts
            .filter(|part| part.stands())
            .map(|part| (part.ids(), Some(part.worker.clone())))
            .filter(|(ids, _)| !ids.is_empty())
            .collect();
        self.cast_whereabouts(assignment, worker, &everybody);
        match self.stage() {
            Some(Stage::Running) if self.policy.rebalance => self.rebalance(now),
            // It was told to stop before it was heard of.
            Some(Stage::Stopping) => {
                self.call(worker, ToWorker::Stop { assignment }, ANSWER, Purpose::Nothing);
            }
            _ => {}
        }
        if self.is_undoing() {
            self.call(worker, ToWorker::Stop { assignment }, ANSWER, Purpose::Nothing);
        }
    }

    /// The run broke on a worker. While the run begins, that is the end of it.
    pub(super) fn part_failed(&mut self, assignment: Assignment, code: Code, reason: String) {
        let Some(part) = self.run.as_ref().and_then(|run| run.parts.get(&assignment)) else {
            return;
        };
        if !part.stands() {
            return;
        }
        let worker = part.worker.clone();
        if part.load() > 0 || !part.plan.reserved.is_empty() {
            self.whereabouts.push((part.ids(), None));
            let users = part.load();
            let reason = format!("the run broke there: {reason}");
            self.command(Command::Moved { from: worker.clone(), users, reason });
        }
        let refusal = Refusal::new(code, format!("node `{worker}`: {reason}"));
        self.apply(Change::Failed { assignment, reason });
        self.say_gone(&worker);
        self.give_up(refusal);
    }

    /// The `do` under way, if any, comes to nothing.
    pub(super) fn give_up(&mut self, refusal: Refusal) {
        if let Some(doing) = &mut self.doing {
            doing.refusal.get_or_insert(refusal);
        }
    }

    /// Whether what was begun is being ended again.
    pub(super) fn is_undoing(&self) -> bool {
        self.doing.as_ref().is_some_and(|doing| doing.refusal.is_some())
    }

    /// `stop` while the run begins.
    pub(super) fn give_up_starting(&mut self, now: Duration) {
        let scenario = self.run.as_ref().map_or("", |run| &run.scenario);
        let message = format!("`{scenario}` was stopped while `init` ran");
        self.give_up(Refusal::new(Code::InitFailed, message));
        self.go_on_starting(now);
    }

    /// To be asked whenever something has happened to a part while the run begins.
    pub(super) fn go_on_starting(&mut self, now: Duration) {
        if self.stage() != Some(Stage::Starting) || self.resetting.is_some() {
            return;
        }
        let patience = CLEAN_END + 2 * self.policy.terminate_timeout + INIT_MARGIN;
        let standing = self.workers(Part::stands);
        let beginning = !self.workers(|part| part.standing == Standing::Beginning).is_empty();
        let Some(doing) = &mut self.doing else { return };
        let Some(refusal) = doing.refusal.clone() else {
            if !beginning {
                self.all_have_begun(now);
            }
            return;
        };
        let until = doing.undone_by;
        if until.is_none() {
            doing.undone_by = Some(now + patience);
            for (assignment, worker) in &standing {
                let message = ToWorker::Stop { assignment: *assignment };
                self.call(worker, message, ANSWER, Purpose::Nothing);
            }
        }
        let Some(doing) = &self.doing else { return };
        if standing.is_empty() || until.is_some_and(|until| now >= until) {
            let verb = doing.verb;
            self.doing = None;
            self.reset_then(now, Then::Refuse(verb, refusal));
        }
    }

    fn all_have_begun(&mut self, now: Duration) {
        let Some(doing) = self.doing.take() else { return };
        self.apply(Change::Running);
        let to = self.takers();
        let dealt = self.add_users(now, doing.users, &to);
        self.begin_plan(now);
        self.answer(doing.verb, Ok(Outcome::Dealt(dealt)));
    }
}
