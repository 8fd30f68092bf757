//! Pure: texts from outside on their way to a person.
//!
//! What a peer, a server, a target or a file says may hold escape sequences that drive a terminal, marks
//! that turn the direction of what follows, characters that are not seen at all, and a megabyte of
//! them. Every such text goes through here before it stands in a line for people, in a log or on a
//! terminal: what is not to be seen becomes a space, and what is too long is cut. JSON keeps its
//! texts, see [`json`].

use std::fmt::Write as _;

/// The longest word or name of somebody else's that stands in a sentence, in characters.
pub const WORD: usize = 80;

/// The longest sentence of somebody else's.
pub const SENTENCE: usize = 500;

/// The longest line of an answer.
pub const LINE: usize = 4_096;

/// The longest answer.
pub const ANSWER: usize = 8 * 1024 * 1024;

/// Whether a character is one that is seen, or a space: no control character, nothing that turns the
/// direction of text, no format character (Unicode's category Cf) and no break of a line or a
/// paragraph.
pub fn is_printable(letter: char) -> bool {
    !letter.is_control() && !is_format(letter)
}

/// Unicode's categories Cf, Zl and Zp, and what is set aside for Cf.
fn is_format(letter: char) -> bool {
    matches!(
        letter,
        '\u{ad}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

fn shown(letter: char) -> char {
    if is_printable(letter) { letter } else { ' ' }
}

/// The text in one line, however long.
pub fn one_line(text: &str) -> String {
    text.chars().map(shown).collect()
}

/// The text in one line of at most so many characters, with an ellipsis if it was longer.
pub fn line(text: &str, most: usize) -> String {
    let mut letters = text.chars().map(shown);
    let mut line: String = letters.by_ref().take(most).collect();
    if letters.next().is_some() {
        line.pop();
        if most > 0 {
            line.push('…');
        }
    }
    line
}

/// A word or a name in backquotes.
pub fn quoted(text: &str) -> String {
    format!("`{}`", line(text, WORD))
}

/// The lines of an answer, none longer than [`LINE`] and all together not longer than [`ANSWER`].
pub fn lines(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(ANSWER));
    for (at, one) in text.split('\n').enumerate() {
        if shown.len() >= ANSWER {
            shown.push_str("\n…");
            break;
        }
        if at > 0 {
            shown.push('\n');
        }
        shown.push_str(&line(one.strip_suffix('\r').unwrap_or(one), LINE));
    }
    shown
}

/// A JSON document with the same content, in which nothing drives a terminal: what is not to be seen
/// can stand in strings alone, and is escaped there.
pub fn json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' => escaped.push('\n'),
            // Between values, where it means nothing.
            '\r' | '\t' => escaped.push(' '),
            seen if is_printable(seen) => escaped.push(seen),
            unseen => {
                for unit in unseen.encode_utf16(&mut [0; 2]) {
                    // Writing to a string cannot fail.
                    let _ = write!(escaped, "\\u{unit:04x}");
                }
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Everything that a terminal or an eye may be led astray with.
    const TRICKS: &str = "\u{1b}[2J\u{9b}31m\u{7}\u{8}\r\u{7f}\u{85}\u{ad}\u{61c}\u{200b}\u{200e}\u{200f}\
                          \u{2028}\u{2029}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{feff}\u{fff9}\
                          \u{e0001}\u{e0041}\u{e007f}";

    #[test]
    fn nothing_drives_a_terminal() {
        assert!(
            TRICKS.chars().filter(|letter| !"[2J31m".contains(*letter)).all(|c| !is_printable(c))
        );
        assert_eq!(line("no\nsuch\u{1b}[31m room", 80), "no such [31m room");
        assert_eq!(lines("one\r\ntwo\u{202e}\n\tthree\n"), "one\ntwo \n three\n");
        let kept = "Größe 尺寸 الحجم עברית 👩 e\u{301} ½ `a` \"b\" <c>";
        assert_eq!((one_line(kept), lines(kept)), (kept.to_owned(), kept.to_owned()));
    }

    #[test]
    fn what_is_too_long_is_cut() {
        assert_eq!(line("abcdef", 6), "abcdef");
        assert_eq!(line("abcdefg", 6), "abcde…");
        assert_eq!(line("a", 0), "");
        assert_eq!(quoted(&"x".repeat(60_000)).chars().count(), WORD + 2);
        let long = lines(&format!("{}\nb", "a".repeat(60_000)));
        assert_eq!(long.chars().count(), LINE + 2);
        assert!(lines(&"a\n".repeat(6 * 1024 * 1024)).len() < ANSWER + 8);
    }

    #[test]
    fn json_stays_what_it_is() {
        let value = serde_json::json!({ "text": TRICKS, "more": ["a\tb\n", 1.5, null] });
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let escaped = json(&text);
            assert!(escaped.chars().all(|c| c == '\n' || is_printable(c)), "{escaped}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), value);
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_printable_and_short(
            text in prop::collection::vec(any::<char>(), 0..300), most in 0..200_usize,
        ) {
            let text: String = text.into_iter().collect();
            let one = line(&text, most);
            prop_assert!(one.chars().count() <= most);
            prop_assert!(one.chars().all(is_printable));
            prop_assert!(lines(&text).chars().all(|c| c == '\n' || is_printable(c)));
            let value = serde_json::Value::String(text);
            let escaped = json(&value.to_string());
            prop_assert!(escaped.chars().all(is_printable));
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), value);
        }
    }
}
