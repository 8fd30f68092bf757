//! What is sent, and over how many connections.

use std::sync::{Arc, Mutex};

use crowd::measure::Phase;
use hyper::Response;

use super::{
    run::run,
    server::{full, http},
};

#[tokio::test]
async fn each_user_sends_its_requests_over_one_connection() {
    let server = http(|_, _| Response::new(full("hello"))).await;
    let url = server.url();
    let over = run(7, &[("url", &url), ("requests", "30")]).await;
    assert_eq!(over.users.finished, 7);
    assert_eq!(over.action("request"), (210, 0));
    assert_eq!(over.counter("bytes_received"), 210 * 5);
    assert_eq!(over.counter("stale_connections"), 0);
    assert_eq!(server.connections(), 7);
    assert_eq!(over.phase("request", Phase::Connect).0, 7);
    assert_eq!(over.phase("request", Phase::Tls).0, 0);
    assert_eq!(over.phase("request", Phase::FirstByte).0, 210);
    assert_eq!(over.phase("request", Phase::Rest).0, 210);
    assert_eq!(over.unfinished("request"), 0);
}

#[tokio::test]
async fn method_path_headers_and_body_are_as_set() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let see = seen.clone();
    let server = http(move |request, body| {
        let header = |name| request.headers()[name].to_str().unwrap().to_owned();
        see.lock().unwrap().push([
            request.method().to_string(),
            request.uri().to_string(),
            header("accept"),
            header("cookie"),
            header("host"),
            String::from_utf8(body.to_vec()).unwrap(),
        ]);
        Response::new(full(""))
    })
    .await;
    let over = run(
        1,
        &[
            ("url", &format!("{}a/b?c=d", server.url())),
            ("method", "PUT"),
            ("headers", "Accept: text/html, */*;q=0.5 | Cookie: a=1; b=2"),
            ("body", "Grüße, alle"),
            ("requests", "2"),
        ],
    )
    .await;
    assert_eq!(over.action("request"), (2, 0));
    let wanted = [
        "PUT",
        "/a/b?c=d",
        "text/html, */*;q=0.5",
        "a=1; b=2",
        &server.address.to_string(),
        "Grüße, alle",
    ];
    assert_eq!(*seen.lock().unwrap(), [wanted, wanted]);
}
