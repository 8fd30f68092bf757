//! What makes no sense is told so, and harms nobody else.

use crowd_chat::{protocol::Frame, server::Limits};

use super::client::{message, server, server_with};

fn reason(frame: Option<Frame>) -> String {
    match frame {
        Some(Frame::Error { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_line_that_makes_no_sense_is_told_and_forgotten() {
    let server = server().await;
    let mut one = server.client(1).await;
    one.write(b"what?\n").await;
    assert!(reason(one.hear().await).starts_with("malformed: "));
    one.write(b"\xff\xfe\x00\n").await;
    assert!(reason(one.hear().await).starts_with("malformed: "));
    one.say(&Frame::Connect { id: 2 }).await;
    assert_eq!(reason(one.hear().await), "only messages are expected now");
    one.say(&Frame::Message(message(2, 1, 1))).await;
    assert_eq!(reason(one.hear().await), "from must be 1, not 2");
    one.say(&Frame::Message(message(1, 1, 1))).await;
    assert_eq!(one.hear().await, Some(Frame::Message(message(1, 1, 1))));
}

#[tokio::test]
async fn a_line_without_end_ends_the_connection() {
    let server = server_with(Limits { line: 100, ..Limits::default() }).await;
    let mut one = server.client(1).await;
    one.write(&[b'x'; 5000]).await;
    assert_eq!(reason(one.hear().await), "longer than 100 bytes");
    assert_eq!(one.hear().await, None);

    let mut stranger = server.stranger().await;
    stranger.write(&[b'x'; 5000]).await;
    let reason = "malformed: longer than 100 bytes".to_owned();
    assert_eq!(stranger.hear().await, Some(Frame::Rejected { reason }));
    assert_eq!(stranger.hear().await, None);
}
