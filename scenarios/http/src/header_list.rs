//! The text form of request headers: `Name: value | Other: value`.

use http::{HeaderName, HeaderValue};

/// Headers in their order, names as they were written.
pub(crate) type HeaderList = Vec<(String, String)>;

/// Headers that say where the body ends; they follow from the body.
const FRAMING: [&str; 2] = ["content-length", "transfer-encoding"];

/// Headers from their text form: `Name: value`, several separated by `|` or a line break. Commas
/// and semicolons belong to the value; `\|` stands for a `|` in a value.
///
/// # Errors
/// If a part has no colon, or a name or value holds what a header must not hold, or if it is one
/// of those that follow from the body.
pub(crate) fn parse(text: &str) -> Result<HeaderList, String> {
    let mut headers = HeaderList::new();
    for part in split(text) {
        let part = part.trim();
        if part.is_empty() {
            continue;
        }
        let Some((name, value)) = part.split_once(':') else {
            return Err(format!("the header '{part}' has no colon; write 'Name: value'"));
        };
        let (name, value) = (name.trim(), value.trim());
        let known =
            HeaderName::try_from(name).map_err(|_| format!("'{name}' is no header name"))?;
        if FRAMING.contains(&known.as_str()) {
            return Err(format!("the header {name} follows from the body; leave it out"));
        }
        HeaderValue::try_from(value)
            .map_err(|_| format!("'{value}' cannot be the value of a header"))?;
        headers.push((name.to_owned(), value.to_owned()));
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

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn commas_semicolons_and_colons_belong_to_the_value() {
        assert_eq!(
            parse("Accept: text/html, */*;q=0.8 | Cookie: a=1; b=2 | x-at: 10:30").unwrap(),
            [
                pair("Accept", "text/html, */*;q=0.8"),
                pair("Cookie", "a=1; b=2"),
                pair("x-at", "10:30")
            ]
        );
    }

    #[test]
    fn line_breaks_separate_too_and_an_escaped_bar_is_a_bar() {
        assert_eq!(parse("A: 1\nB: x\\|y\\z\n").unwrap(), [pair("A", "1"), pair("B", "x|y\\z")]);
    }

    #[test]
    fn a_name_may_come_twice() {
        assert_eq!(parse("A: 1|A: 2").unwrap(), [pair("A", "1"), pair("A", "2")]);
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
