//! What clients may not do, and what happens when they leave.

use super::*;
use crate::node::RunState;

fn impatient() -> ApiOptions {
    ApiOptions { patience: Duration::from_millis(200), ..ApiOptions::default() }
}

/// Reads to the end.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let reading = timeout(EVENTUALLY, stream.read_to_end(&mut bytes)).await;
    // A reset is an end as well.
    let _ = reading.expect("the connection stays open");
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn half_a_head_and_idle_connections_are_cut_off() {
    let served = Served::with(impatient()).await;
    for beginning in
        ["", "POST /api/v1/com", "POST /api/v1/command HTTP/1.1\r\nHost: localhost\r\n"]
    {
        let mut stream = served.connect().await;
        stream.write_all(beginning.as_bytes()).await.unwrap();
        assert!(!rest(&mut stream).await.contains("200 OK"));
    }
    let mut stream = served.connect().await;
    send(&mut stream, "GET /api/v1/live", &["Host: localhost"], "").await;
    assert_eq!(hear(&mut stream).await.status, 200);
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn half_a_body_is_told_so() {
    let served = Served::with(impatient()).await;
    let mut stream = served.connect().await;
    let head = "POST /api/v1/command HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n\
                Content-Length: 10\r\n\r\ndo id";
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(hear(&mut stream).await.code(), (408, "timeout"));
    assert!(served.node.with(|inside| inside.log.is_empty()));
}

#[tokio::test]
async fn bodies_of_the_wrong_size_and_type_are_refused() {
    let served = Served::new().await;
    let long = "#".repeat(body::LONGEST + 1);
    assert_eq!(served.command(&long).await.code(), (413, "too-long"));
    assert_eq!(served.command(&long[1..]).await.code(), (400, "bad-usage"));
    // Of a length that is not told beforehand.
    let mut stream = served.connect().await;
    let head = "POST /api/v1/command HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    let text = format!("{head}{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
    stream.write_all(text.as_bytes()).await.unwrap();
    assert_eq!(hear(&mut stream).await.code(), (413, "too-long"));
    for kind in [&["Host: localhost"][..], &["Host: localhost", "Content-Type: text/html"]] {
        let heard = served.ask("POST /api/v1/command", kind, "status").await;
        assert_eq!(heard.code(), (415, "unsupported-type"));
    }
}

#[tokio::test]
async fn a_wait_ends_with_who_waits() {
    let served = Served::new().await;
    served.command("do idle 2").await;
    let mut stream = served.connect().await;
    send(&mut stream, "POST /api/v1/command", &["Host: localhost", TEXT], "wait").await;
    eventually("the wait", || served.api.under_way() == 1).await;
    drop(stream);
    eventually("its end", || served.api.under_way() == 0).await;
    let heard = served.command("wait 10ms").await;
    assert_eq!(heard.body["reply"]["data"]["all_gone"], false);
}

#[tokio::test]
async fn a_command_is_seen_to_its_end_though_its_client_has_left() {
    let served = Served::new().await;
    served.node.with(|inside| inside.init = Duration::from_millis(500));
    let mut stream = served.connect().await;
    send(&mut stream, "POST /api/v1/command", &["Host: localhost", TEXT], "do idle 2").await;
    eventually("the command", || served.api.under_way() == 1).await;
    drop(stream);
    eventually("the run", || served.node.with(|inside| inside.state) == RunState::Running).await;
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let served = Served::new().await;
    let mut stream = served.connect().await;
    let long = "x".repeat(LONGEST_HEAD);
    let head = format!("GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\nX-Long: {long}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn a_head_of_too_many_lines_is_refused() {
    let served = Served::new().await;
    let mut stream = served.connect().await;
    let lines = "X: 1\r\n".repeat(200);
    let head = format!("GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 431 "));
}

/// What this process has allocated and touched, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// 120 heads of 400 kB each that never end are 48 MB, if they are kept.
#[tokio::test]
async fn half_sent_heads_cost_no_memory() {
    let token = Some(Secret::new("sesame"));
    let served = Served::with(ApiOptions { token, ..ApiOptions::default() }).await;
    let beginning = "POST /api/v1/command HTTP/1.1\r\nHost: localhost\r\nX-Long: ";
    let head = [beginning.as_bytes(), &vec![b'x'; 400 * 1024]].concat();
    assert_eq!(served.ask("GET /api/v1/live", &["Host: localhost"], "").await.status, 200);
    let before = resident();
    let mut open = Vec::new();
    for _ in 0..120 {
        let mut stream = served.connect().await;
        // It is refused before all of it is taken.
        let _ = timeout(EVENTUALLY, stream.write_all(&head)).await.expect("it is not refused");
        open.push(stream);
    }
    let live = served.ask("GET /api/v1/live", &["Host: localhost"], "").await;
    assert_eq!(live.status, 200);
    let grown = resident().saturating_sub(before);
    assert!(grown < 8 * 1024 * 1024, "{grown} bytes");
    // As much as may be kept, of as many as there may be, and silent.
    let head = [beginning.as_bytes(), &vec![b'x'; LONGEST_HEAD / 2]].concat();
    for _ in 0..240 {
        let mut stream = served.connect().await;
        stream.write_all(&head).await.unwrap();
        open.push(stream);
    }
    let live = served.ask("GET /api/v1/live", &["Host: localhost"], "").await;
    assert_eq!(live.status, 200);
    let grown = resident().saturating_sub(before);
    assert!(grown < 12 * 1024 * 1024, "{grown} bytes");
}

/// Who has shown no token is sent away by the head, before anything else is taken of it.
#[tokio::test]
async fn the_body_of_a_stranger_is_not_waited_for() {
    let token = Some(Secret::new("sesame"));
    let served = Served::with(ApiOptions { token, ..ApiOptions::default() }).await;
    for (path, expect) in
        [("command", ""), ("command", "Expect: 100-continue\r\n"), ("nowhere", "")]
    {
        let mut stream = served.connect().await;
        let head = format!(
            "POST /api/v1/{path} HTTP/1.1\r\nHost: localhost\r\n{TEXT}\r\n{expect}\
             Content-Length: 60000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let heard = timeout(Duration::from_secs(5), hear(&mut stream)).await;
        // Neither told to go on, nor waited for.
        assert_eq!(heard.expect("the body is waited for").code(), (401, "unauthorized"));
        // What it sends after that is not taken either.
        assert_eq!(timeout(EVENTUALLY, rest(&mut stream)).await, Ok(String::new()));
    }
}

/// A body that comes byte by byte has the same time as one that does not come.
#[tokio::test]
async fn a_body_in_drops_is_told_so() {
    let served = Served::with(impatient()).await;
    let mut stream = served.connect().await;
    let head = format!(
        "POST /api/v1/command HTTP/1.1\r\nHost: localhost\r\n{TEXT}\r\n\
         Content-Length: 60000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let drops = AbortOnDropHandle::new(tokio::spawn(async move {
        while writing.write_all(b"#").await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    }));
    let mut heard = [0; 12];
    let answer = timeout(EVENTUALLY, reading.read_exact(&mut heard)).await;
    answer.expect("it has all the time it wants").unwrap();
    assert_eq!(&heard, b"HTTP/1.1 408");
    drop(drops);
}

#[tokio::test]
async fn commands_beyond_the_bound_are_refused_and_waits_do_not_count() {
    let served = Served::with(ApiOptions { commands: 1, ..ApiOptions::default() }).await;
    served.node.with(|inside| inside.init = Duration::from_secs(60));
    let mut stream = served.connect().await;
    send(&mut stream, "POST /api/v1/command", &["Host: localhost", TEXT], "do idle 2").await;
    eventually("the command", || served.api.under_way() == 1).await;
    assert_eq!(served.command("status").await.code(), (503, "unavailable"));
    assert_eq!(served.command("wait 1ms").await.status, 200);
}

#[tokio::test]
async fn the_end_of_the_api_ends_what_is_under_way() {
    let served = Served::new().await;
    served.command("do idle 2").await;
    let mut stream = served.connect().await;
    send(&mut stream, "POST /api/v1/command", &["Host: localhost", TEXT], "wait").await;
    eventually("the wait", || served.api.under_way() == 1).await;
    served.shutdown.cancel();
    assert_eq!(hear(&mut stream).await.code(), (503, "unavailable"));
    timeout(EVENTUALLY, served.task).await.unwrap().unwrap();
    assert!(TcpStream::connect(served.address).await.is_err());
}
