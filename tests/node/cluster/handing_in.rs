//! A node that was cut off hands in what it measured meanwhile; of one that does not come back the
//! master says from when to when it is missing.

use std::{thread, time::Duration};

use crate::{
    harness::{Cluster, MASTER, Plan, worker},
    shapes::{self, Status},
};

const SOON: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(40);

/// How often users act while they do.
const RATE: u64 = 20;

/// 30 users on three workers, each with a line every 50 ms, for three seconds.
fn thirty(plan: Plan) -> Cluster {
    let cluster = plan.start();
    cluster.echo(30, "interval=50ms");
    cluster.until_acting(1..=30, SOON, PATIENCE);
    thread::sleep(Duration::from_secs(3));
    cluster
}

/// Ends the run, and says how many lines the target has repeated, and how many the master knows of.
/// A line may be on its way when its user is killed: it is unfinished then, and the target has had it
/// or not.
#[track_caller]
fn end(cluster: &Cluster) -> (u64, std::ops::RangeInclusive<u64>) {
    cluster.done("stop");
    cluster.until("it is over", |status| status.state == "finished");
    let metrics = cluster.done("metrics");
    let (count, failed) = shapes::action(&metrics, "echo");
    let unfinished = shapes::unfinished(&metrics, "echo");
    assert_eq!(failed, 0, "{metrics}");
    assert!(unfinished <= 60, "more than one of each user: {metrics}");
    cluster.target.assert_one_life();
    (cluster.target.ledger.lines(), count..=count + unfinished)
}

fn has_gap(status: &Status, missing: bool) -> bool {
    status.gaps.len() == 1 && status.gaps[0].missing.is_some() == missing
}

/// The gap is closed: all that was measured until its users were killed is known.
#[test]
fn what_was_measured_while_a_worker_was_cut_off_is_handed_in() {
    let cluster = thirty(Plan::workers(3).cabled());
    let of_lost = || -> u64 {
        let lives = cluster.target.ledger.lives();
        lives.iter().filter(|life| life.node == "worker-2").map(|life| life.lines).sum()
    };
    let before = of_lost();
    cluster.cables().cut("worker-2");
    thread::sleep(Duration::from_secs(8));
    let cut_off = of_lost() - before;
    assert!(cut_off > 10 * RATE * 2, "it went on under its lease: {cut_off}");
    let status = cluster.until("its users go on elsewhere", |status| {
        status.users.running == 30 && has_gap(status, true)
    });
    let (from, to) = status.gaps[0].missing.unwrap();
    let long = to.unwrap() - from;
    assert!((3_500..=7_500).contains(&long), "{:?}", status.gaps);
    cluster.cables().mend("worker-2");
    cluster.until("it is handed in", |status| has_gap(status, false));
    let (lines, known) = end(&cluster);
    assert!(known.contains(&lines), "{lines} lines, {known:?} known");
}

/// So it is if it comes back when the run is over.
#[test]
fn it_is_handed_in_after_the_run_too() {
    let cluster = thirty(Plan::workers(3).cabled());
    cluster.cables().cut("worker-2");
    cluster.until("its users go on elsewhere", |status| {
        status.users.running == 30 && has_gap(status, true)
    });
    let (lines, known) = end(&cluster);
    assert!(*known.end() + 10 * RATE < lines, "{lines} lines, {known:?} known: nothing is missing");
    cluster.cables().mend("worker-2");
    cluster.until("it is handed in", |status| has_gap(status, false));
    let metrics = cluster.done("metrics");
    let (count, _) = shapes::action(&metrics, "echo");
    let known = count..=count + shapes::unfinished(&metrics, "echo");
    assert!(known.contains(&lines), "{lines} lines, {known:?} known");
}

/// All workers lose the master together, believe it dead and keep their users: what these do counts.
#[test]
fn what_orphans_measured_is_handed_in() {
    let cluster = thirty(Plan::workers(3).cabled());
    cluster.cables().cut(MASTER);
    let before = cluster.target.ledger.lines();
    thread::sleep(Duration::from_secs(10));
    let alone = cluster.target.ledger.lines() - before;
    assert!(alone > 30 * RATE * 3, "they stood still: {alone}");
    cluster.cables().mend(MASTER);
    cluster.settle();
    cluster.until_within("all run", PATIENCE, |status| status.users.running == 30);
    cluster.until_within("nothing is missing", PATIENCE, |status| {
        status.gaps.iter().all(|gap| gap.missing.is_none())
    });
    let (lines, known) = end(&cluster);
    assert!(known.contains(&lines), "{lines} lines, {known:?} known");
}

/// Nobody comes back: when it measured what is missing is told, and no more is missing than that.
#[test]
fn what_a_killed_worker_takes_with_it_is_told() {
    let mut cluster = thirty(Plan::workers(3));
    let ledger = cluster.target.ledger.clone();
    let elapsed = &cluster.done("status")["elapsed"];
    let [secs, nanos] = ["secs", "nanos"].map(|part| elapsed[part].as_u64().unwrap());
    let killed = secs * 1_000 + nanos / 1_000_000;
    cluster.kill(&worker(2));
    let status = cluster.until("its users go on elsewhere", |status| {
        status.users.running == 30 && has_gap(status, true)
    });
    let (from, to) = status.gaps[0].missing.unwrap();
    // It was asked before it was killed.
    assert!(
        (killed.saturating_sub(1_700)..=killed + 1_000).contains(&from),
        "{killed}: {status:?}"
    );
    assert!(to.is_some_and(|to| to >= killed && to <= from + 7_500), "{killed}: {status:?}");
    let (lines, known) = end(&cluster);
    let missing = lines - known.end().min(&lines);
    // Ten users, up to the kill.
    let most = 10 * RATE * (killed + 1_000).saturating_sub(from) / 1_000 + 10;
    assert!(missing <= most, "{missing} of {lines} are missing, more than {most}");
    assert_eq!(ledger.lines(), lines);
}
