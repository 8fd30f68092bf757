//! A worker leaves in good order: its users move, and nothing is lost.

use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    binary::crowd,
    harness::{Cluster, PATIENCE, Plan, assert_adds_up, eventually, throughout},
    process::{as_process_1, node_of, under},
};

const SOON: Duration = Duration::from_millis(800);

/// Three workers with ten users each; the second one is started by that command.
fn thirty_under(starter: Vec<&'static str>) -> Cluster {
    let mut cluster = Cluster::start(1);
    let seed = cluster.address(crate::harness::MASTER);
    let mut options = cluster.options("worker-2", Some(&seed));
    options.under = starter;
    cluster.start_node(&options);
    cluster.add_node("worker-3");
    cluster.settle();
    cluster.echo(30, "interval=100ms");
    cluster.until_running(30);
    cluster.until_acting(1..=30, SOON, PATIENCE);
    cluster
}

fn thirty() -> Cluster {
    thirty_under(Vec::new())
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
#[track_caller]
fn hands_over(mut cluster: Cluster, signal: &str) {
    cluster.node("worker-2").signal(signal);
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

#[test]
fn a_worker_told_to_end_hands_its_users_over_first() {
    hands_over(thirty(), "-TERM");
}

/// Whatever the word for it is.
#[test]
fn sighup_and_sigquit_are_such_words() {
    hands_over(thirty(), "-HUP");
    hands_over(thirty(), "-QUIT");
}

/// A shell makes what it runs in the background deaf to SIGQUIT, and SIGINT.
#[test]
fn a_worker_in_the_background_hears_sigquit() {
    hands_over(thirty_under(vec!["env", "--ignore-signal=QUIT,INT"]), "-QUIT");
}

/// Process 1 has no terminal to lose: who sends it SIGHUP means it.
#[test]
fn process_1_hears_every_signal() {
    for signal in ["-HUP", "-QUIT", "-TERM"] {
        let deaf = ["env", "--ignore-signal=HUP,QUIT"];
        hands_over(thirty_under([&as_process_1()[..], &deaf].concat()), signal);
    }
}

/// The kernel forgets what process 1 has no handler for.
#[test]
fn a_signal_that_comes_while_a_node_starts_is_not_lost() {
    let folder = TempDir::new().unwrap();
    let cookie = folder.path().join("cookie");
    assert!(Command::new("mkfifo").arg(&cookie).status().unwrap().success());
    let mut command = under(&as_process_1(), crowd(folder.path()));
    command.arg("start").env("CROWD_COOKIE_FILE", &cookie).env("CROWD_LISTEN", "127.0.0.1:0");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let node = node_of(child.id());
    // It waits for its cookie, and hears already.
    eventually("it has a handler for SIGTERM", PATIENCE, || {
        let status = fs::read_to_string(format!("/proc/{node}/status")).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        let caught = u64::from_str_radix(caught.trim(), 16).unwrap();
        if caught >> 14 & 1 == 1 { Ok(()) } else { Err(status) }
    });
    assert!(Command::new("kill").arg(node.to_string()).status().unwrap().success());
    thread::spawn(move || fs::write(cookie, "some-secret").unwrap());
    let ended = eventually("it ends", PATIENCE, || match child.try_wait().unwrap() {
        Some(ended) => Ok(ended),
        None => Err("it goes on"),
    });
    assert_eq!(ended.code(), Some(0), "{ended:?}");
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

/// As Kubernetes ends a deployment. It waits for half a minute, and no longer.
#[test]
fn all_that_are_told_to_end_at_once_do_within_seconds() {
    let mut cluster = thirty();
    let began = Instant::now();
    let names = ["master", "worker-1", "worker-2", "worker-3"];
    for name in names {
        cluster.node(name).signal("-TERM");
    }
    for name in names {
        let status = cluster.node_mut(name).end(Duration::from_secs(10));
        assert!(status.code().is_some(), "{name}: {status:?}");
    }
    eprintln!("all ended within {:?}", began.elapsed());
    cluster.target.assert_one_life();
    assert!(cluster.target.ledger.connected().is_empty());
}

/// Pods have names of their own: whoever left in good order is not lost, and cannot be part of a
/// majority that believes the master dead.
#[test]
fn workers_that_were_replaced_under_other_names_do_not_delay_a_loss() {
    let mut cluster = Cluster::start(4);
    for name in ["worker-1", "worker-2"] {
        cluster.node(name).signal("-TERM");
        let status = cluster.node_mut(name).end(Duration::from_secs(15));
        assert_eq!(status.code(), Some(0), "{name}: {status:?}");
    }
    cluster.echo(30, "interval=100ms");
    cluster.until_acting(1..=30, SOON, PATIENCE);
    let began = Instant::now();
    cluster.kill("worker-3");
    eventually("all act on the last one", Duration::from_secs(10), || {
        let acting = cluster.target.acting(SOON);
        let all = acting.keys().copied().eq(1..=30);
        if all && acting.values().all(|node| node == "worker-4") { Ok(()) } else { Err(acting) }
    });
    eprintln!("all act again after {:?}", began.elapsed());
    cluster.target.assert_one_life();
}

/// Its users end with their lease, and so does it.
#[test]
fn a_worker_that_is_cut_off_ends_with_its_users() {
    let mut cluster = Plan::workers(3).cabled().start();
    cluster.echo(30, "interval=100ms");
    cluster.until_acting(1..=30, SOON, PATIENCE);
    cluster.cables().cut("worker-2");
    std::thread::sleep(Duration::from_millis(500));
    let began = Instant::now();
    cluster.node("worker-2").signal("-TERM");
    let status = cluster.node_mut("worker-2").end(Duration::from_secs(10));
    eprintln!("it ended after {:?}: {status:?}", began.elapsed());
    all_act_without(&cluster, "worker-2");
    cluster.target.assert_one_life();
}
