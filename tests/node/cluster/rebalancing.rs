//! Who comes later gets its fair share of the running users, if that is wanted.

use std::{thread, time::Duration};

use crate::harness::{PATIENCE, Plan, assert_adds_up, throughout};

const SOON: Duration = Duration::from_millis(800);

/// Invariants: one life; counts add up. What moves is no gap.
#[test]
fn a_late_joiner_gets_its_fair_share() {
    let mut cluster = Plan::workers(2).with("CROWD_REBALANCE", "true").start();
    cluster.echo(30, "interval=100ms");
    cluster.until_acting(1..=30, SOON, PATIENCE);
    cluster.add_node("worker-3");
    cluster.settle();
    let status = cluster.until("all have ten", |status| {
        (1..=3).all(|number| status.running_on(&crate::harness::worker(number)) == 10)
    });
    assert_adds_up(&status);
    assert_eq!(status.gaps, []);
    assert_eq!((status.users.asked, status.users.failed, status.users.removed), (30, 0, 0));
    cluster.until_acting(1..=30, SOON, PATIENCE);
    cluster.target.assert_one_life();
    // Ten moved, once each; nobody is moved to and fro.
    assert_eq!(cluster.target.ledger.lives().len(), 40);
    thread::sleep(Duration::from_secs(3));
    assert_eq!(cluster.target.ledger.lives().len(), 40);
}

#[test]
fn without_it_running_users_stay_where_they_are() {
    let mut cluster = Plan::workers(2).start();
    cluster.echo(30, "interval=100ms");
    cluster.until_acting(1..=30, SOON, PATIENCE);
    cluster.add_node("worker-3");
    cluster.settle();
    throughout("nobody is moved", Duration::from_secs(4), || {
        let status = cluster.status();
        if status.running_on("worker-3") == 0 { Ok(()) } else { Err(status) }
    });
    assert_eq!(cluster.target.ledger.lives().len(), 30);
}
