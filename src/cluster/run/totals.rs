//! Pure: the accounts of a run over all its parts.

use super::{Account, Run, Stage};
use crate::controller::{endings::EndingCounts, machine::RunState, population::UserCounts};

impl Account {
    /// Adds what another account counts.
    pub(crate) fn add(&mut self, other: &Self) {
        let UserCounts { asked, started, waiting, running, finished, failed, removed, peak: _ } =
            other.users;
        let users = &mut self.users;
        users.asked += asked;
        users.started += started;
        users.waiting += waiting;
        users.running += running;
        users.finished += finished;
        users.failed += failed;
        users.removed += removed;
        let EndingCounts { finished, stopped, failed, panicked, killed } = other.endings;
        let endings = &mut self.endings;
        endings.finished += finished;
        endings.stopped += stopped;
        endings.failed += failed;
        endings.panicked += panicked;
        endings.killed += killed;
    }
}

impl Run {
    /// Users and endings of the whole run; asked = waiting + running + finished + failed + removed.
    /// Waiting are all that nobody has said anything else of: those not placed yet, those on their
    /// way to a worker, and those of a lost worker whose lease may still hold.
    pub(crate) fn totals(&self) -> Account {
        let mut all = self.kept;
        self.parts.values().for_each(|part| all.add(&part.account));
        let users = &mut all.users;
        let told = users.running + users.finished + users.failed + users.removed;
        // Users of a profile are asked for by workers, who take their ids as they need them.
        users.asked = if self.plan.is_some() { users.asked } else { self.highest };
        users.waiting = users.asked.saturating_sub(told);
        users.peak = self.peak.max(users.running);
        all
    }

    /// The state for others to see.
    pub(crate) fn state(&self) -> RunState {
        match (self.stage, &self.reason) {
            (Stage::Starting, _) => RunState::Starting,
            (Stage::Running, _) => RunState::Running,
            (Stage::Stopping, _) => RunState::Terminating,
            (Stage::Over, Some(_)) => RunState::Failed,
            (Stage::Over, None) => RunState::Finished,
        }
    }
}
