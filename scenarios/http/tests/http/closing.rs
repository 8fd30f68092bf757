//! Servers that close connections.

use std::time::Duration;

use crowd::failure::Owner;
use hyper::{Response, header::CONNECTION};
use tokio::io::AsyncWriteExt;

use super::{
    run::{Over, run, start},
    server::{full, http, raw, request},
};

const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

#[tokio::test]
async fn a_server_that_says_it_closes_gets_another_connection() {
    let server =
        http(|_, _| Response::builder().header(CONNECTION, "close").body(full("hello")).unwrap())
            .await;
    let over = run(3, &[("url", &server.url()), ("requests", "10")]).await;
    assert_eq!(over.action("request"), (30, 0));
    assert_eq!(server.connections(), 30);
    assert_eq!(over.counter("stale_connections"), 0);
}

#[tokio::test]
async fn a_connection_closed_between_requests_is_no_failure() {
    // It closes after two answers, without a word.
    let server = raw(|mut stream, _| async move {
        for _ in 0..2 {
            if request(&mut stream).await {
                stream.write_all(HELLO).await.unwrap();
            }
        }
    })
    .await;
    let over = run(2, &[("url", &server.url()), ("requests", "6"), ("think_time", "20ms")]).await;
    assert_eq!(over.action("request"), (12, 0));
    assert_eq!(server.connections(), 6);
    assert_eq!(over.counter("stale_connections"), 4);
}

#[tokio::test]
async fn a_request_that_may_not_be_repeated_fails_with_its_connection() {
    // It takes a second request and closes without an answer.
    let server = raw(|mut stream, _| async move {
        request(&mut stream).await;
        stream.write_all(HELLO).await.unwrap();
        request(&mut stream).await;
    })
    .await;
    let over = run(1, &[("url", &server.url()), ("requests", "4"), ("method", "POST")]).await;
    let reason = "the server closed the connection without an answer".to_owned();
    assert_eq!(over.action("request"), (4, 2));
    assert_eq!(over.failures("request"), [(Owner::Target, reason, 2)]);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_server_that_never_answers_is_let_alone_for_a_while() {
    let server = raw(|mut stream, _| async move {
        request(&mut stream).await;
    })
    .await;
    let going = start(1, &[("url", &server.url())]).await;
    let sent = |over: &Over| over.action("request").1 - over.counter("requests_not_sent");
    going.eventually("two requests fail", |over| sent(over) == 2).await;
    let over = going.stop().await;
    let (count, failed) = over.action("request");
    assert_eq!(count, failed);
    let reason = "the server closed the connection without an answer".to_owned();
    assert_eq!(over.failures("request"), [(Owner::Target, reason, failed)]);
    assert_eq!(server.connections(), 2);
    // The second came half a second to a second after the first, no sooner.
    assert!(over.measured.span >= Duration::from_millis(500), "{:?}", over.measured.span);
    assert_eq!(over.users.failed, 0);
}
