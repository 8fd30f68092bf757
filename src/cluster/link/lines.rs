//! Lines of bounded length over a connection, and what came after the last of them.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The longest line, in bytes.
pub(super) const LONGEST: usize = 64 * 1024;

/// A connection that is spoken over in lines.
pub(super) struct Lines<S> {
    stream: S,
    read: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Lines<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, read: Vec::new() }
    }

    /// The next line, without its end.
    ///
    /// # Errors
    /// If the connection ends before, or the line is longer than `most` bytes. What was read of it
    /// stays, see [`Lines::seen`].
    pub(super) async fn next(&mut self, most: usize) -> io::Result<Vec<u8>> {
        let mut looked = 0;
        loop {
            let end = self.read[looked..].iter().position(|byte| *byte == b'\n');
            if let Some(end) = end.map(|end| looked + end).filter(|end| *end <= most) {
                let rest = self.read.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.read, rest);
                line.pop();
                return Ok(line);
            }
            looked = self.read.len();
            if looked > most {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is too long"));
            }
            let mut part = [0; 1024];
            match self.stream.read(&mut part).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.read.extend(&part[..count]),
            }
        }
    }

    /// What was read of a line that has not ended.
    pub(super) fn seen(&self) -> &[u8] {
        &self.read
    }

    /// Sends what stands here; lines end with `\n`.
    pub(super) async fn send(&mut self, lines: &[u8]) -> io::Result<()> {
        self.stream.write_all(lines).await?;
        self.stream.flush().await
    }

    /// Says a last word. Whatever the other side still sends is read for a moment: to close at
    /// once could keep the word from arriving.
    pub(super) async fn part(mut self, last: &[u8]) {
        let farewell = async {
            self.send(last).await?;
            self.stream.shutdown().await?;
            let mut part = [0; 1024];
            let mut rest = 2 * LONGEST;
            while rest > 0 {
                match self.stream.read(&mut part).await? {
                    0 => break,
                    count => rest = rest.saturating_sub(count),
                }
            }
            io::Result::Ok(())
        };
        // Whether it arrives is the other side's loss.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), farewell).await;
    }

    /// The connection, and what was read beyond the last line.
    pub(super) fn into_parts(self) -> (S, Vec<u8>) {
        (self.stream, self.read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_whole_and_the_rest_is_kept() {
        let (near, mut far) = tokio::io::duplex(64);
        far.write_all(b"one\n\ntwo\nrest").await.unwrap();
        let mut lines = Lines::new(near);
        assert_eq!(lines.next(9).await.unwrap(), b"one");
        assert_eq!(lines.next(9).await.unwrap(), b"");
        assert_eq!(lines.next(9).await.unwrap(), b"two");
        assert_eq!(lines.into_parts().1, b"rest");
    }

    #[tokio::test]
    async fn a_line_without_end_is_given_up() {
        let (near, mut far) = tokio::io::duplex(1024 * 1024);
        far.write_all(&vec![b'x'; 500_000]).await.unwrap();
        let mut lines = Lines::new(near);
        let fault = lines.next(LONGEST).await.unwrap_err();
        assert_eq!(fault.kind(), io::ErrorKind::InvalidData);
        assert!(lines.seen().len() < LONGEST + 2_000);
    }
}
