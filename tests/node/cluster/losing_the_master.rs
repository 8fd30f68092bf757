//! The master dies or is cut off: its workers carry on for a while, then end as they should.

use std::{thread, time::Duration};

use crowd_echo::clock;

use crate::harness::{Cluster, MASTER, PATIENCE, Plan, throughout, worker};

/// How long workers keep their users.
const TIMEOUT: Duration = Duration::from_secs(8);
const SOON: Duration = Duration::from_millis(800);
/// From the time-out to the end of the process: users are told to stop, and what was measured is
/// told.
const ENDING: Duration = Duration::from_secs(10);

fn thirty(plan: Plan, settings: &str) -> Cluster {
    let cluster = plan.with("CROWD_MASTER_TIMEOUT", "8s").start();
    cluster.echo(30, settings);
    cluster.until_running(30);
    cluster.until_acting(1..=30, SOON * 3, PATIENCE);
    cluster
}

/// All workers end by themselves, unsuccessfully, and say what they measured.
#[track_caller]
fn workers_end(cluster: &mut Cluster, patience: Duration) {
    for number in 1..=3 {
        let node = cluster.node_mut(&worker(number));
        let status = node.end(patience);
        assert!(status.code().is_some_and(|code| code != 0), "{number}: {status:?}");
        let printed = node.printed();
        let report = printed.split_once("is ready").unwrap().1;
        assert!(report.contains("echo") && report.lines().count() > 3, "no report: {printed}");
        assert!(node.logged().contains(MASTER), "it does not say what happened");
    }
}

/// Invariant: one life. W19: all slaves halt at once, with success, and everything is lost.
#[test]
fn w19_workers_keep_their_users_for_a_while_then_end_cleanly_and_unsuccessfully() {
    let mut cluster = thirty(Plan::workers(3), "interval=100ms");
    cluster.kill(MASTER);
    // Well within the time-out: all are there as before, without a new life. What they do waits at
    // the throttle, which has run dry.
    throughout("users go on", TIMEOUT - Duration::from_secs(2), || {
        let connected = cluster.target.ledger.connected();
        if connected.len() == 30 { Ok(()) } else { Err(connected) }
    });
    assert_eq!(cluster.target.ledger.lives().len(), 30, "users were started anew");
    // A worker can be asked, and says so.
    let answer = cluster.ask(&worker(1), "status");
    eprintln!("a worker without a master: {answer:?}");
    workers_end(&mut cluster, Duration::from_secs(2) + ENDING);
    assert!(cluster.target.ledger.connected().is_empty());
    cluster.target.assert_one_life();
}

/// Invariant: never exceeded. Nobody grants what is left over.
#[test]
fn a_throttle_without_a_master_runs_out() {
    let mut cluster = thirty(Plan::workers(3), "interval=50ms rate=60/s");
    thread::sleep(Duration::from_secs(1));
    cluster.kill(MASTER);
    let killed = clock::now();
    thread::sleep(Duration::from_secs(6));
    let released = cluster.target.ledger.released();
    let late: Vec<_> = released
        .iter()
        .filter(|&&moment| moment > killed + 5_000_000_000)
        .map(|moment| Duration::from_nanos(moment - killed))
        .collect();
    assert!(late.is_empty(), "released after the leases: {late:?}");
    let budget = crowd_echo::server::Budget::steady(60.0, crate::throttling::TOLERANCE);
    assert_eq!(budget.worst_excess(&released), None);
    workers_end(&mut cluster, Duration::from_secs(4) + ENDING);
}

/// The master is not dead but cut off, from all: what it starts by itself it starts when the others
/// have ended for certain. Invariant: one life.
#[test]
fn no_user_lives_twice_when_the_master_is_cut_off() {
    let mut cluster = thirty(Plan::workers(3).cabled(), "interval=100ms");
    cluster.cables().cut(MASTER);
    throughout("users go on", TIMEOUT - Duration::from_secs(2), || {
        let connected = cluster.target.ledger.connected();
        if connected.len() == 30 { Ok(()) } else { Err(connected) }
    });
    workers_end(&mut cluster, Duration::from_secs(2) + ENDING);
    // Long enough for the master to have taken over, if it does.
    thread::sleep(Duration::from_secs(6));
    cluster.target.assert_one_life();
    // Nothing hangs.
    cluster.status();
}

/// A master that is frozen for less than a lease is no loss.
#[test]
fn a_short_freeze_of_the_master_is_no_loss() {
    let cluster = thirty(Plan::workers(3), "interval=100ms");
    cluster.node(MASTER).signal("-STOP");
    thread::sleep(Duration::from_millis(1_500));
    cluster.node(MASTER).signal("-CONT");
    throughout("nobody is disturbed", Duration::from_secs(6), || {
        let lives = cluster.target.ledger.lives().len();
        if lives == 30 { Ok(()) } else { Err(lives) }
    });
    let status = cluster.until_running(30);
    assert_eq!(status.gaps, []);
}

/// A master told to end tells its workers: they are done at once.
#[test]
fn a_master_that_is_told_to_end_ends_the_run() {
    let mut cluster = thirty(Plan::workers(3), "interval=100ms");
    cluster.node(MASTER).signal("-TERM");
    let status = cluster.node_mut(MASTER).end(Duration::from_secs(15));
    assert!(status.code().is_some(), "{status:?}");
    crate::harness::eventually("all users end", TIMEOUT + ENDING, || {
        let connected = cluster.target.ledger.connected();
        if connected.is_empty() { Ok(()) } else { Err(connected) }
    });
    cluster.target.assert_one_life();
}

/// The workers have taken it for dead and kept their users; it takes them back as they are.
#[test]
fn a_master_that_was_frozen_takes_its_workers_back_with_their_users() {
    let cluster = Plan::workers(3).start();
    cluster.echo(30, "interval=100ms rate=200/s");
    cluster.until_acting(1..=30, SOON * 3, PATIENCE);
    cluster.node(MASTER).signal("-STOP");
    thread::sleep(Duration::from_secs(6));
    cluster.node(MASTER).signal("-CONT");
    // The throttle flows again as well.
    let status = cluster.until_within("all are back", PATIENCE, |status| {
        status.users.running == 30 && status.gaps.len() == 3
    });
    cluster.until_acting(1..=30, SOON * 3, PATIENCE);
    assert_eq!(cluster.target.ledger.lives().len(), 30, "users were started anew");
    for gap in &status.gaps {
        assert_eq!((gap.users, gap.went.get(&gap.node)), (10, Some(&10)), "{gap:?}");
    }
    throughout("they stay", Duration::from_secs(5), || {
        let lives = cluster.target.ledger.lives().len();
        if lives == 30 { Ok(()) } else { Err(lives) }
    });
    crate::harness::assert_adds_up(&cluster.status());
    cluster.target.assert_one_life();
    // It commands them as before.
    cluster.done("remove 3");
    cluster.until_running(27);
    cluster.done("stop");
    cluster.until("it is over", |status| status.state == "finished");
}

/// Invariant: one life. It knows nothing of the run, says what goes on and what can be done, and
/// that works.
#[test]
fn a_master_that_is_started_again_can_stop_what_goes_on_and_begin_anew() {
    let mut cluster = thirty(Plan::workers(3), "interval=100ms");
    cluster.kill(MASTER);
    cluster.add_node(MASTER);
    cluster.settle();
    let crate::shapes::Answer::Done { text, .. } = cluster.ask(MASTER, "status") else { panic!() };
    assert!(text.contains("30 users on `worker-1`, `worker-2`, `worker-3`"), "{text}");
    assert!(text.contains("`stop` ends it"), "{text}");
    cluster.done("stop");
    crate::harness::eventually("all users end", ENDING, || {
        let connected = cluster.target.ledger.connected();
        if connected.is_empty() { Ok(()) } else { Err(connected) }
    });
    cluster.target.assert_one_life();
    cluster.echo(30, "interval=100ms");
    cluster.until_running(30);
    // Beyond the time after which workers give a master up.
    thread::sleep(TIMEOUT + Duration::from_secs(2));
    cluster.until_running(30);
}

/// Without a word the run ends when its master has been gone for too long; but there is somebody to
/// work for, so the workers stay.
#[test]
fn workers_of_a_master_that_was_started_again_stay() {
    let mut cluster = thirty(Plan::workers(2), "interval=100ms");
    cluster.kill(MASTER);
    cluster.add_node(MASTER);
    cluster.settle();
    crate::harness::eventually("all users end", TIMEOUT + ENDING, || {
        let connected = cluster.target.ledger.connected();
        if connected.is_empty() { Ok(()) } else { Err(connected) }
    });
    thread::sleep(Duration::from_secs(4));
    cluster.settle();
    cluster.echo(30, "interval=100ms");
    cluster.until_running(30);
    cluster.target.assert_one_life();
}

/// On any node, of all that are reached.
#[test]
fn what_goes_on_without_a_master_can_be_stopped_from_a_worker() {
    let mut cluster = thirty(Plan::workers(3), "interval=100ms");
    cluster.kill(MASTER);
    crate::harness::eventually("it is stopped", PATIENCE, || {
        match cluster.ask("worker-1", "stop") {
            crate::shapes::Answer::Done { text, .. } if text.contains("`worker-3`") => Ok(()),
            other => Err(other),
        }
    });
    crate::harness::eventually("all users end", ENDING, || {
        let connected = cluster.target.ledger.connected();
        if connected.is_empty() { Ok(()) } else { Err(connected) }
    });
    // Whoever is there is free for the next run.
    crate::harness::eventually("another one commands", PATIENCE, || {
        let target = cluster.target.address;
        match cluster.ask("worker-2", &format!("do echo 20 target={target} user_rate=unlimited")) {
            crate::shapes::Answer::Done { .. } => Ok(()),
            other => Err(other),
        }
    });
    cluster.target.assert_one_life();
}
