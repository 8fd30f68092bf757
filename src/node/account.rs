//! What the node tells of a run: gathered once a second while it goes on, put together at its end.

use std::{sync::Weak, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{
    Account, Inner, Node,
    cluster::report::totals,
    judging::{self, Standings},
};
use crate::{
    cluster::measure::feed::{MeasureFeed, Reading, Source},
    controller::{machine::RunState, run::is_over},
    coordinator::CoordinatorInfo,
    load::gate::Gate,
    measure::{health::monitor::Lateness, series::Activity},
    report::{
        RunReport,
        input::{CoordinatorRow, Outcome, ProfileFacts, ReportInput, RunFacts, ThrottleRow},
    },
    scenario::settings::USER_RATE,
    throttle::ThrottleInfo,
};

/// How often what is measured is gathered.
const INTERVAL: Duration = Duration::from_secs(1);

/// Gathers once a second, for as long as it is polled; what is measured goes to `feed`, on a node
/// that has one.
pub(super) async fn keep_time(node: &Node, feed: Option<&MeasureFeed>) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(account) = node.account().await else { continue };
        if is_over(account.state) {
            node.watchdog().rest();
            continue;
        }
        gather(node, &account, feed).await;
    }
}

async fn gather(node: &Node, account: &Account, feed: Option<&MeasureFeed>) {
    if feed.is_none() && judging::tick(node, account, Instant::now()) {
        // Refused only if the run ends already.
        let _ = node.stop().await;
    }
    let throttles = node.throttles().list().await;
    account.measure.with_total(|measured| {
        node.watchdog().told(&account.measure, lateness(&throttles, account), measured);
    });
    if let Some(feed) = feed {
        feed.tick(Instant::now(), reading(node, account)).await;
    }
}

pub(super) fn activity(account: &Account) -> Activity {
    let (users, arrivals) = (account.users, account.arrivals.total());
    Activity {
        running: users.running,
        started: users.started,
        ended: users.started - users.running,
        scheduled: arrivals.scheduled,
        arrived: arrivals.started,
        dropped: arrivals.dropped(),
    }
}

/// Where the last reading of a run comes from.
pub(super) fn source(node: Weak<Inner>) -> Source {
    Box::new(move || {
        let node = node.clone();
        Box::pin(async move {
            let node = Node { inner: node.upgrade()? };
            let account = node.account().await?;
            Some(reading(&node, &account))
        })
    })
}

/// What was measured and how this node fares, now.
pub(super) fn reading(node: &Node, account: &Account) -> Reading {
    let health =
        account.measure.with_total(|measured| node.watchdog().summary(&account.measure, measured));
    Reading { measure: account.measure.clone(), activity: activity(account), health }
}

fn lateness(throttles: &[ThrottleInfo], account: &Account) -> Lateness {
    let late = account.gate.as_ref().map(Gate::take_late).unwrap_or_default();
    let arrivals = account.arrivals.total();
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

/// The result of a run, as of now.
pub(super) async fn report(node: &Node, account: Account, interrupted: bool) -> RunReport {
    let (throttles, coordinators) = match &account.ended {
        Some(ended) => (ended.throttles.clone(), ended.coordinators.clone()),
        None => (node.throttles().list().await, node.coordinators().list()),
    };
    let measured = account.measure.snapshot().total;
    // On a node of a cluster it is the master that judges.
    let judged = match &node.inner.feed {
        None => judging::standings(node, &account),
        Some(_) => Standings::default(),
    };
    let health = node.watchdog().summary(&account.measure, &measured);
    let outcome = match (&account.reason, account.state, interrupted) {
        (_, _, true) => Outcome::Interrupted,
        (reason, RunState::Failed, _) => Outcome::Failed(reason.clone().unwrap_or_default()),
        _ => judged.aborted.map_or(Outcome::Ended, Outcome::Aborted),
    };
    let (users, endings) = (account.users, account.endings);
    // A run that is over was over before now: its last row ends when it did.
    let until = account.measure.started() + account.elapsed;
    let series = account.measure.series_until(until, activity(&account));
    RunReport::build(ReportInput {
        run: RunFacts {
            id: run_id(node, &account),
            scenario: account.scenario.to_owned(),
            user_rate: setting(&account, USER_RATE),
            profile: ProfileFacts::of(&account.settings, account.profile_began, account.arrivals),
            settings: account.settings,
            nodes: vec![node.name().to_owned()],
            start: account.started,
            end: account.started + account.elapsed,
            duration: account.elapsed,
        },
        outcome,
        users: totals(&users, &endings),
        measured,
        thresholds: judged.thresholds,
        series,
        throttles: throttles.iter().map(throttle_row).collect(),
        coordinators: coordinators.iter().map(coordinator_row).collect(),
        health,
        nodes: Vec::new(),
        gaps: Vec::new(),
    })
}

/// Unique among the runs of all nodes: when it began, where, and which run of that node it is.
pub(super) fn run_id(node: &Node, account: &Account) -> String {
    let since = account.started.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{}-{}-{}", node.name(), since.as_millis(), account.number)
}

fn setting(account: &Account, name: &str) -> Option<String> {
    let (_, value) = account.settings.iter().find(|(key, _)| key == name)?;
    value.clone()
}

pub(super) fn throttle_row(info: &ThrottleInfo) -> ThrottleRow {
    ThrottleRow {
        name: info.name.clone(),
        rate: info.rate.clone(),
        requested: info.requested,
        granted: info.granted,
        forfeited: info.forfeited,
        asked_per_second: info.asked_per_second_overall,
        given_per_second: info.given_per_second_overall,
        lateness_p99_ms: info.lateness.p99_us as f64 / 1000.0,
    }
}

pub(super) fn coordinator_row(info: &CoordinatorInfo) -> CoordinatorRow {
    CoordinatorRow {
        name: info.name.clone(),
        added: info.adds,
        groups: info.events.coordinate,
        timeouts: info.events.timeout,
        faults: info.faults,
    }
}
