//! A worker leaves in good order: its users move, and nothing is lost.

use std::time::Duration;

use crate::harness::{Cluster, PATIENCE, assert_adds_up, eventually, throughout};

const SOON: Duration = Duration::from_millis(800);

fn thirty() -> Cluster {
    let cluster = Cluster::start(3);
    cluster.echo(30, "interval=100ms");
    cluster.until_running(30);
    cluster.until_acting(1..=30, SOON, PATIENCE);
    cluster
}

#[track_caller]
fn all_act_without(cluster: &Cluster, left: &str) {
    eventually(&format!("all act, nobody on {left}"), Duration::from_secs(15), || {
        let acting = cluster.target.acting(SOON);
        let all = acting.keys().copied().eq(1..=30);
        if all && acting.values().all(|node| node != left) { Ok(()) } else { Err(acting) }
    });
}

/// Invariants: one life; counts add up. What moves is no gap.
#[test]
fn a_worker_told_to_end_hands_its_users_over_first() {
    let mut cluster = thirty();
    cluster.node("worker-2").signal("-TERM");
    all_act_without(&cluster, "worker-2");
    let ended = cluster.node_mut("worker-2").end(Duration::from_secs(15));
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    let status = cluster.until_running(30);
    assert_adds_up(&status);
    assert_eq!(status.gaps, []);
    assert_eq!((status.running_on("worker-1"), status.running_on("worker-3")), (15, 15));
    // Moved, not failed and not removed.
    assert_eq!((status.users.asked, status.users.failed, status.users.removed), (30, 0, 0));
    cluster.target.assert_one_life();
}

/// Invariants: one life; counts add up.
#[test]
fn a_drained_node_has_no_users_and_gets_none() {
    let cluster = thirty();
    cluster.done("drain worker-1");
    all_act_without(&cluster, "worker-1");
    let status = cluster.until("they are all elsewhere", |status| {
        status.users.running == 30 && status.running_on("worker-1") == 0
    });
    assert_adds_up(&status);
    assert_eq!(status.gaps, []);
    let given = crate::shapes::given(&cluster.done("add 4"));
    assert!(given.shares.get("worker-1").is_none_or(|&share| share == 0), "{given:?}");
    cluster.until_running(34);
    throughout("it stays empty", Duration::from_secs(2), || {
        let status = cluster.status();
        if status.running_on("worker-1") == 0 { Ok(()) } else { Err(status) }
    });
    cluster.target.assert_one_life();
}
