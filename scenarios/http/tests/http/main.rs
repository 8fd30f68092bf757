//! Whole runs of the `http` scenario on a node, against servers of each test's own.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod bodies;
mod closing;
mod connecting;
mod refusing;
mod reusing;
mod run;
mod secure;
mod sending;
mod server;
mod sessions;
mod several;
mod speaking;
mod status;
mod stopping;
mod waiting;
