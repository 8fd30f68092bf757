//! Users in pairs, over nodes.

use std::time::Duration;

use crate::{
    harness::{Cluster, PATIENCE, eventually},
    shapes::counter,
};

/// Users of different nodes are brought together, and hear each other.
#[test]
fn partners_on_different_nodes_greet_each_other() {
    let cluster = Cluster::start(2);
    cluster.echo(40, "interval=50ms partners=true user_rate=100/s");
    cluster.until_running(40);
    eventually("greetings come from other nodes", PATIENCE, || {
        let metrics = cluster.done("metrics");
        let received = counter(&metrics, "greetings_received");
        let from_afar = counter(&metrics, "greetings_from_other_nodes");
        if received > 500 && from_afar > 50 { Ok(()) } else { Err((received, from_afar)) }
    });
    let metrics = cluster.done("metrics");
    assert_eq!(counter(&metrics, "greetings_undelivered"), 0, "{metrics}");
    cluster.target.assert_one_life();
}

/// Who greets somebody that is gone is told so, also across nodes; and goes on when it is back.
#[test]
fn a_partner_that_is_gone_is_an_error_and_not_silence() {
    let mut cluster = Cluster::start(2);
    cluster.echo(40, "interval=50ms partners=true user_rate=100/s");
    cluster.until_running(40);
    let received = |cluster: &Cluster| counter(&cluster.done("metrics"), "greetings_received");
    eventually("all have partners", PATIENCE, || {
        let count = received(&cluster);
        if count > 500 { Ok(()) } else { Err(count) }
    });
    cluster.kill("worker-2");
    eventually("greetings to the lost are undelivered", Duration::from_secs(15), || {
        let undelivered = counter(&cluster.done("metrics"), "greetings_undelivered");
        if undelivered > 0 { Ok(()) } else { Err(undelivered) }
    });
    cluster.until_within("all run again", Duration::from_secs(12), |status| {
        status.users.running == 40 && status.gaps.len() == 1
    });
    let before = received(&cluster);
    eventually("greetings go on", PATIENCE, || {
        let count = received(&cluster);
        if count > before + 200 { Ok(()) } else { Err(count) }
    });
    cluster.target.assert_one_life();
}
