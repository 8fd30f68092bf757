//! One throttle over the whole cluster while a link is slow, as its target sees it.

use std::{thread, time::Duration};

use crowd_echo::{clock, server::Budget};

use crate::{
    harness::{Cluster, Plan},
    throttling::TOLERANCE,
};

const RATE: f64 = 300.0;

/// What may not be known of a clock: all messages pass relays, on a machine that may be busy.
const UNKNOWN: Duration = Duration::from_millis(10);

/// How many are let through per second from now on for a while.
fn reached(cluster: &Cluster) -> f64 {
    let (since, within) = (clock::now(), Duration::from_secs(4));
    thread::sleep(within);
    let released = cluster.target.ledger.released();
    released.iter().filter(|&&moment| moment >= since).count() as f64 / within.as_secs_f64()
}

/// Invariant: never exceeded, though the best that is known of a clock is long ago. And what one
/// node cannot use in time is used by the others.
#[test]
fn a_link_that_is_slow_for_a_while_neither_exceeds_the_rate_nor_takes_it() {
    let cluster = Plan::workers(3).cabled().start();
    cluster.echo(90, "interval=20ms rate=300/s");
    cluster.until_running(90);
    thread::sleep(Duration::from_secs(2));
    let before = reached(&cluster);
    cluster.cables().delay("worker-2", Duration::from_millis(300));
    thread::sleep(Duration::from_secs(14));
    let meanwhile = reached(&cluster);
    cluster.cables().delay("worker-2", Duration::ZERO);
    let after = reached(&cluster);
    let reached = [before, meanwhile, after];
    eprintln!("{reached:?} per second");
    let budget = Budget::steady(RATE, TOLERANCE + UNKNOWN);
    assert_eq!(budget.worst_excess(&cluster.target.ledger.released()), None);
    // A busy machine misses slots; no more of them for one slow node.
    assert!(meanwhile > 0.85 * before.min(after), "{reached:?}");
    cluster.target.assert_one_life();
}
