//! Answers on their way between nodes, made small: one may be a document of megabytes, and a message
//! has [`MOST_BYTES`](super::codec::MOST_BYTES).

use std::io::{self, Read, Write};

use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use serde::{Deserialize, Serialize};

/// The longest text that is unpacked, in bytes; far beyond what any command answers.
const LONGEST: u64 = 64 * 1024 * 1024;

/// A text for people and one for programs, deflated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Packed {
    people: Vec<u8>,
    programs: Vec<u8>,
}

impl Packed {
    /// Packs both.
    pub(crate) fn new(people: &str, programs: &str) -> Self {
        Self { people: deflate(people), programs: deflate(programs) }
    }

    /// How many bytes it takes.
    pub(crate) fn len(&self) -> usize {
        self.people.len() + self.programs.len()
    }

    /// Both, as they were packed.
    ///
    /// # Errors
    /// If the bytes are none that [`Packed::new`] makes, or too many.
    pub(crate) fn unpack(&self) -> io::Result<(String, String)> {
        Ok((inflate(&self.people)?, inflate(&self.programs)?))
    }
}

fn deflate(text: &str) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    // A vector takes everything.
    let written = encoder.write_all(text.as_bytes());
    written.and_then(|()| encoder.finish()).unwrap_or_default()
}

fn inflate(bytes: &[u8]) -> io::Result<String> {
    let mut text = String::new();
    // What is longer is cut, and then it is no text that anybody has packed.
    let read = ZlibDecoder::new(bytes).take(LONGEST + 1).read_to_string(&mut text)?;
    if read as u64 > LONGEST {
        let message = format!("the answer is longer than {LONGEST} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(people in ".{0,200}", programs in ".{0,2000}") {
            let packed = Packed::new(&people, &programs);
            prop_assert_eq!(packed.unpack().unwrap(), (people, programs));
        }

        #[test]
        fn garbage_never_panics(people in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Packed { people, programs: Vec::new() }.unpack();
        }
    }

    #[test]
    fn a_bomb_is_refused_and_a_long_document_becomes_small() {
        let document = "{\"p99\": 12.5, \"count\": 100},".repeat(100_000);
        assert!(Packed::new("", &document).len() < 200_000);
        let bomb = Packed::new("", &"a".repeat(LONGEST as usize + 1));
        assert!(bomb.unpack().is_err());
    }
}
