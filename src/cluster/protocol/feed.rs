//! What nodes ask the master about feeders whose rows are given over the whole cluster.
//!
//! A node that starts a feeder gets a *lease*, a number that is never given twice, and asks under
//! it. *Tickets* are numbers from 0: of a sequential feeder the number of a row, of a circular one
//! a turn. All of it is calls.

use crowd_core::refusal::Refusal;
use serde::{Deserialize, Serialize};

use super::{Protocol, Service};
use crate::feed::Order;

/// Node to master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ToFeeders {
    /// This node has a feeder of that name, with rows of that digest. Answered with
    /// [`FeederAnswer::Started`].
    Start { name: String, order: Order, rows: u64, digest: u64 },
    /// Tickets are wanted, or something is to be said of those given. Answered with
    /// [`FeederAnswer::Given`].
    Ask(Ask),
}

/// What a node wants of one feeder, and what it did with what it got.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ask {
    /// Under which lease.
    pub(crate) lease: u64,
    /// Which ask of this lease it is, from 1. Repeated, it is answered as before, so that an answer
    /// that was lost costs no tickets.
    pub(crate) number: u64,
    /// How many tickets users took, ever.
    pub(crate) used: u64,
    /// Tickets that are not needed here.
    pub(crate) back: Vec<Tickets>,
    /// How many tickets users wait for.
    pub(crate) waiting: u64,
    /// How many more will soon be wanted, by the rate of late.
    pub(crate) expected: u64,
}

/// Tickets that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tickets {
    pub(crate) first: u64,
    pub(crate) count: u64,
}

/// The answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum FeederAnswer {
    Refused(Refusal),
    Started { lease: u64 },
    Given(Given),
}

/// What a node is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Given {
    pub(crate) tickets: Vec<Tickets>,
    pub(crate) left: Left,
}

/// Whether there will be more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Left {
    /// There are more.
    #[default]
    More,
    /// All are given out, and some that were may come back.
    Later,
    /// All were used, or are lost.
    Nothing,
}

impl Protocol for ToFeeders {
    const SERVICE: Service = Service::Feeder;
    type Answer = FeederAnswer;
}
