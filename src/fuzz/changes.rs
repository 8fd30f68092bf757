//! Changes to an input that make others of it.

use rand::{Rng, RngExt};

/// What parsers look for, or stumble over.
const PIECES: &[&str] = &[
    "0",
    "-1",
    "1e999",
    "NaN",
    "18446744073709551615",
    "18446744073709551616",
    "0.1",
    "999999999999",
    ",",
    ";",
    ":",
    "=",
    "/",
    "%",
    "'",
    "\"",
    "\\",
    "\n",
    "\r\n",
    "\t",
    " ",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "#",
    "..",
    "->",
    "null",
    "true",
    "é",
    "→",
    "\u{feff}",
    "\u{0}",
    "\u{202e}",
    "{\"a\":",
    "1s",
    "1h",
    "1ns",
    "584y",
    "100/s",
    "every ",
    " at once",
    " per ",
    " over ",
    " abort",
    " in stage 1",
    " max ",
    "http://",
    "[::1]:80",
    "@",
    "--",
];

/// One change, drawn at random.
pub(super) fn change(input: &mut Vec<u8>, random: &mut impl Rng, others: &[Vec<u8>]) {
    let at = random.random_range(0..=input.len());
    let end = (at + random.random_range(1..=8)).min(input.len());
    match random.random_range(0..9) {
        0 if at < input.len() => input[at] ^= 1 << random.random_range(0..8),
        1 if at < input.len() => input[at] = random.random(),
        2 => input.insert(at, random.random()),
        3 => drop(input.drain(at..end)),
        4 => {
            let piece = input[at..end].to_vec();
            input.splice(at..at, piece.repeat(random.random_range(1..=40)));
        }
        5 => {
            let piece = PIECES[random.random_range(0..PIECES.len())];
            input.splice(at..at, piece.bytes());
        }
        6 => {
            let piece = PIECES[random.random_range(0..PIECES.len())];
            input.splice(at..end, piece.bytes());
        }
        7 => {
            let other = super::pick(random, others);
            let from = random.random_range(0..=other.len());
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        _ => {
            // A number as bincode writes one: of two, four or eight bytes.
            let (mark, size) = [(251, 2), (252, 4), (253, 8)][random.random_range(0..3)];
            let number: u64 = [u64::MAX, 1 << 60, 1 << 40, 1 << 20, 0][random.random_range(0..5)];
            let bytes = number.to_le_bytes();
            input.splice(at..end, [mark].into_iter().chain(bytes.into_iter().take(size)));
        }
    }
}
