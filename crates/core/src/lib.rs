//! What every part of crowd speaks of: users' ids, rates, settings, failures, refusals and events.
//! It knows nothing of runs, nodes or networks.
#![cfg_attr(test, allow(clippy::unwrap_used))]

// So that the derive macros, which name `::crowd_core` in here, work inside this crate too.
extern crate self as crowd_core;

pub mod aside;
pub mod codec;
pub mod errors;
pub mod exact;
pub mod failure;
pub mod fence;
pub mod json_fault;
pub mod mark;
pub mod moment;
pub mod panic;
pub mod placement;
pub mod plain_file;
pub mod printable;
pub mod random;
pub mod rate;
pub mod refusal;
pub mod settings;
pub mod suggestion;
pub mod telemetry;
pub mod toml_fault;
pub mod units;
pub mod user_id;

/// What the derive macros name.
#[doc(hidden)]
pub mod derive {
    pub use crate::{
        refusal::Refusal,
        settings::{Declaration, Declarations, SettingValue, Settings, Update, Values, not_one_of},
    };
}
