//! What operators do, over a cluster: amoc's own integration test, and what goes beyond it.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use crate::{
    harness::{Cluster, MASTER, Plan, assert_adds_up, eventually},
    shapes::{self, Answer},
};

/// More than the interval of a user.
const SOON: Duration = Duration::from_secs(1);

fn shares(shares: &[(&str, u64)]) -> BTreeMap<String, u64> {
    shares.iter().map(|(name, share)| ((*name).to_owned(), *share)).collect()
}

/// Invariants: dense; counts add up; one life.
#[test]
fn a_run_from_do_to_stop_as_amocs_integration_test_has_it() {
    let mut cluster = Cluster::start(2);
    let given = cluster.echo(10, "interval=321ms");
    assert_eq!((given.first, given.last), (1, 10));
    assert_eq!(given.shares, shares(&[("worker-1", 5), ("worker-2", 5)]));
    let status = cluster.until_running(10);
    assert_eq!((&*status.state, &*status.scenario), ("running", "echo"));
    assert_eq!(status.running_on(MASTER), 0, "the master runs users");
    let acting = cluster.until_acting(1..=10, SOON, SOON * 10);
    assert!(acting.values().all(|node| node == "worker-1" || node == "worker-2"), "{acting:?}");

    // A late joiner gets the scenario and the settings, and its share of what is added.
    cluster.add_node("worker-3");
    cluster.settle();
    cluster.until("worker-3 takes part", |status| {
        status.states.get("worker-3").is_some_and(|state| state == "running")
    });
    let settings = shapes::settings(&cluster.done_on("worker-3", "settings"));
    assert_eq!(settings.get("interval").map(String::as_str), Some("321ms"), "{settings:?}");
    assert_eq!(cluster.status().running_on("worker-3"), 0);

    let given = shapes::given(&cluster.done("add 20"));
    assert_eq!((given.first, given.last), (11, 30));
    // By load: five and five and nobody, and twenty more.
    assert_eq!(given.shares, shares(&[("worker-1", 5), ("worker-2", 5), ("worker-3", 10)]));
    let status = cluster.until_running(30);
    assert_eq!(status.highest_user_id, 30);
    cluster.until_acting(1..=30, SOON, SOON * 10);

    let removed = cluster.done("remove 10 force");
    assert_eq!(shapes::chosen(&removed), 10);
    let status = cluster.until_running(20);
    assert_eq!((status.highest_user_id, status.users.removed), (30, 10));
    assert_adds_up(&status);

    // amoc removes fewer than asked for here; all that are there can be had.
    let on_third = status.running_on("worker-3");
    let removed = cluster.done(&format!("remove {} force on worker-3", on_third + 5));
    assert_eq!(shapes::chosen(&removed), on_third);
    let others = 20 - on_third;
    let status = cluster.until_running(others);
    assert_eq!(status.running_on("worker-3"), 0);
    assert_eq!(status.running_on("worker-1") + status.running_on("worker-2"), others);

    let given = shapes::given(&cluster.done("add 20"));
    assert_eq!((given.first, given.last), (31, 50));
    assert_adds_up(&cluster.until_running(others + 20));

    cluster.done("stop");
    let status = cluster.until_within("all have finished", Duration::from_secs(5), |status| {
        status.state == "finished"
            && ["worker-1", "worker-2", "worker-3"]
                .iter()
                .all(|name| status.states.get(*name).is_some_and(|state| state == "finished"))
    });
    assert_eq!(status.users.running + status.users.waiting, 0);
    assert_adds_up(&status);
    assert_eq!(cluster.target.ledger.ids(), (1..=50).collect());
    cluster.target.assert_one_life();
}

#[test]
fn shares_make_loads_even() {
    let cluster = Cluster::start(3);
    let given = cluster.echo(7, "");
    let mut parts: Vec<_> = given.shares.values().copied().collect();
    parts.sort_unstable();
    assert_eq!(parts, [2, 2, 3]);
    let status = cluster.until_running(7);
    let most = status.nodes.iter().find(|(_, users)| users.running == 3).unwrap().0.clone();
    // The next two go to those with fewer.
    let given = shapes::given(&cluster.done("add 2"));
    assert!(!given.shares.contains_key(&most) || given.shares[&most] == 0, "{given:?}");
    cluster.until("all have three", |status| {
        (1..=3).all(|number| status.running_on(&crate::harness::worker(number)) == 3)
    });
    // To those named, by name.
    let given = shapes::given(&cluster.done("add 6 on worker-2,worker-3"));
    assert_eq!(given.shares, shares(&[("worker-2", 3), ("worker-3", 3)]));
    let status = cluster.until_running(15);
    assert_eq!(status.running_on("worker-1"), 3);
    let removed = cluster.done("remove 3 on worker-2");
    assert_eq!(shapes::shares_of(&removed), shares(&[("worker-2", 3)]));
    let status = cluster.until_running(12);
    assert_eq!(status.running_on("worker-2"), 3);
    assert_adds_up(&status);
}

#[test]
fn verbs_may_be_typed_on_any_node() {
    let cluster = Cluster::start(2);
    cluster.echo(4, "interval=200ms");
    cluster.until_running(4);
    let given = shapes::given(&cluster.done_on("worker-1", "add 6"));
    assert_eq!((given.first, given.last), (5, 10));
    let status = cluster.until_running(10);
    assert_eq!(status.running_on("worker-1"), 5);
    assert_eq!(shapes::chosen(&cluster.done_on("worker-2", "remove 2 force")), 2);
    cluster.until_running(8);
    cluster.done_on("worker-2", "set interval=150ms");
    let settings = shapes::settings(&cluster.done_on("worker-1", "settings"));
    assert_eq!(settings["interval"], "150ms");
    for node in [MASTER, "worker-1", "worker-2"] {
        let status = cluster.status_on(node);
        assert_eq!((status.users.running, status.highest_user_id), (8, 10), "{node}");
        let roles: BTreeMap<_, _> =
            cluster.members(node).into_iter().map(|member| (member.name, member.role)).collect();
        assert_eq!((&*roles[MASTER], &*roles["worker-1"]), ("master", "worker"), "{node}");
    }
    // There is a run, whoever is asked for another.
    let line = "do echo 1";
    assert_eq!(cluster.refused("worker-1", line).0, cluster.refused(MASTER, line).0);
    cluster.done_on("worker-1", "stop");
    cluster.until("it is over", |status| status.state == "finished");
    cluster.done_on("worker-2", "reset");
    for node in [MASTER, "worker-1", "worker-2"] {
        assert_eq!(cluster.status_on(node).state, "idle", "{node}");
    }
}

#[test]
fn settings_change_everywhere_or_nowhere() {
    let cluster = Cluster::start(2);
    cluster.echo(4, "interval=300ms");
    cluster.until_running(4);
    let intervals = || {
        ["worker-1", "worker-2"]
            .map(|node| shapes::settings(&cluster.done_on(node, "settings"))["interval"].clone())
    };
    for (line, code) in [
        ("set interval=1s rate=nonsense", "parameters-verification-failed"),
        ("set interval=1s lifetime=5s", "readonly-parameters"),
        ("set interval=1s nonsense=5", "undefined-parameters"),
        ("set interval=1s on worker-1,nowhere", "bad-nodes"),
    ] {
        assert_eq!(cluster.refused(MASTER, line).0, code, "{line}");
        assert_eq!(intervals(), ["300ms", "300ms"], "{line}");
    }
    cluster.done("set interval=200ms");
    assert_eq!(intervals(), ["200ms", "200ms"]);
    cluster.done("set interval=250ms on worker-2");
    assert_eq!(intervals(), ["200ms", "250ms"]);
}

/// A refused verb uses up no ids. Invariant: dense.
#[test]
fn nodes_that_are_not_there_are_named() {
    let cluster = Cluster::start(2);
    cluster.echo(4, "");
    for line in
        ["add 5 on nowhere", "add 5 on worker-1,nowhere", "remove 1 on nowhere", "drain nowhere"]
    {
        let (code, message) = cluster.refused(MASTER, line);
        assert_eq!(code, "bad-nodes", "{line}");
        assert!(message.contains("nowhere"), "{line}: {message}");
    }
    // The master runs no users while there are workers.
    let (code, message) = cluster.refused(MASTER, "add 5 on master");
    assert_eq!(code, "bad-nodes");
    assert!(message.contains("master"), "{message}");
    let given = shapes::given(&cluster.done("add 2"));
    assert_eq!((given.first, given.last), (5, 6));
    assert_adds_up(&cluster.until_running(6));
}

#[test]
fn after_stop_or_reset_or_a_failed_start_there_is_a_next_run() {
    let cluster = Cluster::start(2);
    cluster.echo(4, "interval=200ms");
    cluster.until_running(4);
    cluster.done("stop");
    cluster.until("it is over", |status| status.state == "finished");
    let given = cluster.echo(6, "interval=200ms");
    assert_eq!((given.first, given.last), (1, 6));
    cluster.until_running(6);
    cluster.done("stop");
    cluster.until("it is over", |status| status.state == "finished");
    cluster.done("reset");
    assert_eq!(cluster.status().state, "idle");

    // Its `init` fails on every node; the answer says so.
    let (_, message) =
        cluster.refused(MASTER, "do chat 2 messages_min=9 messages_max=8 user_rate=unlimited");
    assert!(message.contains("messages_min=9 is more than messages_max=8"), "{message}");
    if let Answer::Refused { code, message } = cluster.ask(MASTER, "reset") {
        panic!("no reset after a failed start: {message} [{code}]");
    }
    let no_such = cluster.refused(MASTER, "do nonsense 2");
    assert_eq!(no_such.0, "no-such-scenario");

    // Any node may command the next one.
    let given = cluster.echo_on("worker-1", 6, "interval=200ms");
    assert_eq!((given.first, given.last), (1, 6));
    eventually("all six run", Duration::from_secs(20), || {
        let status = cluster.status_on("worker-2");
        if status.users.running == 6 { Ok(()) } else { Err(status) }
    });
}

#[test]
fn a_lone_node_is_its_own_worker() {
    let mut cluster = Plan::workers(0).start();
    let given = cluster.echo(5, "interval=200ms");
    assert_eq!(given.shares, shares(&[(MASTER, 5)]));
    cluster.until_running(5);
    // Who comes later takes what is added; the master keeps what it has.
    cluster.add_node("worker-1");
    cluster.settle();
    cluster.until("worker-1 takes part", |status| {
        status.states.get("worker-1").is_some_and(|state| state == "running")
    });
    let given = shapes::given(&cluster.done("add 4"));
    assert_eq!(given.shares.get("worker-1"), Some(&4), "{given:?}");
    let status = cluster.until_running(9);
    assert_adds_up(&status);
    assert_eq!(status.running_on("worker-1"), 4);
    cluster.target.assert_one_life();
}

#[test]
fn the_command_line_asks_a_running_node() {
    let cluster = Cluster::start(1);
    let output = cluster.eval(MASTER, &["nodes"]);
    let told = crate::binary::stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains(MASTER) && told.contains("worker-1"), "{told}");

    let output = cluster.eval(MASTER, &["--json", "do echo 3 user_rate=unlimited"]);
    let told = crate::binary::stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    let json: Value = serde_json::from_str(&told).unwrap();
    let given = match Answer::of(&json) {
        Answer::Done { text, data } => {
            assert!(text.contains("users 1 to 3"), "{text}");
            shapes::given(&data)
        }
        refused => panic!("{refused:?}"),
    };
    assert_eq!(given.shares, shares(&[("worker-1", 3)]));

    let output = cluster.eval("worker-1", &["launch"]);
    assert_eq!(output.status.code(), Some(64));
    let complaint = crate::binary::stderr(&output);
    assert!(complaint.contains("launch"), "{complaint}");
}
