//! Servers that cannot be reached.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crowd::failure::Owner;
use hyper::Response;
use tokio::net::TcpListener;

use super::{
    run::{given, node, run, start},
    server::{full, http_at, raw, request},
};

/// A URL whose port was free a moment ago.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/", listener.local_addr().unwrap())
}

#[tokio::test]
async fn a_refused_connection_is_a_failed_request_and_is_tried_again() {
    let url = nobody().await;
    let going = start(2, &[("url", &url)]).await;
    going.eventually("both are refused", |over| over.action("request").1 >= 2).await;
    let address = url.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
    let _server = http_at(address, |_, _| Response::new(full(""))).await;
    let answered = |over: &super::run::Over| {
        let (count, failed) = over.action("request");
        count > failed + 10
    };
    going.eventually("answers come", answered).await;
    let over = going.stop().await;
    let (owner, reason, failed) = over.failures("request").remove(0);
    assert_eq!((owner, reason.as_str()), (Owner::Target, "connection refused"));
    assert_eq!(over.action("request").1, failed);
    assert!(over.counter("requests_not_sent") < failed, "{over:?}");
    assert_eq!(over.users.failed, 0);
}

#[tokio::test]
async fn requests_that_get_no_connection_are_counted_and_the_user_ends_after_them() {
    let url = nobody().await;
    let over = run(2, &[("url", &url), ("requests", "3")]).await;
    assert_eq!(over.action("request"), (6, 6));
    assert_eq!(over.failures("request"), [(Owner::Target, "connection refused".to_owned(), 6)]);
    let example = over.measured.examples.values().next().unwrap();
    assert!(url.contains(example.split(": ").next().unwrap()), "{example} is about {url}");
    // Of three the second is within the pause after the first, and after that one comes the third.
    assert_eq!(over.counter("requests_not_sent"), 2);
    assert_eq!((over.users.finished, over.users.failed), (2, 0));
}

#[tokio::test]
async fn users_with_a_pace_fail_at_it_while_the_target_is_let_alone() {
    let url = nobody().await;
    let going = start(1, &[("url", &url), ("iteration_rate", "100/s")]).await;
    going.eventually("a hundred fail", |over| over.action("request").1 >= 100).await;
    let over = going.stop().await;
    let (count, failed) = over.action("request");
    assert_eq!(count, failed);
    // In a second or more two or three attempts were made; all others fell into the pauses.
    let sent = failed - over.counter("requests_not_sent");
    assert!((1..=4).contains(&sent), "{sent}");
}

#[tokio::test]
async fn a_user_with_a_think_time_fails_at_its_pace_too() {
    let url = nobody().await;
    let over = run(1, &[("url", &url), ("think_time", "20ms"), ("requests", "20")]).await;
    assert_eq!(over.action("request"), (20, 20));
    assert!(over.counter("requests_not_sent") >= 17, "{over:?}");
    assert!(over.measured.span < Duration::from_secs(10), "{:?}", over.measured.span);
}

#[tokio::test]
async fn what_a_user_would_have_asked_of_a_dead_target_counts() {
    let dead = Arc::new(AtomicBool::new(false));
    let dies = dead.clone();
    // It answers after 20 ms each, until it answers nobody any more.
    let server = raw(move |mut stream, _| {
        let dead = dies.clone();
        async move {
            while !dead.load(Ordering::SeqCst) && request(&mut stream).await {
                tokio::time::sleep(Duration::from_millis(20)).await;
                let hello = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, hello).await;
            }
        }
    })
    .await;
    let going = start(1, &[("url", &server.url())]).await;
    going.eventually("it works", |over| over.action("request").0 >= 20).await;
    dead.store(true, Ordering::SeqCst);
    going.eventually("a failure", |over| over.action("request").1 >= 1).await;
    let began = Instant::now();
    // At 20 ms each these take no more than a second, although none of them is sent.
    going.eventually("twenty are missed", |over| over.counter("requests_not_sent") >= 20).await;
    let took = began.elapsed();
    let over = going.stop().await;
    assert!(took >= Duration::from_millis(300), "{took:?}");
    let failed = over.action("request").1;
    // Not many more than at the pace that it had.
    assert!(failed < 20 + 10 + 100, "{over:?}");
    assert!(failed >= 21);
}

#[tokio::test]
async fn a_user_that_waits_for_a_dead_target_leaves_at_once() {
    let url = nobody().await;
    let going = start(3, &[("url", &url)]).await;
    // After several failures in a row the pauses are long.
    going.eventually("all are refused twice", |over| over.action("request").1 >= 12).await;
    let began = Instant::now();
    assert_eq!(going.node.remove(3, false).await.unwrap(), 3);
    going.eventually("the users go", |over| over.users.removed == 3).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    going.stop().await;
}

#[tokio::test]
async fn an_unknown_host_fails_the_run_before_any_user() {
    let node = node().await;
    let settings = given(&[("url", "http://no-such-host.invalid/")]);
    let refusal = node.start_run("http", 1, settings).await.unwrap_err();
    assert!(refusal.message.contains("the host 'no-such-host.invalid' is not known"), "{refusal}");
    node.shutdown().await;
}
