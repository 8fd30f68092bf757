//! What a scenario author imports: `use crowd::prelude::*;`.

pub use std::time::Duration;

pub use crate::{
    coordinator::{
        Action, Coordinator, Event as CoordinatorEvent, Group, Member, Plan, Scope, Timeout,
    },
    failure::{Failure, Owner, Stopped},
    refusal::Refusal,
    scenario::{
        Run, Scenario,
        settings::{Declaration, Declarations, SettingValue, Settings},
    },
    throttle::{Rate, Throttle},
    user::{Address, Mail, Received, SendError, User, UserId},
};
