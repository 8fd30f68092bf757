//! The runtime on one node, one module per behaviour.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, reason = "tests")]

mod admission;
mod blocking;
mod endings;
mod endless_durations;
mod graceful;
mod init;
mod iterating;
mod iteration_rate;
mod mailbox;
mod mailbox_limits;
mod profile;
mod resetting;
mod resources;
mod secret_settings;
mod settings;
mod stop;
mod support;
mod teardown;
mod telemetry;
mod terminate;
mod verbs;
