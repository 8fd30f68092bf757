//! Connections on which nothing is said shut nobody out.

use tokio::net::TcpSocket;

use super::*;

/// More than there may be, and less than files that may be open.
const MANY: usize = 320;

/// A connection without a request under way.
async fn silent(served: &Served, number: usize) -> TcpStream {
    let mut stream = served.connect().await;
    let said = match number % 5 {
        0 => {
            send(&mut stream, "GET /api/v1/status", &["Host: localhost"], "").await;
            assert_eq!(hear(&mut stream).await.status, 200);
            ""
        }
        1 => "POST /api/v1/command HTTP/1.1\r\nHost: localhost\r\nX-Half",
        // The body is still to come.
        2 => {
            "POST /api/v1/command HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n\
             Content-Length: 6\r\n\r\nsta"
        }
        3 => "",
        _ => {
            send(&mut stream, "GET /api/v1/live", &["Host: localhost"], "").await;
            assert_eq!(hear(&mut stream).await.status, 200);
            ""
        }
    };
    stream.write_all(said.as_bytes()).await.unwrap();
    stream
}

async fn within_a_second(answer: impl Future<Output = Heard>) {
    let heard = timeout(Duration::from_secs(1), answer).await.expect("silence shuts others out");
    assert_eq!(heard.status, 200, "{heard:?}");
}

#[tokio::test]
async fn silence_shuts_nobody_out() {
    let served = Served::new().await;
    served.command("do idle 2").await;
    let mut waits = Vec::new();
    for _ in 0..3 {
        let mut stream = served.connect().await;
        send(&mut stream, "POST /api/v1/command", &["Host: localhost", TEXT], "wait").await;
        waits.push(stream);
    }
    eventually("the waits", || served.api.under_way() == 3).await;
    let mut open = Vec::new();
    for number in 0..MANY {
        open.push(silent(&served, number).await);
    }
    for _ in 0..3 {
        within_a_second(served.ask("GET /api/v1/live", &["Host: localhost"], "")).await;
        within_a_second(served.ask("GET /api/v1/status", &["Host: localhost"], "")).await;
        within_a_second(served.command("status")).await;
    }
    // The longest silent were given up, and nobody else.
    let mut byte = [0];
    let first = timeout(EVENTUALLY, open[0].read(&mut byte)).await.expect("it is still there");
    assert!(first.map_or(true, |read| read == 0));
    let last = open.last_mut().unwrap();
    within_a_second(async {
        send(last, "GET /api/v1/status", &["Host: localhost"], "").await;
        hear(last).await
    })
    .await;
    assert_eq!(served.api.under_way(), 3, "the waits go on");
    served.command("stop").await;
    for mut wait in waits {
        assert_eq!(hear(&mut wait).await.status, 200);
    }
}

#[tokio::test]
async fn health_is_told_when_no_more_requests_are_begun() {
    let served = Served::with(ApiOptions { connections: 1, ..ApiOptions::default() }).await;
    served.command("do idle 2").await;
    let mut wait = served.connect().await;
    send(&mut wait, "POST /api/v1/command", &["Host: localhost", TEXT], "wait").await;
    eventually("the wait", || served.api.under_way() == 1).await;
    let refused = served.ask("GET /api/v1/status", &["Host: localhost"], "").await;
    assert_eq!(refused.code(), (503, "unavailable"));
    for path in ["GET /api/v1/live", "GET /api/v1/ready"] {
        assert_eq!(served.ask(path, &["Host: localhost"], "").await.status, 200, "{path}");
    }
    drop(wait);
    eventually("its end", || served.api.under_way() == 0).await;
    let status = served.ask("GET /api/v1/status", &["Host: localhost"], "");
    assert_eq!(status.await.status, 200);
}

/// An answer that is still on its way out is under way, however slowly it is read.
#[tokio::test]
async fn an_answer_that_goes_out_slowly_does_not_give_way() {
    let served = Served::with(ApiOptions { connections: 1, ..ApiOptions::default() }).await;
    served.command("do idle 60000").await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let mut slow = socket.connect(served.address).await.unwrap();
    // More than the kernel takes off the node's hands.
    send(&mut slow, "POST /api/v1/command", &["Host: localhost", TEXT], "users 60000").await;
    let mut bytes = vec![0; 16];
    slow.read_exact(&mut bytes).await.unwrap();
    for _ in 0..3 {
        let live = served.ask("GET /api/v1/live", &["Host: localhost"], "").await;
        assert_eq!(live.status, 200);
    }
    let reading = async {
        loop {
            let head = String::from_utf8_lossy(&bytes[..bytes.len().min(1000)]).to_lowercase();
            let length = head.split_once("content-length: ").and_then(|(_, rest)| {
                let head = head.find("\r\n\r\n")? + 4;
                Some(head + rest.lines().next()?.parse::<usize>().ok()?)
            });
            if length == Some(bytes.len()) {
                return;
            }
            assert_ne!(slow.read_buf(&mut bytes).await.unwrap(), 0, "cut off");
        }
    };
    timeout(EVENTUALLY, reading).await.expect("there is no whole answer");
    assert!(bytes.len() > 5 << 20, "no long answer: {} bytes", bytes.len());
}
