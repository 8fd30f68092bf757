//! Lists: items separated by commas.

use std::ops::Range;

use super::{SettingValue, Shape};

/// Splits a text at its commas; a backslash before a comma or a backslash takes away its meaning.
/// White space around items does not count; an empty text has no items.
pub fn split_list(text: &str) -> Vec<String> {
    places(text).into_iter().map(|place| unescaped(&text[place])).collect()
}

/// Where the items of a list are, without the white space around them.
pub fn places(text: &str) -> Vec<Range<usize>> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    let (mut items, mut start) = (Vec::new(), 0);
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' if text[at + 1..].starts_with([',', '\\']) => drop(letters.next()),
            ',' => {
                items.push(trimmed(text, start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(trimmed(text, start..text.len()));
    items
}

fn trimmed(text: &str, place: Range<usize>) -> Range<usize> {
    let item = &text[place.clone()];
    let start = place.start + item.len() - item.trim_start().len();
    start..start + item.trim().len()
}

fn unescaped(item: &str) -> String {
    let (mut plain, mut letters) = (String::with_capacity(item.len()), item.chars().peekable());
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if matches!(letters.peek(), Some(',' | '\\')) => plain.extend(letters.next()),
            other => plain.push(other),
        }
    }
    plain
}

/// Writes items so that [`split_list`] finds them again.
pub fn join_list(items: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let escaped: Vec<_> = items
        .into_iter()
        .map(|item| item.as_ref().replace('\\', r"\\").replace(',', r"\,"))
        .collect();
    escaped.join(",")
}

impl<T: SettingValue> SettingValue for Vec<T> {
    const SHAPE: Shape = Shape::List;
    const SECRET: bool = T::SECRET;

    fn type_name() -> String {
        format!("list of {}", T::type_name())
    }

    fn parse(text: &str) -> Result<Self, String> {
        let items = split_list(text);
        let read = |(index, item): (usize, &String)| {
            let place = index + 1;
            if item.is_empty() {
                return Err(format!("item {place} is empty"));
            }
            T::parse(item).map_err(|reason| match T::SECRET {
                true => format!("item {place}: {reason}"),
                false => format!("item {place}, `{item}`: {reason}"),
            })
        };
        items.iter().enumerate().map(read).collect()
    }

    fn render(&self) -> String {
        join_list(self.iter().map(T::render))
    }

    fn choices() -> Vec<String> {
        T::choices()
    }

    fn canonical_choice(text: &str) -> Result<String, String> {
        T::canonical_choice(text)
    }

    fn is_among(&self, allowed: &[String]) -> bool {
        self.iter().all(|item| item.is_among(allowed))
    }
}
