//! Capacity search: how many users, or which rate, does a system support?
//!
//! A search is a state machine: once a tick it is shown an [`Observation`] and answers with
//! [`Command`]s. It knows no clock, no node and no server; a driver ([`drive`]) shows it what a
//! run's own measurements or a Prometheus server say, and does what it asks for.
//!
//! - [`equilibrium`]: a feedback loop that finds the number of users at which load goes neither up
//!   nor down;
//! - [`stress`]: step by step upwards until a sustained breach;
//! - [`bisect`]: noisy bisection, for the least load that a stated confidence takes.
//!
//! `docs/capacity.md` tells how to ask the question and how to read the answer.

pub mod bisect;
pub mod curve;
pub mod desk;
pub mod drive;
pub mod equilibrium;
pub mod lifecycle;
pub mod monitor;
pub mod observation;
pub mod prometheus;
pub mod reached;
pub mod result;
pub mod search;
pub mod settings;
pub mod signal;
pub mod statistics;
pub mod stress;

pub use desk::{CapacityStatus, Desk};
pub use drive::{Look, Lost, Target};
pub use lifecycle::{SearchError, SearchState};
pub use observation::{Measured, Missing, Observation, Signal, Verdict};
pub use result::{CapacityResult, Interval, Outcome};
pub use search::{Command, Search};
pub use settings::{SearchSettings, Strategy, Unit};

#[cfg(test)]
mod simulation;
