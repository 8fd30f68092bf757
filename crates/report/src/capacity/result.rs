//! Pure: what a search has found.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{
    curve::CurvePoint,
    settings::{Strategy, Unit},
};

mod text;

/// The version of the shape of [`CapacityResult`] as JSON.
pub const SCHEMA: &str = "crowd-capacity/1";

/// How a search ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// There is an answer.
    Found,
    /// The most load allowed is no limit.
    NotLimited,
    /// Somebody stopped it; what was known by then is told.
    Stopped,
    /// It could not go on; the notes say why.
    #[default]
    Undecided,
}

/// A range that holds the capacity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// How sure that is, 0 to 1; `None` where no probability can be told.
    pub confidence: Option<f64>,
    /// How it was found.
    pub method: Cow<'static, str>,
}

/// The signal that limits the load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limiting {
    /// Its name.
    pub signal: String,
    /// How many of all alerts were put down to it.
    pub alerts: u64,
    /// Its value when it alerted last; `None` if it had none.
    pub value: Option<f64>,
    /// What the value was compared with.
    pub limit: f64,
}

/// What a strategy has found.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Finding {
    pub(super) outcome: Outcome,
    pub(super) supported: Option<f64>,
    pub(super) up_to: Option<f64>,
    pub(super) interval: Option<Interval>,
    pub(super) breach: Option<Breach>,
    pub(super) notes: Vec<String>,
}

/// A sustained breach that ended a `stress` search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Breach {
    /// The last load that was healthy; 0 if none was.
    pub last_healthy: f64,
    /// The load that failed.
    pub failed_at: f64,
    /// The signal that it failed for; failures come first.
    pub reason: String,
}

/// What a search has found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CapacityResult {
    /// The version of this shape: [`SCHEMA`].
    pub schema: Cow<'static, str>,
    /// How it was searched.
    pub strategy: Strategy,
    /// What load is counted in.
    pub unit: Unit,
    /// How the search ended.
    pub outcome: Outcome,
    /// The load that is supported, if anything is known of it.
    pub supported: Option<f64>,
    /// The load up to which there is no limit, if none was found.
    pub up_to: Option<f64>,
    /// Where the capacity lies.
    pub interval: Option<Interval>,
    /// What limits it.
    pub limiting: Option<Limiting>,
    /// The breach that ended a `stress` search.
    pub breach: Option<Breach>,
    /// How long the search took, in seconds.
    pub seconds: f64,
    /// The load put on the system, added up over that time: users times seconds, or how many
    /// iterations were asked for.
    pub load_seconds: f64,
    /// What was measured at which load.
    pub curve: Vec<CurvePoint>,
    /// What else there is to know, as sentences.
    pub notes: Vec<String>,
}

impl Finding {
    pub(super) fn found(supported: f64) -> Self {
        Self { outcome: Outcome::Found, supported: Some(supported), ..Self::default() }
    }

    pub(super) fn not_limited(up_to: f64) -> Self {
        Self { outcome: Outcome::NotLimited, up_to: Some(up_to), ..Self::default() }
    }

    pub(super) fn undecided(why: String) -> Self {
        Self { notes: vec![why], ..Self::default() }
    }
}
