//! What a scenario author imports: `use crowd::prelude::*;`.

pub use std::time::Duration;

/// So that `user.random().random_range(1..=6)` and the like are at hand.
pub use rand::RngExt as _;

pub use crate::{
    coordinator::{
        Action, Coordinator, Event as CoordinatorEvent, Group, Member, Plan, Scope, Timeout,
    },
    failure::{Failure, Owner, Stopped},
    feed::{Feed, Feeder, Row},
    iterate::{Capture, Captures, Pacing, Template, ThinkTime, Weighted},
    refusal::Refusal,
    scenario::{
        Run, Scenario,
        settings::{Declaration, Declarations, SettingValue, Settings},
    },
    settings::Secret,
    throttle::{Rate, Throttle},
    user::{Address, Mail, Received, SendError, User, UserId},
};
