//! The settings of a run that say how its load is made.

use std::time::Duration;

use crowd_core::{
    refusal::Refusal,
    settings::{SettingValue, Values},
};

use crate::profile::Profile;

/// The load profile, in its one-line form.
pub const PROFILE: &str = "profile";

/// What an arrival of a profile is: see [`Arrive`].
pub const ARRIVALS: &str = "arrivals";

/// How arrivals follow each other: see [`Spacing`].
pub const SPACING: &str = "spacing";

/// What becomes of arrivals that nobody is free for: see [`Saturation`].
pub const SATURATION: &str = "saturation";

/// What random choices of a run come from.
pub const SEED: &str = "seed";

/// How long what is under way at the end of a run may take to finish.
pub const GRACEFUL_STOP: &str = "graceful_stop";

/// What an arrival of a profile is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, SettingValue)]
#[setting(crate = crowd_core)]
pub enum Arrive {
    /// A new user.
    #[default]
    Users,
    /// An iteration of a user that is kept for the next one.
    Iterations,
}

/// How arrivals follow each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, SettingValue)]
#[setting(crate = crowd_core)]
pub enum Spacing {
    /// Evenly: each is due when the integral of the rate reaches its number.
    #[default]
    Even,
    /// At random, independent of each other: a Poisson process, of the run's seed.
    Poisson,
}

/// What becomes of arrivals that nobody is free for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, SettingValue)]
#[setting(crate = crowd_core)]
pub enum Saturation {
    /// They are lost, and counted.
    #[default]
    Drop,
    /// They wait, and their response time tells for how long.
    Block,
}

/// The settings of a run that say how its load is made.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadSettings {
    /// The plan that it follows; `None`: users come and go as they are told.
    pub profile: Option<Profile>,
    /// What an arrival is.
    pub arrivals: Arrive,
    /// How arrivals follow each other.
    pub spacing: Spacing,
    /// What becomes of arrivals that nobody is free for.
    pub saturation: Saturation,
    /// What random choices come from.
    pub seed: u64,
    /// How long users that are no longer needed may take to end their iteration.
    pub graceful_stop: Duration,
}

impl LoadSettings {
    /// These settings among all of a run.
    ///
    /// # Errors
    /// If they are not among them.
    pub fn of(values: &Values) -> Result<Self, Refusal> {
        Ok(Self {
            profile: values.read(PROFILE)?,
            arrivals: values.read(ARRIVALS)?,
            spacing: values.read(SPACING)?,
            saturation: values.read(SATURATION)?,
            seed: values.read(SEED)?,
            graceful_stop: values.read(GRACEFUL_STOP)?,
        })
    }
}
