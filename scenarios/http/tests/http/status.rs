//! Which answers count as success.

use std::sync::atomic::{AtomicU16, Ordering};

use crowd::failure::Owner;
use hyper::Response;

use super::{
    run::run,
    server::{Server, full, http},
};

/// Answers 200, 201, 302, 404, 500, and from the start.
async fn server() -> Server {
    let next = AtomicU16::new(0);
    http(move |_, _| {
        let turn = usize::from(next.fetch_add(1, Ordering::SeqCst));
        let status = [200, 201, 302, 404, 500][turn % 5];
        Response::builder().status(status).body(full("hello")).unwrap()
    })
    .await
}

fn wrong(status: u16) -> (Owner, String, u64) {
    (Owner::Target, format!("status {status}"), 2)
}

#[tokio::test]
async fn another_status_is_a_failed_request_and_the_user_goes_on() {
    let server = server().await;
    let over = run(1, &[("url", &server.url()), ("requests", "10")]).await;
    assert_eq!(over.action("request"), (10, 4));
    assert_eq!(over.failures("request"), [wrong(404), wrong(500)]);
    assert_eq!(over.counter("bytes_received"), 50);
    assert_eq!((over.users.finished, over.users.failed), (1, 0));
}

#[tokio::test]
async fn what_is_expected_can_be_said() {
    let server = server().await;
    let settings = [("url", server.url()), ("requests", "10".into())];
    let [url, requests] = settings.each_ref().map(|(key, value)| (*key, value.as_str()));
    let over = run(1, &[url, requests, ("expected_status", "404,201-302")]).await;
    assert_eq!(over.failures("request"), [wrong(200), wrong(500)]);
}

#[tokio::test]
async fn codes_up_to_999_can_be_expected() {
    let server = http(|_, _| Response::builder().status(999).body(full("")).unwrap()).await;
    let settings = [("url", server.url()), ("requests", "2".into())];
    let [url, requests] = settings.each_ref().map(|(key, value)| (*key, value.as_str()));
    let over = run(1, &[url, requests]).await;
    assert_eq!(over.failures("request"), [wrong(999)]);
    let over = run(1, &[url, requests, ("expected_status", "9xx")]).await;
    assert_eq!(over.action("request"), (2, 0));
}
