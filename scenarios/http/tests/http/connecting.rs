//! Servers that cannot be reached.

use crowd::failure::Owner;
use hyper::Response;
use tokio::net::TcpListener;

use super::{
    run::{given, node, start},
    server::{full, speak_http},
};

#[tokio::test]
async fn a_refused_connection_is_the_targets_failure_and_is_tried_again() {
    // A port that was free a moment ago.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let going = start(2, &[("url", &format!("http://{address}/")), ("requests", "1")]).await;
    going.eventually("both are refused", |over| over.action("connect").1 >= 2).await;

    let listener = TcpListener::bind(address).await.unwrap();
    let serving = tokio::spawn(async move {
        let answer = std::sync::Arc::new(|_: &_, _: &[u8]| Response::new(full("")));
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(speak_http(stream, answer.clone()));
        }
    });
    going.eventually("both get their answer", |over| over.users.finished == 2).await;
    let over = going.stop().await;
    serving.abort();
    assert_eq!(over.action("request"), (2, 0));
    let (owner, reason, failed) = over.failures("connect").remove(0);
    assert_eq!(owner, Owner::Target);
    assert!(reason.contains("refused"), "{reason}");
    assert_eq!(over.action("connect"), (failed + 2, failed));
}

#[tokio::test]
async fn an_unknown_host_fails_the_run_before_any_user() {
    let node = node().await;
    let settings = given(&[("url", "http://no-such-host.invalid/")]);
    let refusal = node.start_run("http", 1, settings).await.unwrap_err();
    assert!(refusal.message.contains("the host 'no-such-host.invalid' is not known"), "{refusal}");
    node.shutdown().await;
}
