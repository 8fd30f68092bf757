//! What amoc's cluster got wrong (W15 to W18; W19 is a test of each loss), and is right here.

use std::{
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use crate::{
    harness::{Cluster, MASTER, PATIENCE, Plan, assert_adds_up, throughout, worker},
    shapes::{self, Answer},
};

/// W15: nodes that look for each other wait for each other; a host that hangs delays everything.
#[test]
fn w15_a_host_that_hangs_delays_nobody() {
    // Accepts and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().map(|address| (address, silent)).unwrap();
    let mut cluster = Cluster::empty(Plan::default());
    let hangs = silent.0.to_string();
    let options = cluster.options(MASTER, Some(&hangs));
    cluster.start_node(&options);
    let seeds = format!("{hangs},{}", cluster.address(MASTER));
    for number in 1..=2 {
        let options = cluster.options(&worker(number), Some(&seeds));
        cluster.start_node(&options);
    }
    let began = Instant::now();
    cluster.settle();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    // Verbs are answered as ever while the silent host is tried again and again.
    cluster.echo(6, "interval=100ms");
    cluster.until_running(6);
    throughout("every verb is answered at once", Duration::from_secs(5), || {
        let began = Instant::now();
        cluster.status();
        if began.elapsed() < Duration::from_secs(2) { Ok(()) } else { Err(began.elapsed()) }
    });
}

/// W16: adds at the same time give ids out twice; the state of the run is not looked at; a node
/// that cannot be reached is a crash, and its ids are lost. Invariants: dense; counts add up.
#[test]
fn w16_verbs_at_the_same_time_are_carried_out_one_after_the_other() {
    let cluster = Cluster::start(3);
    for line in ["add 5", "remove 1", "stop", "set interval=1s"] {
        assert_eq!(cluster.refused(MASTER, line).0, "invalid-status", "{line}");
    }
    cluster.echo(0, "interval=200ms");
    let nodes = [MASTER, "worker-1", "worker-2", "worker-3"];
    let given: Vec<_> = thread::scope(|scope| {
        let adds: Vec<_> = (0..24)
            .map(|at| {
                let cluster = &cluster;
                scope.spawn(move || shapes::given(&cluster.done_on(nodes[at % 4], "add 5")))
            })
            .collect();
        adds.into_iter().map(|add| add.join().unwrap()).collect()
    });
    let mut ids: Vec<_> = given.iter().flat_map(|given| given.first..=given.last).collect();
    ids.sort_unstable();
    assert!(ids.iter().copied().eq(1..=120), "{ids:?}");
    let status = cluster.until_running(120);
    assert_adds_up(&status);
    assert!((1..=3).all(|number| status.running_on(&worker(number)) == 40), "{status:?}");
    cluster.until_acting(1..=120, Duration::from_secs(2), PATIENCE);
    cluster.target.assert_one_life();
}

/// W16 as well: every verb is answered while a node does not answer, and no ids are lost.
/// Invariants: nothing hangs; dense.
#[test]
fn w16_verbs_are_answered_while_a_node_is_frozen() {
    let cluster = Cluster::start(3);
    cluster.echo(9, "interval=200ms");
    cluster.until_running(9);
    cluster.node("worker-2").signal("-STOP");
    let mut highest = 9;
    for line in ["add 6", "remove 1 force", "set interval=250ms", "users", "settings", "nodes"] {
        let began = Instant::now();
        let answer = cluster.ask(MASTER, line);
        let took = began.elapsed();
        assert!(took < Duration::from_secs(15), "`{line}` took {took:?}");
        match answer {
            Answer::Done { data, .. } if line == "add 6" => {
                let given = shapes::given(&data);
                assert_eq!((given.first, given.last), (10, 15));
                highest = 15;
            }
            Answer::Done { .. } => {}
            Answer::Refused { code, message } => {
                assert!(!code.is_empty() && !message.is_empty(), "`{line}`");
            }
        }
    }
    let status = cluster.until_within("all are elsewhere", Duration::from_secs(20), |status| {
        status.gaps.len() == 1 && status.users.waiting == 0
    });
    assert_eq!(status.highest_user_id, highest);
    assert_adds_up(&status);
    cluster.node("worker-2").signal("-CONT");
    cluster.settle();
    let given = shapes::given(&cluster.done("add 1"));
    assert_eq!(given.first, highest + 1);
    cluster.target.assert_one_life();
}

/// W17: a change of settings makes later joiners forget the others; who joins after the stop starts
/// a stopped run; there is one run per life of a master.
#[test]
fn w17_late_joiners_know_what_is_true_now() {
    let mut cluster = Cluster::start(1);
    cluster.echo(2, "interval=321ms rate=1000/s");
    cluster.until_running(2);
    cluster.done("set rate=500/s");
    cluster.add_node("worker-2");
    cluster.settle();
    cluster.until("worker-2 takes part", |status| {
        status.states.get("worker-2").is_some_and(|state| state == "running")
    });
    let settings = shapes::settings(&cluster.done_on("worker-2", "settings"));
    assert_eq!((&*settings["interval"], &*settings["rate"]), ("321ms", "500/s"));
    assert_eq!(settings["target"], cluster.target.address.to_string());

    cluster.done("stop");
    cluster.until("it is over", |status| status.state == "finished");
    cluster.add_node("worker-3");
    cluster.settle();
    throughout("who joins after the stop starts nothing", Duration::from_secs(3), || {
        let status = cluster.status();
        let idle = status.states.get("worker-3").is_none_or(|state| state != "running");
        if status.state == "finished" && idle { Ok(()) } else { Err(status) }
    });
    // And there is a next run, on all of them.
    let given = cluster.echo(6, "interval=200ms");
    assert_eq!(given.shares.values().copied().collect::<Vec<_>>(), [2, 2, 2], "{given:?}");
    cluster.until_running(6);
}

/// W18: asked for the state after a run of its own, a node asks itself for ever.
#[test]
fn w18_the_state_is_known_after_a_run_of_a_lone_node() {
    let mut cluster = Plan::workers(0).start();
    cluster.echo(3, "interval=100ms lifetime=500ms");
    cluster.until("all have finished", |status| status.users.finished == 3);
    cluster.done("stop");
    let status = cluster.until("it is over", |status| status.state == "finished");
    assert_adds_up(&status);
    // Also by one who comes later.
    cluster.add_node("worker-1");
    cluster.settle();
    let began = Instant::now();
    for node in [MASTER, "worker-1"] {
        cluster.status_on(node);
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    cluster.done("reset");
    cluster.echo(3, "interval=100ms");
    cluster.until_running(3);
}
