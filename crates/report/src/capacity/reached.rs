//! Pure: whether users begin as many iterations as they are asked to. When all of them are busy they
//! do not, and what is measured is not the load that was asked for.

use std::{collections::VecDeque, time::Duration};

use super::observation::{Signal, SignalKind};

/// What the signal of it is called.
pub const NAME: &str = "iteration_rate is reached";

/// The share of the rate that has to be there.
const ENOUGH: f64 = 0.9;

/// Slots that may be missing however short the window is: one at each end of it.
const SLACK: f64 = 2.0;

/// How many iterations have begun since a rate was asked for.
#[derive(Debug, Clone)]
pub struct Reached {
    window: Duration,
    /// By how much counts may be behind.
    lag: Duration,
    rate: Option<f64>,
    /// How many had begun, the oldest first.
    begun: VecDeque<(Duration, u64)>,
}

impl Reached {
    /// Judged over so long a time, and no less than five times that by which counts may be behind.
    pub fn new(window: Duration, lag: Duration) -> Self {
        Self { window: window.max(lag * 5), lag, rate: None, begun: VecDeque::new() }
    }

    /// This rate is asked for from now on.
    pub fn ask(&mut self, rate: f64) {
        self.rate = Some(rate);
        self.begun.clear();
    }

    /// So many have begun by now.
    pub fn see(&mut self, now: Duration, begun: u64) {
        if self.begun.back().is_some_and(|(_, before)| *before > begun) {
            // Those of a lost node are not counted any more.
            self.begun.clear();
        }
        self.begun.push_back((now, begun));
        while self.begun.get(1).is_some_and(|(then, _)| now.saturating_sub(*then) >= self.window) {
            self.begun.pop_front();
        }
    }

    /// That the rate is not reached, once a whole window says so. While it is, there is nothing to
    /// say: by how much makes no load healthier.
    pub fn signal(&self) -> Option<Signal> {
        let (rate, (then, before), (now, begun)) =
            (self.rate?, self.begun.front()?, self.begun.back()?);
        let span = now.saturating_sub(*then);
        if span < self.window || span.is_zero() {
            return None;
        }
        let count = begun.saturating_sub(*before) as f64;
        let wanted = rate * ENOUGH * span.as_secs_f64();
        let unheard = rate * self.lag.as_secs_f64();
        (count + SLACK + unheard < wanted).then(|| Signal {
            name: NAME.to_owned(),
            kind: SignalKind::Other,
            value: Some(count / span.as_secs_f64()),
            limit: rate * ENOUGH,
            healthy: Some(false),
        })
    }

    /// Whether none has begun although a whole window has passed.
    pub fn is_ignored(&self) -> bool {
        self.signal().is_some() && self.begun.back().is_some_and(|(_, begun)| *begun == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn seen(rate: f64, per_second: &[u64]) -> Reached {
        let mut reached = Reached::new(3 * SECOND, Duration::ZERO);
        reached.ask(rate);
        let mut begun = 0;
        for (second, more) in per_second.iter().enumerate() {
            begun += more;
            reached.see(SECOND * second as u32, begun);
        }
        reached
    }

    #[test]
    fn a_rate_that_is_not_reached_for_a_window_alerts() {
        assert_eq!(seen(100.0, &[0, 100, 96, 100]).signal(), None);
        assert_eq!(seen(100.0, &[0, 50, 50]).signal(), None);
        let short = seen(100.0, &[0, 100, 50, 60, 70]).signal().unwrap();
        assert_eq!((short.value, short.limit, short.healthy), (Some(60.0), 90.0, Some(false)));
        // What was before the window does not count.
        assert_eq!(seen(100.0, &[0, 10, 100, 100, 100]).signal(), None);
    }

    #[test]
    fn what_was_not_heard_of_yet_may_be_missing() {
        let mut reached = Reached::new(SECOND, SECOND);
        reached.ask(100.0);
        reached.see(Duration::ZERO, 0);
        reached.see(SECOND * 4, 100);
        assert_eq!(reached.signal(), None);
        reached.see(SECOND * 5, 380);
        assert_eq!(reached.signal(), None);
        reached.see(SECOND * 10, 700);
        assert_eq!(reached.signal().map(|signal| signal.value), Some(Some(64.0)));
    }

    #[test]
    fn few_slots_may_be_missing() {
        assert_eq!(seen(1.0, &[0, 1, 0, 0]).signal(), None);
        assert_eq!(seen(1.0, &[0; 4]).signal().map(|signal| signal.value), Some(Some(0.0)));
    }

    #[test]
    fn another_rate_begins_anew_and_so_does_the_count_of_fewer_nodes() {
        let mut reached = seen(100.0, &[0, 50, 50, 50]);
        assert!(reached.signal().is_some() && !reached.is_ignored());
        reached.ask(50.0);
        assert_eq!(reached.signal(), None);
        let mut reached = seen(100.0, &[0, 50, 50, 50]);
        reached.see(SECOND * 4, 90);
        assert_eq!(reached.signal(), None);
        assert!(seen(100.0, &[0; 5]).is_ignored());
    }
}
