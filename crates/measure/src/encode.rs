//! Distributions as text: HdrHistogram's V2 format, deflated, in base64. Any HdrHistogram viewer
//! reads it.

use std::io::Read;

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::read::ZlibDecoder;
use hdrhistogram::{
    Histogram,
    serialization::{Deserializer, Serializer, V2DeflateSerializer},
};

use super::timing::{BOUNDS, Timing};

/// The longest text that is decoded: far more than the fullest distribution within the bounds
/// needs.
const MAX_ENCODED: usize = 1 << 20;

/// The most bytes it may inflate to: nine for each of the 23,552 numbers, and the header.
const MAX_INFLATED: u64 = 1 << 18;

/// More times than this nobody has taken: the library adds them up, and would run over.
const MOST_TIMES: u128 = 1 << 53;

/// The first bytes of the two formats.
const DEFLATED: u32 = 0x1c84_9314;
const PLAIN: u32 = 0x1c84_9313;

/// Why a distribution cannot be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodingError {
    /// The library refused to write it.
    #[error("a distribution cannot be encoded: {0}")]
    Encode(String),
    /// It is not what [`Timing::encode`] writes.
    #[error("not a distribution in HdrHistogram's deflated V2 format: {0}")]
    Decode(String),
    /// It was made with other bounds, so it would not merge exactly.
    #[error(
        "a distribution with {digits} digits from {low} to {high} µs does not fit one of {BOUNDS}"
    )]
    Bounds {
        /// Its digits.
        digits: u32,
        /// Its finest step.
        low: u64,
        /// Its highest value.
        high: u64,
    },
}

impl Timing {
    /// The distribution as base64 of HdrHistogram's deflated V2 format, in microseconds.
    ///
    /// # Errors
    /// If the library refuses, which it has no reason to.
    pub fn encode(&self) -> Result<String, EncodingError> {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new()
            .serialize(self.histogram(), &mut bytes)
            .map_err(|error| EncodingError::Encode(error.to_string()))?;
        Ok(BASE64_STANDARD.encode(bytes))
    }

    /// Reads what [`Timing::encode`] wrote. How many times were clamped is not part of it.
    ///
    /// # Errors
    /// If the text is something else, is too long, or has other bounds. It never panics and never
    /// takes more memory than the largest distribution within the bounds.
    pub fn decode(text: &str) -> Result<Self, EncodingError> {
        let broken = |why: String| EncodingError::Decode(why);
        if text.len() > MAX_ENCODED {
            return Err(broken(format!("{} characters are too many", text.len())));
        }
        let bytes = BASE64_STANDARD.decode(text).map_err(|error| broken(error.to_string()))?;
        if number(&bytes, 0) != Some(DEFLATED) || bytes.len() < 8 {
            return Err(broken("it begins otherwise".to_owned()));
        }
        let mut plain = Vec::new();
        ZlibDecoder::new(&bytes[8..])
            .take(MAX_INFLATED)
            .read_to_end(&mut plain)
            .map_err(|error| broken(error.to_string()))?;
        check_header(&plain)?;
        let histogram: Histogram<u64> = Deserializer::new()
            .deserialize(&mut plain.as_slice())
            .map_err(|error| broken(error.to_string()))?;
        let counts = histogram.iter_recorded().map(|bucket| u128::from(bucket.count_at_value()));
        if counts.sum::<u128>() > MOST_TIMES {
            return Err(broken("it counts more times than can be".to_owned()));
        }
        Ok(Self::from_histogram(histogram))
    }
}

/// Checks what the library would believe: the sizes it allocates by.
fn check_header(plain: &[u8]) -> Result<(), EncodingError> {
    let short = || EncodingError::Decode("it is cut off".to_owned());
    let field = |at| number(plain, at).ok_or_else(short);
    let wide = |at| Ok((u64::from(field(at)?) << 32) | u64::from(field(at + 4)?));
    if field(0)? != PLAIN {
        return Err(EncodingError::Decode("its inner format is another".to_owned()));
    }
    // Cookie, length, offset, digits, lowest, highest, ratio; then the numbers.
    const HEADER: usize = 40;
    let length = usize::try_from(field(4)?).unwrap_or(usize::MAX);
    if plain.len() < HEADER || length != plain.len() - HEADER {
        return Err(short());
    }
    let (digits, low, high) = (field(12)?, wide(16)?, wide(24)?);
    check_counts(&plain[HEADER..])?;
    let fits = digits == u32::from(BOUNDS.digits)
        && low == BOUNDS.lowest_us
        && high <= BOUNDS.highest_us * 2;
    if fits { Ok(()) } else { Err(EncodingError::Bounds { digits, low, high }) }
}

/// Checks the numbers behind the header: seven bits a byte, the lowest first, and all eight of the
/// ninth byte; a number of nothing but ones is a run of zeros that the library cannot turn round.
fn check_counts(mut bytes: &[u8]) -> Result<(), EncodingError> {
    while !bytes.is_empty() {
        let length = bytes.iter().take(8).take_while(|byte| **byte >= 0x80).count() + 1;
        let Some((number, rest)) = bytes.split_at_checked(length) else { return Ok(()) };
        if number == [0xff; 9] {
            return Err(EncodingError::Decode("it has a run without end".to_owned()));
        }
        bytes = rest;
    }
    Ok(())
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(four.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn timing(micros: &[u64]) -> Timing {
        let mut timing = Timing::default();
        micros.iter().for_each(|micros| timing.record(Duration::from_micros(*micros)));
        timing
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(micros in prop::collection::vec(0..=BOUNDS.highest_us, 0..50)) {
            let timing = timing(&micros);
            prop_assert_eq!(Timing::decode(&timing.encode().unwrap()).unwrap(), timing);
        }

        #[test]
        fn garbage_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut text = DEFLATED.to_be_bytes().to_vec();
            text.extend(bytes);
            prop_assert!(Timing::decode(&BASE64_STANDARD.encode(text)).is_err());
        }

        /// Whatever comes out of a valid stream with flipped bytes, nothing panics.
        #[test]
        fn a_damaged_body_never_panics(
            micros in prop::collection::vec(0..=BOUNDS.highest_us, 1..50),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        ) {
            use std::io::Write;
            let mut plain = Vec::new();
            hdrhistogram::serialization::V2Serializer::new()
                .serialize(timing(&micros).histogram(), &mut plain)
                .unwrap();
            for (index, byte) in damage {
                let at = index.index(plain.len());
                plain[at] = byte;
            }
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&plain).unwrap();
            let body = encoder.finish().unwrap();
            let mut bytes = DEFLATED.to_be_bytes().to_vec();
            bytes.extend((body.len() as u32).to_be_bytes());
            bytes.extend(body);
            let _ = Timing::decode(&BASE64_STANDARD.encode(bytes));
        }
    }

    #[test]
    fn other_bounds_are_named() {
        let histogram = Histogram::<u64>::new_with_bounds(1, 60_000_000, 2).unwrap();
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(&histogram, &mut bytes).unwrap();
        let error = Timing::decode(&BASE64_STANDARD.encode(bytes)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a distribution with 2 digits from 1 to 60000000 µs does not fit one of 1 to \
             3600000000 µs with 3 digits"
        );
    }

    /// Found by `fuzz::documents::result_distributions`: the library panicked.
    #[test]
    fn a_run_of_zeros_without_end_is_refused() {
        assert!(check_counts(&[[0xff; 9].as_slice(), &[2]].concat()).is_err());
        for good in
            [&[][..], &[0xff; 8], &[1, 0xfe, 0xff, 3], &[[0xff; 8].as_slice(), &[1]].concat()]
        {
            assert_eq!(check_counts(good), Ok(()), "{good:?}");
        }
    }

    /// Found by `fuzz::documents::result_distributions`.
    #[test]
    fn more_times_than_can_be_are_refused() {
        let mut most = Timing::default();
        most.add(5, 1 << 52);
        most.add(7, 1 << 52);
        assert_eq!(Timing::decode(&most.encode().unwrap()).unwrap().count(), 1 << 53);
        most.add(9, 1);
        let fault = Timing::decode(&most.encode().unwrap()).unwrap_err().to_string();
        assert!(fault.ends_with("it counts more times than can be"), "{fault}");
    }

    #[test]
    fn the_fullest_distribution_fits() {
        let mut timing = Timing::default();
        let mut value = 1;
        while value <= BOUNDS.highest_us {
            timing.record(Duration::from_micros(value));
            value += 1 + value / 1_500;
        }
        assert_eq!(Timing::decode(&timing.encode().unwrap()).unwrap(), timing);
    }
}
