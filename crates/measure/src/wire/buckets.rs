//! The buckets of a distribution that hold something, as bytes.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{MOST_COUNT, WireFault};
use crate::timing::BOUNDS;

/// The buckets of a distribution that hold something: for each the step from the index of the one
/// before, and its count, as LEB128 numbers. The first step is from 0.
///
/// An index counts buckets from the shortest time: as an HDR histogram of three digits has them,
/// one for each microsecond up to 2,048 µs, then 1,024 for each doubling.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Buckets {
    bytes: Vec<u8>,
}

/// How many buckets a doubling has.
const HALF: u64 = 1_024;

/// The last bucket within the bounds.
const MOST_INDEX: u64 = index_of(BOUNDS.highest_us);

const fn index_of(value: u64) -> u64 {
    let doublings = ((value | (2 * HALF - 1)).ilog2() - HALF.ilog2()) as u64;
    doublings * HALF + (value >> doublings)
}

/// The shortest time in a bucket, in microseconds.
fn value_at(index: u64) -> u64 {
    let doublings = (index / HALF).saturating_sub(1);
    (index - doublings * HALF) << doublings
}

impl Buckets {
    /// How many bytes they take.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds the bucket of `value`, in microseconds: a later one than all before, of which the last
    /// is `last`.
    pub(super) fn push(&mut self, last: &mut u64, value: u64, count: u64) {
        let index = index_of(value);
        write(&mut self.bytes, index.saturating_sub(*last));
        write(&mut self.bytes, count);
        *last = index;
    }

    /// Whether these are buckets of a distribution within the bounds.
    pub(super) fn check(&self) -> Result<(), WireFault> {
        let mut reader = self.bytes.as_slice();
        let mut index = 0_u64;
        let mut first = true;
        while !reader.is_empty() {
            let (Some(step), Some(count)) = (read(&mut reader), read(&mut reader)) else {
                return Err(WireFault::Broken("a distribution is cut off"));
            };
            index = index.saturating_add(step);
            if step == 0 && !first || index > MOST_INDEX {
                return Err(WireFault::Broken("a distribution has buckets that there are not"));
            }
            if count == 0 || count > MOST_COUNT {
                return Err(WireFault::Broken("a distribution has a count that cannot be"));
            }
            first = false;
        }
        Ok(())
    }

    /// Each bucket that holds something, as a time in it in microseconds, and its count; up to the
    /// first that is wrong, so to be checked before.
    pub(super) fn each(&self, mut see: impl FnMut(u64, u64)) {
        let mut reader = self.bytes.as_slice();
        let mut index = 0_u64;
        while let (Some(step), Some(count)) = (read(&mut reader), read(&mut reader)) {
            index = index.saturating_add(step);
            if index > MOST_INDEX {
                return;
            }
            see(value_at(index), count);
        }
    }
}

fn write(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn read(reader: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = reader.split_first()?;
        *reader = rest;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

impl fmt::Debug for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buckets = Vec::new();
        self.each(|value, count| buckets.push((value, count)));
        f.debug_map().entries(buckets).finish()
    }
}

/// As bytes at once: a list would be written and read number by number.
impl Serialize for Buckets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.bytes)
    }
}

impl<'de> Deserialize<'de> for Buckets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl de::Visitor<'_> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the bytes of a distribution")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }
        }

        Ok(Self { bytes: deserializer.deserialize_byte_buf(Bytes)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The library's buckets are these.
        #[test]
        fn an_index_stands_for_the_librarys_bucket(value in 0..=BOUNDS.highest_us) {
            let histogram = hdrhistogram::Histogram::<u64>::new(BOUNDS.digits).unwrap();
            let index = index_of(value);
            prop_assert_eq!(value_at(index), histogram.lowest_equivalent(value));
            prop_assert_eq!(index_of(histogram.highest_equivalent(value)), index);
            prop_assert_eq!(value_at(index + 1), histogram.next_non_equivalent(value));
        }

        #[test]
        fn numbers_are_read_as_they_were_written(numbers in prop::collection::vec(any::<u64>(), 0..9)) {
            let mut bytes = Vec::new();
            numbers.iter().for_each(|number| write(&mut bytes, *number));
            let mut reader = bytes.as_slice();
            for number in numbers {
                prop_assert_eq!(read(&mut reader), Some(number));
            }
            prop_assert_eq!(read(&mut reader), None);
        }

        /// What passes the check is within the bounds, whatever the bytes.
        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let buckets = Buckets { bytes };
            let _ = buckets.check();
            buckets.each(|value, _| assert!(value <= BOUNDS.highest_us));
        }
    }

    #[test]
    fn a_number_beyond_the_largest_is_refused() {
        let mut most = Vec::new();
        write(&mut most, u64::MAX);
        assert_eq!(read(&mut most.as_slice()), Some(u64::MAX));
        let last = most.len() - 1;
        most[last] = 0x7f;
        assert_eq!(read(&mut most.as_slice()), None);
    }
}
