//! What was measured over a window of time: the whole run, or its last interval.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    Source,
    lifetimes::Lifetimes,
    timing::{BOUNDS, Bounds, Timing},
};
use crate::failure::Owner;

/// What was measured over a window of time. Windows over the same time merge exactly, whoever
/// measured them: see [`Window::merge`].
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// How long the window is.
    pub span: Duration,
    /// What the distributions in it can hold.
    pub bounds: Bounds,
    /// Timed actions.
    pub actions: BTreeMap<Arc<str>, Arc<ActionNumbers>>,
    /// Counters, as their sums.
    pub counters: BTreeMap<Arc<str>, u64>,
    /// Gauges.
    pub gauges: BTreeMap<Arc<str>, GaugeNumbers>,
    /// Checks.
    pub checks: BTreeMap<Arc<str>, CheckNumbers>,
    /// How often what failed.
    pub failures: BTreeMap<FailureKey, u64>,
    /// User code that held up the event loop.
    pub stalls: StallNumbers,
    /// How long users took that ended in it, against when they started.
    pub lifetimes: Lifetimes,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            span: Duration::ZERO,
            bounds: BOUNDS,
            actions: BTreeMap::new(),
            counters: BTreeMap::new(),
            gauges: BTreeMap::new(),
            checks: BTreeMap::new(),
            failures: BTreeMap::new(),
            stalls: StallNumbers::default(),
            lifetimes: Lifetimes::default(),
        }
    }
}

impl Window {
    /// `count` per second of this window.
    pub fn rate(&self, count: u64) -> f64 {
        per_second(count, self.span)
    }

    /// Whether nothing at all was measured.
    pub fn is_empty(&self) -> bool {
        self.actions.values().all(|action| action.count() == 0)
            && self.counters.is_empty()
            && self.gauges.is_empty()
            && self.checks.is_empty()
            && self.failures.is_empty()
            && self.stalls.count == 0
            && self.lifetimes.is_empty()
    }
}

/// `count` over `span`, per second; 0 for no time at all.
pub(crate) fn per_second(count: u64, span: Duration) -> f64 {
    if span.is_zero() { 0.0 } else { count as f64 / span.as_secs_f64() }
}

/// One timed action: failed ones count and are timed too.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ActionNumbers {
    /// How many failed.
    pub failed: u64,
    /// From send to answer.
    pub service: Timing,
    /// From when it should have started to answer.
    pub response: Timing,
}

impl ActionNumbers {
    /// How often it was done, failed or not.
    pub fn count(&self) -> u64 {
        self.service.count()
    }

    /// How many times were longer than the bounds allow.
    pub fn clamped(&self) -> u64 {
        self.service.clamped().saturating_add(self.response.clamped())
    }
}

/// A gauge.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GaugeNumbers {
    /// The value set last.
    pub last: f64,
    /// When it was set, since the start of the run.
    pub at: Duration,
    /// The lowest value set.
    pub min: f64,
    /// The highest value set.
    pub max: f64,
}

impl GaugeNumbers {
    /// A gauge set once.
    pub(crate) fn once(value: f64, at: Duration) -> Self {
        Self { last: value, at, min: value, max: value }
    }
}

/// A check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckNumbers {
    /// How often it held.
    pub passed: u64,
    /// How often it did not.
    pub failed: u64,
}

/// What failures are counted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FailureKey {
    /// What failed.
    pub source: Source,
    /// Whose failure it is.
    pub owner: Owner,
    /// The action that failed; `None` for users and noted failures.
    pub action: Option<Arc<str>>,
    /// Why.
    pub reason: Arc<str>,
}

/// User code that ran on without awaiting and so held up everybody else.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StallNumbers {
    /// How often.
    pub count: u64,
    /// The longest.
    pub worst: Duration,
    /// Where that was.
    pub worst_name: String,
}

impl StallNumbers {
    /// Counts one.
    pub(crate) fn add(&mut self, name: &str, duration: Duration) {
        self.count += 1;
        if duration > self.worst {
            self.worst = duration;
            self.worst_name = super::names::clip(name).to_owned();
        }
    }
}
