//! What a run is to do: the plan of its load and who makes it, how users pass their time, and what the
//! run has to keep to. Nothing here starts a user or sends a message.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod iterate;
pub mod load;
pub mod profile;
pub mod run_settings;
pub mod threshold;
