//! Users that are told to stop.

use std::sync::Arc;

use hyper::Response;
use tokio::{io::AsyncWriteExt, sync::Semaphore};

use super::{
    run::start,
    server::{full, http, raw, request},
};

#[tokio::test]
async fn what_is_under_way_ends_well_and_is_measured() {
    let open = Arc::new(Semaphore::new(0));
    let gate = open.clone();
    let server = raw(move |mut stream, _| {
        let gate = gate.clone();
        async move {
            while request(&mut stream).await {
                gate.acquire().await.unwrap().forget();
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            }
        }
    })
    .await;
    let going = start(1, &[("url", &server.url())]).await;
    open.add_permits(1);
    going.eventually("one answer", |over| over.action("request").0 == 1).await;
    assert_eq!(going.node.remove(1, false).await.unwrap(), 1);
    open.add_permits(1);
    going.eventually("the user goes", |over| over.users.removed == 1).await;
    let over = going.stop().await;
    assert_eq!(over.action("request"), (2, 0));
}

#[tokio::test]
async fn what_never_ends_is_given_up_and_unfinished() {
    let server = raw(|mut stream, _| async move {
        request(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let going = start(3, &[("url", &server.url())]).await;
    going.until("all connect", || server.connections() == 3).await;
    assert_eq!(going.node.remove(3, false).await.unwrap(), 3);
    going.eventually("the users go", |over| over.users.removed == 3).await;
    let over = going.stop().await;
    assert_eq!(over.action("request"), (0, 0));
    assert_eq!(over.unfinished("request"), 3);
}

#[tokio::test]
async fn what_was_counted_is_what_the_server_saw() {
    let seen = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let see = seen.clone();
    let server = http(move |_, _| {
        see.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Response::new(full(""))
    })
    .await;
    let going = start(5, &[("url", &server.url())]).await;
    going.eventually("many requests", |over| over.action("request").0 >= 500).await;
    let over = going.stop().await;
    assert_eq!(over.users.removed, 5);
    let (count, failed) = over.action("request");
    assert_eq!((count, failed), (seen.load(std::sync::atomic::Ordering::SeqCst), 0));
}
