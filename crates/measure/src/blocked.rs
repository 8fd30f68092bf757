//! For how long user code held up the workers.

use std::time::Duration;

use super::names;

/// A poll under way for longer than this holds up its worker.
pub const STALL: Duration = Duration::from_millis(20);

/// What user code held up since it was last asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Blocked {
    /// For how long, over all workers.
    pub time: Duration,
    /// Whose code did so for longest without awaiting, and for how long. What is not over yet has an
    /// empty name: it is known only when it ends.
    pub worst: Option<(String, Duration)>,
}

/// Adds up what user code holds up; times are since the start of the run. Pure.
#[derive(Debug, Default)]
pub(super) struct Blocking {
    /// Up to when it was asked for.
    until: Duration,
    time: Duration,
    worst: Option<(String, Duration)>,
}

impl Blocking {
    /// Code of that name ran for `took` and ended now.
    pub(super) fn add(&mut self, name: &str, took: Duration, now: Duration) {
        // What was under way when it was last asked for has been counted up to then.
        self.time += took.min(now.saturating_sub(self.until));
        if self.worst.as_ref().is_none_or(|(_, worst)| took > *worst) {
            self.worst = Some((names::clip(name).to_owned(), took));
        }
    }

    /// What was held up since this was last asked, also by polls under way since these times.
    pub(super) fn take(
        &mut self,
        now: Duration,
        under_way: impl Iterator<Item = Duration>,
    ) -> Blocked {
        let mut blocked =
            Blocked { time: std::mem::take(&mut self.time), worst: self.worst.take() };
        for since in under_way {
            let took = now.saturating_sub(since);
            if took <= STALL {
                continue;
            }
            blocked.time += now.saturating_sub(since.max(self.until));
            if blocked.worst.as_ref().is_none_or(|(_, worst)| took > *worst) {
                blocked.worst = Some((String::new(), took));
            }
        }
        self.until = now;
        blocked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_counted_once_whenever_it_is_asked_for() {
        let ms = Duration::from_millis;
        let mut blocking = Blocking::default();
        blocking.add("chat: send", ms(200), ms(500));
        blocking.add("chat", ms(30), ms(600));
        let first = blocking.take(ms(1_000), [ms(700), ms(990)].into_iter());
        assert_eq!(first.time, ms(530));
        assert_eq!(first.worst, Some((String::new(), ms(300))));
        let second = blocking.take(ms(2_000), [ms(700)].into_iter());
        assert_eq!(second.time, ms(1_000));
        // It ends: only what came since is new.
        blocking.add("chat: send", ms(1_800), ms(2_500));
        let third = blocking.take(ms(3_000), std::iter::empty());
        assert_eq!(
            third,
            Blocked { time: ms(500), worst: Some(("chat: send".to_owned(), ms(1_800))) }
        );
        assert_eq!(blocking.take(ms(4_000), std::iter::empty()), Blocked::default());
    }
}
