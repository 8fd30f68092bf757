//! The one setting that every scenario has.

use super::{Declaration, RUNTIME, Update};
use crate::throttle::Rate;

/// Its name.
pub const USER_RATE: &str = "user_rate";

/// How fast users are admitted. The runtime adds it to the settings of every scenario; `default` is
/// the node's own setting of that name. It may change at any time, and it is the runtime that acts
/// on it.
pub fn user_rate_declaration(default: &str) -> Declaration {
    Declaration::of::<Rate>(USER_RATE)
        .description("How fast users are admitted, over the whole cluster.")
        .default_text(default)
        .update(Update::Hook)
        .owner(RUNTIME)
        .build()
}
