//! Coordinators as scenarios see them, one module for each behaviour.
#![expect(clippy::unwrap_used, reason = "what the tests share may fail them")]

mod faults;
mod groups;
mod lifecycle;
mod log;
mod timeouts;
