use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::capacity::{monitor::History, settings::Given};

fn queries(texts: &[&str]) -> Vec<Query> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

async fn observe(monitor: &mut PrometheusMonitor, now: u64) -> Vec<Signal> {
    let history = History::default();
    monitor.observe(Seen { now: Duration::from_secs(now), history: &history }).await
}

/// A server that answers everybody the same and tells what it was asked for.
async fn server(answer: &'static str) -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/prom/", listener.local_addr().unwrap());
    let (asked, heard) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            let line = String::from_utf8(request).unwrap().lines().next().unwrap().to_owned();
            let _ = asked.send(line);
            let length = answer.len();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            stream.write_all((head + answer).as_bytes()).await.unwrap();
        }
    });
    (url, heard)
}

const TWELVE: &str = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"12.12345"]}]}}"#;

#[tokio::test]
async fn a_value_at_the_threshold_is_an_alert() {
    let (url, mut heard) = server(TWELVE).await;
    let asked = queries(&["a: up{job=\"x\"} >= 12.12345", "b: up > 12.12345", "c: up >= 13"]);
    let mut monitor = PrometheusMonitor::new(&url, &asked).unwrap();
    let signals = observe(&mut monitor, 0).await;
    let told: Vec<_> = signals.iter().map(|signal| (signal.value, signal.healthy)).collect();
    assert_eq!(
        told,
        [(Some(12.12345), Some(false)), (Some(12.12345), Some(true)), (Some(12.12345), Some(true))]
    );
    let mut lines: Vec<_> = (0..3).map(|_| heard.try_recv().unwrap()).collect();
    lines.sort();
    assert!(
        lines.contains(&"GET /prom/api/v1/query?query=up%7Bjob%3D%22x%22%7D HTTP/1.1".to_owned()),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_query_is_not_asked_before_it_is_warm() {
    let (url, mut heard) = server(TWELVE).await;
    let mut monitor = PrometheusMonitor::new(&url, &queries(&["a: up >= 1 after 60s"])).unwrap();
    assert!(observe(&mut monitor, 59).await.is_empty());
    assert!(heard.try_recv().is_err());
    assert_eq!(observe(&mut monitor, 60).await.len(), 1);
}

#[tokio::test]
async fn without_an_answer_there_is_no_value() {
    let (empty, _heard) =
        server(r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#).await;
    // Nobody listens there any more.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for url in [empty, format!("http://{gone}")] {
        let mut monitor = PrometheusMonitor::new(&url, &queries(&["a: up >= 1"])).unwrap();
        let signals = observe(&mut monitor, 0).await;
        assert_eq!((signals[0].value, signals[0].healthy), (None, None), "{url}");
    }
}

#[tokio::test]
async fn a_query_that_only_shows_never_alerts_and_is_never_missed() {
    let shown = |url: &str| {
        let mut given = Given::default();
        given.file(&format!(
            "prometheus = \"{url}\"\n[[queries]]\nname = \"a\"\nquery = \"up\"\nthreshold = 1\nalert = false"
        ));
        let settings = given.settings().unwrap();
        PrometheusMonitor::new(url, &settings.queries).unwrap()
    };
    let (url, _heard) = server(TWELVE).await;
    let signals = observe(&mut shown(&url), 0).await;
    assert_eq!((signals[0].value, signals[0].healthy), (Some(12.12345), Some(true)));
    let (url, _heard) = server("no JSON").await;
    assert!(observe(&mut shown(&url), 0).await.is_empty());
}

#[test]
fn urls_have_parts() {
    let read = |url| parts(url).unwrap();
    assert_eq!(read("http://a:9090"), (false, "a".into(), 9090, String::new()));
    assert_eq!(read("https://a/prom/"), (true, "a".into(), 443, "/prom".into()));
    for wrong in ["localhost:9090", "ftp://a", "/x", "", "http://a/?b", "http://me:pw@a/"] {
        let fault = parts(wrong).unwrap_err();
        assert!(!fault.contains("pw"), "{fault}");
    }
}
