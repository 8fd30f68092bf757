//! Starting, changing and stopping throttles by name: amoc's acceptance list, in our names.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use crowd::{
    refusal::Code,
    telemetry::Telemetry,
    throttle::{Rate, Started, Throttle, ThrottleState, ThrottleStopped, Throttles},
};
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::{Instant, timeout},
};

const TENTH: Duration = Duration::from_millis(100);

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

async fn started(given: &str) -> (Throttles, Throttle) {
    let throttles = Throttles::spawn(Telemetry::default()).await.unwrap();
    assert_eq!(throttles.start("calls", rate(given)).await, Ok(Started::New));
    let throttle = throttles.get("calls").unwrap();
    (throttles, throttle)
}

fn send(throttle: &Throttle) -> UnboundedReceiver<()> {
    let (tell, told) = unbounded_channel();
    throttle.send(move || tell.send(()).unwrap()).unwrap();
    told
}

/// Whether a message sent through a throttle came within a time.
async fn comes(told: &mut UnboundedReceiver<()>, within: Duration) -> bool {
    timeout(within, told.recv()).await.is_ok_and(|told| told.is_some())
}

#[tokio::test(start_paused = true)]
async fn starting_twice_at_one_rate_is_fine_and_at_another_is_refused() {
    let (throttles, _) = started("100/min").await;
    assert_eq!(throttles.start("calls", rate("100/min")).await, Ok(Started::Already));
    let refusal = throttles.start("calls", rate("101/min")).await.unwrap_err();
    assert_eq!(refusal.code, Code::WrongReconfiguration);
    assert_eq!(
        refusal.message,
        "throttle `calls` runs already at 100/min, not at 101/min; to change that, change its rate"
    );
    assert_eq!(throttles.start("other", rate("100 per 5s")).await, Ok(Started::New));
}

#[tokio::test(start_paused = true)]
async fn rates_are_told_as_people_write_them() {
    let throttles = Throttles::spawn(Telemetry::default()).await.unwrap();
    let rates = [
        ("every 50ms", "20/s"),
        ("every 0s", "unlimited"),
        ("0", "0"),
        ("60 at once", "60 at once"),
        ("2 per 100ms", "20/s"),
        ("1 per ms", "1000/s"),
    ];
    for (given, told) in rates {
        throttles.start(given, rate(given)).await.unwrap();
        let info = throttles.info(given).await.unwrap();
        assert_eq!((info.rate.as_str(), info.state), (told, ThrottleState::Running), "{given}");
    }
    assert_eq!(throttles.list().await.len(), rates.len());
}

#[tokio::test(start_paused = true)]
async fn a_stopped_throttle_can_be_started_again() {
    let (throttles, old) = started("100/min").await;
    throttles.stop("calls").await.unwrap();
    assert_eq!(old.info().state, ThrottleState::Stopped);
    assert_eq!(throttles.get("calls").unwrap_err().code, Code::NoThrottle);
    assert_eq!(throttles.start("calls", rate("7/min")).await, Ok(Started::New));
    assert_eq!(old.wait().await.unwrap_err(), ThrottleStopped("calls".into()));
    // The handle of the old one does not reach the new one.
    assert_eq!(old.stop().await.unwrap_err().code, Code::NoThrottle);
    assert_eq!(old.change_rate(rate("8/min")).await.unwrap_err().code, Code::NoThrottle);
    assert_eq!(throttles.info("calls").await.unwrap().rate, "7/min");
}

#[tokio::test(start_paused = true)]
async fn unknown_names_are_told_with_what_there_is() {
    let (throttles, _) = started("100/min").await;
    throttles.start("logins", rate("5/min")).await.unwrap();
    let near = throttles.change_rate("cals", rate("5/min")).await.unwrap_err();
    assert_eq!(near.code, Code::NoThrottle);
    assert_eq!(
        near.message,
        "no throttle `cals` is started (there are: calls, logins); did you mean `calls`?"
    );
    let far = throttles.get("xyz").unwrap_err();
    assert_eq!(far.message, "no throttle `xyz` is started (there are: calls, logins)");
    throttles.stop_all().await;
    assert_eq!(
        throttles.stop("calls").await.unwrap_err().message,
        "no throttle `calls` is started; none is"
    );
    assert_eq!(throttles.start("", rate("5/min")).await.unwrap_err().code, Code::InvalidThrottle);
}

#[tokio::test(start_paused = true)]
async fn the_rate_changes_while_it_runs() {
    let (throttles, throttle) = started("100/min").await;
    throttles.change_rate("calls", rate("101/min")).await.unwrap();
    assert_eq!(throttle.info().rate, "101/min");
    throttles.change_rate("calls", rate("10000 per 100ms")).await.unwrap();
    assert!(comes(&mut send(&throttle), TENTH).await);
    throttles.change_rate("calls", Rate::ZERO).await.unwrap();
    let mut queued = send(&throttle);
    assert!(!comes(&mut queued, 2 * TENTH).await);
    throttles.change_rate("calls", Rate::UNLIMITED).await.unwrap();
    assert!(comes(&mut queued, TENTH).await, "what was queued is let through");
    throttles.change_rate("calls", rate("every 1ms")).await.unwrap();
    assert!(comes(&mut send(&throttle), TENTH).await);
    throttles.change_rate("calls", rate("every 30s")).await.unwrap();
    let mut slow = send(&throttle);
    assert!(!comes(&mut slow, 2 * TENTH).await);
    assert!(comes(&mut slow, Duration::from_secs(30)).await);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_let_through_at_zero() {
    let (throttles, throttle) = started("0").await;
    assert!(timeout(Duration::from_secs(9_999), throttle.wait()).await.is_err());
    assert_eq!(throttle.info().cancelled, 1);
    throttles.change_rate("calls", rate("10/s")).await.unwrap();
    let _permit = throttle.wait().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_send_waits_behind_all_that_came_before() {
    let (_throttles, throttle) = started("100 per 10ms").await;
    let _permit = throttle.wait().await.unwrap();
    for _ in 0..10_000 {
        throttle.send(|| {}).unwrap();
    }
    let mut last = send(&throttle);
    let start = Instant::now();
    assert!(!comes(&mut last, 2 * TENTH).await);
    assert!(comes(&mut last, Duration::from_secs(9)).await);
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_millis(1_010), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_up_everything_and_resume_goes_on() {
    let (throttles, throttle) = started("600000/min").await;
    let _permit = throttle.wait().await.unwrap();
    throttles.pause("calls").await.unwrap();
    assert_eq!(throttle.info().state, ThrottleState::Paused);
    let mut queued = send(&throttle);
    assert!(!comes(&mut queued, 2 * TENTH).await);
    throttles.resume("calls").await.unwrap();
    assert!(comes(&mut queued, 2 * TENTH).await);
    let info = throttle.info();
    assert_eq!((info.rate.as_str(), info.state), ("10000/s", ThrottleState::Running));
}

/// amoc's change of rate un-paused a throttle without saying so.
#[tokio::test(start_paused = true)]
async fn a_change_of_rate_does_not_end_a_pause() {
    let (throttles, throttle) = started("10/s").await;
    throttles.pause("calls").await.unwrap();
    throttles.unlock("calls").await.unwrap();
    let mut queued = send(&throttle);
    assert!(!comes(&mut queued, 2 * TENTH).await);
    assert_eq!(throttle.info().state, ThrottleState::Paused);
    throttles.resume("calls").await.unwrap();
    assert!(comes(&mut queued, TENTH).await);
    assert_eq!(throttle.info().rate, "unlimited");
}

#[tokio::test(start_paused = true)]
async fn stop_all_tells_what_became_of_each_and_leaves_room_for_new_ones() {
    let (throttles, throttle) = started("10/s").await;
    throttles.start("logins", Rate::ZERO).await.unwrap();
    let logins = throttles.get("logins").unwrap();
    let waits: Vec<_> = (0..3)
        .map(|_| {
            let logins = logins.clone();
            tokio::spawn(async move { logins.wait().await.map(drop) })
        })
        .collect();
    for _ in 0..21 {
        drop(throttle.wait().await.unwrap());
    }
    let infos = throttles.stop_all().await;
    for wait in waits {
        assert_eq!(wait.await.unwrap(), Err(ThrottleStopped("logins".into())));
    }
    let [calls, logins] = infos.as_slice() else { panic!("{infos:?}") };
    assert_eq!((calls.name.as_str(), calls.requested, calls.granted), ("calls", 21, 21));
    assert!((calls.given_per_second_overall - 10.5).abs() < 0.1, "{calls:?}");
    assert!((calls.asked_per_second - 10.0).abs() < 1.1, "{calls:?}");
    assert_eq!((logins.name.as_str(), logins.requested, logins.waiting), ("logins", 3, 3));
    assert!(throttles.list().await.is_empty());
    assert_eq!(throttles.start("calls", rate("5/s")).await, Ok(Started::New));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_registry_is_the_end_of_all_throttles() {
    let (throttles, throttle) = started("0").await;
    let waiting = tokio::spawn(async move { throttle.wait().await.map(drop) });
    tokio::task::yield_now().await;
    drop(throttles);
    assert_eq!(waiting.await.unwrap(), Err(ThrottleStopped("calls".into())));
}
