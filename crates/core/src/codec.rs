//! The one place that knows how messages between nodes become bytes: bincode 2 through serde.
//!
//! bincode is not maintained any more (RUSTSEC-2025-0141). It is used only between nodes that were
//! authenticated and run the same build, for data that nobody keeps; this file is all that would
//! change with another codec.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use serde::{Serialize, de::DeserializeOwned};

/// The largest message, in bytes. What may be larger is sent in parts by whoever sends it.
pub const MOST_BYTES: usize = 1024 * 1024;

/// Why a message cannot be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// It is longer than [`MOST_BYTES`].
    #[error("a message of {0} bytes is too long; {MOST_BYTES} bytes are the most")]
    TooLong(usize),
    /// It cannot be written.
    #[error("a message cannot be written: {0}")]
    Encode(String),
    /// The bytes are no such message.
    #[error("bytes that are no message: {0}")]
    Decode(String),
}

fn config() -> Configuration<LittleEndian, Varint, Limit<MOST_BYTES>> {
    bincode::config::standard().with_limit::<MOST_BYTES>()
}

/// The bytes of a message.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, CodecError> {
    let bytes = bincode::serde::encode_to_vec(message, config())
        .map_err(|error| CodecError::Encode(error.to_string()))?;
    if bytes.len() > MOST_BYTES { Err(CodecError::TooLong(bytes.len())) } else { Ok(bytes) }
}

/// The message in these bytes, all of them. Never panics, and never allocates much more than there
/// are bytes.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    if bytes.len() > MOST_BYTES {
        return Err(CodecError::TooLong(bytes.len()));
    }
    let (message, read) = bincode::serde::decode_from_slice(bytes, config())
        .map_err(|error| CodecError::Decode(error.to_string()))?;
    match bytes.len() - read {
        0 => Ok(message),
        rest => Err(CodecError::Decode(format!("{rest} bytes are left over"))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Sample = (u64, Vec<String>, Option<bool>);

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(sample in any::<Sample>()) {
            prop_assert_eq!(decode::<Sample>(&encode(&sample).unwrap()).unwrap(), sample);
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode::<Sample>(&bytes);
        }

        #[test]
        fn bytes_left_over_are_refused(sample in any::<Sample>(), more in 1..9_usize) {
            let mut bytes = encode(&sample).unwrap();
            bytes.extend(vec![0; more]);
            prop_assert!(decode::<Sample>(&bytes).is_err());
        }
    }

    #[test]
    fn a_forged_length_costs_no_memory() {
        // A list of 2^40 numbers, says the first varint.
        let mut bytes = vec![253];
        bytes.extend((1_u64 << 40).to_le_bytes());
        assert!(decode::<Vec<u64>>(&bytes).is_err());
    }

    #[test]
    fn too_long_is_refused_on_both_sides() {
        let long = vec![7_u8; MOST_BYTES + 1];
        assert!(encode(&long).is_err());
        assert_eq!(decode::<Vec<u8>>(&long), Err(CodecError::TooLong(MOST_BYTES + 1)));
    }
}
