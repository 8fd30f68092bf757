//! Each node is judged by what it knows of itself, whatever becomes of the others.

use std::{thread, time::Duration};

use serde_json::Value;

use crate::harness::{Cluster, MASTER, PATIENCE};

fn numbers(series: &Value) -> Vec<u64> {
    series.as_array().unwrap().iter().map(|number| number.as_u64().unwrap()).collect()
}

/// The result of a run that is ended now.
fn result(cluster: &Cluster) -> Value {
    cluster.done("stop");
    cluster.until("it is over", |status| status.state == "finished");
    cluster.done("report")
}

/// Users admitted on one node are no slots of another.
#[test]
fn the_slots_of_nodes_add_up_to_those_of_the_cluster() {
    let cluster = Cluster::start(3);
    cluster.echo(30, "interval=200ms user_rate=20/s");
    cluster.until_acting(1..=30, Duration::from_secs(1), PATIENCE);
    // So that every node has looked at itself since.
    thread::sleep(Duration::from_millis(2_500));
    let report = result(&cluster);
    let slots = |generator: &Value| generator["slots_granted"].as_u64().unwrap();
    let nodes = report["nodes"].as_array().unwrap();
    let each: Vec<_> = nodes
        .iter()
        .filter(|node| !node["generator"].is_null())
        .map(|node| slots(&node["generator"]))
        .collect();
    assert_eq!(each.iter().sum::<u64>(), 30, "{each:?}");
    assert_eq!(slots(&report["generator"]), 30);
    assert!(each.iter().all(|slots| *slots < 30), "{each:?}");
    // A fraction where there is a quota, and never nothing.
    assert!(report["generator"]["cores"].as_f64().unwrap() > 0.0);
}

/// A frozen master holds up nobody's measuring: what was done meanwhile is told second by second.
#[test]
fn a_frozen_master_stops_no_measuring() {
    let cluster = Cluster::start(2);
    cluster.echo(20, "interval=50ms");
    cluster.until_acting(1..=20, Duration::from_secs(1), PATIENCE);
    thread::sleep(Duration::from_secs(2));
    cluster.node(MASTER).signal("-STOP");
    thread::sleep(Duration::from_millis(2_500));
    cluster.node(MASTER).signal("-CONT");
    thread::sleep(Duration::from_secs(3));
    let report = result(&cluster);
    let counts = numbers(&report["series"]["actions"]["echo"]["count"]);
    // Those of the first and last two seconds are not full ones.
    let full = &counts[2..counts.len() - 2];
    let mean = full.iter().sum::<u64>() / full.len() as u64;
    assert!(full.len() >= 5 && mean > 100, "{counts:?}");
    for second in full {
        assert!(*second > mean / 3 && *second < mean * 2, "{second} of {mean}: {counts:?}");
    }
}
