//! What nodes and the master tell each other about throttles.
//!
//! Times on the wire are nanoseconds on the *master's* clock. A throttle is known by its number:
//! one that is started later by the same name is another. What a node was given counts for one
//! *era*: a new one begins when it joins, and whenever a throttle turns from a rate over time into
//! a limit of what is in flight, into no limit, or back.

use std::time::Duration;

use crowd_core::{rate::Rate, refusal::Refusal};
use serde::{Deserialize, Serialize};

use super::{Protocol, Service};
use crate::throttle::{Block, Lateness, Ramp, Started, ThrottleInfo};

/// The number of a throttle, given out by the master, never twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct ThrottleId(pub(crate) u64);

/// Node to master.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum ToThrottles {
    /// I follow you: tell me the terms of all throttles. A cast.
    Hello,
    /// What is wanted. A cast, sent about every ten milliseconds while anything is.
    Demand(Vec<Demand>),
    /// What became of it. A cast, once a second and when a throttle ends here.
    Tally(Vec<Tally>),
    /// As `Tally`; a call, answered with [`ThrottleAnswer::Done`] when it is heard.
    LastTally(Vec<Tally>),
    /// A call, answered with [`ThrottleAnswer::Started`] and the terms for whoever asked.
    Start { name: String, rate: Rate },
    /// A call, answered with [`ThrottleAnswer::Done`].
    Change { which: Which, change: Change },
    /// A call, answered with [`ThrottleAnswer::Infos`].
    Info { name: String },
    /// A call, answered with [`ThrottleAnswer::Infos`].
    List,
}

/// Which throttle is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Which {
    /// Whichever has that name now.
    Named(String),
    /// That one, as long as it is not stopped.
    This(ThrottleId, String),
}

/// What is to be done with a throttle.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Change {
    Rate(Rate),
    Ramp(RampTerms),
    Pause,
    Resume,
    Stop,
}

/// A ramp on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct RampTerms {
    pub(crate) from: Rate,
    pub(crate) to: Rate,
    pub(crate) over: Duration,
    pub(crate) steps: Option<u32>,
}

impl From<Ramp> for RampTerms {
    fn from(ramp: Ramp) -> Self {
        Self { from: ramp.from(), to: ramp.to(), over: ramp.over(), steps: ramp.steps() }
    }
}

/// What a node wants of one throttle, and what it did with what it got. Counts that only grow
/// count from the beginning of the era, so that a message more or less does no harm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Demand {
    pub(crate) id: ThrottleId,
    pub(crate) era: u64,
    /// How many slots those who wait want.
    pub(crate) waiting: u64,
    /// How many more will soon be wanted, by the rate of late.
    pub(crate) expected: u64,
    /// How many slots are in stock.
    pub(crate) stock: u64,
    /// [`Grant::dealt`] of the last grant.
    pub(crate) received: u64,
    /// How many slots were missed while somebody waited, in this era or before.
    pub(crate) missed: u64,
    /// How many permits were given back.
    pub(crate) returned: u64,
    /// How many were let through and have not ended.
    pub(crate) in_flight: u64,
    /// How much too late for use a slot would come that is due when it is sent, in nanoseconds.
    pub(crate) lag: u64,
}

impl Default for ThrottleId {
    /// No throttle: the master counts from 1.
    fn default() -> Self {
        Self(0)
    }
}

/// What became of what was asked of one throttle on one node, ever.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) id: ThrottleId,
    pub(crate) waiting: u64,
    pub(crate) in_flight: u64,
    pub(crate) requested: u64,
    pub(crate) granted: u64,
    pub(crate) cancelled: u64,
    pub(crate) forfeited: u64,
    pub(crate) lateness: Lateness,
    /// The tolerance that the error of its clock leaves, in microseconds.
    pub(crate) tolerance_us: u64,
    /// Asked and given per second, of late.
    pub(crate) per_second: (f64, f64),
    /// Nothing is asked of it there any more.
    pub(crate) over: bool,
}

/// The answers to calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum ThrottleAnswer {
    Done,
    Refused(Refusal),
    Started(Started, Option<Box<Terms>>),
    Infos(Vec<ThrottleInfo>),
}

impl Protocol for ToThrottles {
    const SERVICE: Service = Service::Throttle;
    type Answer = ThrottleAnswer;
}

/// Master to node. All of them are casts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum ToNode {
    /// What holds for these throttles from now on: sent when anything changes, and every second.
    Terms(Vec<Terms>),
    /// What is given to this node.
    Grants { sent: u64, grants: Vec<Grant> },
    /// That throttle is over: everybody who waits on it is to be answered.
    Stopped(ThrottleId),
}

impl Protocol for ToNode {
    const SERVICE: Service = Service::ThrottleTerms;
    type Answer = ();
}

/// What holds for a throttle on one node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Terms {
    pub(crate) id: ThrottleId,
    pub(crate) name: String,
    pub(crate) era: u64,
    /// Grows with every change.
    pub(crate) revision: u64,
    pub(crate) kind: Kind,
    pub(crate) paused: bool,
    /// Until when what is not due at a time may be let through without further word.
    pub(crate) until: u64,
    /// How late a slot may be given, in nanoseconds.
    pub(crate) tolerance: u64,
    /// The rate now.
    pub(crate) rate: Rate,
    /// The ramp under way, and when it ends.
    pub(crate) ramp: Option<(RampTerms, u64)>,
}

/// How a throttle lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// In slots that are given with the time at which they are due.
    Timed,
    /// Everything.
    Open,
    /// As many at once as there are permits.
    Permits,
}

/// What is given to a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) id: ThrottleId,
    pub(crate) era: u64,
    /// Slots, and when they are due.
    pub(crate) blocks: Vec<Block>,
    /// How many slots were dealt to it in this era, these among them.
    pub(crate) dealt: u64,
    /// How many permits it was given in this era.
    pub(crate) permits: u64,
    /// How many of them it may use; the others are wanted back.
    pub(crate) cap: u64,
}
