//! Pure: a lost worker is heard again before its users are dead, and goes on with them.
//!
//! The link was gone, not the worker: the master was frozen, or the way between them was cut. The
//! worker has kept its users under its lease, or because it believed the master dead, and the master
//! has not started them anywhere else. What was on its way when the link broke may not have come:
//! the worker says who lives there, and which of those that have ended were not heard of.

use std::time::Duration;

use super::{ANSWER, Command, Core, Purpose};
use crate::{
    cluster::{
        ids,
        lease::BEAT,
        member::MemberId,
        protocol::run::{Assignment, Beat, ToWorker},
        run::{Change, Part, Stage},
    },
    controller::machine::RunState,
};

/// How long a worker that is linked again has to say whether it goes on before it is asked to begin
/// anew.
const SAY: Duration = BEAT.saturating_mul(3);

impl Core {
    /// A member is linked again: parts of it that are lost may go on.
    pub(super) fn expect_back(&mut self, now: Duration, member: &MemberId) {
        for (assignment, _) in self.workers(|part| part.is_lost() && part.worker == *member) {
            self.expected.insert(assignment, now + SAY);
        }
    }

    /// Whether it is not known yet if that member goes on with a part.
    pub(super) fn may_come_back(&self, member: &MemberId) -> bool {
        let mut parts = self.expected.keys().filter_map(|assignment| self.part(*assignment));
        parts.any(|part| part.is_lost() && part.worker == *member)
    }

    pub(super) fn tick_expected(&mut self, now: Duration) {
        self.expected.retain(|_, until| now < *until);
    }

    /// A lost part tells how it stands. Answers whether it goes on; otherwise it is over, and its
    /// worker begins anew.
    pub(super) fn take_back(&mut self, now: Duration, from: &MemberId, beat: &mut Beat) -> bool {
        let assignment = beat.assignment;
        // Without it the beat was sent before its worker learnt of the new link.
        let Some(living) = beat.living.take() else { return false };
        self.expected.remove(&assignment);
        let goes_on = match self.stage() {
            Some(Stage::Running) => beat.state == RunState::Running,
            // It may have ended already.
            Some(Stage::Stopping) => true,
            _ => false,
        };
        let mut strangers = living.clone();
        if let Some(part) = self.part(assignment) {
            ids::take(&mut strangers, &part.ids());
        }
        if !goes_on || self.takes_part_now(from) || !strangers.is_empty() {
            return false;
        }
        // Whoever was given back before is said to live elsewhere, or not at all.
        beat.released = Default::default();
        let ended = beat.ended.clone();
        let heard = beat.plan.heard;
        let at = now.saturating_sub(self.began);
        self.apply(Change::Returned { assignment, at, living, ended, heard });
        self.tried.insert(from.clone());
        self.goes_on(now, assignment, from);
        true
    }

    /// A worker has killed its users because its lease was over: they start elsewhere, and it begins
    /// anew.
    pub(super) fn was_cut_off(&mut self, now: Duration, from: &MemberId, assignment: Assignment) {
        self.lose(now, assignment, "it was cut off");
        self.settle(now, assignment);
        self.expected.remove(&assignment);
        if !self.takes_part_now(from) {
            self.tried.remove(from);
        }
    }

    /// Whether a member has a part, or is asked to.
    fn takes_part_now(&self, member: &MemberId) -> bool {
        !self.workers(|part| part.stands() && part.worker == *member).is_empty()
    }

    /// It hears what it has missed.
    fn goes_on(&mut self, now: Duration, assignment: Assignment, worker: &MemberId) {
        self.tell_whereabouts();
        let Some(run) = &self.run else { return };
        // Others cannot be changed any more, and were not.
        let changed = |(name, _): &&(String, String)| run.changed.contains(name);
        let settings: Vec<_> = run.settings.iter().filter(changed).cloned().collect();
        let outdated = run.parts.get(&assignment).is_some_and(|part| part.revision != run.revision);
        let parts = run.parts.values().filter(|part| part.stands());
        let everybody: Vec<_> = parts
            .map(|part| (part.ids(), Some(part.worker.clone())))
            .filter(|(ids, _)| !ids.is_empty())
            .collect();
        self.cast_whereabouts(assignment, worker, &everybody);
        if let Some(part) = self.part(assignment) {
            self.whereabouts.push((part.ids(), Some(worker.clone())));
        }
        if self.run.as_ref().is_some_and(|run| run.drained.contains(worker)) {
            self.release(now, assignment, u64::MAX);
        }
        if outdated {
            let message = ToWorker::ApplySettings { assignment, settings };
            self.call(worker, message, ANSWER, Purpose::Nothing);
            self.apply(Change::UpToDate { assignment });
        }
        if self.stage() == Some(Stage::Stopping) {
            self.call(worker, ToWorker::Stop { assignment }, ANSWER, Purpose::Nothing);
        }
        let users = self.part(assignment).map_or(0, Part::load);
        self.command(Command::Back { worker: worker.clone(), users });
        self.tick_plan(now);
    }
}
