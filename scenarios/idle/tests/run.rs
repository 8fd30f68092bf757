//! Whole runs of the `idle` scenario on a node.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use crowd::{
    node::{Node, UserCounts},
    scenario::catalog::Catalog,
    settings::NodeSettings,
};
use crowd_idle::Idle;

/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(20);

async fn node() -> Node {
    let settings = NodeSettings { user_rate: "unlimited".into(), ..NodeSettings::default() };
    let environment = Arc::new(BTreeMap::<String, String>::new());
    Node::start(settings, Catalog::new().with::<Idle>(), environment).await.unwrap()
}

async fn eventually(node: &Node, what: &str, reached: impl Fn(&UserCounts) -> bool) {
    let began = Instant::now();
    loop {
        let users = node.status().await.unwrap().users;
        if reached(&users) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "never happened: {what}; {users:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn users_wait_until_they_are_told_to_stop() {
    let node = node().await;
    node.start_run("idle", 1000, vec![]).await.unwrap();
    eventually(&node, "all wait", |users| users.running == 1000).await;
    assert_eq!(node.remove(400, false).await.unwrap(), 400);
    eventually(&node, "400 go", |users| users.removed == 400).await;
    assert_eq!(node.status().await.unwrap().users.running, 600);
    node.stop().await.unwrap();
    node.ended().await;
    let users = node.status().await.unwrap().users;
    assert_eq!((users.removed, users.finished, users.failed), (1000, 0, 0));
    node.shutdown().await;
}

#[tokio::test]
async fn users_with_a_lifetime_end_of_themselves() {
    let node = node().await;
    let lifetime = vec![("lifetime".to_owned(), "300ms".to_owned())];
    let began = Instant::now();
    node.start_run("idle", 50, lifetime).await.unwrap();
    eventually(&node, "all end", |users| users.finished == 50).await;
    assert!(began.elapsed() >= Duration::from_millis(300));
    node.shutdown().await;
}

#[tokio::test]
async fn users_with_a_lifetime_are_stopped_before_its_end() {
    let node = node().await;
    let lifetime = vec![("lifetime".to_owned(), "1h".to_owned())];
    node.start_run("idle", 50, lifetime).await.unwrap();
    eventually(&node, "all wait", |users| users.running == 50).await;
    assert_eq!(node.remove(50, false).await.unwrap(), 50);
    eventually(&node, "all go", |users| users.removed == 50).await;
    node.shutdown().await;
}
