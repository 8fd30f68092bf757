//! Pure: how a run ends, and how it is forgotten.

use std::{collections::BTreeSet, time::Duration};

use crowd_core::{refusal::Refusal, settings::SettingValue};
use crowd_plan::run_settings::{DEFAULT_GRACEFUL_STOP, GRACEFUL_STOP};

use super::{ANSWER, Command, Core, Outcome, Plan, Purpose};
use crate::cluster::{
    lease::CLEAN_END,
    member::MemberId,
    protocol::run::ToWorker,
    run::{Change, Part, Stage, Standing},
};

/// A run that is being forgotten.
#[derive(Debug)]
pub(super) struct Resetting {
    then: Then,
    /// Others who asked for it meanwhile.
    also: Vec<u64>,
    /// Calls that are not answered.
    open: BTreeSet<u64>,
}

/// What comes after a run is forgotten.
#[derive(Debug)]
pub(super) enum Then {
    /// `reset` is answered.
    Answer(u64),
    /// The `do` that came to nothing is refused.
    Refuse(u64, Refusal),
    /// The next run begins.
    Start(u64, Plan),
}

impl Core {
    /// `stop`: answered when all workers know.
    pub(crate) fn stop(&mut self, now: Duration, verb: u64) {
        match self.stage() {
            Some(Stage::Starting) if self.resetting.is_none() => {
                self.give_up_starting(now);
                self.answer(verb, Ok(Outcome::Done));
            }
            Some(Stage::Running) => {
                self.end_run(now, None);
                self.stops.0.push(verb);
                self.answer_stops();
            }
            _ => {
                let state = self.run.as_ref().map_or("idle", |run| run.state().as_str());
                let refusal = self.wrong_state("stop", "starting or running", state);
                self.answer(verb, Err(refusal));
            }
        }
        self.tidy(now);
    }

    /// `stop gracefully`: answered at once; the run stops when nobody is left, or after
    /// `graceful_stop`.
    pub(crate) fn stop_gracefully(&mut self, now: Duration, verb: u64) {
        if let Err(refusal) = self.require_running("stop") {
            return self.answer(verb, Err(refusal));
        }
        let by = now.saturating_add(self.graceful_stop());
        self.finish_by.get_or_insert(by);
        self.tick_finish(now);
        self.answer(verb, Ok(Outcome::Done));
        self.tidy(now);
    }

    fn graceful_stop(&self) -> Duration {
        let settings = self.run.iter().flat_map(|run| &run.settings);
        let mut given = settings.filter(|(name, _)| name == GRACEFUL_STOP);
        // What was given was checked when the run began.
        given
            .next_back()
            .and_then(|(_, text)| Duration::parse(text).ok())
            .unwrap_or(DEFAULT_GRACEFUL_STOP)
    }

    /// Looks after a run that ends gracefully.
    pub(super) fn tick_finish(&mut self, now: Duration) {
        let Some(by) = self.finish_by.filter(|_| self.stage() == Some(Stage::Running)) else {
            return;
        };
        let users = self.run.as_ref().map(|run| run.totals().users).unwrap_or_default();
        let unplaced = self.run.as_ref().is_some_and(|run| !run.unplaced.is_empty());
        if now >= by || users.waiting + users.running == 0 && !unplaced {
            self.finish_by = None;
            return self.end_run(now, None);
        }
        for (assignment, to) in self.workers(Part::is_begun) {
            self.command(Command::Cast { to, message: ToWorker::Finish { assignment } });
        }
    }

    /// All users are told to go; with the reason, if the run has failed.
    pub(super) fn end_run(&mut self, now: Duration, reason: Option<String>) {
        self.apply(Change::Stopping { reason });
        // The scenario's `terminate`, and before it the coordinators, may take so long each.
        self.stop_by = Some(now + CLEAN_END + 2 * self.policy.terminate_timeout + ANSWER);
        for (assignment, worker) in self.workers(Part::stands) {
            let call = self.call(&worker, ToWorker::Stop { assignment }, ANSWER, Purpose::Stop);
            self.stops.1.insert(call);
        }
    }

    pub(super) fn stop_heard(&mut self, call: u64) {
        self.stops.1.remove(&call);
        self.answer_stops();
    }

    fn answer_stops(&mut self) {
        if self.stops.1.is_empty() {
            for verb in std::mem::take(&mut self.stops.0) {
                self.answer(verb, Ok(Outcome::Done));
            }
        }
    }

    /// Gives up workers that do not come to an end.
    pub(super) fn tick_end(&mut self, now: Duration) {
        if self.stage() != Some(Stage::Stopping) || self.stop_by.is_none_or(|by| now < by) {
            return;
        }
        self.stop_by = None;
        let patience = CLEAN_END + 2 * self.policy.terminate_timeout + ANSWER;
        let patience = humantime::format_duration(patience);
        for (assignment, worker) in self.workers(Part::stands) {
            let why = format!("it did not end the run within {patience}");
            let reason = Some(format!("node `{worker}`: {why}"));
            self.apply(Change::Stopping { reason });
            self.lose(now, assignment, &why);
        }
    }

    /// The run is over when it has ended on all workers, and nobody lives on a lost one.
    pub(super) fn look_whether_over(&mut self) {
        let Some(run) = self.run.as_ref().filter(|run| run.stage == Stage::Stopping) else {
            return;
        };
        let going = run.parts.values().any(|part| part.stands() || part.is_lost());
        if !going && !self.ending {
            self.ending = true;
            self.command(Command::End);
        }
    }

    /// The companions have ended: the run is over.
    pub(crate) fn ended(&mut self, now: Duration) {
        if let Some(run) = self.run.as_ref().filter(|run| run.stage == Stage::Stopping) {
            let took = now.saturating_sub(self.began);
            let mut broken = run.parts.values().map(|part| match &part.standing {
                Standing::Failed(reason) | Standing::Ended(Some(reason)) => {
                    Some(format!("node `{}`: {reason}", part.worker))
                }
                _ => None,
            });
            // A run that ended well anywhere has not failed.
            let reason = broken.next().flatten().filter(|_| broken.all(|reason| reason.is_some()));
            self.ending = false;
            self.apply(Change::Over { took, reason });
        }
        self.tidy(now);
    }

    /// `reset`: forgets a run that is over.
    pub(crate) fn reset(&mut self, now: Duration, verb: u64) {
        match (self.stage(), &mut self.resetting) {
            (_, Some(resetting)) => resetting.also.push(verb),
            (None, None) => {
                self.answer(verb, Ok(Outcome::Done));
                self.command(Command::Resign);
            }
            (Some(Stage::Over), None) => self.reset_then(now, Then::Answer(verb)),
            (Some(_), None) => {
                let state = self.run.as_ref().map_or("idle", |run| run.state().as_str());
                let wanted = "idle, finished or failed (`stop` first)";
                let refusal = self.wrong_state("reset", wanted, state);
                self.answer(verb, Err(refusal));
            }
        }
        self.tidy(now);
    }

    pub(super) fn reset_then(&mut self, now: Duration, then: Then) {
        let mut told: BTreeSet<MemberId> = BTreeSet::new();
        let mut open = BTreeSet::new();
        // The newest part of each worker is the one that it knows.
        for (assignment, worker) in self.workers(|_| true).into_iter().rev() {
            let reached = worker == self.policy.me || self.members.contains(&worker);
            if reached && told.insert(worker.clone()) {
                let message = ToWorker::Reset { assignment };
                open.insert(self.call(&worker, message, ANSWER, Purpose::Reset));
            }
        }
        self.resetting = Some(Resetting { then, also: Vec::new(), open });
        self.forget_when_reset(now);
    }

    pub(super) fn reset_heard(&mut self, now: Duration, call: u64) {
        if let Some(resetting) = &mut self.resetting {
            // One that does not answer is told by the next run to forget this one.
            resetting.open.remove(&call);
        }
        self.forget_when_reset(now);
    }

    fn forget_when_reset(&mut self, now: Duration) {
        if self.resetting.as_ref().is_none_or(|resetting| !resetting.open.is_empty()) {
            return;
        }
        let Some(Resetting { then, also, .. }) = self.resetting.take() else { return };
        for (_, worker) in self.workers(Part::is_lost) {
            self.command(Command::Gone(worker));
        }
        self.forget();
        self.forget_the_gone(now);
        for verb in also {
            self.answer(verb, Ok(Outcome::Done));
        }
        match then {
            Then::Answer(verb) => {
                self.answer(verb, Ok(Outcome::Done));
                self.command(Command::Resign);
            }
            Then::Refuse(verb, refusal) => {
                self.answer(verb, Err(refusal));
                self.command(Command::Resign);
            }
            Then::Start(verb, plan) => self.begin(now, verb, plan),
        }
    }

    /// Forgets the run, and all that was under way for it.
    fn forget(&mut self) {
        self.command(Command::Forget);
        self.run = None;
        self.load = None;
        self.expected.clear();
        self.heard.clear();
        self.chosen.clear();
        self.releasing.clear();
        self.pending.clear();
        self.tried.clear();
        self.doing = None;
        self.setting = None;
        self.stop_by = None;
        self.finish_by = None;
        self.ending = false;
        self.whereabouts.clear();
        let sets = std::mem::take(&mut self.sets).into_iter().map(|set| set.verb);
        let drains = std::mem::take(&mut self.drains).into_values().flat_map(|drain| drain.verbs);
        let removals = std::mem::take(&mut self.removals).into_keys();
        let stops = std::mem::take(&mut self.stops).0;
        for verb in sets.chain(drains).chain(removals).chain(stops).collect::<Vec<_>>() {
            let refusal = self.wrong_state("this", "running", "idle");
            self.answer(verb, Err(refusal));
        }
    }
}
