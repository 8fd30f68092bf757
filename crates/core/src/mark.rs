//! Pure: the byte-order mark that some editors and shells put before a text. It is no part of it.

/// The text behind its byte-order mark, if it has one.
pub fn skipped(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}
