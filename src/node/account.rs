//! What the node tells of a run: gathered once a second while it goes on, put together at its end.

use std::{sync::Weak, time::Duration};

use crowd_core::aside::aside;
use crowd_measure::series::Activity;
use crowd_plan::run_settings::USER_RATE;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{
    Account, Inner, Node,
    cluster::report::totals,
    judging::{self, Standings},
};
use crate::{
    cluster::measure::feed::{MeasureFeed, Reading, Source},
    controller::{lateness::lateness, machine::RunState, run::is_over},
    coordinator::CoordinatorInfo,
    report::{
        RunReport,
        input::{CoordinatorRow, Outcome, ProfileFacts, ReportInput, RunFacts, ThrottleRow},
    },
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
        gather(node, account, feed).await;
    }
}

/// Asks nobody but this node: whatever becomes of others, what is measured here is gathered.
async fn gather(node: &Node, account: Account, feed: Option<&MeasureFeed>) {
    let now = Instant::now();
    let throttles = node.throttles().here();
    let late = lateness(&throttles, account.gate.as_ref(), account.arrivals.total());
    let (here, is_alone) = (node.clone(), feed.is_none());
    // The more actions there are the longer it takes to add up what was measured of them.
    let gathered = aside(move || {
        let aborts = is_alone && judging::tick(&here, &account, now);
        let measure = &account.measure;
        measure.with_total(|measured| here.watchdog().told(measure, late, measured));
        (aborts, (!is_alone).then(|| reading(&here, &account)))
    });
    let Some((aborts, reading)) = gathered.await else { return };
    if aborts {
        // Refused only if the run ends already.
        let _ = node.stop().await;
    }
    if let (Some(feed), Some(reading)) = (feed, reading) {
        feed.tick(now, reading).await;
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
            aside(move || reading(&node, &account)).await
        })
    })
}

/// What was measured and how this node fares, now.
pub(super) fn reading(node: &Node, account: &Account) -> Reading {
    let health =
        account.measure.with_total(|measured| node.watchdog().summary(&account.measure, measured));
    Reading { measure: account.measure.clone(), activity: activity(account), health }
}

/// The result of a run on this node, as of now; `None` if the node is ending.
pub(super) async fn report(node: &Node, account: Account, interrupted: bool) -> Option<RunReport> {
    let node = node.clone();
    aside(move || build(&node, account, interrupted)).await
}

fn build(node: &Node, account: Account, interrupted: bool) -> RunReport {
    let (throttles, coordinators) = match &account.ended {
        Some(ended) => (ended.throttles.clone(), ended.coordinators.clone()),
        None => (node.throttles().here(), node.coordinators().list()),
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
