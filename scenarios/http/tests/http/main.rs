//! Whole runs of the `http` scenario on a node, against servers of each test's own.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod bodies;
mod closing;
mod connecting;
mod refusing;
mod run;
mod secure;
mod sending;
mod server;
mod several;
mod status;
mod stopping;
mod waiting;
