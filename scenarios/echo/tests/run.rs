//! Whole runs of the `echo` scenario on a node.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use crowd::{
    measure::{Source, window::Window},
    node::{Node, UserCounts},
    scenario::catalog::Catalog,
    settings::NodeSettings,
};
use crowd_echo::{
    Echo, THROTTLE, clock,
    server::{self, Budget, Ledger, Options},
};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(30);

async fn node() -> Node {
    let settings = NodeSettings { user_rate: "unlimited".into(), ..NodeSettings::default() };
    let environment = Arc::new(BTreeMap::<String, String>::new());
    Node::start(settings, Catalog::new().with::<Echo>(), environment).await.unwrap()
}

/// A server with a ledger, and its address.
async fn target() -> (String, Ledger, AbortOnDropHandle<()>) {
    let listener = server::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let ledger = Ledger::default();
    let options = Options { ledger: Some(ledger.clone()), ..Options::default() };
    let serving = server::run(listener, options, CancellationToken::new());
    (address, ledger, AbortOnDropHandle::new(tokio::spawn(serving)))
}

fn given(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
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

async fn finish(node: Node) -> (UserCounts, Window) {
    // Refused if the run has ended of itself.
    let _ = node.stop().await;
    node.ended().await;
    let window = node.measure().await.unwrap().snapshot().total;
    let over = (node.status().await.unwrap().users, window);
    node.shutdown().await;
    over
}

fn count(window: &Window, name: &str) -> u64 {
    window.counters.get(name).copied().unwrap_or_default()
}

#[tokio::test]
async fn the_server_hears_what_the_users_count() {
    let (address, ledger, _serving) = target().await;
    let node = node().await;
    let settings = [("target", &*address), ("interval", "20ms"), ("lifetime", "400ms")];
    node.start_run("echo", 20, given(&settings)).await.unwrap();
    eventually(&node, "all end", |users| users.finished + users.failed == 20).await;
    let (users, window) = finish(node).await;
    assert_eq!((users.finished, users.failed), (20, 0), "{:?}", window.failures);
    assert_eq!(window.actions["connect"].count(), 20);
    assert_eq!(window.actions["echo"].count(), ledger.lines());
    assert!(ledger.lines() >= 20 * 5, "{}", ledger.lines());
    assert_eq!(ledger.faults(), 0);
    assert_eq!(ledger.ids(), (1..=20).collect());
    assert_eq!(ledger.lives_twice(), []);
}

#[tokio::test]
async fn without_a_target_it_brings_its_own() {
    let node = node().await;
    node.start_run("echo", 5, given(&[("interval", "10ms")])).await.unwrap();
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(300) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(node.remove(5, false).await.unwrap(), 5);
    eventually(&node, "all leave", |users| users.removed == 5).await;
    let (_, window) = finish(node).await;
    assert!(window.actions["echo"].count() > 0);
    assert!(window.failures.is_empty(), "{:?}", window.failures);
}

#[tokio::test]
async fn the_rate_is_kept_and_can_be_changed() {
    let (address, ledger, _serving) = target().await;
    let node = node().await;
    let settings = [("target", &*address), ("interval", "1ms"), ("rate", "50/s")];
    node.start_run("echo", 10, given(&settings)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = clock::now();
    node.set(given(&[("rate", "200/s")])).await.unwrap();
    let after = clock::now();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let rates = node.throttles().info(THROTTLE).await.unwrap();
    assert_eq!(rates.rate.to_string(), "200/s");
    finish(node).await;
    let released = ledger.released();
    let budget = Budget::steady(50.0, Duration::from_millis(5)).then((before, after), 200.0);
    assert_eq!(budget.worst_excess(&released), None);
    let slow = released.iter().filter(|&&moment| moment < before).count();
    let fast = released.len() - slow;
    assert!(fast > 2 * slow && slow > 20, "{slow} then {fast}");
}

#[tokio::test]
async fn partners_greet_each_other() {
    let node = node().await;
    let settings = [("interval", "20ms"), ("partners", "true")];
    node.start_run("echo", 6, given(&settings)).await.unwrap();
    let began = Instant::now();
    loop {
        let total = node.measure().await.unwrap().snapshot().total;
        if count(&total, "greetings_received") >= 60 {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "nobody greets: {:?}", total.counters);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (_, window) = finish(node).await;
    let all = count(&window, "greetings_received") + count(&window, "greetings_undelivered");
    assert!(all <= count(&window, "greetings_sent"), "{:?}", window.counters);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_the_targets_failure() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let node = node().await;
    node.start_run("echo", 3, given(&[("target", &free)])).await.unwrap();
    eventually(&node, "all fail", |users| users.failed == 3).await;
    let (_, window) = finish(node).await;
    let owners: Vec<_> = window
        .failures
        .iter()
        .filter(|(key, _)| key.source == Source::User)
        .map(|(key, count)| (key.owner, *count))
        .collect();
    assert_eq!(owners, [(crowd::failure::Owner::Target, 3)]);
}

#[tokio::test]
async fn every_row_is_said_once_and_then_the_users_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    let rows: Vec<_> = (0..57).map(|row| format!("user-{row}")).collect();
    std::fs::write(&path, format!("name\n{}\n", rows.join("\n"))).unwrap();
    let (address, ledger, _serving) = target().await;
    let node = node().await;
    let path = path.display().to_string();
    let settings = [("target", &*address), ("interval", "10ms"), ("rows", &path)];
    node.start_run("echo", 7, given(&settings)).await.unwrap();
    eventually(&node, "all end", |users| users.finished + users.failed == 7).await;
    let (users, window) = finish(node).await;
    assert_eq!((users.finished, users.failed), (7, 0), "{:?}", window.failures);
    let said: Vec<_> = ledger.rows().into_iter().map(|(row, _)| row).collect();
    assert_eq!(said, (0..57).collect::<Vec<_>>());
}
