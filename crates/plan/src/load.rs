//! Load that follows a plan, as it is made: which arrivals are whose, who takes them, how many
//! users there are to be. The plan itself is a [`Profile`](crate::profile::Profile).
//!
//! All but `gate` and its `alarm` are pure. Times are since the plan began, the same on every node.

mod alarm;
mod arrivals;
pub mod cells;
pub mod desk;
pub mod gate;
pub mod plan;
pub mod seats;
pub mod settings;
pub mod share;
pub mod status;
pub mod tally;

pub use arrivals::Arrivals;
