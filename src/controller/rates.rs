//! The settings of a run that are rates of throttles: the throttles that its users are let in by, and
//! begin their iterations by.

use std::time::Duration;

use crowd_core::{
    failure::Failure,
    rate::Rate,
    refusal::{Code, Refusal},
    settings::{Change, Values},
};
use crowd_plan::run_settings::{ITERATION_RATE, RATES, check_change_of_iteration_rate};

use super::message::ControllerOptions;
use crate::throttle::ThrottleInfo;

/// The name of a throttle, and its rate.
pub(super) type Named = (&'static str, Rate);

/// Whether users ask a throttle before each iteration.
pub(super) fn iterations_are_paced(values: &Values) -> bool {
    values.get(ITERATION_RATE).is_some()
}

/// The rates that are given.
pub(super) fn given(values: &Values) -> Result<Vec<Named>, Refusal> {
    of(values, |_| true)
}

/// The rates that change.
pub(super) fn changed(change: &Change) -> Result<Vec<Named>, Refusal> {
    of(&change.values, |name| change.changed.iter().any(|changed| changed == name))
}

fn of(values: &Values, wanted: impl Fn(&str) -> bool) -> Result<Vec<Named>, Refusal> {
    let names = RATES.into_iter().filter(|name| wanted(name));
    let given = names.filter_map(|name| values.get(name).map(|text| (name, text)));
    let read = given.map(|(name, text)| match text.parse() {
        Ok(rate) => Ok((name, rate)),
        Err(fault) => Err(Refusal::new(Code::InvalidThrottle, format!("{name}={text}: {fault}"))),
    });
    read.collect()
}

/// Whether the rates may change, and their throttles would take them.
pub(super) fn check(
    options: &ControllerOptions,
    before: &Values,
    change: &Change,
) -> Result<(), Refusal> {
    check_change_of_iteration_rate(before, change)?;
    for (name, rate) in changed(change)? {
        accepts(&options.throttles.get(name)?.info(), rate)?;
    }
    Ok(())
}

/// Whether a throttle takes a new rate: it does not on a ramp.
fn accepts(throttle: &ThrottleInfo, rate: Rate) -> Result<(), Refusal> {
    let Some(ramp) = throttle.ramp.as_ref().filter(|_| throttle.rate != rate.to_string()) else {
        return Ok(());
    };
    let left = Duration::from_millis(throttle.ramp_remaining_ms.unwrap_or_default());
    let left = humantime::format_duration(left);
    let name = &throttle.name;
    let message = format!(
        "throttle `{name}` is on a ramp ({ramp}) for another {left}; wait for its end, or stop it"
    );
    Err(Refusal::new(Code::CannotChangeRate, message))
}

/// Starts the throttles.
pub(super) async fn start(
    options: &ControllerOptions,
    rates: &[Named],
    follows: bool,
) -> Result<(), Failure> {
    let throttles = &options.throttles;
    for &(name, rate) in rates {
        let started = if follows {
            throttles.start(name, rate).await
        } else {
            // An operator may have started it while the node was idle; the run's rate counts.
            throttles.start_afresh(name, rate).await
        };
        match started {
            // It is the cluster's, and an operator has changed it meanwhile.
            Err(refusal) if follows && refusal.code == Code::WrongReconfiguration => {}
            outcome => outcome.map(drop).map_err(Failure::from)?,
        }
    }
    Ok(())
}
