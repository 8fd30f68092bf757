//! One load profile over the whole cluster, as the target sees it.
//!
//! Invariants: arrivals are exactly the integral of the rate, each begun once or told as lost; there
//! are never more users than the profile asks for, nor than may serve its arrivals.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::{Duration, Instant},
};

use crowd_echo::{clock, server::Life};

use crate::{
    harness::{Cluster, MASTER, PATIENCE, assert_adds_up, eventually},
    shapes::{self, Status},
    target::Target,
};

/// How long a dead worker may hold an end up: until it counts as lost.
const LOST: Duration = Duration::from_secs(12);

/// How long the target may take to see the end of a connection, in nanoseconds.
const SEEN: u64 = 50_000_000;

/// Begins a profile; users say a line, and leave soon, unless the settings say otherwise.
#[track_caller]
fn follow_at(cluster: &Cluster, target: &Target, profile: &str, settings: &str) {
    let target = target.address;
    let soon = if settings.contains("lifetime") { "" } else { "lifetime=100ms interval=20ms" };
    cluster.done(&format!("do echo target={target} 'profile={profile}' {soon} {settings}"));
}

#[track_caller]
fn follow(cluster: &Cluster, profile: &str, settings: &str) {
    follow_at(cluster, &cluster.target, profile, settings);
}

/// Waits until the profile goes on for so long.
#[track_caller]
fn until_elapsed(cluster: &Cluster, seconds: f64) -> Box<Status> {
    cluster.until(&format!("{seconds} s"), |status| status.profile.elapsed >= seconds)
}

/// Waits until the run has ended by itself.
#[track_caller]
fn until_over(cluster: &Cluster, patience: Duration) -> Box<Status> {
    let status =
        cluster.until_within("it ends by itself", patience, |status| status.state == "finished");
    assert_adds_up(&status);
    assert_eq!((status.users.running, status.users.waiting), (0, 0), "{status:?}");
    let profile = status.profile;
    assert_eq!(profile.scheduled, profile.started + profile.dropped(), "{profile:?}");
    status
}

/// How many lives the target saw of each node.
fn lives_by_node(target: &Target) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for life in target.ledger.lives() {
        *counts.entry(life.node).or_default() += 1;
    }
    counts
}

/// Each arrival is a user of its own: nobody lives twice, also not one after the other.
#[track_caller]
fn assert_each_once(target: &Target) {
    target.assert_one_life();
    let lives = target.ledger.lives();
    assert_eq!(target.ledger.ids().len(), lives.len(), "an arrival was begun twice");
}

/// The most lives at once, where one that ends and one that begins soon after are one.
fn most_at_once(lives: &[Life]) -> usize {
    let mut changes = Vec::new();
    for life in lives {
        let closed = life.closed.unwrap_or(u64::MAX);
        if closed > life.opened + SEEN {
            changes.push((life.opened + SEEN, 1));
            changes.push((closed, -1));
        }
    }
    changes.sort_unstable();
    let (mut now, mut most) = (0_isize, 0);
    for (_, change) in changes {
        now += change;
        most = most.max(now);
    }
    most.unsigned_abs()
}

#[test]
fn arrivals_are_the_integral_over_all_workers() {
    let cluster = Cluster::start(3);
    // 80, nobody, and 74: none is carried over, and none is rounded away on a node.
    follow(&cluster, "2s: 20/s -> 60/s, 1s: pause, 2s: 37/s", "");
    let began = Instant::now();
    let status = until_over(&cluster, PATIENCE);
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    let profile = status.profile;
    assert_eq!((profile.scheduled, profile.started, profile.dropped()), (154, 154, 0));
    let users = status.users;
    assert_eq!((users.asked, users.finished, users.failed), (154, 154, 0), "{users:?}");
    assert_each_once(&cluster.target);
    let lives = lives_by_node(&cluster.target);
    assert_eq!(lives.values().sum::<u64>(), 154, "{lives:?}");
    assert_eq!(lives.len(), 3, "not on all workers: {lives:?}");
    assert!(lives.values().all(|count| (46..=57).contains(count)), "{lives:?}");
    // When they were due the target knows as well: nobody in the pause, and no burst after it.
    let mut opened: Vec<_> = cluster.target.ledger.lives().iter().map(|life| life.opened).collect();
    opened.sort_unstable();
    let millis = |from: usize, to: usize| (opened[to] - opened[from]) / 1_000_000;
    assert!((900..1_200).contains(&millis(79, 80)), "the pause: {} ms", millis(79, 80));
    assert!((1_800..2_150).contains(&millis(80, 153)), "the last: {} ms", millis(80, 153));
    // A target that answers at once: nobody is late by much, and nobody is earlier than asked.
    let metrics = cluster.done("metrics");
    assert_eq!(shapes::action(&metrics, "connect"), (154, 0));
    let (response, service) = shapes::longest(&metrics, "connect");
    assert!(service <= response && response < 1_000.0, "{response} {service}");
}

#[test]
fn users_are_kept_at_the_number_of_the_stage_over_all_workers() {
    let cluster = Cluster::start(3);
    let profile = "2s: 0 -> 30, 6s: 30, 2s: 30 -> 6, 6s: 6";
    follow(&cluster, profile, "lifetime=1500ms interval=50ms");
    let (mut held, mut low) = (Vec::new(), Vec::new());
    let over = Instant::now() + PATIENCE;
    loop {
        let status = cluster.status();
        assert!(status.users.running <= 30, "{status:?}");
        assert!(Instant::now() < over, "{status:?}");
        if status.state == "finished" {
            break;
        }
        let connected = cluster.target.ledger.connected().len();
        let elapsed = status.profile.elapsed;
        if (3.5..8.0).contains(&elapsed) {
            held.push(connected);
            let (least, most) = (6, 10);
            let nodes = status.nodes.iter().filter(|(node, _)| *node != MASTER);
            let running: Vec<_> = nodes.map(|(_, users)| users.running).collect();
            assert!(running.iter().all(|users| (least..=most).contains(users)), "{status:?}");
        } else if (11.5..16.0).contains(&elapsed) {
            low.push(connected);
        }
        thread::sleep(Duration::from_millis(50));
    }
    let mean = |counts: &[usize]| counts.iter().sum::<usize>() as f64 / counts.len() as f64;
    assert!(held.len() > 20 && low.len() > 20, "{} {}", held.len(), low.len());
    assert!((27.0..=30.5).contains(&mean(&held)), "{held:?}");
    assert!((5.0..=6.2).contains(&mean(&low)), "{low:?}");
    let status = until_over(&cluster, PATIENCE);
    assert_eq!((status.users.failed, status.profile.scheduled), (0, 0), "{status:?}");
    let lives = cluster.target.ledger.lives();
    assert!(most_at_once(&lives) <= 30, "{}", most_at_once(&lives));
    // Those that end are replaced by others: each of thirty users lives for 1.5 of about 8 s.
    assert!(lives.len() > 120, "{}", lives.len());
    assert_each_once(&cluster.target);
}

/// Invariant: scheduled is the integral, whatever dies; what was with the dead is told as lost with
/// a node. One that joins takes its part.
#[test]
fn a_kill_in_a_stage_of_a_rate_is_accounted_for_and_a_joiner_takes_its_part() {
    let mut cluster = Cluster::start(3);
    follow(&cluster, "14s: 60/s", "");
    until_elapsed(&cluster, 3.0);
    cluster.kill("worker-2");
    let of_lost = lives_by_node(&cluster.target)["worker-2"];
    assert!(of_lost >= 50, "{of_lost}");
    cluster.add_node("worker-4");
    let status = until_over(&cluster, PATIENCE + LOST);
    let profile = status.profile;
    assert_eq!(profile.scheduled, 14 * 60, "{profile:?}");
    // Until it is quiet for 1.5 s it is dealt 20 a second.
    assert!((1..=80).contains(&profile.no_node), "{profile:?}");
    assert_eq!((profile.no_user, profile.stopped), (0, 0), "{profile:?}");
    assert_each_once(&cluster.target);
    // What the dead began and did not come to tell is not among those told as begun.
    let lives = lives_by_node(&cluster.target);
    let seen: u64 = lives.values().sum();
    assert!((profile.started..=profile.started + 40).contains(&seen), "{seen} of {profile:?}");
    assert!(lives.get("worker-4").is_some_and(|count| *count > 60), "{lives:?}");
    // The others go on in time: the rate in the last seconds is that of the profile.
    let lives = cluster.target.ledger.lives();
    let last = lives.iter().map(|life| life.opened).max().unwrap();
    let within = |from: u64, to: u64| {
        let ages = lives.iter().map(|life| (last - life.opened) / 1_000_000);
        ages.filter(|age| (from..to).contains(age)).count()
    };
    let seconds: Vec<_> =
        (0..14).map(|second| within(second * 1_000, second * 1_000 + 1_000)).collect();
    assert!((170..=190).contains(&within(0, 3_000)), "{seconds:?}, the last first");
}

#[test]
fn a_worker_frozen_for_a_while_is_late_and_loses_nothing_unaccounted() {
    let cluster = Cluster::start(3);
    follow(&cluster, "10s: 60/s", "");
    until_elapsed(&cluster, 2.0);
    cluster.node("worker-1").signal("-STOP");
    thread::sleep(Duration::from_millis(2_500));
    cluster.node("worker-1").signal("-CONT");
    let status = until_over(&cluster, PATIENCE);
    let profile = status.profile;
    assert_eq!(profile.scheduled, 600, "{profile:?}");
    assert_eq!(status.gaps, [], "a short freeze is no loss");
    assert_eq!((profile.started, profile.dropped()), (600, 0), "{profile:?}");
    assert_each_once(&cluster.target);
    assert_eq!(cluster.target.ledger.lives().len(), 600);
    // Those that were due on the frozen node were late, and their response time says so.
    let (response, service) = shapes::longest(&cluster.done("metrics"), "connect");
    assert!(response > 1_500.0, "{response} {service}");
    assert!(service < 1_000.0, "{response} {service}");
}

/// Invariant: there are never more at once than the profile allows, through a kill and a join.
#[test]
fn the_most_users_of_a_stage_are_never_exceeded_over_the_cluster() {
    let mut cluster = Cluster::start(3);
    let slow = Target::slow(Duration::from_millis(100));
    // Each is busy with a line nearly all its life; five of six lines are under way at any time.
    follow_at(&cluster, &slow, "20s: 100/s max 7", "lifetime=400ms interval=1ms");
    until_elapsed(&cluster, 3.0);
    assert!((6..=7).contains(&slow.ledger.most_in_flight()), "{}", slow.ledger.most_in_flight());
    assert_eq!(slow.ledger.acting_by_node(0).len(), 3, "not from all workers");
    cluster.kill("worker-3");
    cluster.add_node("worker-4");
    let status = until_over(&cluster, PATIENCE + LOST);
    let profile = status.profile;
    assert_eq!(profile.scheduled, 2_000, "{profile:?}");
    assert!(profile.no_user > 1_000, "{profile:?}");
    // 7 users at about 2.2 arrivals a second, for 20 s; less what the dead node's could not take.
    assert!((180..=357).contains(&profile.started), "{profile:?}");
    assert!(slow.ledger.most_in_flight() <= 7, "{}", slow.ledger.most_in_flight());
    assert!(most_at_once(&slow.ledger.lives()) <= 7);
    // Those of the dead node are somebody else's in the end.
    let last = slow.ledger.lives().iter().map(|life| life.opened).max().unwrap_or(clock::now());
    let since = last.saturating_sub(4_000_000_000);
    let late = slow.ledger.lives().into_iter().filter(|life| life.opened > since);
    let nodes: BTreeSet<_> = late.map(|life| life.node).collect();
    assert!(nodes.contains("worker-4"), "{nodes:?}");
    assert_each_once(&slow);
}

/// Arrivals that wait for a user are begun in the end, wherever they were dealt to.
#[test]
fn blocked_arrivals_wait_on_all_workers_and_none_is_lost() {
    let cluster = Cluster::start(3);
    follow(&cluster, "2s: 30/s max 6", "saturation=block lifetime=300ms interval=50ms");
    let status = until_over(&cluster, PATIENCE);
    let profile = status.profile;
    assert_eq!((profile.scheduled, profile.started, profile.dropped()), (60, 60, 0));
    let lives = cluster.target.ledger.lives();
    assert_eq!(lives.len(), 60);
    assert!(most_at_once(&lives) <= 6, "{}", most_at_once(&lives));
    // Six users take on 20 a second of 30: they wait more and more, up to the end of the stage, when
    // those that live on are no longer needed.
    let (response, service) = shapes::longest(&cluster.done("metrics"), "connect");
    assert!(response > 500.0 && service < 500.0, "{response} {service}");
}

#[test]
fn a_stop_in_a_profile_leaves_nobody_and_accounts_for_all() {
    let cluster = Cluster::start(2);
    follow(&cluster, "1m: 40/s, 1m: 10", "");
    let (code, _) = cluster.refused(MASTER, "add 3");
    assert_eq!(code, "invalid-status");
    let (code, _) = cluster.refused(MASTER, "remove 3");
    assert_eq!(code, "invalid-status");
    until_elapsed(&cluster, 2.0);
    cluster.done("stop");
    let status = until_over(&cluster, PATIENCE);
    let profile = status.profile;
    assert!((80..=200).contains(&profile.scheduled), "{profile:?}");
    let lives = cluster.target.ledger.lives().len() as u64;
    assert!(lives <= profile.started, "{lives} of {profile:?}");
    // Another run begins anew.
    cluster.done("reset");
    follow(&cluster, "1s: 40/s", "");
    assert_eq!(until_over(&cluster, PATIENCE).profile.started, 40);
    let (code, message) = {
        cluster.done("reset");
        let target = cluster.target.address;
        cluster.refused(MASTER, &format!("do echo 5 target={target} 'profile=1s: 40/s'"))
    };
    assert_eq!(code, "invalid-range", "{message}");
}

/// What is measured over all nodes is judged by the master.
#[test]
fn a_threshold_over_the_cluster_ends_the_run() {
    let cluster = Cluster::start(2);
    let slow = Target::slow(Duration::from_millis(30));
    let target = format!("target={}", slow.address);
    let arguments = [
        "do",
        "echo",
        &target,
        "profile=5m: 30/s",
        "lifetime=500ms",
        "interval=50ms",
        "thresholds=p95(echo) < 1ms abort; count(connect) > 1",
    ];
    let output = cluster.eval(MASTER, &arguments);
    assert!(output.status.success(), "{output:?}");
    let status = until_over(&cluster, PATIENCE);
    assert!(status.profile.elapsed < 60.0, "{status:?}");
    assert_eq!(slow.ledger.acting_by_node(0).len(), 2, "not from all workers");
    eventually("the master says why", PATIENCE, || {
        let logged = cluster.node(MASTER).logged();
        let told = logged.contains("the run ends early") && logged.contains("p95(echo) < 1ms");
        if told { Ok(()) } else { Err(logged) }
    });
    // The same without a fault goes on to its end.
    cluster.done("reset");
    follow_at(
        &cluster,
        &slow,
        "3s: 30/s",
        "'thresholds=p95(echo) < 10s abort; rate(connect) > 1/s'",
    );
    let status = until_over(&cluster, PATIENCE);
    assert_eq!((status.profile.started, status.profile.dropped()), (90, 0));
}
