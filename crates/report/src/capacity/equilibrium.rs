//! Pure: the feedback loop. More users as long as nothing alerts, fewer when something does; where
//! the number of users goes neither up nor down for long enough is what the system supports.
//!
//! The loop is that of the Mattermost load-test coordinator, tick for tick. Ours in addition: it
//! ends at the maximum, and its answer has an interval.

use std::time::Duration;

use super::{
    observation::Verdict,
    result::{Finding, Interval},
    search::{Decision, Tick},
    statistics,
};

mod samples;

use samples::Samples;

/// How the loop behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct EquilibriumSettings {
    /// How many users are added at a time.
    pub increase: u64,
    /// How many users are removed at a time.
    pub decrease: u64,
    /// How long nothing is done after an action, once there has been an alert; and how long after
    /// an alert no users are added.
    pub rest: Duration,
    /// The search is over when users rise or fall by less than this, in users a second.
    pub slope: f64,
    /// Over how long that has to hold.
    pub steady: Duration,
    /// How long the most users allowed are held without an alert before the answer is that they are
    /// no limit.
    pub at_max: Duration,
    /// The most users.
    pub max: u64,
    /// How sure the interval is, 0 to 1.
    pub confidence: f64,
}

/// The loop.
#[derive(Debug, Clone, PartialEq)]
pub struct Equilibrium {
    settings: EquilibriumSettings,
    last_alert: Option<Duration>,
    last_action: Option<Duration>,
    /// What `last_action` was before the action of this tick, which may yet fail.
    action_before: Option<Duration>,
    samples: Samples,
    /// Since when the most users allowed run without an alert.
    at_max_since: Option<Duration>,
}

impl Equilibrium {
    /// A loop that has seen nothing.
    pub fn new(settings: EquilibriumSettings) -> Self {
        Self {
            settings,
            last_alert: None,
            last_action: None,
            action_before: None,
            samples: Samples::default(),
            at_max_since: None,
        }
    }

    /// One pass.
    pub(super) fn step(&mut self, tick: &Tick) -> Decision {
        let now = tick.now;
        let alert = tick.verdict == Verdict::Alert;
        if alert {
            self.last_alert = Some(now);
        }
        let Some(active) = tick.active else { return Decision::Nothing };
        if let Some(finding) = self.unlimited(tick, active) {
            return Decision::Finish(finding);
        }
        if self.last_alert.is_some() {
            self.samples.push(now, active);
            let latest = self.samples.latest(self.settings.steady);
            let flat = self.samples.slope(latest).abs() < self.settings.slope;
            if latest > 0 && latest < self.samples.len() && flat {
                self.samples.keep(latest);
                return Decision::Finish(self.best());
            }
            if self.samples.len() >= 2 * latest {
                self.samples.keep(latest);
            }
        }
        if tick.disturbed {
            // What the disturbance does to the signals is not for the load to answer for.
            self.acted(now);
            return Decision::Nothing;
        }
        let rested = |since: Option<Duration>| {
            since.is_none_or(|since| now > since.saturating_add(self.settings.rest))
        };
        if self.last_alert.is_some() && !rested(self.last_action) {
            return Decision::Nothing;
        }
        if alert {
            self.acted(now);
            return Decision::Remove(self.settings.decrease.min(active));
        }
        let more = self.settings.increase.min(self.settings.max.saturating_sub(active));
        if tick.verdict == Verdict::Unknown || !rested(self.last_alert) || more == 0 {
            return Decision::Nothing;
        }
        self.acted(now);
        Decision::Add(more)
    }

    /// The action of the last step failed: it does not count.
    pub(super) fn refused(&mut self) {
        self.last_action = self.action_before;
    }

    fn acted(&mut self, now: Duration) {
        self.action_before = self.last_action;
        self.last_action = Some(now);
    }

    fn unlimited(&mut self, tick: &Tick, active: u64) -> Option<Finding> {
        if active < self.settings.max || tick.verdict != Verdict::Healthy {
            self.at_max_since = None;
            return None;
        }
        let since = *self.at_max_since.get_or_insert(tick.now);
        let long = tick.now.saturating_sub(since) >= self.settings.at_max;
        long.then(|| Finding::not_limited(self.settings.max as f64))
    }

    /// What the samples say so far.
    pub(super) fn best(&self) -> Finding {
        let latest = self.samples.users(self.samples.latest(self.settings.steady));
        let Some(mean) = statistics::mean(&latest) else { return Finding::default() };
        let confidence = self.settings.confidence;
        let interval =
            statistics::prediction_interval(&latest, confidence).map(|(low, high)| Interval {
                low: low.max(0.0),
                high: high.min(self.settings.max as f64),
                confidence: Some(confidence),
                method: "the range the loop keeps the users in: mean ± t·s·√(1 + 1/m), with m the \
                         samples' effective number"
                    .into(),
            });
        Finding { interval, ..Finding::found(mean.round()) }
    }

    /// How many samples are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.samples.len()
    }
}
