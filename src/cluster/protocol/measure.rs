//! What workers tell the master of what they measure.

use std::{sync::Arc, time::Duration};

use crowd_measure::{health::HealthSummary, series::Activity, wire::Part};
use serde::{Deserialize, Serialize};

use super::{Protocol, Service, run::Assignment};

/// Worker to master.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Measured {
    /// What was measured in an interval, or a part of it. A cast.
    Interval(Box<Interval>),
    /// A call: answered when all that was sent before was taken in.
    Sync {
        /// Which part in the run.
        assignment: Assignment,
        /// The number of the last interval of all, once it is known and was sent.
        last: Option<u64>,
    },
}

/// What the master has of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Taken {
    /// All intervals up to that number, and no complete one beyond.
    UpTo(u64),
    /// Nothing, and it wants nothing: it knows no such part of the current or last run.
    Unknown,
}

impl Protocol for Measured {
    const SERVICE: Service = Service::Measure;
    type Answer = Taken;
}

/// What was measured in an interval, or a part of it: together at most
/// [`crowd_measure::wire::MOST_PART_BYTES`] and a little.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Interval {
    /// Which part in the run.
    pub(crate) assignment: Assignment,
    /// The number of the interval: from 1, without gaps.
    pub(crate) number: u64,
    /// Which piece of it: from 0. Each is taken once, in this order, however often it is sent.
    pub(crate) piece: u32,
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
    pub(crate) part: Arc<Part>,
}
