//! Whole runs of the `chat` scenario on a node.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use crowd::{
    failure::Owner,
    measure::{Source, window::Window},
    node::{Node, UserCounts},
    scenario::catalog::Catalog,
    settings::NodeSettings,
};
use crowd_chat::{Chat, protocol::Frame, server};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Talks that are over soon.
const SHORT: [(&str, &str); 4] = [
    ("messages_min", "5"),
    ("messages_max", "8"),
    ("message_interval", "40ms"),
    ("idle_time", "1s"),
];

async fn node() -> Node {
    let settings = NodeSettings { user_rate: "unlimited".into(), ..NodeSettings::default() };
    let environment = Arc::new(BTreeMap::<String, String>::new());
    Node::start(settings, Catalog::new().with::<Chat>(), environment).await.unwrap()
}

fn given(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

async fn measured(node: &Node) -> Window {
    node.measure().await.unwrap().snapshot().total
}

fn counter(window: &Window, name: &str) -> u64 {
    window.counters.get(name).copied().unwrap_or_default()
}

async fn eventually(node: &Node, what: &str, reached: impl Fn(&UserCounts, &Window) -> bool) {
    let began = Instant::now();
    loop {
        let users = node.status().await.unwrap().users;
        let window = measured(node).await;
        if reached(&users, &window) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "never happened: {what}; {users:?} {window:#?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn finish(node: Node) -> (UserCounts, Window) {
    // Refused if the run has ended of itself.
    let _ = node.stop().await;
    node.ended().await;
    let over = (node.status().await.unwrap().users, measured(&node).await);
    node.shutdown().await;
    over
}

#[tokio::test]
async fn twenty_users_talk_and_every_message_is_accounted_for() {
    let node = node().await;
    node.start_run("chat", 20, given(&SHORT)).await.unwrap();
    eventually(&node, "all leave", |users, _| users.finished + users.failed == 20).await;
    let (users, window) = finish(node).await;
    assert_eq!((users.finished, users.failed), (20, 0));
    assert_eq!(window.actions["connect"].count(), 20);
    let sent = counter(&window, "messages_sent");
    assert!((100..=160).contains(&sent), "{sent}");
    let answers = counter(&window, "answers");
    assert!(answers > 0);
    let lost = counter(&window, "undelivered") + counter(&window, "unanswered");
    assert_eq!(sent, answers + lost);
    let round_trips = &window.actions["round-trip"];
    assert_eq!((round_trips.count(), round_trips.failed), (answers, 0));
    assert!(counter(&window, "messages_received") >= answers);
    assert!(window.failures.is_empty(), "{:?}", window.failures);
}

#[tokio::test]
async fn a_lone_user_sends_all_its_messages_to_nobody() {
    let node = node().await;
    node.start_run("chat", 1, given(&SHORT)).await.unwrap();
    eventually(&node, "it leaves", |users, _| users.finished == 1).await;
    let (_, window) = finish(node).await;
    let sent = counter(&window, "messages_sent");
    assert!((5..=8).contains(&sent), "{sent}");
    assert_eq!(counter(&window, "undelivered"), sent);
    // Each was begun, and none came to an end.
    let round_trips = &window.actions["round-trip"];
    assert_eq!((round_trips.count(), round_trips.unfinished.count()), (0, sent));
}

#[tokio::test]
async fn users_told_to_stop_leave_at_once() {
    let node = node().await;
    node.start_run("chat", 10, given(&[("message_interval", "1h")])).await.unwrap();
    eventually(&node, "all are in", |_, window| {
        window.actions.get("connect").is_some_and(|connect| connect.count() == 10)
    })
    .await;
    assert_eq!(node.remove(10, false).await.unwrap(), 10);
    eventually(&node, "all leave", |users, _| users.removed == 10).await;
    let (users, window) = finish(node).await;
    assert_eq!((users.removed, users.failed), (10, 0));
    assert!(window.failures.is_empty(), "{:?}", window.failures);
}

#[tokio::test]
async fn a_user_the_server_rejects_fails_and_says_why() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(server::run(listener, Default::default(), CancellationToken::new()));
    let mut squatter = TcpStream::connect(address).await.unwrap();
    squatter.write_all(Frame::Connect { id: 1 }.line().as_bytes()).await.unwrap();
    squatter.read_u8().await.unwrap();

    let node = node().await;
    let port = address.port().to_string();
    let mut settings = given(&SHORT);
    settings.extend(given(&[("host", "127.0.0.1"), ("port", &port)]));
    node.start_run("chat", 2, settings).await.unwrap();
    eventually(&node, "both end", |users, _| users.finished + users.failed == 2).await;
    let (users, window) = finish(node).await;
    serving.abort();
    assert_eq!((users.finished, users.failed), (1, 1));
    let (key, count) = window.failures.iter().find(|(key, _)| key.source == Source::User).unwrap();
    assert_eq!(
        (key.owner, &*key.reason, *count),
        (Owner::Target, "rejected: the id is connected already", 1)
    );
}

#[tokio::test]
async fn settings_that_do_not_go_together_fail_the_run() {
    let node = node().await;
    for (settings, why) in [
        (
            &[("messages_min", "9"), ("messages_max", "8")],
            "messages_min=9 is more than messages_max=8",
        ),
        (&[("host", "127.0.0.1"), ("port", "0")], "host=127.0.0.1 needs a port other than 0"),
    ] {
        let refusal = node.start_run("chat", 1, given(settings)).await.unwrap_err();
        assert!(refusal.message.contains(why), "{refusal}");
        node.reset().await.unwrap();
    }
    node.shutdown().await;
}
