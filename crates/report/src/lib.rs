//! What a run leaves behind: its result as text, page and documents, runs compared, and searches for
//! how much a target supports. Nothing here knows a node or how users are run.
#![cfg_attr(test, allow(clippy::unwrap_used))]
// They end the process where a stream is closed or full.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

pub mod capacity;
pub mod compare;
mod normal;
pub mod report;
