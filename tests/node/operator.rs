//! The binary as its operators use it: console, scripts, runs.

mod binary;
mod console_piped;
mod console_pty;
mod run_command;
mod terminal;
