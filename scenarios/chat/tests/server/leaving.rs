//! A place is free again when its client is gone, and all end with the server.

use crowd_chat::protocol::Frame;
use tokio::io::AsyncWriteExt;

use super::client::{Client, Server, server};

/// Connects under an id until the server lets it.
async fn let_in(server: &Server, id: u64) -> Client {
    loop {
        let mut client = server.stranger().await;
        client.say(&Frame::Connect { id }).await;
        match client.hear().await {
            Some(Frame::Connected) => return client,
            // The server has not noticed yet; the runner's own limit ends this if it never does.
            Some(Frame::Rejected { .. }) => tokio::task::yield_now().await,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn whoever_has_left_may_come_back() {
    let server = server().await;
    let mut one = server.client(1).await;
    one.writer.shutdown().await.unwrap();
    assert_eq!(one.hear().await, None);
    one = let_in(&server, 1).await;
    drop(one);
    let_in(&server, 1).await;
}

#[tokio::test]
async fn the_end_of_the_server_ends_all_connections() {
    let server = server().await;
    let mut one = server.client(1).await;
    let mut stranger = server.stranger().await;
    server.shutdown.cancel();
    server.task.await.unwrap();
    assert_eq!(one.hear().await, None);
    assert_eq!(stranger.hear().await, None);
}

#[tokio::test]
async fn dropping_the_server_ends_all_connections() {
    let server = server().await;
    let mut one = server.client(1).await;
    server.task.abort();
    assert_eq!(one.hear().await, None);
}
