//! What a server does with a connection that it has answered over before.

use std::time::Duration;

use crowd::failure::Owner;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{
    run::{Over, run},
    server::{Server, raw, request},
};

const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// What becomes of the second request.
#[derive(Clone, Copy)]
enum Second {
    /// Nothing for a while, then the connection is closed.
    WaitAndClose,
    /// Nothing for a while, then the connection is reset.
    WaitAndReset,
    /// Half a head, then the connection is closed.
    HalfAHead,
    /// The connection is closed at once.
    Close,
}

/// How long it is until then: far longer than a close may be under way on this machine.
const WHILE: Duration = Duration::from_millis(300);

/// Each connection brings one answer.
async fn server(second: Second) -> Server {
    raw(move |mut stream: TcpStream, _| async move {
        if !request(&mut stream).await || stream.write_all(HELLO).await.is_err() {
            return;
        }
        if !request(&mut stream).await {
            return;
        }
        match second {
            Second::WaitAndClose => tokio::time::sleep(WHILE).await,
            Second::WaitAndReset => {
                tokio::time::sleep(WHILE).await;
                stream.set_zero_linger().unwrap();
            }
            Second::HalfAHead => {
                let _ = stream.write_all(b"HTTP/1.1 500 Internal Server Error\r\nConte").await;
            }
            Second::Close => (),
        }
    })
    .await
}

/// Four requests of one user: two connections would do for a server that closes only idle ones.
async fn four(second: Second) -> (Over, u64) {
    let server = server(second).await;
    let over = run(1, &[("url", &server.url()), ("requests", "4")]).await;
    (over, server.connections())
}

#[tokio::test]
async fn a_request_that_the_server_had_for_a_while_has_failed() {
    for (second, reason) in [
        (Second::WaitAndClose, "the server closed the connection without an answer"),
        (Second::WaitAndReset, "the server reset the connection without an answer"),
    ] {
        let (over, connections) = four(second).await;
        assert_eq!(over.action("request"), (4, 2), "{reason}");
        assert_eq!(over.failures("request"), [(Owner::Target, reason.to_owned(), 2)]);
        assert_eq!(over.counter("stale_connections"), 0);
        assert_eq!(connections, 2);
        let longest = over.measured.actions["request"].service.max();
        assert!(longest >= WHILE, "{longest:?}");
    }
}

#[tokio::test]
async fn half_an_answer_is_a_failure_however_soon() {
    let (over, _) = four(Second::HalfAHead).await;
    let reason = "the server closed the connection within an answer".to_owned();
    assert_eq!(over.action("request"), (4, 2));
    assert_eq!(over.failures("request"), [(Owner::Target, reason, 2)]);
    assert_eq!(over.counter("stale_connections"), 0);
}

#[tokio::test]
async fn a_close_at_once_may_have_been_under_way_and_the_request_is_sent_again() {
    let (over, connections) = four(Second::Close).await;
    assert_eq!(over.action("request"), (4, 0));
    assert_eq!(over.counter("stale_connections"), 3);
    assert_eq!(connections, 4);
}

#[tokio::test]
async fn our_own_close_makes_no_connection_stale() {
    // It closes without a word of it in its answer.
    let server = raw(|mut stream, _| async move {
        if request(&mut stream).await {
            let _ = stream.write_all(HELLO).await;
        }
    })
    .await;
    let settings = [("url", server.url()), ("requests", "5".into())];
    let [url, requests] = settings.each_ref().map(|(key, value)| (*key, value.as_str()));
    let over = run(1, &[url, requests, ("headers", "Connection: close")]).await;
    assert_eq!(over.action("request"), (5, 0));
    assert_eq!(over.counter("stale_connections"), 0);
    assert_eq!(server.connections(), 5);
}

#[tokio::test]
async fn a_connection_that_goes_on_with_another_protocol_is_not_stale() {
    let server = raw(|mut stream, _| async move {
        while request(&mut stream).await {
            let upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                Connection: Upgrade\r\n\r\n\x81\x05hello";
            if stream.write_all(upgrade).await.is_err() {
                return;
            }
        }
    })
    .await;
    let over =
        run(1, &[("url", &server.url()), ("requests", "3"), ("expected_status", "101")]).await;
    assert_eq!(over.action("request"), (3, 0));
    assert_eq!(over.counter("stale_connections"), 0);
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn bytes_that_nobody_asked_for_are_no_answer_and_give_up_the_connection() {
    for think_time in ["0s", "200ms"] {
        // Each answer is followed by another one: at once, or while the user thinks.
        let server = raw(move |mut stream, _| async move {
            while request(&mut stream).await {
                let extra = b"HTTP/1.1 500 Second\r\nContent-Length: 0\r\n\r\n";
                let sent = match think_time {
                    "0s" => stream.write_all(&[HELLO, extra].concat()).await,
                    _ => {
                        let _ = stream.write_all(HELLO).await;
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        stream.write_all(extra).await
                    }
                };
                if sent.is_err() {
                    return;
                }
            }
        })
        .await;
        let settings = [("url", server.url()), ("think_time", think_time.to_owned())];
        let [url, think] = settings.each_ref().map(|(key, value)| (*key, value.as_str()));
        let over = run(1, &[url, think, ("requests", "4")]).await;
        assert_eq!(over.action("request"), (4, 0), "{think_time}");
        assert_eq!(over.counter("stale_connections"), 0, "{think_time}");
        // What comes after the last answer nobody looks at, if it does not come with it.
        assert!((3..=4).contains(&over.counter("unasked_bytes")), "{over:?}");
        assert_eq!(server.connections(), 4);
    }
}

#[tokio::test]
async fn a_server_that_speaks_first_fails_the_request() {
    let server = raw(|mut stream, _| async move {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await;
        request(&mut stream).await;
    })
    .await;
    let over = run(1, &[("url", &server.url()), ("requests", "1")]).await;
    assert_eq!(over.action("request"), (1, 1));
    let (owner, reason, _) = over.failures("request").remove(0);
    assert_eq!(owner, Owner::Target);
    let either = [
        "the server sent bytes that nobody asked for",
        "the answer is no HTTP: invalid HTTP version parsed",
    ];
    assert!(either.contains(&reason.as_str()), "{reason}");
}

#[tokio::test]
async fn the_time_counts_from_the_first_attempt() {
    // The second connection takes its time to answer; the first is closed under the request.
    let server = raw(|mut stream, number| async move {
        if request(&mut stream).await {
            if number == 2 {
                tokio::time::sleep(WHILE).await;
            }
            let _ = stream.write_all(HELLO).await;
            request(&mut stream).await;
        }
    })
    .await;
    let over = run(1, &[("url", &server.url()), ("requests", "2")]).await;
    assert_eq!(over.action("request"), (2, 0));
    assert_eq!(over.counter("stale_connections"), 1);
    let action = &over.measured.actions["request"];
    assert!(action.service.max() >= WHILE, "{over:?}");
}
