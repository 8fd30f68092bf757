//! The text form of request headers: `Name: value | Other: value`.

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
        let value = HeaderValue::try_from(value)
            .map_err(|_| format!("'{value}' cannot be the value of a header"))?;
        headers.append(name, value);
    }
    Ok(headers)
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
