//! Who comes later gets its fair share of the running users, if that is wanted.

use std::{thread, time::Duration};

use crate::harness::{MASTER, PATIENCE, Plan, assert_adds_up, throughout, worker};

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
        (1..=3).all(|number| status.running_on(&worker(number)) == 10)
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

/// A user may be moved away and back within its grace: it is not killed for its earlier life.
#[test]
fn nodes_that_join_together_cost_nobody() {
    let mut cluster = Plan::workers(2).with("CROWD_REBALANCE", "true").start();
    cluster.done("do idle 300 user_rate=unlimited");
    cluster.until_running(300);
    let seed = cluster.address(MASTER);
    let late = ["worker-3", "worker-4"].map(|name| cluster.options(name, Some(&seed)));
    let started = thread::scope(|scope| {
        let starts = late.each_ref().map(|options| {
            let cluster = &cluster;
            scope.spawn(move || cluster.try_start_beside(options).unwrap())
        });
        starts.map(|start| start.join().unwrap())
    });
    cluster.until("all have their share", |status| {
        status.users.running == 300
            && (1..=4).all(|number| status.running_on(&worker(number)) == 75)
    });
    // Longer than the grace of whoever was moved.
    throughout("all run", Duration::from_secs(4), || {
        let status = cluster.status();
        let users = status.users;
        let all = (users.asked, users.running, users.failed, users.removed) == (300, 300, 0, 0);
        if all { Ok(()) } else { Err(status) }
    });
    assert_eq!(cluster.status().gaps, []);
    drop(started);
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
