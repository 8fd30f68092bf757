//! Answers that do not come in time, and time between requests.

use std::{sync::Arc, time::Duration};

use crowd::failure::Owner;
use hyper::Response;
use tokio::sync::Semaphore;

use super::{
    run::{given, run, start},
    server::{full, http, raw, request},
};

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_a_failure() {
    let never = Arc::new(Semaphore::new(0));
    let server = raw(move |mut stream, number| {
        let never = never.clone();
        async move {
            while request(&mut stream).await {
                if number == 1 {
                    let _ = never.acquire().await;
                }
                let hello = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                tokio::io::AsyncWriteExt::write_all(&mut stream, hello).await.unwrap();
            }
        }
    })
    .await;
    let over = run(1, &[("url", &server.url()), ("requests", "3"), ("timeout", "100ms")]).await;
    assert_eq!(over.action("request"), (3, 2));
    // The second was not sent: a server that has answered nothing yet is let alone.
    assert_eq!(over.failures("request"), [(Owner::Target, "no answer in time".to_owned(), 2)]);
    assert_eq!(over.counter("requests_not_sent"), 1);
    // A late answer must not be taken for that to the next request.
    assert_eq!(server.connections(), 2);
    assert!(over.measured.actions["request"].service.max() >= Duration::from_millis(100));
}

#[tokio::test]
async fn an_answer_that_does_not_end_in_time_is_another_failure() {
    let server = raw(|mut stream, _| async move {
        request(&mut stream).await;
        let half = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel";
        tokio::io::AsyncWriteExt::write_all(&mut stream, half).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let over = run(1, &[("url", &server.url()), ("requests", "1"), ("timeout", "100ms")]).await;
    let reason = "no complete answer in time".to_owned();
    assert_eq!(over.failures("request"), [(Owner::Target, reason, 1)]);
}

#[tokio::test]
async fn no_time_is_too_long() {
    let server = http(|_, _| Response::new(full(""))).await;
    let age = "300000000000y";
    let settings =
        [("url", server.url()), ("timeout", age.to_owned()), ("think_time", age.to_owned())];
    let settings: Vec<_> = settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let going = start(1, &settings).await;
    going.eventually("a request", |over| over.action("request") == (1, 0)).await;
    assert_eq!(going.node.remove(1, false).await.unwrap(), 1);
    going.eventually("the user goes", |over| over.users.removed == 1).await;
    assert_eq!(going.stop().await.users.failed, 0);
}

#[tokio::test]
async fn users_think_between_requests_and_can_be_told_to_think_less() {
    let server = http(|_, _| Response::new(full(""))).await;
    let going = start(1, &[("url", &server.url()), ("think_time", "150ms")]).await;
    going.eventually("three requests", |over| over.action("request").0 >= 3).await;
    let so_far = going.so_far().await;
    assert!(so_far.measured.span >= Duration::from_millis(300), "{:?}", so_far.measured.span);
    going.node.set(given(&[("think_time", "0s")])).await.unwrap();
    going.eventually("a hundred requests", |over| over.action("request").0 >= 100).await;
    let over = going.stop().await;
    assert_eq!(over.action("request").1, 0);
    assert_eq!(server.connections(), 1);
}
