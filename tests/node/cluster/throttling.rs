//! One throttle over the whole cluster, as its target sees it.

use std::{
    thread,
    time::{Duration, Instant},
};

use crowd_echo::{clock, server::Budget};

use crate::{
    harness::{Cluster, MASTER, PATIENCE, eventually},
    shapes,
    target::Target,
};

/// What a throttle promises.
pub(crate) const TOLERANCE: Duration = Duration::from_millis(5);

/// How long a change may take to count everywhere, in nanoseconds: slots are dealt so far ahead.
const DEALT_AHEAD: u64 = 60_000_000;

/// How many were let through per second within that time up to now.
fn rate(cluster: &Cluster, within: Duration) -> f64 {
    let nanos = u64::try_from(within.as_nanos()).unwrap();
    let since = clock::now() - nanos;
    let released = cluster.target.ledger.released();
    released.iter().filter(|&&moment| moment >= since).count() as f64 / within.as_secs_f64()
}

/// Slots per second, from now on for a while.
#[derive(Debug)]
struct Pace {
    /// Let through, as the target sees it.
    released: f64,
    /// Missed by more than the tolerance, as the nodes told the master.
    missed: f64,
}

fn pace(cluster: &Cluster) -> Pace {
    let within = Duration::from_secs(3);
    let missed = || cluster.done("throttle info echo")["forfeited"].as_f64().unwrap();
    let before = missed();
    thread::sleep(within);
    let missed = (missed() - before) / within.as_secs_f64();
    Pace { released: rate(cluster, within), missed }
}

impl Pace {
    /// A machine that stands still for some milliseconds misses slots, and says so; every other one
    /// is used. What the master knows of misses is up to a second old.
    #[track_caller]
    fn assert_reaches(&self, rate: f64) {
        let used = self.released + self.missed;
        assert!(used > 0.9 * rate && self.released > 0.5 * rate, "{self:?} of {rate} per second");
        // And no more is told to be missed than can be.
        assert!(self.missed < 0.5 * rate, "{self:?} of {rate} per second");
    }
}

/// Invariant: never exceeded, through a loss and changes of the rate.
#[test]
fn a_rate_is_never_exceeded_through_a_kill_and_changes() {
    let mut cluster = Cluster::start(3);
    cluster.echo(60, "interval=20ms rate=200/s");
    cluster.until_running(60);
    thread::sleep(Duration::from_secs(2));
    pace(&cluster).assert_reaches(200.0);
    let users: Vec<_> = cluster.target.ledger.acting_by_node(0).into_values().collect();
    assert_eq!(users.len(), 3, "not from all nodes: {users:?}");

    cluster.kill("worker-3");
    let began = Instant::now();
    cluster.until_within("its users go on", Duration::from_secs(12), |status| {
        status.gaps.len() == 1 && status.users.running == 60
    });
    eprintln!("replaced after {:?}", began.elapsed());
    thread::sleep(Duration::from_secs(1));
    pace(&cluster).assert_reaches(200.0);

    let slower = (clock::now(), {
        cluster.done_on("worker-1", "throttle rate echo 80/s");
        clock::now() + DEALT_AHEAD
    });
    for node in [MASTER, "worker-1", "worker-2"] {
        eventually(&format!("{node} knows the new rate"), PATIENCE, || {
            let rate = shapes::rate(&cluster.done_on(node, "throttle info echo"));
            if rate == "80/s" { Ok(()) } else { Err(rate) }
        });
    }
    thread::sleep(Duration::from_secs(1));
    pace(&cluster).assert_reaches(80.0);
    let faster = (clock::now(), {
        cluster.done("set rate=160/s");
        clock::now() + DEALT_AHEAD
    });
    thread::sleep(Duration::from_secs(1));
    pace(&cluster).assert_reaches(160.0);

    let budget = Budget::steady(200.0, TOLERANCE).then(slower, 80.0).then(faster, 160.0);
    assert_eq!(budget.worst_excess(&cluster.target.ledger.released()), None);
    cluster.target.assert_one_life();
}

/// A late joiner finds the rate as it is now, not as it was at first.
#[test]
fn a_late_joiner_keeps_to_the_rate() {
    let mut cluster = Cluster::start(1);
    cluster.echo(10, "interval=20ms rate=50/s");
    cluster.until_running(10);
    cluster.done("throttle rate echo 40/s");
    let changed = clock::now() + DEALT_AHEAD;
    cluster.add_node("worker-2");
    cluster.settle();
    cluster.until("worker-2 takes part", |status| {
        status.states.get("worker-2").is_some_and(|state| state == "running")
    });
    cluster.done("add 10");
    cluster.until_running(20);
    pace(&cluster).assert_reaches(40.0);
    let released = cluster.target.ledger.released();
    let since: Vec<_> = released.into_iter().filter(|&moment| moment > changed).collect();
    assert_eq!(Budget::steady(40.0, TOLERANCE).worst_excess(&since), None);
}

/// Pause holds on every node, and resume goes on.
#[test]
fn a_pause_holds_everywhere() {
    let cluster = Cluster::start(2);
    cluster.echo(20, "interval=20ms rate=100/s");
    cluster.until_running(20);
    thread::sleep(Duration::from_secs(1));
    cluster.done_on("worker-1", "throttle pause echo");
    let paused = clock::now() + DEALT_AHEAD;
    thread::sleep(Duration::from_secs(2));
    let resumed = clock::now();
    cluster.done_on("worker-2", "throttle resume echo");
    eventually("it goes on", PATIENCE, || {
        let found = rate(&cluster, Duration::from_secs(1));
        if found > 50.0 { Ok(()) } else { Err(found) }
    });
    let released = cluster.target.ledger.released();
    let meanwhile = released.iter().filter(|&&moment| (paused..resumed).contains(&moment)).count();
    assert_eq!(meanwhile, 0, "let through while paused");
    assert_eq!(Budget::steady(100.0, TOLERANCE).worst_excess(&released), None);
}

/// Invariant: never exceeded, for what is in flight at once. Permits of a lost node come back.
#[test]
fn no_more_are_in_flight_than_allowed() {
    let mut cluster = Cluster::start(3);
    let slow = Target::slow(Duration::from_millis(40));
    let line = format!(
        "do echo 30 target={} interval=1ms user_rate=unlimited 'rate=6 at once'",
        slow.address
    );
    cluster.done(&line);
    cluster.until_running(30);
    let lines_in = |time: Duration| {
        let before = slow.ledger.lines();
        thread::sleep(time);
        slow.ledger.lines() - before
    };
    thread::sleep(Duration::from_secs(2));
    let before = lines_in(Duration::from_secs(2));
    // Six at 40 ms each make at most 300 in two seconds.
    assert!((100..=306).contains(&before), "{before}");
    assert!(slow.ledger.acting_by_node(0).len() == 3, "not from all nodes");
    cluster.kill("worker-3");
    cluster.until_within("its users go on", Duration::from_secs(12), |status| {
        status.gaps.len() == 1 && status.users.running == 30
    });
    thread::sleep(Duration::from_secs(1));
    let after = lines_in(Duration::from_secs(2));
    assert!(after * 10 > before * 7, "permits are lost: {before} before, {after} after");
    assert!(slow.ledger.most_in_flight() <= 6, "{}", slow.ledger.most_in_flight());
    slow.assert_one_life();
}
