//! Messages reach whom they are for, or come back.

use std::time::Duration;

use crowd_chat::{
    protocol::{Frame, Message},
    server::Limits,
};
use tokio::io::AsyncWriteExt;

use super::client::{message, server, server_with};

#[tokio::test]
async fn messages_and_answers_find_their_way() {
    let server = server().await;
    let mut one = server.client(1).await;
    let mut two = server.client(2).await;
    for msg_id in 1..=50 {
        one.say(&Frame::Message(message(1, 2, msg_id))).await;
    }
    for msg_id in 1..=50 {
        assert_eq!(two.hear().await, Some(Frame::Message(message(1, 2, msg_id))));
    }
    let answer = Message { resp_to: Some(50), ..message(2, 1, 7) };
    two.say(&Frame::Message(answer.clone())).await;
    assert_eq!(one.hear().await, Some(Frame::Message(answer)));
}

#[tokio::test]
async fn a_message_to_nobody_comes_back() {
    let server = server().await;
    let mut one = server.client(1).await;
    one.say(&Frame::Message(Message { resp_to: Some(3), ..message(1, 9, 4) })).await;
    let reason = "not connected".to_owned();
    assert_eq!(
        one.hear().await,
        Some(Frame::Undelivered { to: 9, msg_id: 4, resp_to: Some(3), reason })
    );
}

#[tokio::test]
async fn what_a_client_does_not_read_is_undelivered_beyond_its_queue() {
    let server = server_with(Limits { queue: 4, ..Limits::default() }).await;
    let _deaf = server.client(1).await;
    let mut two = server.client(2).await;
    let msg = "x".repeat(3000);
    let (mut writer, mut lines) = (two.writer, two.lines);
    let flood = tokio::spawn(async move {
        for msg_id in 0.. {
            let frame = Frame::Message(Message { msg: msg.clone(), ..message(2, 1, msg_id) });
            // The test ends this by dropping the connection.
            if writer.write_all(frame.line().as_bytes()).await.is_err() {
                break;
            }
        }
    });
    let mut line = String::new();
    let read = tokio::io::AsyncBufReadExt::read_line(&mut lines, &mut line);
    tokio::time::timeout(Duration::from_secs(20), read).await.unwrap().unwrap();
    match Frame::parse(line.as_bytes()).unwrap() {
        Frame::Undelivered { to: 1, reason, .. } => assert_eq!(reason, "reads too slowly"),
        other => panic!("{other:?}"),
    }
    flood.abort();
    // Everybody else is served all the same.
    two = server.client(3).await;
    two.say(&Frame::Message(message(3, 3, 1))).await;
    assert_eq!(two.hear().await, Some(Frame::Message(message(3, 3, 1))));
}
