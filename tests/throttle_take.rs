//! Taking many slots at a time, as the controller does to admit users.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use crowd::{
    telemetry::{Telemetry, event::Kind},
    throttle::{Rate, Throttle, ThrottleStopped, Throttles},
};
use tokio::time::{Instant, sleep, timeout};

const MS: Duration = Duration::from_millis(1);

async fn started(rate: Rate) -> (Throttles, Throttle, Telemetry) {
    let telemetry = Telemetry::default();
    let throttles = Throttles::spawn(telemetry.clone()).await.unwrap();
    throttles.start("users", rate).await.unwrap();
    let throttle = throttles.get("users").unwrap();
    (throttles, throttle, telemetry)
}

#[tokio::test(start_paused = true)]
async fn unlimited_gives_a_million_at_once() {
    let (_throttles, throttle, telemetry) = started(Rate::UNLIMITED).await;
    let start = Instant::now();
    assert_eq!(throttle.take(1_000_000).await, Ok(1_000_000));
    assert_eq!(start.elapsed(), Duration::ZERO);
    let info = throttle.info();
    assert_eq!((info.requested, info.granted, info.in_flight), (1_000_000, 1_000_000, 0));
    assert_eq!(telemetry.count(Kind::ThrottleExecute), 1_000_000);
}

#[tokio::test(start_paused = true)]
async fn at_a_rate_it_gives_one_at_a_time_evenly() {
    let (_throttles, throttle, _) = started("1200/min".parse().unwrap()).await;
    let start = Instant::now();
    let mut left = 1_000_000_u64;
    for slot in 0..60 {
        let taken = throttle.take(left).await.unwrap();
        assert_eq!(taken, 1);
        left -= taken;
        let (due, time) = (50 * MS * slot, start.elapsed());
        assert!(time >= due && time <= due + 2 * MS, "slot {slot} at {time:?}");
    }
    let info = throttle.info();
    assert_eq!((info.requested, info.granted), (60, 60));
}

#[tokio::test(start_paused = true)]
async fn at_a_high_rate_it_gives_what_is_due() {
    let (_throttles, throttle, _) = started("100000/s".parse().unwrap()).await;
    let (start, mut left, mut calls) = (Instant::now(), 100_000_u64, 0);
    while left > 0 {
        left -= throttle.take(left).await.unwrap();
        calls += 1;
    }
    let took = start.elapsed();
    assert!(took >= 999 * MS && took <= 1_005 * MS, "{took:?}");
    assert!(calls <= 2_000, "{calls} calls");
}

#[tokio::test(start_paused = true)]
async fn others_have_their_turn_between() {
    let (_throttles, throttle, _) = started("10/s".parse().unwrap()).await;
    let start = Instant::now();
    let taker = throttle.clone();
    let taking = tokio::spawn(async move {
        for _ in 0..6 {
            assert_eq!(taker.take(1_000).await, Ok(1));
        }
    });
    tokio::task::yield_now().await;
    for _ in 0..5 {
        drop(throttle.wait().await.unwrap());
    }
    taking.await.unwrap();
    assert!(start.elapsed() <= 1_003 * MS, "{:?}", start.elapsed());
    assert_eq!(throttle.info().granted, 11);
}

#[tokio::test(start_paused = true)]
async fn a_change_to_unlimited_gives_all_that_was_asked_for() {
    let (throttles, throttle, _) = started(Rate::ZERO).await;
    let takers: Vec<_> = [7, 500_000, 3]
        .into_iter()
        .map(|max| {
            let throttle = throttle.clone();
            tokio::spawn(async move { throttle.take(max).await })
        })
        .collect();
    sleep(MS).await;
    throttles.unlock("users").await.unwrap();
    for (taker, max) in takers.into_iter().zip([7, 500_000, 3]) {
        assert_eq!(taker.await.unwrap(), Ok(max));
    }
}

#[tokio::test(start_paused = true)]
async fn under_an_in_flight_limit_it_passes_while_there_is_room() {
    let (_throttles, throttle, _) = started(Rate::at_once(2)).await;
    let first = throttle.wait().await.unwrap();
    assert_eq!(throttle.take(9).await, Ok(1));
    let second = throttle.wait().await.unwrap();
    assert!(timeout(MS, throttle.take(9)).await.is_err());
    drop(first);
    assert_eq!(throttle.take(9).await, Ok(1));
    drop(second);
    assert_eq!(throttle.take(9).await, Ok(2));
    assert_eq!(throttle.info().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_had_for_nothing_and_a_stop_is_an_error() {
    let (throttles, throttle, _) = started(Rate::ZERO).await;
    assert_eq!(throttle.take(0).await, Ok(0));
    let waiting = tokio::spawn({
        let throttle = throttle.clone();
        async move { throttle.take(5).await }
    });
    sleep(MS).await;
    throttles.stop("users").await.unwrap();
    assert_eq!(waiting.await.unwrap(), Err(ThrottleStopped("users".into())));
    assert_eq!(throttle.take(5).await, Err(ThrottleStopped("users".into())));
}
