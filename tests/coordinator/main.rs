//! Coordinators as scenarios see them, one module for each behaviour.

mod faults;
mod groups;
mod lifecycle;
mod log;
mod timeouts;
