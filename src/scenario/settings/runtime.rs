//! The settings that every scenario has: how a run makes its load.

use super::{Change, Declaration, Origin, RUNTIME, SettingValue, Update, Values};
use crate::{
    profile::{Load, Profile},
    refusal::{Code, Refusal},
    threshold::Thresholds,
    throttle::Rate,
};
use std::time::Duration;

/// How fast users are admitted.
pub const USER_RATE: &str = "user_rate";

/// How many iterations all users begin together: a throttle of that name.
pub const ITERATION_RATE: &str = "iteration_rate";

/// The settings that are rates of throttles, which are one for all nodes.
pub const RATES: [&str; 2] = [USER_RATE, ITERATION_RATE];

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

/// [`GRACEFUL_STOP`] unless a run says otherwise: what the field expects, k6 among others.
pub(crate) const DEFAULT_GRACEFUL_STOP: Duration = Duration::from_secs(30);

/// What a run has to keep to.
pub const THRESHOLDS: &str = "thresholds";

/// Whether errors are accepted, however many: without it, and without a threshold that speaks of them,
/// fewer than 1 % of each action may fail.
pub const ALLOW_ERRORS: &str = "allow_errors";

/// How long what is under way at the end of a run may take to finish.
pub const GRACEFUL_STOP: &str = "graceful_stop";

/// What an arrival of a profile is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, SettingValue)]
pub enum Arrive {
    /// A new user.
    #[default]
    Users,
    /// An iteration of a user that is kept for the next one.
    Iterations,
}

/// How arrivals follow each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, SettingValue)]
pub enum Spacing {
    /// Evenly: each is due when the integral of the rate reaches its number.
    #[default]
    Even,
    /// At random, independent of each other: a Poisson process, of the run's seed.
    Poisson,
}

/// What becomes of arrivals that nobody is free for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, SettingValue)]
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

impl Values {
    /// Users of a profile are admitted when the profile says so, unless somebody says how fast.
    #[must_use]
    pub(crate) fn with_rate_of_profile(mut self) -> Self {
        if self.get(PROFILE).is_some()
            && let Some(rate) = self.all.get_mut(USER_RATE)
            && rate.origin == Origin::Default
        {
            rate.text = Some(Rate::UNLIMITED.to_string());
        }
        self
    }
}

/// Checks the rate of iterations among the settings of a run.
///
/// # Errors
/// `parameters-verification-failed` if it is no rate over time, or if the load profile says as well
/// when iterations begin.
pub fn check_iteration_rate(values: &Values) -> Result<(), Refusal> {
    let Some(rate) = values.read::<Option<Rate>>(ITERATION_RATE)? else { return Ok(()) };
    paces(rate)?;
    let arrives = |profile: Profile| {
        profile.stages().iter().any(|stage| matches!(stage.load, Load::Rate { .. }))
    };
    if values.read::<Option<Profile>>(PROFILE)?.is_some_and(arrives) {
        return Err(Refusal::new(
            Code::ParametersVerificationFailed,
            format!(
                "`{ITERATION_RATE}` and the arrivals of the load profile would both say when \
                 iterations begin; give one of them"
            ),
        ));
    }
    Ok(())
}

/// Checks a change of the rate of iterations. A run that has begun without it has no throttle that
/// its users ask, and one that has it keeps it.
///
/// # Errors
/// `invalid-status` in these cases, and `parameters-verification-failed` if it is no rate over time.
pub fn check_change_of_iteration_rate(before: &Values, change: &Change) -> Result<(), Refusal> {
    if !change.changed.iter().any(|name| name == ITERATION_RATE) {
        return Ok(());
    }
    let refused =
        |why: &str| Err(Refusal::new(Code::InvalidStatus, format!("`{ITERATION_RATE}` {why}")));
    match (before.get(ITERATION_RATE), change.values.read::<Option<Rate>>(ITERATION_RATE)?) {
        (None, _) => refused(
            "can only be changed in a run that has begun with it; `iteration_rate=unlimited` limits \
             nothing until it is changed",
        ),
        (_, None) => refused("cannot be taken away during a run; `unlimited` limits nothing"),
        (Some(_), Some(rate)) => paces(rate),
    }
}

/// Whether a rate says how often, and not how many at once.
fn paces(rate: Rate) -> Result<(), Refusal> {
    if rate == Rate::UNLIMITED || rate.over_time().is_some() {
        return Ok(());
    }
    Err(Refusal::new(
        Code::ParametersVerificationFailed,
        format!(
            "`{ITERATION_RATE}={rate}` is no rate over time, such as `80/s`: how many iterations \
             there are at once is how many users there are"
        ),
    ))
}

/// The declarations that the runtime adds to those of every scenario. Users are admitted at
/// `user_rate` unless a run says otherwise.
pub fn runtime_declarations(user_rate: &str) -> Vec<Declaration> {
    let declared = [
        Declaration::of::<Rate>(USER_RATE)
            .description("How fast users are admitted, over the whole cluster.")
            .default_text(user_rate)
            .update(Update::Hook)
            .owner(RUNTIME)
            .build(),
        Declaration::of::<Option<Rate>>(ITERATION_RATE)
            .description("How many iterations all users begin together, over the whole cluster.")
            .update(Update::Hook)
            .owner(RUNTIME)
            .build(),
        Declaration::of::<Option<Profile>>(PROFILE)
            .description("The load to follow, as in `10s: 0 -> 100, 1m: 100` or `1m: 50/s`.")
            .public()
            .owner(RUNTIME)
            .build(),
        Declaration::of::<Arrive>(ARRIVALS)
            .description("What arrives at a rate: new users, or iterations of users that are kept.")
            .default(Arrive::default())
            .owner(RUNTIME)
            .build(),
        Declaration::of::<Spacing>(SPACING)
            .description("How arrivals follow each other: evenly, or at random (by the seed).")
            .default(Spacing::default())
            .owner(RUNTIME)
            .build(),
        Declaration::of::<Saturation>(SATURATION)
            .description("Arrivals that no user is free for are dropped, or wait (block).")
            .default(Saturation::default())
            .owner(RUNTIME)
            .build(),
        Declaration::of::<u64>(SEED)
            .description("What random choices come from: the same seed, the same choices.")
            .default(1)
            .owner(RUNTIME)
            .build(),
        Declaration::of::<Duration>(GRACEFUL_STOP)
            .description("How long what is under way at the end may take to finish.")
            .default(DEFAULT_GRACEFUL_STOP)
            .owner(RUNTIME)
            .build(),
        Declaration::of::<bool>(ALLOW_ERRORS)
            .description("Accept errors; else 1% of an action is too many, if no threshold says.")
            .default(false)
            .owner(RUNTIME)
            .build(),
        Declaration::of::<Option<Thresholds>>(THRESHOLDS)
            .description(
                "What the run has to keep to, as in `p95(login) < 150ms; error_rate < 1%`.",
            )
            .public()
            .owner(RUNTIME)
            .build(),
    ];
    declared.into()
}

/// Whether it is the name of one of the settings that the runtime adds.
pub(super) fn is_runtime(name: &str) -> bool {
    let others =
        [PROFILE, ARRIVALS, SPACING, SATURATION, SEED, GRACEFUL_STOP, ALLOW_ERRORS, THRESHOLDS];
    RATES.contains(&name) || others.contains(&name)
}
