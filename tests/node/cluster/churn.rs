//! Users that come and go as fast as they can.

use std::time::{Duration, Instant};

use crate::harness::{Cluster, MASTER, assert_adds_up};

/// How many users are added at a time.
const WAVE: u64 = 20_000;

/// Heartbeats go through while a node does nothing but start and end users: nobody is taken for
/// lost, and none is even near it.
#[test]
fn churn_at_full_speed_makes_no_heartbeat_late() {
    let cluster = Cluster::start(2);
    cluster.done("do idle 0 lifetime=1ms user_rate=unlimited");
    let (began, mut added, mut slowest) = (Instant::now(), 0, 0);
    while began.elapsed() < Duration::from_secs(10) {
        cluster.done(&format!("add {WAVE}"));
        added += WAVE;
        // The next wave comes before this one is over.
        cluster.until("most of a wave has begun", |status| {
            assert!(status.gaps.is_empty(), "{status:?}");
            status.users.waiting < WAVE / 2
        });
        let members = cluster.members(MASTER);
        assert!(members.iter().all(|member| member.state == "up"), "{members:?}");
        slowest = members.iter().filter_map(|member| member.round_trip_us).fold(slowest, u64::max);
    }
    let status = cluster.until("all have ended", |status| status.users.finished == added);
    assert_adds_up(&status);
    assert!(status.gaps.is_empty(), "{status:?}");
    eprintln!("{added} users came and went; the slowest heartbeat took {slowest} µs");
    // A third of what makes a node suspect.
    assert!(slowest < 1_000_000, "a heartbeat took {slowest} µs");
}
