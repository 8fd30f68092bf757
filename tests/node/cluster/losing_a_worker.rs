//! A worker dies, freezes, is cut off or slow: its users go on elsewhere, once.

use std::{collections::BTreeMap, thread, time::Duration};

use crowd_echo::clock;

use crate::{
    harness::{Cluster, MASTER, PATIENCE, Plan, assert_adds_up, eventually, throughout, worker},
    shapes::{self, Status},
};

/// How long a loss may keep a user from acting: 5 s to notice it, 5 s to start it elsewhere.
const BACK: Duration = Duration::from_secs(10);
/// Several times the interval of a user.
const SOON: Duration = Duration::from_millis(800);

/// 30 users on three workers, ten on each.
fn thirty(plan: Plan) -> Cluster {
    let cluster = plan.start();
    let given = cluster.echo(30, "interval=100ms");
    assert!(given.shares.values().all(|&share| share == 10), "{given:?}");
    cluster.until_running(30);
    cluster.until_acting(1..=30, SOON, PATIENCE);
    cluster
}

/// Waits until all of them act, and nobody on that node.
#[track_caller]
fn all_act_without(cluster: &Cluster, lost: &str) -> BTreeMap<u64, String> {
    eventually(&format!("all act, nobody on {lost}"), BACK, || {
        let acting = cluster.target.acting(SOON);
        let all = acting.keys().copied().eq(1..=30);
        if all && acting.values().all(|node| node != lost) { Ok(acting) } else { Err(acting) }
    })
}

/// The gap of that node, and nobody else's.
#[track_caller]
fn assert_gap(status: &Status, lost: &str) {
    assert_eq!(status.gaps.len(), 1, "{status:?}");
    let gap = &status.gaps[0];
    assert_eq!((&*gap.node, gap.users), (lost, 10), "{gap:?}");
    assert_eq!(gap.went.values().sum::<u64>(), 10, "{gap:?}");
    assert!(!gap.went.contains_key(lost), "{gap:?}");
    // Evenly, as they were dealt.
    assert!(gap.went.values().all(|&share| share == 5), "{gap:?}");
}

/// Invariants: one life; dense; counts add up. W19: nobody is told, nobody is replaced.
#[test]
fn w19_users_of_a_killed_worker_go_on_elsewhere_and_the_gap_is_named() {
    let mut cluster = thirty(Plan::workers(3));
    cluster.kill("worker-2");
    let acting = all_act_without(&cluster, "worker-2");
    assert_eq!(acting.len(), 30);
    let status = cluster.until_running(30);
    assert_adds_up(&status);
    assert_gap(&status, "worker-2");
    assert_eq!(status.highest_user_id, 30);
    assert_eq!((status.running_on("worker-1"), status.running_on("worker-3")), (15, 15));
    // Those who were not there were not disturbed.
    let lives = cluster.target.ledger.lives();
    assert_eq!(lives.len(), 40, "10 of 30 began anew");
    cluster.target.assert_one_life();
    // New ids go on from the highest.
    let given = shapes::given(&cluster.done("add 4"));
    assert_eq!((given.first, given.last), (31, 34));
    // Who comes back is new and takes its share again.
    cluster.add_node("worker-2");
    cluster.settle();
    let given = shapes::given(&cluster.done("add 6"));
    assert_eq!(given.shares.get("worker-2"), Some(&6), "{given:?}");
    cluster.until_acting(1..=40, SOON, PATIENCE);
    cluster.target.assert_one_life();
}

/// Invariant: one life, also when the frozen node thaws.
#[test]
fn users_of_a_frozen_worker_go_on_elsewhere_and_nowhere_else_when_it_thaws() {
    let cluster = thirty(Plan::workers(3));
    cluster.node("worker-2").signal("-STOP");
    all_act_without(&cluster, "worker-2");
    // Nothing hangs meanwhile.
    let status = cluster.until_running(30);
    assert_adds_up(&status);
    assert_gap(&status, "worker-2");
    cluster.node("worker-2").signal("-CONT");
    throughout("nobody acts on the node that thawed", Duration::from_secs(4), || {
        let twice = cluster.target.ledger.lives_twice();
        if twice.is_empty() { Ok(()) } else { Err(twice) }
    });
    cluster.target.assert_one_life();
    // It is a member again, as a new one, and takes users.
    cluster.settle();
    let given = shapes::given(&cluster.done("add 9"));
    assert_eq!(given.shares.get("worker-2"), Some(&9), "{given:?}");
    cluster.until_acting(1..=39, SOON, PATIENCE);
    cluster.target.assert_one_life();
}

#[test]
fn a_short_freeze_is_no_loss() {
    let cluster = thirty(Plan::workers(3));
    cluster.node("worker-2").signal("-STOP");
    thread::sleep(Duration::from_millis(1_500));
    cluster.node("worker-2").signal("-CONT");
    cluster.until_acting(1..=30, SOON, PATIENCE);
    throughout("nobody is moved", Duration::from_secs(6), || {
        let status = cluster.status();
        if status.users.running == 30 && status.gaps.is_empty() { Ok(()) } else { Err(status) }
    });
    assert_eq!(cluster.target.ledger.lives().len(), 30);
}

/// Invariant: one life, though the node that is cut off runs on: it ends its users by itself.
#[test]
fn users_of_a_worker_that_is_cut_off_go_on_elsewhere_once() {
    let cluster = thirty(Plan::workers(3).cabled());
    let cut = clock::now();
    cluster.cables().cut("worker-2");
    all_act_without(&cluster, "worker-2");
    let status = cluster.until_running(30);
    assert_adds_up(&status);
    assert_gap(&status, "worker-2");
    // By itself: nobody could tell it.
    let last = cluster.target.ledger.lives().into_iter().filter(|life| life.node == "worker-2");
    let last = last.filter_map(|life| life.acted).map(|(_, last)| last).max().unwrap();
    let after = Duration::from_nanos(last.saturating_sub(cut));
    assert!(after < Duration::from_secs(5), "it went on for {after:?}");
    cluster.target.assert_one_life();
    cluster.cables().mend("worker-2");
    cluster.settle();
    let given = shapes::given(&cluster.done("add 9"));
    assert_eq!(given.shares.get("worker-2"), Some(&9), "{given:?}");
    cluster.until_acting(1..=39, SOON, PATIENCE);
    cluster.target.assert_one_life();
}

#[test]
fn a_slow_link_is_no_loss() {
    let cluster = thirty(Plan::workers(3).cabled());
    cluster.cables().delay("worker-2", Duration::from_millis(250));
    throughout("nobody is moved", Duration::from_secs(8), || {
        let status = cluster.status();
        if status.users.running == 30 && status.gaps.is_empty() { Ok(()) } else { Err(status) }
    });
    assert_eq!(cluster.target.ledger.lives().len(), 30);
    let round_trip = eventually("the round trip is known to be long", PATIENCE, || {
        let members = cluster.members(MASTER);
        let slow = members.iter().find(|node| node.name == "worker-2").unwrap();
        slow.round_trip_us.filter(|&time| time >= 400_000).ok_or(members)
    });
    assert!(round_trip < 2_000_000, "{round_trip}");
    let given = shapes::given(&cluster.done("add 3"));
    assert_eq!(given.shares.values().sum::<u64>(), 3);
    cluster.until_running(33);
}

#[test]
fn users_of_a_lost_worker_fail_if_losses_are_ignored() {
    let mut cluster = thirty(Plan::workers(3).with("CROWD_ON_NODE_LOSS", "ignore"));
    cluster.kill("worker-2");
    let status = cluster.until_within("ten are lost", BACK, |status| status.users.failed == 10);
    assert_eq!((&*status.state, status.users.running), ("running", 20));
    assert_adds_up(&status);
    assert_eq!(status.gaps.len(), 1, "{status:?}");
    assert_eq!((status.gaps[0].users, status.gaps[0].went.len()), (10, 0), "{status:?}");
    throughout("nobody comes back", Duration::from_secs(3), || {
        let lives = cluster.target.ledger.lives().len();
        if lives == 30 { Ok(()) } else { Err(lives) }
    });
}

#[test]
fn the_run_ends_as_failed_if_no_loss_is_accepted() {
    let mut cluster = thirty(Plan::workers(3).with("CROWD_ON_NODE_LOSS", "stop"));
    cluster.kill("worker-2");
    let status = cluster.until_within("it has failed", BACK, |status| status.state == "failed");
    assert_eq!(status.users.running + status.users.waiting, 0, "{status:?}");
    assert_eq!(status.gaps.len(), 1, "{status:?}");
    assert_eq!(cluster.target.ledger.lives().len(), 30);
    eventually("all connections end", PATIENCE, || {
        let connected = cluster.target.ledger.connected();
        if connected.is_empty() { Ok(()) } else { Err(connected) }
    });
    cluster.done("reset");
    let given = cluster.echo(4, "interval=100ms");
    assert_eq!((given.first, given.last), (1, 4));
}

/// The last worker goes: the master has nobody left and is its own worker.
#[test]
fn a_master_left_alone_runs_the_users_itself() {
    let mut cluster = Plan::workers(1).start();
    cluster.echo(10, "interval=100ms");
    cluster.until_acting(1..=10, SOON, PATIENCE);
    cluster.kill(&worker(1));
    eventually("all act on the master", BACK, || {
        let acting = cluster.target.acting(SOON);
        let moved = acting.len() == 10 && acting.values().all(|node| node == MASTER);
        if moved { Ok(()) } else { Err(acting) }
    });
    let status = cluster.until_running(10);
    assert_adds_up(&status);
    cluster.target.assert_one_life();
}

/// Two at a time, and one of them while its users are still on their way to others.
#[test]
fn a_second_loss_during_the_first_is_survived() {
    let mut cluster = Plan::workers(4).start();
    cluster.echo(40, "interval=100ms");
    cluster.until_acting(1..=40, SOON, PATIENCE);
    cluster.kill("worker-2");
    thread::sleep(Duration::from_secs(4));
    cluster.kill("worker-3");
    eventually("all act on those that are left", BACK + BACK, || {
        let acting = cluster.target.acting(SOON);
        let left = acting.values().all(|node| node == "worker-1" || node == "worker-4");
        if left && acting.keys().copied().eq(1..=40) { Ok(()) } else { Err(acting) }
    });
    let status = cluster.until_running(40);
    assert_adds_up(&status);
    assert_eq!(status.gaps.len(), 2, "{status:?}");
    cluster.target.assert_one_life();
}

/// Between the master and one worker is a firewall that refuses connections, as if nobody lived at
/// the other end. Invariant: one life.
#[test]
fn a_firewall_that_refuses_does_not_make_two_lives() {
    let cluster = thirty(Plan::workers(3).cabled());
    cluster.cables().refuse(MASTER, "worker-2");
    all_act_without(&cluster, "worker-2");
    let status = cluster.until_running(30);
    assert_adds_up(&status);
    assert_gap(&status, "worker-2");
    thread::sleep(Duration::from_secs(5));
    // Also of those that only wait, since the throttle of the dead has run dry.
    assert_eq!(cluster.target.ledger.connected(), (1..=30).collect::<Vec<_>>());
    cluster.target.assert_one_life();
}

/// The worker dies before the master hears that those that were chosen have ended.
#[test]
fn whom_remove_chose_on_a_lost_worker_stays_removed() {
    let mut cluster = thirty(Plan::workers(3).cabled());
    cluster.cables().delay("worker-2", Duration::from_millis(400));
    let removed = cluster.done("remove 12");
    assert_eq!(removed["chosen"], 12, "{removed}");
    cluster.cables().cut("worker-2");
    cluster.kill("worker-2");
    let status = cluster
        .until("the others go on", |status| status.gaps.len() == 1 && status.users.running == 18);
    assert_adds_up(&status);
    throughout("nobody else is started", Duration::from_secs(5), || {
        let status = cluster.status();
        let users = status.users;
        if (users.running, users.removed) == (18, 12) { Ok(()) } else { Err(status) }
    });
    cluster.target.assert_one_life();
}
