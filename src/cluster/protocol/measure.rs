//! What workers tell the master of what they measure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Protocol, Service, run::Assignment};
use crate::measure::{health::HealthSummary, series::Activity, wire::Part};

/// Worker to master.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Measured {
    /// What was measured in an interval, or a part of it. A cast.
    Interval(Box<Interval>),
    /// A call: answered when all that was sent before was taken in.
    Sync {
        /// Which part in the run.
        assignment: Assignment,
        /// Whether this was all: nothing comes after it.
        last: bool,
    },
}

/// How many intervals of that assignment were taken in completely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Taken(pub(crate) u64);

impl Protocol for Measured {
    const SERVICE: Service = Service::Measure;
    type Answer = Taken;
}

/// What was measured in an interval, or a part of it: together at most
/// [`crate::measure::wire::MOST_PART_BYTES`] and a little.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Interval {
    /// Which part in the run.
    pub(crate) assignment: Assignment,
    /// The number of the interval: from 1, without gaps.
    pub(crate) number: u64,
    /// When measuring began there, on the worker's clock, in nanoseconds.
    pub(crate) origin: u64,
    /// When this was sent, on the same clock.
    pub(crate) sent: u64,
    /// When the interval ended, since `origin`.
    pub(crate) until: Duration,
    /// Users there at its end.
    pub(crate) activity: Activity,
    /// How the node fares; with the last part only, which ends the interval.
    pub(crate) health: Option<Box<HealthSummary>>,
    /// What was measured. The times of gauges count from `origin`.
    pub(crate) part: Part,
}
