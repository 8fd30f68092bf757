//! Pure: what kind of failure a text tells of.

use std::sync::LazyLock;

use regex::Regex;

/// What differs from case to case, though the cause is one.
static VARYING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let patterns = [
        // Moments: of a log, of a certificate, seconds since 1970.
        r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?)?\b",
        // Addresses, with a port or without.
        r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b",
        r"\[[0-9a-fA-F:]*:[0-9a-fA-F:.]*\](?::\d+\b)?",
        // Ids: UUIDs, long hexadecimal numbers, pointers.
        r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b",
        r"\b0x[0-9a-fA-F]+\b",
        r"\b[a-fA-F]*\d[0-9a-fA-F]{7,}\b",
        // Durations and sizes.
        r"\b\d+(?:\.\d+)?(?:e-?\d+)? ?(?:ns|µs|us|ms|s|sec|seconds?|min|minutes?|bytes?|kB|KiB|MB|MiB)\b",
        // All other numbers, unless they are codes: see [`CODES`].
        r"\b\d+(?:\.\d+)*\b",
    ];
    Regex::new(&patterns.join("|")).ok()
});

/// The words before a number that is the same each time: a status, an errno, a version.
const CODES: [&str; 10] =
    ["status", "code", "error", "errno", "exit", "signal", "version", "http/", "tls", "tlsv"];

/// What stands for what differs.
const MARK: &str = "#";

/// The text with `#` for all that differs from case to case; `None` if there is nothing such in it.
pub(super) fn of(text: &str) -> Option<String> {
    // Most reasons have no digit, and are not looked at any closer.
    if !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let varying = VARYING.as_ref()?;
    let (mut class, mut end, mut changed) = (String::with_capacity(text.len()), 0, false);
    for found in varying.find_iter(text) {
        class.push_str(&text[end..found.start()]);
        end = found.end();
        let short = found.len() <= 3 || found.as_str().contains('.');
        if short && follows_a_word_of_codes(&text[..found.start()]) {
            class.push_str(found.as_str());
        } else {
            class.push_str(MARK);
            changed = true;
        }
    }
    class.push_str(&text[end..]);
    changed.then_some(class)
}

fn follows_a_word_of_codes(before: &str) -> bool {
    let before = before.trim_end_matches([' ', ':', '=', '(', '-']).as_bytes();
    // Only the end is looked at, however long the text is.
    CODES.iter().any(|word| {
        before
            .len()
            .checked_sub(word.len())
            .is_some_and(|begin| before[begin..].eq_ignore_ascii_case(word.as_bytes()))
    })
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
            "exit code 3",
            "x509",
            "utf8 it is not",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
        assert_eq!(of("status 404 for room 7").as_deref(), Some("status 404 for room #"));
    }

    #[test]
    fn a_class_is_its_own_class() {
        for text in [
            "user 17 at 10.0.0.1:80 after 3 ms",
            "a 0x12 b 123456 c",
            "2020-02-2020-02-20 was no day",
        ] {
            let class = of(text).unwrap();
            assert_eq!(of(&class), None, "{class}");
        }
    }

    /// A reason may be as long as what a target answers.
    #[test]
    fn a_text_of_many_numbers_takes_no_longer_than_it_is_long() {
        let began = std::time::Instant::now();
        assert_eq!(of(&"7 ".repeat(200_000)).unwrap(), "# ".repeat(200_000));
        assert!(began.elapsed() < std::time::Duration::from_secs(10));
    }
}
