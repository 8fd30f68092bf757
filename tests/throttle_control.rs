//! Control that may be repeated, refused and told apart, and never harms (W5, W7 of the
//! specification).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crowd::{
    refusal::{Code, Refusal},
    telemetry::{
        Telemetry,
        event::{Kind, ThrottleForfeit, ThrottleRate, ThrottleStop},
    },
    throttle::{Ramp, Rate, Started, ThrottleState, ThrottleStopped, Throttles},
};
use tokio::time::{sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

async fn started(given: &str) -> (Throttles, Telemetry) {
    let telemetry = Telemetry::default();
    let throttles = Throttles::spawn(telemetry.clone()).await.unwrap();
    throttles.start("calls", rate(given)).await.unwrap();
    (throttles, telemetry)
}

fn up() -> Ramp {
    Ramp::new(rate("10/s"), rate("20/s"), 10 * SECOND, Some(10)).unwrap()
}

/// amoc's controller crashes at the second of each.
#[tokio::test(start_paused = true)]
async fn w5_pause_resume_and_unlock_may_be_repeated() {
    let (throttles, _) = started("10/s").await;
    for _ in 0..2 {
        for _ in 0..3 {
            throttles.pause("calls").await.unwrap();
            assert_eq!(throttles.info("calls").await.unwrap().state, ThrottleState::Paused);
        }
        for _ in 0..3 {
            throttles.resume("calls").await.unwrap();
            assert_eq!(throttles.info("calls").await.unwrap().state, ThrottleState::Running);
        }
    }
    for _ in 0..3 {
        throttles.unlock("calls").await.unwrap();
        assert_eq!(throttles.info("calls").await.unwrap().rate, "unlimited");
    }
    let throttle = throttles.get("calls").unwrap();
    drop(throttle.wait().await.unwrap());
}

/// amoc's controller crashes, and a new start then doubles the rate.
#[tokio::test(start_paused = true)]
async fn w5_asking_for_an_unknown_throttle_is_an_error() {
    let (throttles, _) = started("10/s").await;
    let none = |refusal: Refusal| assert_eq!(refusal.code, Code::NoThrottle);
    none(throttles.info("none").await.unwrap_err());
    none(throttles.pause("none").await.unwrap_err());
    none(throttles.resume("none").await.unwrap_err());
    none(throttles.unlock("none").await.unwrap_err());
    none(throttles.stop("none").await.unwrap_err());
    none(throttles.change_rate("none", Rate::ZERO).await.unwrap_err());
    none(throttles.ramp("none", up()).await.unwrap_err());
    assert_eq!(throttles.info("calls").await.unwrap().rate, "10/s");
    assert_eq!(throttles.start("calls", rate("10/s")).await, Ok(Started::Already));
}

/// amoc's controller crashes at the next step of the plan.
#[tokio::test(start_paused = true)]
async fn w5_stopping_during_a_ramp_is_fine() {
    let (throttles, _) = started("10/s").await;
    throttles.ramp("calls", up()).await.unwrap();
    sleep(3 * SECOND).await;
    throttles.stop("calls").await.unwrap();
    sleep(20 * SECOND).await;
    assert_eq!(throttles.start("calls", rate("5/s")).await, Ok(Started::New));
    let throttle = throttles.get("calls").unwrap();
    let granted = timeout(10 * SECOND, async {
        for granted in 0.. {
            if throttle.wait().await.map(drop).is_err() {
                return granted;
            }
        }
        0
    });
    assert!(granted.await.is_err());
    // Not doubled by anything that outlived the stop.
    let granted = throttle.info().granted;
    assert!((50..=51).contains(&granted), "{granted}");
}

/// In amoc, users start unthrottled where the throttle is not there (yet, or any more).
#[tokio::test(start_paused = true)]
async fn w7_a_stopped_gate_is_an_error_and_never_a_pass() {
    for given in ["0", "every 90s", "unlimited", "1 at once"] {
        for paused in [false, true] {
            let (throttles, _) = started(given).await;
            let throttle = throttles.get("calls").unwrap();
            if paused {
                throttle.pause().await.unwrap();
            }
            let waits: Vec<_> = (0..10)
                .map(|_| {
                    let throttle = throttle.clone();
                    tokio::spawn(async move {
                        // Held until the end, so that others wait for it under a limit.
                        let first = throttle.wait().await?;
                        let second = throttle.wait().await?;
                        let third = throttle.take(1_000).await;
                        std::future::pending::<()>().await;
                        drop((first, second));
                        third
                    })
                })
                .collect();
            sleep(SECOND).await;
            throttle.stop().await.unwrap();
            let stopped = ThrottleStopped("calls".into());
            assert_eq!(throttle.wait().await.map(drop), Err(stopped.clone()), "{given}");
            assert_eq!(throttle.take(1).await, Err(stopped.clone()), "{given}");
            assert_eq!(throttle.send(|| panic!("let through")), Err(stopped.clone()), "{given}");
            for wait in waits {
                let passed = given == "unlimited" && !paused;
                match timeout(SECOND, wait).await {
                    Ok(outcome) => assert_eq!(outcome.unwrap(), Err(stopped.clone()), "{given}"),
                    Err(_) => assert!(passed, "{given}: somebody waits on"),
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn during_a_ramp_the_rate_cannot_change() {
    let (throttles, _) = started("10/s").await;
    throttles.ramp("calls", up()).await.unwrap();
    sleep(3 * SECOND + SECOND / 2).await;
    let info = throttles.info("calls").await.unwrap();
    assert_eq!(info.rate, "13/s");
    assert_eq!(info.ramp.as_deref(), Some("10/s to 20/s over 10s in 10 steps"));
    assert_eq!(info.ramp_remaining_ms, Some(6_500));
    let refusal = throttles.change_rate("calls", rate("5/s")).await.unwrap_err();
    assert_eq!(refusal.code, Code::CannotChangeRate);
    assert_eq!(
        refusal.message,
        "throttle `calls` is on a ramp (10/s to 20/s over 10s in 10 steps) for another 6s 500ms; \
         wait for its end, or stop it"
    );
    assert_eq!(throttles.unlock("calls").await.unwrap_err().code, Code::CannotChangeRate);
    assert_eq!(throttles.ramp("calls", up()).await.unwrap_err().code, Code::CannotChangeRate);
    // The rate it has: nothing happens.
    throttles.change_rate("calls", rate("13/s")).await.unwrap();
    let refusal = throttles.start("calls", rate("5/s")).await.unwrap_err();
    assert_eq!(refusal.code, Code::WrongReconfiguration);
    // A pause does not stop it.
    throttles.pause("calls").await.unwrap();
    sleep(7 * SECOND).await;
    throttles.resume("calls").await.unwrap();
    let info = throttles.info("calls").await.unwrap();
    assert_eq!((info.rate.as_str(), info.ramp), ("20/s", None));
    throttles.change_rate("calls", rate("5/s")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_ramp_starts_at_its_from_and_its_to_stays() {
    let (throttles, _) = started("unlimited").await;
    let down = Ramp::new(rate("100/s"), rate("50 per 5s"), 2 * SECOND, None).unwrap();
    throttles.ramp("calls", down).await.unwrap();
    assert_eq!(throttles.info("calls").await.unwrap().rate, "100/s");
    sleep(SECOND).await;
    assert_eq!(throttles.info("calls").await.unwrap().rate, "55/s");
    sleep(SECOND).await;
    let info = throttles.info("calls").await.unwrap();
    assert_eq!((info.rate.as_str(), info.ramp), ("10/s", None));
}

#[tokio::test(start_paused = true)]
async fn every_change_and_every_step_is_told() {
    let (throttles, telemetry) = started("1/s").await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = told.clone();
    let _subscription = telemetry.subscribe(move |occurrence| {
        let event = occurrence.event;
        let text = if let Some(event) = event.downcast_ref::<ThrottleRate>() {
            event.rate.clone()
        } else if let Some(event) = event.downcast_ref::<ThrottleForfeit>() {
            format!("{} forfeited", event.slots)
        } else if let Some(event) = event.downcast_ref::<ThrottleStop>() {
            format!("stopped with {} waiting", event.waiting)
        } else {
            occurrence.kind.name().to_owned()
        };
        log.lock().unwrap().push(text);
    });
    throttles.change_rate("calls", rate("1/s")).await.unwrap();
    throttles.change_rate("calls", rate("2/s")).await.unwrap();
    let ramp = Ramp::new(rate("60/min"), rate("4/s"), 3 * SECOND, Some(3)).unwrap();
    throttles.ramp("calls", ramp).await.unwrap();
    sleep(4 * SECOND).await;
    throttles.change_rate("calls", Rate::ZERO).await.unwrap();
    let throttle = throttles.get("calls").unwrap();
    let waiting = tokio::spawn(async move { throttle.wait().await.map(drop) });
    sleep(SECOND).await;
    throttles.stop("calls").await.unwrap();
    assert_eq!(waiting.await.unwrap(), Err(ThrottleStopped("calls".into())));
    let told = told.lock().unwrap().clone();
    assert_eq!(
        told,
        [
            "2/s",
            "1/s",
            "2/s",
            "3/s",
            "4/s",
            "0",
            "crowd.throttle.request",
            "stopped with 1 waiting"
        ]
    );
    assert_eq!(telemetry.count(Kind::ThrottleInit), 1);
    assert_eq!(telemetry.count(Kind::ThrottleRate), 7);
}

#[tokio::test(start_paused = true)]
async fn requests_and_executions_are_counted() {
    let (throttles, telemetry) = started("1000/s").await;
    let throttle = throttles.get("calls").unwrap();
    for _ in 0..50 {
        drop(throttle.wait().await.unwrap());
    }
    throttles.unlock("calls").await.unwrap();
    for _ in 0..50 {
        drop(throttle.wait().await.unwrap());
    }
    assert_eq!(telemetry.count(Kind::ThrottleRequest), 100);
    assert_eq!(telemetry.count(Kind::ThrottleExecute), 100);
}

#[tokio::test(start_paused = true)]
async fn info_is_what_a_program_reads() {
    let (throttles, _) = started("10/s").await;
    let info = serde_json::to_value(throttles.info("calls").await.unwrap()).unwrap();
    assert_eq!(
        info,
        serde_json::json!({
            "name": "calls", "rate": "10/s", "ramp": null, "ramp_remaining_ms": null,
            "state": "running", "tolerance_us": 4_375, "waiting": 0, "in_flight": 0, "requested": 0, "granted": 0,
            "cancelled": 0, "forfeited": 0, "undealt": 0,
            "lateness": { "p50_us": 0, "p90_us": 0, "p99_us": 0, "max_us": 0 },
            "asked_per_second": 0.0, "given_per_second": 0.0,
            "asked_per_second_overall": 0.0, "given_per_second_overall": 0.0,
        })
    );
}
