//! Answers are read as RFC 9112 says, however they arrive.

use proptest::prelude::*;

use super::*;

/// Feeds the pieces one by one.
fn read(head_only: bool, pieces: &[&[u8]]) -> Result<Option<Answer>, Malformed> {
    let mut reader = Reader::new(head_only);
    for piece in pieces {
        if let Some(answer) = reader.feed(piece)? {
            return Ok(Some(answer));
        }
    }
    Ok(None)
}

fn whole(text: &str) -> Result<Option<Answer>, Malformed> {
    read(false, &[text.as_bytes()])
}

fn answer(status: u16, bytes: u64, keep_alive: bool) -> Option<Answer> {
    Some(Answer { status, bytes, keep_alive })
}

#[test]
fn a_length_ends_the_body() {
    assert_eq!(
        whole("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").unwrap(),
        answer(200, 5, true)
    );
    assert_eq!(whole("HTTP/1.1 200 OK\r\ncontent-length: 5, 5\r\n\r\nhell").unwrap(), None);
    assert_eq!(whole("HTTP/1.1 404 \r\nCONTENT-LENGTH: 0\r\n\r\n").unwrap(), answer(404, 0, true));
}

#[test]
fn some_answers_have_no_body_whatever_their_headers_say() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(read(true, &[head.as_bytes()]).unwrap(), answer(200, 0, true));
    assert_eq!(whole("HTTP/1.1 204 No Content\r\n\r\n").unwrap(), answer(204, 0, true));
    let not_modified = "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(whole(not_modified).unwrap(), answer(304, 0, true));
}

#[test]
fn interim_answers_are_passed_over() {
    assert_eq!(
        whole("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx").unwrap(),
        answer(201, 1, true)
    );
    assert_eq!(whole("HTTP/1.1 101 Switching Protocols\r\n\r\n"), Err(Malformed::Switch));
}

#[test]
fn without_a_length_the_end_of_the_connection_ends_the_body() {
    let mut reader = Reader::new(false);
    assert_eq!(reader.finish(), Err(Malformed::Truncated));
    assert_eq!(reader.feed(b"HTTP/1.1 200 OK\r\n\r\nhel").unwrap(), None);
    assert_eq!(reader.feed(b"lo").unwrap(), None);
    assert_eq!(reader.finish().unwrap(), Answer { status: 200, bytes: 5, keep_alive: false });

    let mut reader = Reader::new(false);
    assert_eq!(reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel").unwrap(), None);
    assert_eq!(reader.finish(), Err(Malformed::Truncated));
}

#[test]
fn who_may_use_the_connection_again() {
    for (head, keep_alive) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Upgrade, Close\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n", true),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            false,
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nsurplus", false),
    ] {
        assert_eq!(whole(head).unwrap(), answer(200, 0, keep_alive), "{head}");
    }
}

#[test]
fn what_is_no_answer_is_refused() {
    let refused = |text: &str| whole(text).unwrap_err();
    assert!(matches!(refused("SSH-2.0-OpenSSH\r\n"), Malformed::Head(_)));
    for length in ["x", "-1", "+1", "", "1, 2", "99999999999999999999"] {
        let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        assert_eq!(refused(&text), Malformed::Length, "{length}");
    }
    let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense";
    assert_eq!(refused(text), Malformed::Chunk("a size is missing"));
    let endless = format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(2 * LONGEST_HEAD));
    assert_eq!(refused(&endless), Malformed::LongHead);
}

fn framing() -> impl Strategy<Value = (String, u64)> {
    prop_oneof![
        (0usize..400).prop_map(|size| {
            (format!("Content-Length: {size}\r\n\r\n{}", "x".repeat(size)), size as u64)
        }),
        prop::collection::vec(1usize..90, 0..6).prop_map(|sizes| {
            let chunks: String =
                sizes.iter().map(|size| format!("{size:X}\r\n{}\r\n", "x".repeat(*size))).collect();
            let text = format!("Transfer-Encoding: gzip, chunked\r\n\r\n{chunks}0\r\n\r\n");
            (text, sizes.iter().sum::<usize>() as u64)
        }),
    ]
}

proptest! {
    /// However an answer is cut into pieces, it is the same answer, ended by its last byte.
    #[test]
    fn pieces_do_not_matter(
        (framed, size) in framing(),
        interim in any::<bool>(),
        piece in 1usize..200,
    ) {
        let interim = if interim { "HTTP/1.1 100 Continue\r\n\r\n" } else { "" };
        let text = format!("{interim}HTTP/1.1 200 OK\r\nServer: s\r\n{framed}");
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(piece).collect();
        prop_assert_eq!(read(false, &pieces).unwrap(), answer(200, size, true));
        let (_, all_but_last) = text.as_bytes().split_last().unwrap();
        prop_assert_eq!(read(false, &[all_but_last]).unwrap(), None);
    }

    /// Whatever bytes come, reading them neither panics nor goes on for ever.
    #[test]
    fn noise_is_survived(
        start in prop::sample::select(vec![
            "", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ]),
        noise in prop::collection::vec(any::<u8>(), 0..300),
        piece in 1usize..50,
    ) {
        let bytes = [start.as_bytes(), &noise].concat();
        let _ = read(false, &bytes.chunks(piece).collect::<Vec<_>>());
    }
}
