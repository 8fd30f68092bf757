//! How evenly, how soon and how many a throttle lets through (W3, W4 of the specification).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{future::Future, time::Duration};

use crowd::{
    telemetry::Telemetry,
    throttle::{Ramp, Rate, Throttle, Throttles},
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

async fn started(given: &str) -> (Throttles, Throttle) {
    let throttles = Throttles::spawn(Telemetry::default()).await.unwrap();
    throttles.start("calls", rate(given)).await.unwrap();
    let throttle = throttles.get("calls").unwrap();
    (throttles, throttle)
}

/// So many users wait at once; when each was let through, in the order they asked.
fn waits(throttle: &Throttle, users: usize) -> impl Future<Output = Vec<Duration>> + use<> {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for user in 0..users {
        let throttle = throttle.clone();
        tasks.spawn(async move { throttle.wait().await.map(|permit| (user, permit.released())) });
    }
    async move {
        let mut all: Vec<_> =
            tasks.join_all().await.into_iter().map(|wait| wait.unwrap()).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, released)| released - start).collect()
    }
}

/// amoc: bursts of as many as it has processes, the first one late, 2.4 s for these forty.
#[tokio::test(start_paused = true)]
async fn w3_evenly_spaced_without_bursts_and_first_at_once() {
    let (_throttles, throttle) = started("20/s").await;
    let times = waits(&throttle, 40).await;
    assert_eq!(times[0], Duration::ZERO);
    for (slot, time) in times.iter().enumerate() {
        let due = 50 * MS * slot as u32;
        assert!(*time >= due && *time <= due + 2 * MS, "slot {slot} at {time:?}");
    }
    assert!(times[39] < Duration::from_millis(1_955), "{:?}", times[39]);
}

#[tokio::test(start_paused = true)]
async fn w3_after_idling_one_passes_at_once_and_the_second_an_interval_later() {
    let (_throttles, throttle) = started("10/s").await;
    for _ in 0..3 {
        sleep(7 * SECOND).await;
        let times = waits(&throttle, 3).await;
        let tenth = 100 * MS;
        assert_eq!(times[0], Duration::ZERO);
        assert!(times[1] >= tenth && times[1] <= tenth + 2 * MS, "{times:?}");
        assert!(times[2] >= 2 * tenth && times[2] <= 2 * tenth + 2 * MS, "{times:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn w3_first_come_first_served() {
    let (_throttles, throttle) = started("every 10ms").await;
    let times = waits(&throttle, 100).await;
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn w3_odd_intervals_are_exact_over_a_long_time() {
    // amoc rounds 7 ms to 8571 per minute and 90 s to never.
    for (given, interval) in [("every 7ms", 7 * MS), ("every 90s", 90 * SECOND)] {
        let (_throttles, throttle) = started(given).await;
        let times = waits(&throttle, 1_001).await;
        let end = 1_000 * interval;
        assert!(times[1_000] >= end && times[1_000] <= end + 2 * MS, "{given}: {:?}", times[1_000]);
    }
}

/// amoc admits once per process and then never again.
#[tokio::test(start_paused = true)]
async fn w4a_in_flight_limits_keep_granting() {
    let (_throttles, throttle) = started("3 at once").await;
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..9 {
        let throttle = throttle.clone();
        tasks.spawn(async move {
            let _permit = throttle.wait().await.unwrap();
            sleep(200 * MS).await;
        });
    }
    timeout(60 * SECOND, tasks.join_all()).await.expect("somebody waits for ever");
    assert_eq!(start.elapsed(), 600 * MS);
}

/// amoc: 4 of 100 ran.
#[tokio::test(start_paused = true)]
async fn w4a_very_high_rates_keep_granting() {
    for given in ["100000 per 10ms", "1000000000/s", "99999999999 per ns"] {
        let (_throttles, throttle) = started(given).await;
        let times = timeout(60 * SECOND, waits(&throttle, 20_000)).await.expect("stuck");
        assert!(times[19_999] <= 5 * MS, "{given}: {:?}", times[19_999]);
    }
}

/// amoc: 51 of 200 pass, the rest hang for ever.
#[tokio::test(start_paused = true)]
async fn w4b_raising_the_rate_strands_nobody() {
    let (throttles, throttle) = started("1/min").await;
    let waiting = waits(&throttle, 200);
    tokio::task::yield_now().await;
    throttles.change_rate("calls", rate("60000/min")).await.unwrap();
    let times = timeout(60 * SECOND, waiting).await.expect("somebody is stranded");
    assert!(times[199] < 205 * MS, "{:?}", times[199]);
}

/// amoc: 26 of 40 queued requests stranded for good.
#[tokio::test(start_paused = true)]
async fn w4b_lowering_the_rate_strands_nobody() {
    let (throttles, throttle) = started("240/min").await;
    let waiting = waits(&throttle, 40);
    sleep(600 * MS).await;
    throttles.change_rate("calls", rate("10/min")).await.unwrap();
    let times = timeout(600 * SECOND, waiting).await.expect("somebody is stranded");
    // Slots at 0, 250 and 500 ms; 0.4 of the next has grown when an interval becomes 6 s.
    assert!(times[3] >= 4_200 * MS && times[3] <= 4_203 * MS, "{:?}", times[3]);
    let end = times[3] + 36 * 6 * SECOND;
    assert!(times[39] >= end - 2 * MS && times[39] <= end + 2 * MS, "{:?}", times[39]);
}

#[tokio::test(start_paused = true)]
async fn w4b_from_a_rate_to_a_limit_and_back_loses_nobody() {
    let (throttles, throttle) = started("10/s").await;
    let waiting = waits(&throttle, 100);
    for given in ["2 at once", "0", "20/s", "1 at once", "every 90s", "unlimited", "50/s"] {
        sleep(130 * MS).await;
        throttles.change_rate("calls", rate(given)).await.unwrap();
    }
    timeout(60 * SECOND, waiting).await.expect("somebody is lost");
    let info = throttle.info();
    assert_eq!((info.requested, info.granted, info.waiting, info.in_flight), (100, 100, 0, 0));
}

/// amoc restarts its timers with each change and admits nothing.
#[tokio::test(start_paused = true)]
async fn w4c_frequent_changes_starve_nobody() {
    let (throttles, throttle) = started("10/s").await;
    let waiting = waits(&throttle, 101);
    tokio::task::yield_now().await;
    let start = Instant::now();
    for round in 0..1_000 {
        sleep(10 * MS).await;
        let given = if round % 2 == 0 { "9/s" } else { "11/s" };
        throttles.change_rate("calls", rate(given)).await.unwrap();
    }
    let granted = throttle.info().granted;
    // 10 s at 10/s on average, and the first.
    assert!((99..=102).contains(&granted), "{granted} after {:?}", start.elapsed());
    timeout(60 * SECOND, waiting).await.expect("somebody starves");
}

/// amoc: 0 of about 45 are admitted during the plan.
#[tokio::test(start_paused = true)]
async fn w4c_a_ramp_starves_nobody() {
    for steps in [Some(30), None, Some(100_000)] {
        let (throttles, throttle) = started("600/min").await;
        let ramp = Ramp::new(rate("600/min"), rate("1200/min"), 3 * SECOND, steps).unwrap();
        throttles.ramp("calls", ramp).await.unwrap();
        let _waiting = tokio::spawn(waits(&throttle, 1_000));
        sleep(3 * SECOND).await;
        let granted = throttle.info().granted;
        assert!((44..=46).contains(&granted), "{granted} in {steps:?} steps");
        sleep(10 * SECOND).await;
        let after = throttle.info().granted - granted;
        assert!((199..=201).contains(&after), "{after} after {steps:?} steps");
    }
}

#[tokio::test(start_paused = true)]
async fn the_bound_holds_after_the_pacer_was_held_up() {
    let (_throttles, throttle) = started("1000/s").await;
    let waiting = tokio::spawn(waits(&throttle, 2_000));
    sleep(100 * MS).await;
    let before = throttle.info().granted;
    // The clock goes on, and nothing else does.
    tokio::time::advance(500 * MS).await;
    tokio::task::yield_now().await;
    let info = throttle.info();
    // One, and those of the tolerance.
    assert!(info.granted - before <= 7, "{} at once", info.granted - before);
    assert!(info.forfeited >= 490, "{} forfeited", info.forfeited);
    timeout(60 * SECOND, waiting).await.expect("somebody is lost").unwrap();
    let info = throttle.info();
    assert_eq!(info.granted, 2_000);
    assert!(info.lateness.max_us < 510_000 && info.lateness.p99_us <= 2_000, "{info:?}");
}
