//! The text form of request headers: `Name: value | Other: value`.

use std::ops::Range;

use hyper::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};

/// Headers that say where the body ends; they follow from the body.
const FRAMING: [HeaderName; 2] = [CONTENT_LENGTH, TRANSFER_ENCODING];

/// Headers from their text form: `Name: value`, several separated by `|` or a line break. Commas
/// and semicolons belong to the value; `\|` stands for a `|` in a value.
///
/// # Errors
/// If a part has no colon, or a name or value holds what a header must not hold, or if it is one
/// of those that follow from the body.
pub(crate) fn parse(text: &str) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for part in split(text) {
        let part = part.trim();
        if part.is_empty() {
            continue;
        }
        let Some((name, value)) = part.split_once(':') else {
            return Err(format!("the header '{part}' has no colon; write 'Name: value'"));
        };
        let (written, value) = (name.trim(), value.trim());
        let name =
            HeaderName::try_from(written).map_err(|_| format!("'{written}' is no header name"))?;
        if FRAMING.contains(&name) {
            return Err(format!("the header {written} follows from the body; leave it out"));
        }
        let mut value = HeaderValue::try_from(value)
            .map_err(|_| format!("'{value}' cannot be the value of a header"))?;
        // So that `Debug` does not print it.
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

fn is_name(text: &str) -> bool {
    HeaderName::try_from(text).is_ok()
}

/// What is secret in the text form: the values, and what has no name that a header may have.
pub(crate) fn secrets(text: &str) -> Vec<Range<usize>> {
    let mut start = 0;
    let mut secrets = Vec::new();
    while start <= text.len() {
        let rest = &text[start..];
        let end = rest
            .match_indices(['|', '\n'])
            .map(|(at, _)| at)
            .find(|&at| !rest[..at].ends_with('\\') || rest[at..].starts_with('\n'));
        let part = &rest[..end.unwrap_or(rest.len())];
        let named = part.split_once(':').filter(|(name, _)| is_name(name.trim()));
        let value = named.map_or(part, |(_, value)| value).trim();
        let from = start + value.as_ptr().addr() - rest.as_ptr().addr();
        secrets.push(from..from + value.len());
        start += part.len() + 1;
    }
    secrets.retain(|secret| !secret.is_empty());
    secrets
}

/// The parts between separators, with escaped separators made plain.
fn split(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '|' | '\n' => parts.push(std::mem::take(&mut part)),
            '\\' if rest.next_if_eq(&'|').is_some() => part.push('|'),
            other => part.push(other),
        }
    }
    parts.push(part);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let headers = parse(text).unwrap();
        headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn commas_semicolons_and_colons_belong_to_the_value() {
        assert_eq!(
            pairs("Accept: text/html, */*;q=0.8 | Cookie: a=1; b=2 | x-at: 10:30"),
            [
                pair("accept", "text/html, */*;q=0.8"),
                pair("cookie", "a=1; b=2"),
                pair("x-at", "10:30")
            ]
        );
    }

    #[test]
    fn line_breaks_separate_too_and_an_escaped_bar_is_a_bar() {
        assert_eq!(pairs("A: 1\nB: x\\|y\\z\n"), [pair("a", "1"), pair("b", "x|y\\z")]);
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(
            text in "[a-b:|\\\\ \\n\u{1}é-]{0,30}", any in "\\PC{0,30}",
        ) {
            for text in [text, any] {
                let read = parse(&text);
                proptest::prop_assert!(read.is_err() || read.unwrap().len() <= text.len());
            }
        }
    }

    #[test]
    fn a_name_may_come_twice() {
        assert_eq!(pairs("A: 1|A: 2"), [pair("a", "1"), pair("a", "2")]);
    }

    #[test]
    fn values_are_secret_and_so_is_what_has_no_name() {
        for (text, shown) in [
            ("Authorization: Bearer x | Accept:  y ", "Authorization: *** | Accept:  *** "),
            ("A: 1\nB: x\\|y\\z:3\n", "A: ***\nB: ***\n"),
            ("A: x\\\nB: y", "A: ***\nB: ***"),
            ("Bearer x", "***"),
            ("A:", "A:"),
            ("|ä:ö|", "|***|"),
            ("Authorization Bearer x: y|A:b", "***|A:***"),
            ("", ""),
        ] {
            assert_eq!(crowd::settings::masking::masked(text, &secrets(text)), shown);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_value_that_is_parsed_is_left(
            text in r"([A-Z]{1,3}:([a-z: ]|\\\|){0,6}[|\n]){0,4}",
        ) {
            let Ok(_) = parse(&text) else { return Ok(()) };
            let shown = crowd::settings::masking::masked(&text, &secrets(&text)).into_owned();
            proptest::prop_assert!(!shown.contains(|letter: char| letter.is_ascii_lowercase()), "{}", shown);
        }
    }

    #[test]
    fn faults_name_the_part() {
        assert_eq!(
            parse("A: 1 | nonsense").unwrap_err(),
            "the header 'nonsense' has no colon; write 'Name: value'"
        );
        assert_eq!(parse("A B: 1").unwrap_err(), "'A B' is no header name");
        assert_eq!(parse("A: \u{1}").unwrap_err(), "'\u{1}' cannot be the value of a header");
        assert_eq!(
            parse("Content-Length: 3").unwrap_err(),
            "the header Content-Length follows from the body; leave it out"
        );
    }
}
