//! Answers, read from bytes as they come: RFC 9112. What a body holds is not kept, only counted.

use std::mem::{self, MaybeUninit};

use crate::chunks::Chunks;

/// The longest head of an answer, in bytes.
const LONGEST_HEAD: usize = 64 * 1024;
/// The most headers of an answer.
const MOST_HEADERS: usize = 100;

/// An answer that was read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Its status code.
    pub(crate) status: u16,
    /// The length of its body, as it came: without the marks between chunks.
    pub(crate) bytes: u64,
    /// Whether the connection may be used again.
    pub(crate) keep_alive: bool,
}

/// Why something is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// The head is no HTTP.
    #[error("the answer is no HTTP: {0}")]
    Head(#[from] httparse::Error),
    /// The head does not end.
    #[error("the head of the answer is longer than {LONGEST_HEAD} bytes")]
    LongHead,
    /// Nobody can tell where the body ends.
    #[error("the answer has no sensible Content-Length")]
    Length,
    /// A chunked body is not well-formed.
    #[error("the chunks of the answer are malformed: {0}")]
    Chunk(&'static str),
    /// Nobody asked for another protocol.
    #[error("the server switches protocols")]
    Switch,
    /// The connection ended within an answer.
    #[error("the server closed the connection within an answer")]
    Truncated,
}

/// Reads one answer.
#[derive(Debug)]
pub(crate) struct Reader {
    head_only: bool,
    /// The beginning of a head that has not come whole.
    partial: Vec<u8>,
    /// Known once the head is.
    body: Option<Body>,
    answer: Answer,
}

#[derive(Debug)]
enum Body {
    /// So many bytes are still to come.
    Length(u64),
    /// It comes in chunks.
    Chunked(Chunks),
    /// It ends when the connection does.
    UntilClose,
}

impl Reader {
    /// A reader of the answer to a request; `head_only` if that was a HEAD.
    pub(crate) fn new(head_only: bool) -> Self {
        let answer = Answer { status: 0, bytes: 0, keep_alive: true };
        Self { head_only, partial: Vec::new(), body: None, answer }
    }

    /// Takes the bytes that came; the answer, if they end it.
    ///
    /// # Errors
    /// If they are no answer.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Option<Answer>, Malformed> {
        if self.body.is_some() {
            return self.feed_body(bytes);
        }
        if self.partial.is_empty() {
            let used = self.feed_head(bytes)?;
            return self.go_on(&bytes[used..]);
        }
        // A head in pieces is rare: it may cost a copy.
        let mut whole = mem::take(&mut self.partial);
        whole.extend_from_slice(bytes);
        let used = self.feed_head(&whole)?;
        self.go_on(&whole[used..])
    }

    /// The connection has ended; the answer, if it was to end so.
    ///
    /// # Errors
    /// If something is missing.
    pub(crate) fn finish(&self) -> Result<Answer, Malformed> {
        match self.body {
            Some(Body::UntilClose) => Ok(self.answer),
            _ => Err(Malformed::Truncated),
        }
    }

    /// What follows a head, or else the beginning of one.
    fn go_on(&mut self, rest: &[u8]) -> Result<Option<Answer>, Malformed> {
        if self.body.is_some() {
            return self.feed_body(rest);
        }
        if rest.len() > LONGEST_HEAD {
            return Err(Malformed::LongHead);
        }
        self.partial.extend_from_slice(rest);
        Ok(None)
    }

    /// Reads the head, past any interim ones; says how many bytes were used.
    fn feed_head(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut used = 0;
        loop {
            let mut headers = [const { MaybeUninit::uninit() }; MOST_HEADERS];
            let mut head = httparse::Response::new(&mut []);
            let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
                &mut head,
                &bytes[used..],
                &mut headers,
            )?;
            let httparse::Status::Complete(length) = parsed else { return Ok(used) };
            used += length;
            match head.code.unwrap_or_default() {
                101 => return Err(Malformed::Switch),
                100..200 => {}
                status => {
                    self.answer.status = status;
                    let framing = Framing::of(head.version == Some(1), head.headers)?;
                    let empty = self.head_only || status == 204 || status == 304;
                    let body = if empty { Body::Length(0) } else { framing.body };
                    self.answer.keep_alive =
                        framing.keep_alive && !matches!(body, Body::UntilClose);
                    self.body = Some(body);
                    return Ok(used);
                }
            }
        }
    }

    fn feed_body(&mut self, bytes: &[u8]) -> Result<Option<Answer>, Malformed> {
        let (used, ended) = match &mut self.body {
            Some(Body::Length(left)) => {
                let here = (bytes.len() as u64).min(*left);
                *left -= here;
                self.answer.bytes += here;
                // It is no longer than the bytes at hand.
                (here as usize, *left == 0)
            }
            Some(Body::Chunked(chunks)) => {
                let (used, data) = chunks.feed(bytes).map_err(Malformed::Chunk)?;
                self.answer.bytes += data;
                (used, chunks.ended())
            }
            Some(Body::UntilClose) | None => {
                self.answer.bytes += bytes.len() as u64;
                (bytes.len(), false)
            }
        };
        // Nobody asked for what follows: the two sides do not agree any more where answers begin.
        self.answer.keep_alive &= used == bytes.len();
        Ok(ended.then_some(self.answer))
    }
}

/// What the headers say about the body and the connection.
struct Framing {
    body: Body,
    keep_alive: bool,
}

impl Framing {
    /// RFC 9112, sections 6.3 and 9.3.
    fn of(is_1_1: bool, headers: &[httparse::Header<'_>]) -> Result<Self, Malformed> {
        let (mut length, mut coding) = (None, None);
        let (mut keep_alive, mut close) = (is_1_1, false);
        for header in headers {
            if header.name.eq_ignore_ascii_case("content-length") {
                for part in tokens(header.value) {
                    let number = number(part).ok_or(Malformed::Length)?;
                    if length.is_some_and(|length| length != number) {
                        return Err(Malformed::Length);
                    }
                    length = Some(number);
                }
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                coding = tokens(header.value).last();
            } else if header.name.eq_ignore_ascii_case("connection") {
                for token in tokens(header.value) {
                    close |= token.eq_ignore_ascii_case(b"close");
                    keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
                }
            }
        }
        let body = match (coding, length) {
            (Some(last), _) if last.eq_ignore_ascii_case(b"chunked") => {
                Body::Chunked(Chunks::default())
            }
            (None, Some(length)) => Body::Length(length),
            _ => Body::UntilClose,
        };
        // A length beside a coding is a sign that somebody on the way is mistaken.
        close |= coding.is_some() && length.is_some();
        Ok(Self { body, keep_alive: keep_alive && !close })
    }
}

/// The parts of a list with commas.
fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

/// Digits and nothing else.
fn number(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}

#[cfg(test)]
mod tests;
