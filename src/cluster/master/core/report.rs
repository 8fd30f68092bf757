//! Pure: what workers tell of their parts.

use std::time::Duration;

use crowd_core::refusal::Code;

use super::{Command, Core};
use crate::{
    cluster::{
        ids,
        member::MemberId,
        protocol::run::{Assignment, Beat, ToWorker},
        run::{Account, Change, Part, Stage, Standing},
    },
    controller::machine::RunState,
};

impl Core {
    /// A worker tells how its part stands. One of another part than its current one is ignored, and
    /// not answered, so its lease runs out; but one that was lost may go on.
    pub(crate) fn beat(&mut self, now: Duration, from: &MemberId, mut beat: Beat) {
        let assignment = beat.assignment;
        self.note_doubts(now);
        let Some(part) = self.part(assignment).filter(|part| part.worker == *from) else { return };
        let lost = part.is_lost();
        if beat.cut_off && (lost || part.is_begun()) {
            self.was_cut_off(now, from, assignment);
        } else if lost && !self.take_back(now, from, &mut beat) {
            return self.tidy(now);
        }
        let Some(part) = self.part(assignment) else { return };
        let ended = matches!(part.standing, Standing::Ended(_));
        if !part.stands() && !ended {
            return;
        }
        let members = self.renew(now, assignment);
        let message = ToWorker::Renewed { assignment, sent: beat.sent, members };
        self.command(Command::Cast { to: from.clone(), message });
        if !ended {
            self.reported(now, beat);
        }
        self.tidy(now);
    }

    fn reported(&mut self, now: Duration, beat: Beat) {
        let Beat { assignment, state, reason, users, endings, ended, released, plan, .. } = beat;
        let Some(part) = self.part(assignment) else { return };
        let beginning = part.standing == Standing::Beginning;
        let mut placed = part.placed.clone();
        let gone = ids::take(&mut placed, &ended);
        let back = ids::take(&mut placed, &released);
        for users in [gone, back.clone()].into_iter().filter(|users| !users.is_empty()) {
            self.whereabouts.push((users, None));
        }
        let account = Account { users, endings };
        let released = back.clone();
        self.apply(Change::Reported { assignment, state, account, ended, released, plan });
        if !back.is_empty() {
            self.came_back(assignment, back.len());
        }
        // While `init` runs its own answer tells what has come of it.
        let over = matches!(state, RunState::Finished | RunState::Failed);
        if beginning || !over {
            return;
        }
        let broken = (state == RunState::Failed)
            .then(|| reason.unwrap_or_else(|| "it does not say why".to_owned()));
        match self.stage() {
            Some(Stage::Starting) if self.is_undoing() => self.part_ended(assignment, broken),
            Some(Stage::Stopping) => self.part_ended(assignment, broken),
            _ => {
                let reason = broken.unwrap_or_else(|| "its part of the run is over".to_owned());
                self.part_failed(assignment, Code::Unavailable, reason);
            }
        }
        self.go_on_starting(now);
    }

    fn part_ended(&mut self, assignment: Assignment, reason: Option<String>) {
        if let Some(users) = self.part(assignment).map(Part::ids).filter(|ids| !ids.is_empty()) {
            self.whereabouts.push((users, None));
        }
        self.apply(Change::Ended { assignment, reason });
    }

    /// A worker's node is about to end: its users go elsewhere.
    pub(crate) fn leaving(&mut self, now: Duration, from: &MemberId, assignment: Assignment) {
        let part = self.part(assignment);
        let known = part.is_some_and(|part| part.worker == *from && part.stands());
        if known && self.stage() == Some(Stage::Running) {
            self.apply(Change::Leaving { assignment });
            self.release(now, assignment, u64::MAX);
            self.tick_plan(now);
        }
        self.tidy(now);
    }
}
