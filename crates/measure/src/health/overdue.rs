//! For how much of the time something was late.

use std::time::Duration;

/// Adds up the time in which something that should have happened was late by more than a limit.
/// Times are since any one moment. Pure.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Overdue {
    /// Up to when it was counted.
    until: Duration,
    sum: Duration,
}

impl Overdue {
    /// What was due happened only now, or has not yet.
    pub(super) fn note(&mut self, due: Duration, now: Duration, limit: Duration) {
        let from = due.saturating_add(limit).max(self.until);
        self.sum += now.saturating_sub(from);
        self.until = self.until.max(now);
    }

    /// What was counted since this was last asked.
    pub(super) fn take(&mut self) -> Duration {
        std::mem::take(&mut self.sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_beyond_the_limit_is_counted_once() {
        let ms = Duration::from_millis;
        let mut overdue = Overdue::default();
        overdue.note(ms(0), ms(40), ms(50));
        assert_eq!(overdue.take(), ms(0));
        // Looked at three times while it is late, and when it happens.
        for now in [90, 130, 200, 230] {
            overdue.note(ms(50), ms(now), ms(50));
        }
        assert_eq!(overdue.take(), ms(130));
        assert_eq!(overdue.take(), ms(0));
        overdue.note(ms(240), ms(400), ms(50));
        assert_eq!(overdue.take(), ms(110));
    }
}
