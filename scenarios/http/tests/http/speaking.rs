//! Answers as some servers write them.

use crowd::failure::Owner;
use hyper::Response;
use tokio::io::AsyncWriteExt;

use super::{
    run::{Over, run},
    server::{full, http, raw, request},
};

/// Two requests to a server that writes such lines into its head.
async fn with_lines(lines: String) -> (Over, u64) {
    let server = raw(move |mut stream, _| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n{lines}\r\nhello");
        async move {
            while request(&mut stream).await && stream.write_all(head.as_bytes()).await.is_ok() {}
        }
    })
    .await;
    let over = run(1, &[("url", &server.url()), ("requests", "2")]).await;
    (over, server.connections())
}

#[tokio::test]
async fn heads_of_many_lines_and_long_ones_are_read() {
    let many = (0..190).map(|n| format!("X-H{n}: v\r\n")).collect();
    let long = format!("Set-Cookie: {}\r\n", "x".repeat(60_000));
    let folded = "Content-Security-Policy: default-src *;\r\n  script-src *\r\n".to_owned();
    let blank = "X-A : b\r\n".to_owned();
    for lines in [many, long, folded, blank] {
        let (over, connections) = with_lines(lines.clone()).await;
        assert_eq!(over.action("request"), (2, 0), "{lines:.50}");
        assert_eq!(over.counter("bytes_received"), 10);
        assert_eq!(connections, 1);
    }
}

#[tokio::test]
async fn heads_beyond_the_limits_are_told_as_such() {
    let many = (0..300).map(|n| format!("X-H{n}: v\r\n")).collect();
    let long = format!("Set-Cookie: {}\r\n", "x".repeat(70_000));
    for lines in [many, long] {
        let (over, _) = with_lines(lines).await;
        let reason = "the head of the answer is too long".to_owned();
        assert_eq!(over.failures("request"), [(Owner::Target, reason, 2)]);
    }
}

#[tokio::test]
async fn what_is_no_http_is_told_as_such() {
    let (over, _) = with_lines("no header at all\r\n".to_owned()).await;
    let reason = "the answer is no HTTP: invalid HTTP header parsed".to_owned();
    assert_eq!(over.failures("request"), [(Owner::Target, reason, 2)]);
}

#[tokio::test]
async fn letters_in_a_url_are_sent_as_browsers_send_them() {
    let server = http(|request, _| {
        let right = request.uri() == "/stra%C3%9Fe?q=%E2%9C%93%20a";
        Response::builder().status(if right { 200 } else { 404 }).body(full("")).unwrap()
    })
    .await;
    let url = format!("{}straße?q=✓%20a", server.url());
    let over = run(1, &[("url", &url), ("requests", "1")]).await;
    assert_eq!(over.action("request"), (1, 0));
}
