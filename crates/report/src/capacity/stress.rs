//! Pure: a search step by step upwards, until a breach lasts: that of Pulse.

use std::time::Duration;

use super::{
    observation::Verdict,
    result::{Breach, Finding, Interval},
    search::{Decision, Hold, Tick},
};

/// How the steps go.
#[derive(Debug, Clone, PartialEq)]
pub struct StressSettings {
    /// The first load.
    pub start: f64,
    /// How much is added after each healthy window.
    pub step: f64,
    /// The most load.
    pub max: f64,
    /// How long a load settles before its first window.
    pub settle: Duration,
    /// How long a window is.
    pub window: Duration,
    /// Windows with fewer requests say nothing.
    pub min_requests: u64,
    /// How many windows in a row have to be beyond a limit.
    pub sustained: u32,
    /// How long a load may take to be reached.
    pub patience: Duration,
}

/// The steps so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Stress {
    settings: StressSettings,
    hold: Hold,
    /// When the window began, once the load has settled.
    window: Option<Duration>,
    /// Requests in it.
    count: u64,
    last_healthy: Option<f64>,
    /// Windows in a row that were beyond a limit.
    streak: u32,
    /// Windows in a row at the most load that were healthy.
    at_max: u32,
}

impl Stress {
    /// Steps that begin at the start.
    pub fn new(settings: StressSettings) -> Self {
        let hold = Hold::new(settings.start.max(1.0).min(settings.max));
        Self { settings, hold, window: None, count: 0, last_healthy: None, streak: 0, at_max: 0 }
    }

    pub(super) fn step(&mut self, tick: &Tick) -> Decision {
        let since = self.hold.see(tick);
        let Some(settled) = since.map(|since| since.saturating_add(self.settings.settle)) else {
            self.window = None;
            return match self.hold.out_of_reach(tick, self.settings.patience) {
                Some(finding) => Decision::Finish(Finding { notes: finding.notes, ..self.best() }),
                None => self.held(),
            };
        };
        let Some(window) = self.window.filter(|window| *window >= settled) else {
            if tick.now >= settled {
                self.window = Some(tick.now);
                self.count = 0;
                if self.settings.window.is_zero() {
                    self.count = tick.count;
                    return self.close(tick);
                }
            }
            return self.held();
        };
        self.count += tick.count;
        if tick.now.saturating_sub(window) < self.settings.window {
            return self.held();
        }
        self.close(tick)
    }

    /// Judges a window that is over.
    fn close(&mut self, tick: &Tick) -> Decision {
        self.window = Some(tick.now);
        let count = std::mem::take(&mut self.count);
        if count < self.settings.min_requests || tick.verdict == Verdict::Unknown {
            return self.held();
        }
        let load = self.hold.load();
        if tick.verdict == Verdict::Alert {
            self.at_max = 0;
            self.streak += 1;
            if self.streak < self.settings.sustained {
                return self.held();
            }
            return Decision::Finish(self.broken(load, tick.culprit.clone()));
        }
        self.streak = 0;
        self.last_healthy = Some(load.round());
        if load >= self.settings.max {
            self.at_max += 1;
            if self.at_max >= self.settings.sustained {
                return Decision::Finish(Finding::not_limited(self.settings.max));
            }
            return self.held();
        }
        self.hold = Hold::new((load + self.settings.step).min(self.settings.max));
        self.window = None;
        self.held()
    }

    fn held(&self) -> Decision {
        Decision::Hold(self.hold.load())
    }

    fn broken(&self, load: f64, culprit: Option<String>) -> Finding {
        let last_healthy = self.last_healthy.unwrap_or(0.0);
        let failed_at = load.round();
        let interval = Interval {
            low: last_healthy,
            high: failed_at,
            confidence: None,
            method: "the last load that was healthy and the first that was not".into(),
        };
        Finding {
            interval: Some(interval),
            breach: Some(Breach { last_healthy, failed_at, reason: culprit.unwrap_or_default() }),
            ..Finding::found(last_healthy)
        }
    }

    /// What is known so far.
    pub(super) fn best(&self) -> Finding {
        Finding { supported: self.last_healthy, ..Finding::default() }
    }

    /// Whether what is measured now belongs to the load that is held.
    pub(super) fn is_settled(&self, now: Duration) -> bool {
        self.hold.since().is_some_and(|since| now > since.saturating_add(self.settings.settle))
    }
}
