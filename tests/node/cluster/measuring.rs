//! What the master tells is what the target counted.

use std::time::Duration;

use crate::{
    harness::{Cluster, MASTER, PATIENCE, assert_adds_up, eventually},
    shapes,
};

/// Invariant: counts add up, to the last line.
#[test]
fn the_master_counts_what_the_target_counted() {
    let cluster = Cluster::start(3);
    cluster.echo(30, "interval=20ms lifetime=3s");
    let status = cluster.until("all have finished", |status| status.users.finished == 30);
    assert_adds_up(&status);
    let ledger = &cluster.target.ledger;
    let lines = ledger.lines();
    assert!(lines > 30 * 50, "{lines}");
    for node in [MASTER, "worker-2"] {
        eventually(&format!("{node} tells all {lines} echoes"), PATIENCE, || {
            let metrics = cluster.done_on(node, "metrics");
            let [echo, connect] = ["echo", "connect"].map(|name| shapes::action(&metrics, name));
            if (echo, connect) == ((lines, 0), (30, 0)) { Ok(()) } else { Err((echo, connect)) }
        });
    }
    cluster.done("stop");
    cluster.until("it is over", |status| status.state == "finished");
    assert_eq!(shapes::action(&cluster.done("metrics"), "echo"), (lines, 0));
    assert_eq!(ledger.lines(), lines, "somebody spoke after the end");
    cluster.target.assert_one_life();
}

/// What a lost node had told is kept, and nothing is counted twice.
#[test]
fn a_loss_takes_little_of_what_was_measured() {
    let mut cluster = Cluster::start(3);
    cluster.echo(30, "interval=50ms");
    cluster.until_acting(1..=30, Duration::from_secs(1), PATIENCE);
    std::thread::sleep(Duration::from_secs(5));
    let ledger = cluster.target.ledger.clone();
    let of_lost = || -> u64 {
        ledger.lives().iter().filter(|life| life.node == "worker-3").map(|life| life.lines).sum()
    };
    cluster.kill("worker-3");
    let lost = of_lost();
    cluster.until_within("its users go on", Duration::from_secs(12), |status| {
        status.gaps.len() == 1 && status.users.running == 30
    });
    cluster.done("stop");
    cluster.until("it is over", |status| status.state == "finished");
    let lines = ledger.lines();
    let (counted, failed) = shapes::action(&cluster.done("metrics"), "echo");
    assert!(counted - failed <= lines, "{counted} of {lines}");
    // Two seconds of ten users at 20 per second, at the very most; of more than five.
    let missing = lines - (counted - failed);
    assert!(
        missing <= 400 && missing < lost,
        "{missing} of {lines} are missing, {lost} were there"
    );
    assert_eq!(of_lost(), lost);
}
