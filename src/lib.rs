//! crowd: the load-testing runtime where every virtual user is an actor.
#![cfg_attr(test, allow(clippy::unwrap_used))]

// So that `#[derive(Settings)]`, which names `::crowd`, works inside this crate too.
extern crate self as crowd;

pub mod control;
pub mod controller;
pub mod coordinator;
pub mod failure;
pub mod measure;
pub mod node;
pub mod prelude;
pub mod refusal;
pub mod report;
pub mod scenario;
pub mod settings;
mod suggestion;
pub mod telemetry;
pub mod throttle;
pub mod user;
