//! The chunked coding of a body: RFC 9112, section 7.1.

/// The longest line that is not data: extensions of a chunk, or the trailers together.
const LONGEST_LINE: u32 = 16 * 1024;

/// Where in a chunked body we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunks {
    state: State,
    /// The size of the chunk whose first line is being read.
    size: u64,
    /// Bytes of the present line, or lines, that are not data.
    length: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the digits of a size.
    Size,
    /// After the size, before the end of its line.
    Extension,
    /// After the carriage return of that line.
    SizeEnd,
    /// So many bytes of data are still to come.
    Data(u64),
    /// At the line end after the data; whether its carriage return was there.
    DataEnd(bool),
    /// In the lines after the last chunk; how long the present one is.
    Trailers(u32),
    /// Behind all.
    Ended,
}

impl Default for Chunks {
    fn default() -> Self {
        Self { state: State::Size, size: 0, length: 0 }
    }
}

impl Chunks {
    /// Whether the body has ended.
    pub(crate) fn ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Takes bytes until they, or the body, end; says how many it took and how many of those were
    /// data.
    ///
    /// # Errors
    /// Says what is wrong with the bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(usize, u64), &'static str> {
        let (mut used, mut data) = (0, 0);
        while let Some(&byte) = bytes.get(used)
            && !self.ended()
        {
            if let State::Data(left) = self.state {
                let here = left.min((bytes.len() - used) as u64);
                data += here;
                // It is no longer than the bytes at hand.
                used += here as usize;
                self.state =
                    if here == left { State::DataEnd(false) } else { State::Data(left - here) };
            } else {
                self.state = self.step(byte)?;
                used += 1;
            }
        }
        Ok((used, data))
    }

    /// The state after a byte that is not data.
    fn step(&mut self, byte: u8) -> Result<State, &'static str> {
        self.length += 1;
        if self.length > LONGEST_LINE {
            return Err("a line is too long");
        }
        Ok(match (self.state, byte) {
            (State::Size, _) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                self.size = self
                    .size
                    .checked_mul(16)
                    .and_then(|size| size.checked_add(u64::from(digit)))
                    .ok_or("a size is too large")?;
                State::Size
            }
            (State::Size, _) if self.length == 1 => return Err("a size is missing"),
            (State::Size, b';' | b' ' | b'\t') => State::Extension,
            (State::Size | State::Extension, b'\r') => State::SizeEnd,
            (State::Size | State::Extension | State::SizeEnd, b'\n') => self.begin(),
            (State::Size, _) => return Err("a size is no hexadecimal number"),
            (State::Extension, _) => State::Extension,
            (State::DataEnd(false), b'\r') => State::DataEnd(true),
            (State::DataEnd(_), b'\n') => {
                *self = Self::default();
                State::Size
            }
            (State::SizeEnd | State::DataEnd(_), _) => return Err("a line end is missing"),
            (State::Trailers(0), b'\n') => State::Ended,
            (State::Trailers(_), b'\n') => State::Trailers(0),
            // The carriage return of an empty line leaves it empty.
            (State::Trailers(0), b'\r') => State::Trailers(0),
            (State::Trailers(length), _) => State::Trailers(length + 1),
            (State::Data(_) | State::Ended, _) => self.state,
        })
    }

    /// The state after the first line of a chunk.
    fn begin(&mut self) -> State {
        self.length = 0;
        match self.size {
            0 => State::Trailers(0),
            size => State::Data(size),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(bytes: &[u8]) -> Result<(usize, u64, bool), &'static str> {
        let mut chunks = Chunks::default();
        let (used, data) = chunks.feed(bytes)?;
        Ok((used, data, chunks.ended()))
    }

    #[test]
    fn extensions_and_trailers_are_passed_over() {
        let body = b"5;a=b\r\nhello\r\nA \r\n0123456789\r\n0\r\nX: y\r\nZ: 1\r\n\r\nHTTP";
        assert_eq!(decode(body), Ok((body.len() - 4, 15, true)));
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for (body, why) in [
            (&b"\r\n"[..], "a size is missing"),
            (b"x\r\n", "a size is missing"),
            (b"5x\r\n", "a size is no hexadecimal number"),
            (b"11111111111111111\r\n", "a size is too large"),
            (b"1\rx", "a line end is missing"),
            (b"1\r\nab", "a line end is missing"),
            (&[b"1;".as_slice(), &[b'x'; 20_000]].concat(), "a line is too long"),
            (&[b"0\r\n".as_slice(), &b"x: y\r\n".repeat(4000)].concat(), "a line is too long"),
        ] {
            assert_eq!(decode(body), Err(why), "{:?}", body.escape_ascii().to_string());
        }
    }

    proptest! {
        /// However a body is cut into chunks, and those into pieces, it has the same length, and
        /// its end is found to the byte.
        #[test]
        fn cuts_do_not_matter(
            sizes in prop::collection::vec(1usize..300, 0..8),
            pieces in prop::collection::vec(1usize..50, 1..20),
            after in prop::collection::vec(any::<u8>(), 0..10),
        ) {
            let mut bytes = Vec::new();
            for &size in &sizes {
                bytes.extend_from_slice(format!("{size:x}\r\n").as_bytes());
                bytes.extend((0..size).map(|n| n as u8));
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
            let end = bytes.len();
            bytes.extend_from_slice(&after);

            let mut chunks = Chunks::default();
            let (mut at, mut total) = (0, 0);
            for piece in pieces.iter().cycle() {
                let piece = &bytes[at..(at + piece).min(bytes.len())];
                let (used, data) = chunks.feed(piece).unwrap();
                at += used;
                total += data;
                if chunks.ended() || piece.is_empty() {
                    break;
                }
            }
            prop_assert!(chunks.ended());
            prop_assert_eq!(at, end);
            prop_assert_eq!(total, sizes.iter().sum::<usize>() as u64);
        }
    }
}
