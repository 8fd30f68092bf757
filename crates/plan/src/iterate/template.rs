//! Pure: texts with places for values.

use std::fmt;

use crowd_core::settings::SettingValue;

/// A text with places for values: `/orders/{id}?from={account}`.
///
/// A place is a name in braces: letters, digits, `_`, `-` and `.`, with a letter or `_` first. All
/// other braces stand for themselves, so that JSON needs no care: `{"id": "{id}"}` has one place.
/// Where a text has braces around a name and no place is meant, double them: `{{id}}` gives `{id}`.
///
/// Values are put in as they are. What must be escaped in a path, a header or a body is known only
/// to whoever renders it, and is done there: see [`Template::render`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    source: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Place(String),
}

/// There is no value for these places.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no value for {}", quoted(.0))]
pub struct Missing(pub Vec<String>);

fn quoted(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

impl Template {
    /// Reads a template; every text is one.
    pub fn new(source: impl Into<String>) -> Self {
        let source = source.into();
        let (mut parts, mut text, mut rest) = (Vec::new(), String::new(), &*source);
        while let Some(at) = rest.find('{') {
            text.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(name) = doubled(rest) {
                text.push_str(&format!("{{{name}}}"));
                rest = &rest[name.len() + 4..];
            } else if let Some(name) = place(rest) {
                if !text.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                }
                parts.push(Part::Place(name.to_owned()));
                rest = &rest[name.len() + 2..];
            } else {
                text.push('{');
                rest = &rest[1..];
            }
        }
        text.push_str(rest);
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Self { source, parts }
    }

    /// The names of its places, in order; one that is there twice comes twice.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Place(name) => Some(&**name),
            Part::Text(_) => None,
        })
    }

    /// The text, with the value of each name in its places.
    ///
    /// ```
    /// use crowd_plan::iterate::{Captures, Template};
    ///
    /// let mut captures = Captures::default();
    /// captures.set("id", "a b");
    /// let path = Template::new("/orders/{id}");
    /// let escaped = |name: &str| captures.get(name).map(|value| value.replace(' ', "%20"));
    /// assert_eq!(path.render(escaped).as_deref(), Ok("/orders/a%20b"));
    /// ```
    ///
    /// # Errors
    /// Every name without a value.
    pub fn render<V: AsRef<str>>(
        &self,
        mut value: impl FnMut(&str) -> Option<V>,
    ) -> Result<String, Missing> {
        let mut rendered = String::with_capacity(self.source.len() + 16);
        let mut missing: Vec<String> = Vec::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => rendered.push_str(text),
                Part::Place(name) => match value(name) {
                    Some(value) => rendered.push_str(value.as_ref()),
                    None if missing.contains(name) => {}
                    None => missing.push(name.clone()),
                },
            }
        }
        if missing.is_empty() { Ok(rendered) } else { Err(Missing(missing)) }
    }
}

/// The name of the place that the text begins with.
fn place(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('{')?;
    let (name, _) = inside.split_once('}')?;
    let mut letters = name.chars();
    let begins = letters.next().is_some_and(|first| first.is_alphabetic() || first == '_');
    let goes_on = |letter: char| letter.is_alphanumeric() || "_-.".contains(letter);
    (begins && letters.all(goes_on)).then_some(name)
}

/// The name that the text begins with in doubled braces.
fn doubled(text: &str) -> Option<&str> {
    let name = place(text.strip_prefix('{')?)?;
    text[name.len() + 3..].starts_with('}').then_some(name)
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl SettingValue for Template {
    fn type_name() -> String {
        "text with {places}".into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self::new(text))
    }

    fn render(&self) -> String {
        self.source.clone()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rendered(text: &str) -> Result<String, Missing> {
        Template::new(text).render(|name| match name {
            "id" => Some("7"),
            "name" => Some("{id}"),
            _ => None,
        })
    }

    #[test]
    fn places_are_filled_and_all_else_stays() {
        let cases = [
            ("/orders/{id}?again={id}", "/orders/7?again=7"),
            (r#"{"id": "{id}", "in": {"x": {id}}}"#, r#"{"id": "7", "in": {"x": 7}}"#),
            ("{{id}} {} { } {1} {{} }}{", "{id} {} { } {1} {{} }}{"),
            ("{{{id}}}", "{{id}}"),
            ("{{id}", "{7"),
            ("no place", "no place"),
            ("", ""),
        ];
        for (text, wanted) in cases {
            assert_eq!(rendered(text).as_deref(), Ok(wanted), "{text}");
        }
    }

    /// A value is no template: what a target says cannot reach for other values.
    #[test]
    fn values_are_put_in_as_they_are() {
        assert_eq!(rendered("{name}").as_deref(), Ok("{id}"));
    }

    #[test]
    fn every_missing_value_is_named_once() {
        let fault = rendered("{a}{id}{b}{a}").unwrap_err();
        assert_eq!(fault.to_string(), "no value for `a`, `b`");
    }

    proptest! {
        #[test]
        fn every_text_is_a_template(text in "[{}a-c ]{0,30}") {
            let template = Template::new(&*text);
            let rendered = template.render(|_| Some("")).unwrap();
            prop_assert!(rendered.len() <= text.len());
            if template.names().next().is_none() && !text.contains("{{") {
                prop_assert_eq!(rendered, text);
            }
        }
    }
}
