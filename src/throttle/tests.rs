//! What can only be tested from within: the death of actors, and users as receivers.

use crowd_core::{telemetry::event::Kind, user_id::UserId};
use crowd_measure::Measure;
use tokio::time::{Instant, sleep, timeout};

use super::{actor::Control, *};
use crate::user::{Mail, Post, UserCore, directory::Directory};

async fn started(rate: Rate) -> (Throttles, Throttle, Telemetry) {
    let telemetry = Telemetry::default();
    let throttles = Throttles::spawn(telemetry.clone()).await.unwrap();
    throttles.start("calls", rate).await.unwrap();
    let throttle = throttles.get("calls").unwrap();
    (throttles, throttle, telemetry)
}

async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < patience, "never {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// In amoc a dead pool is not noticed: `start` says it runs, `wait` says that there is none.
#[tokio::test(start_paused = true)]
async fn w6_a_dead_throttle_is_noticed() {
    let deaths: [fn(&Throttle); 2] = [
        |throttle| throttle.control.kill(),
        |throttle| throttle.control.cast(Control::PacerEnded("a bug".into())).unwrap(),
    ];
    for death in deaths {
        let (throttles, old, telemetry) = started(Rate::per_second(10)).await;
        let waiting: Vec<_> = (0..9)
            .map(|_| {
                let old = old.clone();
                tokio::spawn(async move {
                    loop {
                        drop(old.wait().await?);
                    }
                    #[expect(unreachable_code, reason = "tells the type of the error")]
                    Ok::<_, ThrottleStopped>(())
                })
            })
            .collect();
        sleep(Duration::from_secs(1)).await;
        death(&old);
        for wait in waiting {
            let outcome = timeout(Duration::from_secs(60), wait).await.expect("waits for ever");
            assert_eq!(outcome.unwrap(), Err(ThrottleStopped("calls".into())));
        }
        eventually("removed", || throttles.get("calls").is_err()).await;
        eventually("told", || telemetry.count(Kind::ThrottleFault) == 1).await;
        assert_eq!(old.change_rate(Rate::ZERO).await.unwrap_err().code, Code::NoThrottle);

        // The name is free, and nothing of the old one is left to double the rate.
        assert_eq!(throttles.start("calls", Rate::per_second(20)).await, Ok(Started::New));
        let new = throttles.get("calls").unwrap();
        let users: Vec<_> = (0..9)
            .map(|_| {
                let new = new.clone();
                tokio::spawn(async move { while new.wait().await.map(drop).is_ok() {} })
            })
            .collect();
        sleep(Duration::from_secs(10)).await;
        let granted = new.info().granted;
        assert!((200..=201).contains(&granted), "{granted}");
        throttles.stop_all().await;
        for user in users {
            user.await.unwrap();
        }
    }
}

/// A throttle whose death the registry has not heard of yet is as good as none.
#[tokio::test(start_paused = true)]
async fn w6_the_name_of_a_dead_throttle_is_free_at_once() {
    let (throttles, old, _) = started(Rate::per_second(10)).await;
    old.gate.close();
    assert_eq!(throttles.start("calls", Rate::per_second(10)).await, Ok(Started::New));
    // The late news of the old one's end does not harm the new one.
    old.control.kill();
    sleep(Duration::from_secs(1)).await;
    drop(throttles.get("calls").unwrap().wait().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn messages_come_at_the_rate_in_order() {
    let (_throttles, throttle, _) = started(Rate::per_second(10)).await;
    let directory = Directory::default();
    let user = Arc::new(UserCore::new(UserId(7), Instant::now()));
    directory.insert(user.clone());
    let post = Post::<u32>::new(directory.clone(), Measure::default());
    let start = Instant::now();
    for message in 0..5 {
        throttle.send_to(&post, UserId(7), message).unwrap();
    }
    for message in 0..5 {
        assert_eq!(user.receive(true).await, Some(Mail { from: None, message }));
        let due = Duration::from_millis(100) * message;
        assert!(start.elapsed() >= due && start.elapsed() <= due + Duration::from_millis(2));
    }
    // A user that has gone is no reason for anything to fail.
    throttle.send_to(&post, UserId(7), 5).unwrap();
    directory.remove(UserId(7));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(throttle.info().granted, 6);
    throttle.stop().await.unwrap();
    assert_eq!(throttle.send_to(&post, UserId(7), 6), Err(ThrottleStopped("calls".into())));
}
