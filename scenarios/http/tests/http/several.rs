//! Several servers that users are spread over.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use crowd::failure::Owner;
use hyper::Response;
use tokio::net::TcpListener;

use super::{
    run::{Going, Over, given, node, run, start},
    server::{Server, full, http, http_at, raw, request},
};

async fn plain() -> Server {
    http(|_, _| Response::new(full(""))).await
}

fn urls(servers: &[&Server]) -> String {
    servers.iter().map(|server| server.url()).collect::<Vec<_>>().join(",")
}

/// A counter of a target.
fn of(over: &Over, counter: &str, server: &str) -> u64 {
    over.counter(&format!("target.{counter}.{server}"))
}

async fn requests_more(going: &Going, more: u64) {
    let before = going.so_far().await.action("request").0;
    going.eventually("more requests", |over| over.action("request").0 >= before + more).await;
}

#[tokio::test]
async fn users_are_spread_evenly_each_over_one_connection() {
    let servers = [plain().await, plain().await, plain().await];
    let [a, b, c] = &servers;
    let all = urls(&[a, b, c]);
    let over = run(30, &[("url", &all), ("requests", "20"), ("health_timeout", "5s")]).await;
    assert_eq!(over.action("request"), (600, 0));
    for server in &servers {
        assert_eq!(of(&over, "picks", &server.url()), 10);
        assert_eq!(of(&over, "ups", &server.url()), 200);
        let checks = of(&over, "checks_passed", &server.url());
        assert!(checks >= 1, "{over:?}");
        // One may be under way at the end.
        assert!((10 + checks..=11 + checks).contains(&server.connections()), "{over:?}");
    }
}

#[tokio::test]
async fn each_url_has_its_own_host_and_path() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let see = seen.clone();
    let server = http(move |request, _| {
        let host = request.headers()["host"].to_str().unwrap().to_owned();
        see.lock().unwrap().push(format!("{host}{}", request.uri()));
        Response::new(full(""))
    })
    .await;
    let port = server.address.port();
    let both = format!(r"http://127.0.0.1:{port}/a?x=1\,2,http://localhost:{port}/b");
    let over = run(2, &[("url", &both), ("requests", "1")]).await;
    assert_eq!(over.action("request"), (2, 0));
    let mut seen = seen.lock().unwrap().clone();
    seen.sort();
    assert_eq!(seen, [format!("127.0.0.1:{port}/a?x=1,2"), format!("localhost:{port}/b")]);
}

#[tokio::test]
async fn nobody_is_lost_when_one_of_two_stops_and_starts_again() {
    let (stays, goes) = (plain().await, plain().await);
    let (address, gone) = (goes.address, goes.url());
    let settings = [
        ("url", urls(&[&stays, &goes])),
        ("health_interval", "50ms".to_owned()),
        ("think_time", "1ms".to_owned()),
    ];
    let settings: Vec<_> = settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let going = start(20, &settings).await;
    requests_more(&going, 200).await;

    drop(goes);
    going.eventually("it is out", |over| of(over, "outs", &gone) == 1).await;
    going.eventually("its users go over", |over| of(over, "picks", &stays.url()) >= 20).await;
    let without = of(&going.so_far().await, "ups", &gone);
    requests_more(&going, 400).await;
    assert_eq!(of(&going.so_far().await, "ups", &gone), without, "nobody is there to answer");

    let again = http_at(address, |_, _| Response::new(full(""))).await;
    going.eventually("as many come back", |over| of(over, "ups", &gone) > without).await;
    requests_more(&going, 400).await;
    let before = going.so_far().await;
    requests_more(&going, 2_000).await;
    let over = going.stop().await;
    // Ten of twenty users each, and so about half of the requests.
    let [one, two] =
        [&stays.url(), &gone].map(|url| of(&over, "ups", url) - of(&before, "ups", url));
    assert!(one.abs_diff(two) * 10 < one + two, "{one} and {two}");
    assert!(again.connections() >= 10, "{}", again.connections());
    assert_eq!((over.users.failed, over.users.finished, over.users.removed), (0, 0, 20));
    assert!(of(&over, "out_ms", &gone) > 0);
    // What failed was the target's failure.
    let failures = over.failures("request");
    assert!(failures.iter().all(|(owner, ..)| *owner == Owner::Target), "{failures:?}");
}

#[tokio::test]
async fn a_request_that_dies_with_its_server_is_a_failure_and_its_user_goes_on_at_once() {
    let broken = Arc::new(AtomicBool::new(false));
    let breaks = broken.clone();
    // It takes requests without an answer from some moment on, and lets nobody in any more.
    let dies = raw(move |mut stream, _| {
        let broken = breaks.clone();
        async move {
            while request(&mut stream).await && !broken.load(Ordering::SeqCst) {
                use tokio::io::AsyncWriteExt;
                let hello = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                if stream.write_all(hello).await.is_err() {
                    break;
                }
            }
        }
    })
    .await;
    let lives = plain().await;
    let both = urls(&[&dies, &lives]);
    let settings = [("url", both.as_str()), ("method", "POST"), ("think_time", "2ms")];
    let going = start(2, &settings).await;
    requests_more(&going, 20).await;
    broken.store(true, Ordering::SeqCst);
    going.eventually("a request dies", |over| over.action("request").1 > 0).await;
    requests_more(&going, 200).await;
    let over = going.stop().await;
    assert_eq!((over.users.failed, over.users.removed), (0, 2));
    let reason = "the server closed the connection without an answer";
    let failures = over.failures("request");
    assert!(failures.iter().any(|(owner, why, _)| *owner == Owner::Target && why == reason));
    // One for each user there, or a few more until it is out.
    assert!(over.action("request").1 < 10, "{failures:?}");
}

#[tokio::test]
async fn a_server_that_only_fails_is_left_and_one_that_refuses_is_not() {
    let status =
        |status: u16| http(move |_, _| Response::builder().status(status).body(full("")).unwrap());
    let (ill, odd, well) = (status(503).await, status(404).await, status(200).await);
    // Its connections are taken, so only what users report puts it out.
    let all = urls(&[&ill, &odd, &well]);
    let settings = [("url", all.as_str()), ("health_interval", "1h"), ("think_time", "1ms")];
    let going = start(30, &settings).await;
    going.eventually("it is out", |over| of(over, "outs", &ill.url()) == 1).await;
    requests_more(&going, 100).await;
    let before = going.so_far().await;
    requests_more(&going, 500).await;
    let over = going.stop().await;
    assert_eq!(of(&over, "downs", &ill.url()), of(&before, "downs", &ill.url()));
    assert_eq!(of(&over, "outs", &odd.url()), 0);
    assert_eq!(of(&over, "downs", &odd.url()), 0);
    assert_eq!(over.users.failed, 0);
}

#[tokio::test]
async fn the_health_check_can_ask_for_a_path() {
    let (healthy, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
    let (well, ask) = (healthy.clone(), asked.clone());
    let moody = http(move |request, _| {
        let mut status = 200;
        if request.uri() == "/health?deep" {
            ask.fetch_add(1, Ordering::SeqCst);
            assert!(request.headers().contains_key("x-key") && request.method() == "GET");
            status = if well.load(Ordering::SeqCst) { 204 } else { 500 };
        }
        Response::builder().status(status).body(full("")).unwrap()
    })
    .await;
    let steady = plain().await;
    let both = urls(&[&moody, &steady]);
    let going = start(
        4,
        &[
            ("url", &both),
            ("method", "POST"),
            ("headers", "x-key: 7"),
            ("health_path", "/health?deep"),
            ("health_interval", "20ms"),
            ("think_time", "1h"),
        ],
    )
    .await;
    // Each user sends one request: the rest is up to the check.
    going.eventually("all have sent one", |over| over.action("request") == (4, 0)).await;
    healthy.store(false, Ordering::SeqCst);
    going.eventually("it is out", |over| of(over, "outs", &moody.url()) == 1).await;
    healthy.store(true, Ordering::SeqCst);
    going.eventually("it is back", |over| of(over, "out_ms", &moody.url()) > 0).await;
    let over = going.stop().await;
    assert!(asked.load(Ordering::SeqCst) > 3);
    assert!(of(&over, "checks_failed", &moody.url()) > 0);
    assert_eq!(of(&over, "checks_failed", &steady.url()), 0);
}

#[tokio::test]
async fn a_server_that_is_not_there_at_the_start_is_sent_nobody() {
    let lives = plain().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let over = run(10, &[("url", &format!("{dead},{}", lives.url())), ("requests", "5")]).await;
    assert_eq!(over.action("request"), (50, 0));
    assert_eq!(lives.connections() - of(&over, "checks_passed", &lives.url()), 10);
    assert_eq!(of(&over, "picks", &dead), 0);
    assert_eq!(of(&over, "outs", &dead), 1);
}

#[tokio::test]
async fn when_all_are_out_users_wait_for_one_to_come_back() {
    let (a, b) = (plain().await, plain().await);
    let (both, address) = (urls(&[&a, &b]), a.address);
    let settings = [("url", both.as_str()), ("health_interval", "50ms"), ("think_time", "1ms")];
    let going = start(4, &settings).await;
    requests_more(&going, 20).await;
    drop((a, b));
    let nobody = |over: &Over| {
        over.failures("request").iter().any(|(_, why, _)| why == "all targets are out")
    };
    going.eventually("nobody is left", nobody).await;
    let _again = http_at(address, |_, _| Response::new(full(""))).await;
    requests_more(&going, 20).await;
    let over = going.stop().await;
    assert_eq!((over.users.failed, over.users.removed), (0, 4));
}

#[tokio::test]
async fn every_host_that_is_not_known_is_named() {
    let node = node().await;
    let settings = given(&[("url", "http://no-such-a.invalid/,http://no-such-b.invalid/")]);
    let refusal = node.start_run("http", 1, settings).await.unwrap_err();
    for host in ["no-such-a.invalid", "no-such-b.invalid"] {
        assert!(refusal.message.contains(&format!("'{host}' is not known")), "{refusal}");
    }
    node.shutdown().await;
}
