//! Nodes driven from outside: `crowd start` and its API, `eval`, `status` and `attach`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod attach;
mod binary;
mod eval;
mod nobodys_text;
mod port;
mod running;
#[allow(dead_code, reason = "what only the operator does with a terminal")]
mod terminal;
