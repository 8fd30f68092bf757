//! The binary as its operators use it: console, scripts, runs.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod binary;
mod broken_target;
mod compare;
mod console_piped;
mod console_pty;
mod generator;
mod help;
mod live_view;
mod outputs;
mod profile;
mod report_command;
mod run_command;
mod surroundings;
mod terminal;
mod thresholds;
