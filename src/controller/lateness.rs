//! What this node knows of how late it is, without asking another one.

use std::time::Duration;

use crowd_measure::health::monitor::Lateness;
use crowd_plan::{
    load::{gate::Gate, tally::Tally},
    run_settings::USER_RATE,
};

use crate::throttle::ThrottleInfo;

/// How late this node is: by its own throttles, and by the arrivals that it began since this was last
/// asked.
pub(crate) fn lateness(
    throttles: &[ThrottleInfo],
    gate: Option<&Gate>,
    arrivals: Tally,
) -> Lateness {
    let late = gate.map(Gate::take_late).unwrap_or_default();
    let admission = throttles.iter().find(|info| info.name == USER_RATE);
    Lateness {
        admission_lag: Duration::from_micros(admission.map_or(0, |info| info.lateness.p99_us)),
        slots_granted: throttles.iter().map(|info| info.granted).sum(),
        slots_forfeited: throttles.iter().map(|info| info.forfeited).sum(),
        schedule_lag_p99: late.quantile(0.99),
        schedule_lag_max: late.max(),
        arrivals_due: arrivals.scheduled,
        arrivals_dropped: arrivals.no_user,
        arrivals_lost: arrivals.no_node,
    }
}
