//! The settings that every scenario has: how a run makes its load.

pub use crate::load::settings::{
    ARRIVALS, Arrive, GRACEFUL_STOP, LoadSettings, PROFILE, SATURATION, SEED, SPACING, Saturation,
    Spacing,
};
use crate::{
    profile::{Load, Profile},
    threshold::Thresholds,
};
use crowd_core::settings::{Change, Declaration, Origin, RUNTIME, Update, Values};
use crowd_core::{
    rate::Rate,
    refusal::{Code, Refusal},
};
use std::time::Duration;

/// How fast users are admitted.
pub const USER_RATE: &str = "user_rate";

/// How many iterations all users begin together: a throttle of that name.
pub const ITERATION_RATE: &str = "iteration_rate";

/// The settings that are rates of throttles, which are one for all nodes.
pub const RATES: [&str; 2] = [USER_RATE, ITERATION_RATE];

/// [`GRACEFUL_STOP`] unless a run says otherwise: what the field expects, k6 among others.
pub const DEFAULT_GRACEFUL_STOP: Duration = Duration::from_secs(30);

/// What a run has to keep to.
pub const THRESHOLDS: &str = "thresholds";

/// Whether errors are accepted, however many: without it, and without a threshold that speaks of them,
/// fewer than 1 % of each action may fail.
pub const ALLOW_ERRORS: &str = "allow_errors";

/// Users of a profile are admitted when the profile says so, unless somebody says how fast.
#[must_use]
pub fn with_rate_of_profile(mut values: Values) -> Values {
    if values.get(PROFILE).is_some()
        && let Some(rate) = values.all.get_mut(USER_RATE)
        && rate.origin == Origin::Default
    {
        rate.text = Some(Rate::UNLIMITED.to_string());
    }
    values
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

/// The names of the settings that the runtime adds.
pub const NAMES: [&str; 10] = [
    USER_RATE,
    ITERATION_RATE,
    PROFILE,
    ARRIVALS,
    SPACING,
    SATURATION,
    SEED,
    GRACEFUL_STOP,
    ALLOW_ERRORS,
    THRESHOLDS,
];

/// Checks the thresholds among the settings of a run against its load profile.
///
/// # Errors
/// As [`Thresholds::check`].
pub fn check_thresholds(values: &Values) -> Result<(), Refusal> {
    let Some(thresholds) = values.read::<Option<Thresholds>>(THRESHOLDS)? else { return Ok(()) };
    thresholds.check(values.read::<Option<Profile>>(PROFILE)?.as_ref())
}
