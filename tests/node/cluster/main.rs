//! A cluster of real processes on loopback, and what an echo server sees of its users.
//!
//! The invariants, each held by the tests that name it:
//!
//! - **One life**: no user acts in one place after it has begun to act in another.
//! - **Dense**: ids are 1 to the highest, each given out once.
//! - **Counts add up**: users asked for are waiting, running, finished, failed or removed, on the
//!   cluster as on the sum of its nodes.
//! - **Never exceeded**: the throttle lets through no more than its rate over any window.
//! - **Nothing hangs**: every verb is answered, whatever is dead, frozen or cut off.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

#[path = "../binary.rs"]
mod binary;

mod cable;
mod harness;
mod http;
mod process;
mod shapes;
mod target;
mod web;

mod capacity;
mod certificates;
mod churn;
mod cutting;
mod feeding;
mod handing_in;
mod health;
mod hostile;
mod joining;
mod leaving;
mod losing_a_worker;
mod losing_the_master;
mod measuring;
mod partners;
mod profiles;
mod rebalancing;
mod reports;
mod secrets;
mod slow_links;
mod throttling;
mod unfinished;
mod verbs;
mod weaknesses;
