//! Who is let in, and who is not.

use std::time::Duration;

use crowd_chat::{protocol::Frame, server::Limits};

use super::client::{message, server, server_with};

#[tokio::test]
async fn an_id_is_let_in_once() {
    let server = server().await;
    let mut first = server.client(1).await;
    let mut second = server.stranger().await;
    second.say(&Frame::Connect { id: 1 }).await;
    let reason = "the id is connected already".to_owned();
    assert_eq!(second.hear().await, Some(Frame::Rejected { reason }));
    assert_eq!(second.hear().await, None);
    // The first is none the worse for it.
    first.say(&Frame::Message(message(1, 1, 5))).await;
    assert_eq!(first.hear().await, Some(Frame::Message(message(1, 1, 5))));
}

#[tokio::test]
async fn who_does_not_introduce_itself_is_rejected() {
    let server = server().await;
    for line in [
        "{\"type\":\"message\",\"from\":1,\"to\":1,\"msg\":\"\",\"msg_id\":1,\"resp_to\":null}\n",
        "{}\n",
        "GET / HTTP/1.1\r\n",
        "\n",
        "{\"type\":\"connect\",\"id\":-1}\n",
        "\u{0}\u{1}\n",
    ] {
        let mut client = server.stranger().await;
        client.write(line.as_bytes()).await;
        match client.hear().await {
            Some(Frame::Rejected { reason }) => {
                assert!(reason.starts_with("malformed: "), "{line}: {reason}");
            }
            other => panic!("{line}: {other:?}"),
        }
        assert_eq!(client.hear().await, None);
    }
    server.client(1).await;
}

#[tokio::test]
async fn who_says_nothing_is_cut_off_after_a_while() {
    let limits = Limits { patience: Duration::from_millis(500), ..Limits::default() };
    let server = server_with(limits).await;
    let mut silent = server.stranger().await;
    let mut half = server.stranger().await;
    half.write(b"{\"type\":\"conn").await;
    // Nobody waits for them meanwhile.
    let mut client = server.client(1).await;
    assert_eq!(silent.hear().await, None);
    assert_eq!(half.hear().await, None);
    // Once let in, a client may be silent for as long as it likes: twice the patience, in real time,
    // since the server's sockets do not follow a paused clock.
    tokio::time::sleep(2 * limits.patience).await;
    client.say(&Frame::Message(message(1, 1, 1))).await;
    assert_eq!(client.hear().await, Some(Frame::Message(message(1, 1, 1))));
}
