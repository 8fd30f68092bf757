//! Users are let in in id order, evenly, at the user rate.

use std::{sync::Mutex, time::Duration};

use crowd::{prelude::*, scenario::catalog::Catalog};
use tokio::time::Instant;

use super::support::*;

static STARTS: Mutex<Vec<(u64, Instant)>> = Mutex::new(Vec::new());

struct Noted;

impl Scenario for Noted {
    const NAME: &'static str = "noted";
    type Settings = ();
    type Message = ();

    async fn init(_: &Run<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        STARTS.lock().unwrap().push((user.id().0, Instant::now()));
        user.stopped().await;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn users_come_in_id_order_evenly_spaced() {
    let node = node(Catalog::new().with::<Noted>()).await;
    node.start_run("noted", 40, given(&[("user_rate", "20/s")])).await.unwrap();
    running(&node, 40).await;
    let starts = STARTS.lock().unwrap().clone();
    let ids: Vec<_> = starts.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, (1..=40).collect::<Vec<_>>());
    for pair in starts.windows(2) {
        let gap = pair[1].1 - pair[0].1;
        assert!(gap >= Duration::from_millis(45) && gap <= Duration::from_millis(55), "{gap:?}");
    }
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_user_rate_of_nothing_lets_nobody_in_until_it_changes() {
    let node = node(Catalog::new().with::<Noted>()).await;
    node.start_run("noted", 1000, given(&[("user_rate", "0")])).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let now = counts(&node).await;
    assert_eq!((now.running, now.waiting), (0, 1000));
    node.set(given(&[("user_rate", "unlimited")])).await.unwrap();
    running(&node, 1000).await;
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn the_user_rate_changes_while_users_wait() {
    let node = node(Catalog::new().with::<Noted>()).await;
    node.start_run("noted", 100, given(&[("user_rate", "1/min")])).await.unwrap();
    let began = Instant::now();
    node.set(given(&[("user_rate", "100/s")])).await.unwrap();
    running(&node, 100).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(node.status().await.unwrap().user_rate.as_deref(), Some("100/s"));
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn the_gate_can_be_paused_and_even_stopped_and_started_by_the_operator() {
    let node = node(Catalog::new().with::<Noted>()).await;
    node.start_run("noted", 0, given(&[("user_rate", "100/s")])).await.unwrap();
    node.throttles().pause("user_rate").await.unwrap();
    node.add(5).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(counts(&node).await.running, 0);
    node.throttles().resume("user_rate").await.unwrap();
    running(&node, 5).await;
    // W7: a gate that is gone lets nobody through.
    node.throttles().stop("user_rate").await.unwrap();
    node.add(5).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(counts(&node).await.running, 5);
    node.throttles().start("user_rate", Rate::UNLIMITED).await.unwrap();
    running(&node, 10).await;
    node.shutdown().await;
}

#[tokio::test]
async fn a_bad_user_rate_is_refused_and_the_old_one_stays() {
    let node = node(Catalog::new().with::<Noted>()).await;
    node.start_run("noted", 0, given(&[("user_rate", "100/s")])).await.unwrap();
    for bad in ["-1", "fast", "10/0s", "1/parsec"] {
        let refusal = node.set(given(&[("user_rate", bad)])).await.unwrap_err();
        assert!(refusal.message.contains(bad), "{refusal}");
    }
    assert_eq!(node.status().await.unwrap().user_rate.as_deref(), Some("100/s"));
    node.shutdown().await;
}

/// W14: amoc spawns two processes for every user that waits. Here a thousand million of them are
/// one range, and leave as fast as they came.
#[tokio::test]
async fn w14_users_that_wait_cost_nothing() {
    const MANY: u64 = 1_000_000_000;
    let node = node(Catalog::new().with::<Noted>()).await;
    node.start_run("noted", MANY, given(&[("user_rate", "0")])).await.unwrap();
    assert_eq!(counts(&node).await.waiting, MANY);
    assert_eq!(node.remove(MANY - 1, false).await, Ok(MANY - 1));
    node.stop().await.unwrap();
    let counts = counts(&node).await;
    assert_eq!((counts.waiting, counts.started, counts.removed), (0, 0, MANY));
    node.shutdown().await;
}
