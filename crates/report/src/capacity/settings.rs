//! Pure: how a search is set up: typed, with defaults, checked as a whole.

use std::time::Duration;

use crowd_core::settings::SettingValue;
use crowd_plan::threshold::Comparator;
use serde::{Deserialize, Serialize};

use super::{
    bisect::BisectSettings, equilibrium::EquilibriumSettings, observation::Missing,
    signal::OwnSignal, stress::StressSettings,
};

mod query;
mod range;
mod read;

pub use query::Query;
pub use range::Range;
pub use read::{Given, KEYS, SearchFaults};

/// What is watched if nobody says otherwise.
pub const DEFAULT_SIGNAL: &str = "error_rate < 1%";

/// The signal in its place where errors are accepted: nothing is carried of which nothing succeeds.
pub const ANY_SUCCESS: &str = "error_rate < 100%";

/// How many users serve a rate at the most, unless told otherwise.
const MOST_USERS: u64 = 10_000;

/// How a capacity is searched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, SettingValue)]
#[setting(crate = crowd_core)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// The feedback loop.
    Equilibrium,
    /// Step by step upwards.
    Stress,
    /// Noisy bisection.
    #[default]
    Bisect,
}

/// What load is counted in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, SettingValue)]
#[setting(crate = crowd_core)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Users that run at the same time.
    #[default]
    Users,
    /// Iterations that all users together begin in a second.
    Rate,
}

/// How a search is set up.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchSettings {
    /// How it goes.
    pub strategy: Strategy,
    /// What load is counted in.
    pub unit: Unit,
    /// The most load.
    pub max: f64,
    /// How many users serve a rate; none: as many as [`SearchSettings::users`] says.
    pub users: Option<u64>,
    /// `equilibrium`: how many users are added at a time.
    pub increase: u64,
    /// `equilibrium`: how many users are removed at a time.
    pub decrease: u64,
    /// `equilibrium`: how long nothing is done after an action, or added after an alert.
    pub rest: Duration,
    /// `equilibrium`: users are steady if they change by less than this, in users a second.
    pub slope: f64,
    /// `equilibrium`: for how long they have to be steady.
    pub steady: Duration,
    /// `equilibrium`: how long the most users are held without an alert; none: as long as `steady`.
    pub at_max: Option<Duration>,
    /// `stress`, `bisect`: the first load.
    pub start: f64,
    /// `stress`: how much is added at a time.
    pub step: f64,
    /// `stress`: how many windows in a row have to be beyond a limit.
    pub sustained: u32,
    /// `stress`: windows with fewer requests say nothing.
    pub min_requests: u64,
    /// `stress`, `bisect`: how long a load settles before it is judged.
    pub settle: Duration,
    /// `stress`, `bisect`: over how long it is judged; signals look back as long unless they say
    /// otherwise.
    pub window: Duration,
    /// `bisect`: how narrow the interval has to be: its half as a share of the answer.
    pub precision: f64,
    /// How sure the interval has to be, 0 to 1.
    pub confidence: f64,
    /// `bisect`: a signal so many times beyond its limit, or within it, needs no whole window.
    pub clear: f64,
    /// `bisect`: how many windows there are at most.
    pub windows: u32,
    /// What is done about signals without a value.
    pub missing: Missing,
    /// How long to wait for a value of a signal, or for a load to be reached, before giving up.
    pub patience: Duration,
    /// How often signals are looked at.
    pub tick: Duration,
    /// Signals of the run's own measurements.
    pub signals: Vec<OwnSignal>,
    /// Whether errors are accepted, however many.
    pub allow_errors: bool,
    /// The Prometheus server that is asked.
    pub prometheus: Option<String>,
    /// What it is asked.
    pub queries: Vec<Query>,
}

impl std::fmt::Display for Strategy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.render())
    }
}

impl Default for SearchSettings {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            unit: Unit::default(),
            max: 1_000.0,
            users: None,
            increase: 8,
            decrease: 8,
            rest: Duration::from_secs(2),
            slope: 0.2,
            steady: Duration::from_mins(30),
            at_max: None,
            start: 8.0,
            step: 10.0,
            sustained: 1,
            min_requests: 0,
            settle: Duration::from_secs(5),
            window: Duration::from_secs(10),
            precision: 0.05,
            confidence: 0.95,
            clear: 2.0,
            windows: 200,
            missing: Missing::default(),
            patience: Duration::from_mins(5),
            tick: Duration::from_secs(1),
            signals: Vec::new(),
            allow_errors: false,
            prometheus: None,
            queries: Vec::new(),
        }
    }
}

impl SearchSettings {
    pub(super) fn equilibrium(&self) -> EquilibriumSettings {
        EquilibriumSettings {
            increase: self.increase,
            decrease: self.decrease,
            rest: self.rest,
            slope: self.slope,
            steady: self.steady,
            at_max: self.at_max.unwrap_or(self.steady),
            max: self.max as u64,
            confidence: self.confidence,
        }
    }

    pub(super) fn stress(&self) -> StressSettings {
        StressSettings {
            start: self.start,
            step: self.step,
            max: self.max,
            settle: self.settle,
            window: self.window,
            min_requests: self.min_requests,
            sustained: self.sustained,
            patience: self.patience,
        }
    }

    pub(super) fn bisect(&self) -> BisectSettings {
        BisectSettings {
            start: self.start,
            max: self.max,
            unit: self.unit,
            precision: self.precision,
            confidence: self.confidence,
            settle: self.settle,
            window: self.window,
            clear: self.clear,
            most_windows: self.windows,
            patience: self.patience,
        }
    }

    /// How many users serve a rate: unless told otherwise, as many as are busy at the highest one
    /// when an iteration takes a second.
    pub fn users(&self) -> u64 {
        self.users.unwrap_or_else(|| (self.max.ceil() as u64).clamp(1, MOST_USERS))
    }

    /// How far back a signal looks.
    pub fn span_of(&self, signal: &OwnSignal) -> Duration {
        signal.over().unwrap_or(self.window)
    }
}

#[cfg(test)]
mod tests;
