//! `stop`, soft stops and force.

use std::time::Duration;

use crowd::{controller::machine::RunState, scenario::catalog::Catalog};

use super::support::*;

fn catalog() -> Catalog {
    Catalog::new().with::<Waits>().with::<Stubborn>()
}

#[tokio::test]
async fn stop_with_nobody_up_finishes_at_once() {
    let node = node(catalog()).await;
    node.start_run("waits", 0, vec![]).await.unwrap();
    node.stop().await.unwrap();
    assert_eq!(node.status().await.unwrap().state, RunState::Finished);
    node.shutdown().await;
}

#[tokio::test]
async fn stop_is_answered_before_the_users_are_gone() {
    let node = node(catalog()).await;
    node.start_run("stubborn", 10, vec![]).await.unwrap();
    running(&node, 10).await;
    node.stop().await.unwrap();
    let status = node.status().await.unwrap();
    assert_eq!((status.state, status.users.running), (RunState::Terminating, 10));
    assert_eq!(node.ended().await, RunState::Finished);
    let counts = counts(&node).await;
    assert_eq!((counts.running, counts.removed), (0, 10));
    assert_eq!(node.account().await.unwrap().endings.killed, 10);
    node.shutdown().await;
}

/// W1 and W2: amoc lets waiting users come up after a stop, keeps the run `terminating` for ever
/// and wraps its count below zero.
#[tokio::test]
async fn w1_w2_stop_cancels_waiting_users() {
    let node = node(catalog()).await;
    node.start_run("waits", 8, vec![]).await.unwrap();
    running(&node, 8).await;
    node.set(given(&[("user_rate", "1/min")])).await.unwrap();
    node.add(32).await.unwrap();
    node.stop().await.unwrap();
    assert_eq!(node.ended().await, RunState::Finished);
    let counts = counts(&node).await;
    assert_eq!(counts.running + counts.waiting, 0);
    assert_eq!((counts.asked, counts.removed), (40, 40));
    assert!(counts.peak <= 9, "{counts:?}");
    node.shutdown().await;
}

#[tokio::test]
async fn remove_cancels_waiting_users_before_running_ones() {
    let node = node(catalog()).await;
    node.start_run("waits", 5, vec![]).await.unwrap();
    running(&node, 5).await;
    node.set(given(&[("user_rate", "0")])).await.unwrap();
    node.add(10).await.unwrap();
    assert_eq!(node.remove(12, false).await, Ok(12));
    running(&node, 3).await;
    assert_eq!(node.users(10).await.unwrap().len(), 3);
    node.shutdown().await;
}

/// A forced removal kills two seconds after the soft stop, on the paused clock.
#[tokio::test(start_paused = true)]
async fn force_kills_after_two_seconds_and_not_before() {
    let node = node(catalog()).await;
    node.start_run("stubborn", 3, vec![]).await.unwrap();
    running(&node, 3).await;
    let asked = tokio::time::Instant::now();
    assert_eq!(node.remove(2, true).await, Ok(2));
    running(&node, 1).await;
    let took = asked.elapsed();
    assert!(took >= Duration::from_secs(2), "{took:?}");
    assert!(took < Duration::from_secs(3), "{took:?}");
    node.shutdown().await;
}

/// W22: a soft stop needs no mail to be handled: `stopped`, `receive`, `sleep` and `wait` all see
/// it.
#[tokio::test]
async fn w22_a_soft_stop_reaches_a_user_that_sleeps() {
    let node = node(Catalog::new().with::<Endings>()).await;
    node.start_run("endings", 5, vec![]).await.unwrap();
    running(&node, 2).await;
    assert_eq!(node.remove(2, false).await, Ok(2));
    running(&node, 0).await;
    assert_eq!(node.account().await.unwrap().endings.stopped, 2);
    node.shutdown().await;
}
