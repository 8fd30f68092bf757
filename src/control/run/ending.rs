//! Pure: how a run of the command line comes to its end.

use std::time::Duration;

/// What has to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing; it ends already.
    Nothing,
    /// Let what is under way finish.
    Finish,
    /// Admit nobody more and tell everybody to stop.
    Drain,
    /// Stop everybody, and kill them if need be.
    Force,
    /// Leave the process at once, with what is known so far.
    Leave,
}

/// Where the run is on the way to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Going,
    TimeUp,
    Draining,
    Forcing,
}

/// Decides what to do when somebody interrupts the run or its time is up.
#[derive(Debug)]
pub(super) struct Ending {
    phase: Phase,
    limit: Option<Duration>,
    interrupted: bool,
}

impl Ending {
    /// A run that has just begun and may take so long.
    pub(super) fn new(limit: Option<Duration>) -> Self {
        Self { phase: Phase::Going, limit, interrupted: false }
    }

    /// Somebody wants it to end.
    pub(super) fn interrupt(&mut self) -> Action {
        let (phase, action) = match self.phase {
            Phase::Going => (Phase::Draining, Action::Drain),
            // What is under way is not waited for any longer.
            Phase::TimeUp => (Phase::Forcing, Action::Force),
            Phase::Draining => (Phase::Forcing, Action::Force),
            Phase::Forcing => (Phase::Forcing, Action::Leave),
        };
        // A run that had its time was not cut short.
        self.interrupted |= self.phase != Phase::TimeUp;
        self.phase = phase;
        action
    }

    /// It has taken so long by now.
    pub(super) fn tick(&mut self, elapsed: Duration) -> Action {
        if self.phase == Phase::Going && self.limit.is_some_and(|limit| elapsed >= limit) {
            self.phase = Phase::TimeUp;
            return Action::Finish;
        }
        Action::Nothing
    }

    /// How much time is left, if the run goes on and has a limit.
    pub(super) fn left(&self, elapsed: Duration) -> Option<Duration> {
        self.limit.filter(|_| self.phase == Phase::Going).map(|limit| limit.saturating_sub(elapsed))
    }

    /// Whether somebody cut it short.
    pub(super) fn interrupted(&self) -> bool {
        self.interrupted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn one_interrupt_drains_two_force_three_leave() {
        let mut ending = Ending::new(Some(SECOND));
        assert_eq!(ending.tick(SECOND / 2), Action::Nothing);
        assert_eq!(ending.left(SECOND / 4), Some(SECOND * 3 / 4));
        assert_eq!(ending.interrupt(), Action::Drain);
        assert_eq!(ending.tick(SECOND * 2), Action::Nothing);
        assert_eq!(ending.left(SECOND / 4), None);
        assert_eq!(ending.interrupt(), Action::Force);
        assert_eq!(ending.interrupt(), Action::Leave);
        assert!(ending.interrupted());
    }

    #[test]
    fn a_run_whose_time_is_up_finishes_and_is_not_called_interrupted() {
        let mut ending = Ending::new(Some(SECOND));
        assert_eq!(ending.tick(SECOND), Action::Finish);
        assert_eq!(ending.tick(SECOND), Action::Nothing);
        assert!(!ending.interrupted());
        assert_eq!(ending.interrupt(), Action::Force);
        assert!(!ending.interrupted());
        assert_eq!(ending.interrupt(), Action::Leave);
    }

    #[test]
    fn without_a_limit_only_an_interrupt_ends_it() {
        let mut ending = Ending::new(None);
        assert_eq!(ending.tick(SECOND * 100_000), Action::Nothing);
        assert_eq!(ending.left(SECOND), None);
        assert!(!ending.interrupted());
    }
}
