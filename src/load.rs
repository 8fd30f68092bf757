//! Load that follows a plan, as it is made: which arrivals are whose, who takes them, how many
//! users there are to be. The plan itself is a [`Profile`](crate::profile::Profile).
//!
//! All but `gate` and its `alarm` are pure. Times are since the plan began, the same on every node.

mod alarm;
pub(crate) mod cells;
pub(crate) mod desk;
pub(crate) mod gate;
pub(crate) mod plan;
pub(crate) mod seats;
pub(crate) mod share;
pub mod status;
pub mod tally;
