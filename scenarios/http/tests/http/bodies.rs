//! Bodies of answers are read to their end, whatever marks it.

use std::time::Duration;

use bytes::Bytes;
use crowd::measure::Phase;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::{Response, StatusCode, body::Frame};
use tokio::io::AsyncWriteExt;

use super::{
    run::run,
    server::{Body, full, http, raw, request},
};

/// A body of chunks.
fn chunked(chunks: u64, size: usize) -> Body {
    let chunks = (0..chunks).map(move |_| Ok(Frame::data(Bytes::from(vec![b'x'; size]))));
    StreamBody::new(stream::iter(chunks)).boxed()
}

#[tokio::test]
async fn chunks_are_counted_without_their_marks() {
    let server = http(|_, _| Response::new(chunked(20, 5000))).await;
    let over = run(3, &[("url", &server.url()), ("requests", "5")]).await;
    assert_eq!(over.action("request"), (15, 0));
    assert_eq!(over.counter("bytes_received"), 15 * 100_000);
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn long_bodies_are_read_whole() {
    let server = http(|_, _| Response::new(full(vec![b'x'; 3_000_000]))).await;
    let over = run(2, &[("url", &server.url()), ("requests", "3")]).await;
    assert_eq!(over.action("request"), (6, 0));
    assert_eq!(over.counter("bytes_received"), 6 * 3_000_000);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn answers_without_a_body_keep_the_connection() {
    let server = http(|request, _| {
        let mut answer = Response::new(full("hello"));
        if request.uri() == "/204" {
            *answer.status_mut() = StatusCode::NO_CONTENT;
            *answer.body_mut() = full("");
        }
        answer
    })
    .await;
    let head = run(2, &[("url", &server.url()), ("method", "HEAD"), ("requests", "10")]).await;
    assert_eq!(head.action("request"), (20, 0));
    assert_eq!(head.counter("bytes_received"), 0);
    let url = format!("{}204", server.url());
    let empty = run(2, &[("url", &url), ("requests", "10")]).await;
    assert_eq!(empty.action("request"), (20, 0));
    assert_eq!(server.connections(), 4);
}

#[tokio::test]
async fn a_body_may_end_with_the_connection() {
    let server = raw(|mut stream, _| async move {
        request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhel").await.unwrap();
        stream.flush().await.unwrap();
        stream.write_all(b"lo").await.unwrap();
    })
    .await;
    let over = run(2, &[("url", &server.url()), ("requests", "3")]).await;
    assert_eq!(over.action("request"), (6, 0));
    assert_eq!(server.connections(), 6);
    assert_eq!(over.counter("bytes_received"), 30);
}

#[tokio::test]
async fn the_first_byte_and_the_rest_have_their_own_times() {
    let pause = Duration::from_millis(150);
    let server = raw(move |mut stream, _| async move {
        request(&mut stream).await;
        tokio::time::sleep(2 * pause).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel").await.unwrap();
        tokio::time::sleep(pause).await;
        stream.write_all(b"lo").await.unwrap();
    })
    .await;
    let over = run(1, &[("url", &server.url()), ("requests", "1")]).await;
    let [first, rest] = [Phase::FirstByte, Phase::Rest].map(|phase| over.phase("request", phase).1);
    assert!(first >= 2 * pause, "{first:?}");
    assert!(rest >= pause, "{rest:?}");
    let whole = over.measured.actions["request"].service.max();
    assert!(
        whole >= 3 * pause && first + rest <= whole + pause / 10,
        "{first:?}, {rest:?}, {whole:?}"
    );
}

#[tokio::test]
async fn a_body_that_is_cut_short_is_a_failure() {
    let server = raw(|mut stream, _| async move {
        request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel").await.unwrap();
    })
    .await;
    let over = run(1, &[("url", &server.url()), ("requests", "1")]).await;
    assert_eq!(over.action("request"), (1, 1));
    let (_, reason, _) = &over.failures("request")[0];
    assert_eq!(reason, "the server closed the connection within an answer");
}
