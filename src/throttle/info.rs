//! What is known of a throttle.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::tally::Totals;

/// What is known of a throttle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThrottleInfo {
    /// Its name.
    pub name: String,
    /// The rate now, as people write it; on a continuous ramp rounded.
    pub rate: String,
    /// The ramp under way, as people write it.
    pub ramp: Option<String>,
    /// How long that ramp still takes, in milliseconds.
    pub ramp_remaining_ms: Option<u64>,
    /// Whether it runs.
    pub state: ThrottleState,
    /// How many wait; once stopped: how many waited then and were answered with an error.
    pub waiting: u64,
    /// How many were let through and have not ended: permits held, work running.
    pub in_flight: u64,
    /// How many asked, ever: granted + cancelled + waiting.
    pub requested: u64,
    /// How many were let through, ever.
    pub granted: u64,
    /// How many gave up before they were let through, ever.
    pub cancelled: u64,
    /// How many slots were missed by more than the tolerance while somebody waited, ever. Parts
    /// of slots add up.
    pub forfeited: u64,
    /// Those of them that the master of a cluster was too late to deal to any node.
    #[serde(default)]
    pub undealt: u64,
    /// How late slots were given, in microseconds; only slots that are due at a time count. Of a
    /// whole cluster: the worst node's, percentile by percentile.
    pub lateness: Lateness,
    /// How late a slot may be given, in microseconds: the setting, less an eighth for the way to
    /// the user's own code. Of a whole cluster: the least of its nodes,
    /// since whatever a node's clock may be off by is taken off twice.
    pub tolerance_us: u64,
    /// How many asked per second, over the last second or so.
    pub asked_per_second: f64,
    /// How many were let through per second, over the last second or so.
    pub given_per_second: f64,
    /// How many asked per second since it was started.
    pub asked_per_second_overall: f64,
    /// How many were let through per second since it was started.
    pub given_per_second_overall: f64,
}

/// Whether a throttle runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ThrottleState {
    /// It lets through as its rate says.
    Running,
    /// It lets nothing through until it is resumed.
    Paused,
    /// It is over.
    Stopped,
}

/// How late slots were given, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lateness {
    /// Half of them were not later.
    pub p50_us: u64,
    /// 90 of 100 were not later.
    pub p90_us: u64,
    /// 99 of 100 were not later.
    pub p99_us: u64,
    /// None was later.
    pub max_us: u64,
}

impl From<&Histogram<u64>> for Lateness {
    fn from(lateness: &Histogram<u64>) -> Self {
        Self {
            p50_us: lateness.value_at_quantile(0.5),
            p90_us: lateness.value_at_quantile(0.9),
            p99_us: lateness.value_at_quantile(0.99),
            max_us: lateness.max(),
        }
    }
}

const SECOND: u64 = 1_000_000_000;

/// Tells rates over the last second from counts that only ever grow.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter {
    began: u64,
    older: (u64, Totals),
    newer: (u64, Totals),
}

impl Meter {
    pub(crate) fn new(now: u64) -> Self {
        let start = (now, Totals::default());
        Self { began: now, older: start, newer: start }
    }

    /// When it wants to look at the counts again.
    pub(crate) fn next_look(&self) -> u64 {
        self.newer.0.saturating_add(SECOND)
    }

    /// Looks at the counts, if it is time.
    pub(crate) fn look(&mut self, now: u64, totals: impl FnOnce() -> Totals) {
        if now >= self.next_look() {
            self.older = self.newer;
            self.newer = (now, totals());
        }
    }

    /// Asked and given per second: lately (over the last one to two seconds) and overall.
    pub(crate) fn rates(&self, now: u64, totals: Totals) -> [(f64, f64); 2] {
        let per_second = |(since, before): (u64, Totals)| {
            let seconds = now.saturating_sub(since) as f64 / SECOND as f64;
            let rate = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
            (
                rate(totals.asked.saturating_sub(before.asked)),
                rate(totals.given.saturating_sub(before.given)),
            )
        };
        [per_second(self.older), per_second((self.began, Totals::default()))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_last_second_and_overall() {
        let at = |asked, given| Totals { asked, given, cancelled: 0 };
        let mut meter = Meter::new(0);
        meter.look(SECOND / 2, || unreachable!("too early"));
        meter.look(SECOND, || at(100, 10));
        meter.look(2 * SECOND, || at(300, 30));
        assert_eq!(meter.rates(2 * SECOND, at(300, 30)), [(200.0, 20.0), (150.0, 15.0)]);
        assert_eq!(meter.rates(3 * SECOND, at(300, 30)), [(100.0, 10.0), (100.0, 10.0)]);
    }
}
