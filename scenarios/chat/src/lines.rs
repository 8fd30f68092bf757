//! Lines of bounded length from a stream.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Reads lines. A read that is given up (in a `select!`, say) loses nothing.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    source: R,
    buffer: Vec<u8>,
    /// Where the bytes not handed out yet begin.
    start: usize,
    /// Up to where there is no line end, counted from `start`.
    searched: usize,
    longest: usize,
}

/// Why there is no further line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    /// The line is longer than allowed.
    #[error("a line is longer than {0} bytes")]
    TooLong(usize),
    /// The stream broke.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Lines of up to `longest` bytes, their ends not counted.
    pub(crate) fn new(source: R, longest: usize) -> Self {
        Self { source, buffer: Vec::new(), start: 0, searched: 0, longest }
    }

    /// The next line without its end; `None` at the end of the stream. What follows the last line
    /// end is no line.
    ///
    /// # Errors
    /// If the stream breaks, or the line is too long; there is no going on then.
    pub(crate) async fn next(&mut self) -> Result<Option<&[u8]>, LineError> {
        loop {
            let rest = &self.buffer[self.start..];
            if let Some(at) = rest[self.searched..].iter().position(|&byte| byte == b'\n') {
                let (from, to) = (self.start, self.start + self.searched + at);
                if to - from > self.longest {
                    return Err(LineError::TooLong(self.longest));
                }
                (self.start, self.searched) = (to + 1, 0);
                return Ok(Some(&self.buffer[from..to]));
            }
            self.searched = rest.len();
            if self.searched > self.longest {
                return Err(LineError::TooLong(self.longest));
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            // Small steps: thousands of connections read through buffers of their own.
            self.buffer.reserve(256);
            if self.source.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Reads to the end of the stream and forgets it all.
    ///
    /// # Errors
    /// If the stream breaks.
    pub(crate) async fn discard(&mut self) -> io::Result<()> {
        (self.start, self.searched) = (0, 0);
        loop {
            self.buffer.clear();
            if self.source.read_buf(&mut self.buffer).await? == 0 {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    async fn all(bytes: &[u8], piece: usize, longest: usize) -> (Vec<Vec<u8>>, bool) {
        let (reader, mut writer) = tokio::io::duplex(piece);
        let bytes = bytes.to_vec();
        let writing = tokio::spawn(async move {
            // The reader may give up early.
            let _ = tokio::io::AsyncWriteExt::write_all(&mut writer, &bytes).await;
        });
        let mut lines = Lines::new(reader, longest);
        let mut found = Vec::new();
        let whole = loop {
            match lines.next().await {
                Ok(Some(line)) => found.push(line.to_vec()),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        drop(lines);
        writing.await.unwrap();
        (found, whole)
    }

    proptest! {
        /// However the bytes arrive, the lines are the same, and none is too long.
        #[test]
        fn pieces_do_not_matter(
            parts in prop::collection::vec(prop::collection::vec(0u8..=255, 0..40), 0..20),
            piece in 1usize..64,
        ) {
            let longest = 30;
            let bytes = parts.concat();
            let mut wanted: Vec<_> = bytes.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
            let too_long = wanted.iter().position(|line| line.len() > longest);
            wanted.truncate(too_long.unwrap_or(wanted.len() - 1));
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let (found, whole) = runtime.block_on(all(&bytes, piece, longest));
            prop_assert_eq!(found, wanted);
            prop_assert_eq!(whole, too_long.is_none());
        }
    }
}
