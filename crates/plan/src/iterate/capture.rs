//! Pure: values taken from answers.

use std::collections::BTreeMap;

use regex::bytes::Regex;
use serde_json::Value;
use serde_json_path::JsonPath;

/// What to take from an answer, and under which name to keep it.
///
/// ```
/// use crowd_plan::iterate::{Capture, Captures};
///
/// let wanted = [
///     Capture::json("token", "$.login.token")?,
///     Capture::header("session", "X-Session").or("none"),
///     Capture::regex("page", r"page (\d+)")?,
/// ];
/// let mut captures = Captures::default();
/// let headers = [("x-session", "s-1")];
/// let missed = captures.take(&wanted, headers, br#"{"login": {"token": 17}}"#);
/// assert_eq!(captures.get("token"), Some("17"));
/// assert_eq!(captures.get("session"), Some("s-1"));
/// assert_eq!(missed, ["page"]);
/// # Ok::<(), crowd_plan::iterate::CaptureFault>(())
/// ```
#[derive(Debug, Clone)]
pub struct Capture {
    name: String,
    source: Source,
    default: Option<String>,
}

#[derive(Debug, Clone)]
enum Source {
    Json(JsonPath),
    Header(String),
    Body(Regex),
}

/// An expression that nothing can be taken with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("capture `{name}`: `{expression}` is not {wanted}: {why}")]
pub struct CaptureFault {
    name: String,
    expression: String,
    wanted: &'static str,
    why: String,
}

/// So many filters of a JSON path may be in each other: to read one takes the library twice as long
/// with each.
const MOST_FILTERS: usize = 8;

/// How many filters of a JSON path are in each other.
fn filters_in_filters(path: &str) -> usize {
    let (mut brackets, mut filters, mut most) = (Vec::new(), 0, 0);
    let (mut quote, mut escaped) = (None, false);
    for letter in path.chars() {
        match (quote, letter) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if open == letter => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(letter),
            (None, '[') => brackets.push(0),
            (None, '?') => {
                if let Some(inside) = brackets.last_mut() {
                    *inside = 1;
                }
                filters = brackets.iter().sum();
            }
            (None, ']') => drop(brackets.pop()),
            (None, _) => {}
        }
        most = most.max(filters);
    }
    most
}

impl Capture {
    /// The first value that a JSON path (RFC 9535) finds in the body. A text is kept as it is, a
    /// number or a truth value as it is written, an array or an object as JSON; `null` is no value.
    ///
    /// # Errors
    /// If it is not a JSON path.
    pub fn json(name: impl Into<String>, path: &str) -> Result<Self, CaptureFault> {
        let name = name.into();
        let read = match filters_in_filters(path) {
            0..=MOST_FILTERS => JsonPath::parse(path).map_err(|error| error.to_string()),
            depth => Err(format!("{depth} filters are in each other; {MOST_FILTERS} are the most")),
        };
        match read {
            Ok(path) => Ok(Self { name, source: Source::Json(path), default: None }),
            Err(why) => Err(CaptureFault {
                name,
                expression: path.to_owned(),
                wanted: "a JSON path such as `$.items[0].id`",
                why,
            }),
        }
    }

    /// The value of the first header of that name, in whatever case it is written.
    pub fn header(name: impl Into<String>, header: impl Into<String>) -> Self {
        Self { name: name.into(), source: Source::Header(header.into()), default: None }
    }

    /// The first group of the first match of a regular expression in the body.
    ///
    /// # Errors
    /// If it is not a regular expression, or has no group.
    pub fn regex(name: impl Into<String>, expression: &str) -> Result<Self, CaptureFault> {
        let name = name.into();
        let fault = |why: String| CaptureFault {
            name: name.clone(),
            expression: expression.to_owned(),
            wanted: "a regular expression with a group such as `id=([0-9]+)`",
            why,
        };
        let regex = Regex::new(expression).map_err(|error| fault(error.to_string()))?;
        if regex.captures_len() < 2 {
            return Err(fault("it has no group".to_owned()));
        }
        Ok(Self { name, source: Source::Body(regex), default: None })
    }

    /// With a value for when there is none.
    #[must_use]
    pub fn or(mut self, default: impl Into<String>) -> Self {
        self.default = Some(default.into());
        self
    }

    /// Under which name the value is kept.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The values captured in one iteration, by name. Make a new one, or [`Captures::clear`] it, for
/// each, and nothing leaks from one iteration into the next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captures {
    values: BTreeMap<String, String>,
}

impl Captures {
    /// Takes what is wanted from an answer, and tells the names of what was not there and has no
    /// default. Those keep no value, not even an older one.
    pub fn take<'c, N: AsRef<str>, V: AsRef<[u8]>>(
        &mut self,
        wanted: &'c [Capture],
        headers: impl IntoIterator<Item = (N, V), IntoIter: Clone>,
        body: &[u8],
    ) -> Vec<&'c str> {
        let headers = headers.into_iter();
        // Read once for all, and only if it is asked for.
        let mut json: Option<Option<Value>> = None;
        let mut missed = Vec::new();
        for capture in wanted {
            let found = match &capture.source {
                Source::Json(path) => {
                    let json = json.get_or_insert_with(|| serde_json::from_slice(body).ok());
                    json.as_ref().and_then(|json| path.query(json).first()).and_then(text)
                }
                Source::Header(name) => headers
                    .clone()
                    .find(|(header, _)| header.as_ref().eq_ignore_ascii_case(name))
                    .map(|(_, value)| lossy(value.as_ref())),
                Source::Body(regex) => regex
                    .captures(body)
                    .and_then(|groups| groups.get(1))
                    .map(|group| lossy(group.as_bytes())),
            };
            match found.or_else(|| capture.default.clone()) {
                Some(value) => {
                    self.values.insert(capture.name.clone(), value);
                }
                None => {
                    self.values.remove(&capture.name);
                    missed.push(&*capture.name);
                }
            }
        }
        missed
    }

    /// The value of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| &**value)
    }

    /// Keeps a value of the scenario's own.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.values.insert(name.into(), value.into());
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.values.clear();
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_HEADERS: [(&str, &str); 0] = [];

    fn json(path: &str, body: &str) -> Option<String> {
        let mut captures = Captures::default();
        captures.take(&[Capture::json("x", path).unwrap()], NO_HEADERS, body.as_bytes());
        captures.get("x").map(str::to_owned)
    }

    #[test]
    fn json_paths_find_what_they_name() {
        let body = r#"{"a": "text", "n": 1.50, "t": true, "z": null, "o": {"k": [1, 2]}}"#;
        let found = ["$.a", "$.n", "$.t", "$.z", "$.o", "$.o.k[1]", "$..k[*]", "$.none"];
        let found = found.map(|path| json(path, body).unwrap_or("-".into()));
        assert_eq!(found, ["text", "1.5", "true", "-", r#"{"k":[1,2]}"#, "2", "1", "-"]);
        assert_eq!(json("$.a", "no json"), None);
    }

    /// Found by `fuzz::texts::iterations`: the library takes twice as long for each filter in another.
    #[test]
    fn filters_in_filters_are_refused_before_they_take_for_ever() {
        let nested = |depth| format!("$.a{}{}", "[?@['?']".repeat(depth), "]".repeat(depth));
        assert!(Capture::json("x", &nested(MOST_FILTERS)).is_ok());
        for path in [nested(MOST_FILTERS + 1), "$[?@.a".repeat(200)] {
            let fault = Capture::json("x", &path).unwrap_err().to_string();
            assert!(fault.ends_with("filters are in each other; 8 are the most"), "{fault}");
        }
        let beside = format!("$.a{}", "[?@.b && @.c[?@ == 'what?']]".repeat(40));
        assert!(Capture::json("x", &beside).is_ok());
    }

    #[test]
    fn headers_are_found_in_any_case_and_the_first_counts() {
        let wanted = [Capture::header("x", "Set-Cookie")];
        let mut captures = Captures::default();
        let headers = [("host", "h"), ("SET-COOKIE", "a=1"), ("set-cookie", "b=2")];
        assert!(captures.take(&wanted, headers, b"").is_empty());
        assert_eq!(captures.get("x"), Some("a=1"));
    }

    #[test]
    fn a_regex_takes_its_first_group_of_any_bytes() {
        let wanted = [Capture::regex("x", r"id=(\d+)&(\d+)").unwrap()];
        let mut captures = Captures::default();
        captures.take(&wanted, NO_HEADERS, b"\xff\xfe id=12&34 id=56&78");
        assert_eq!(captures.get("x"), Some("12"));
    }

    #[test]
    fn a_default_stands_in_and_what_has_none_is_missed() {
        let wanted = [
            Capture::json("a", "$.a").unwrap().or("1"),
            Capture::header("b", "b"),
            Capture::regex("c", "(c)").unwrap(),
        ];
        let mut captures = Captures::default();
        assert_eq!(captures.take(&wanted, NO_HEADERS, b"{}"), ["b", "c"]);
        assert_eq!((captures.get("a"), captures.get("b")), (Some("1"), None));
    }

    #[test]
    fn what_is_missed_does_not_keep_the_value_of_an_answer_before() {
        let wanted = [Capture::json("a", "$.a").unwrap()];
        let mut captures = Captures::default();
        captures.take(&wanted, NO_HEADERS, br#"{"a": 1}"#);
        captures.take(&wanted, NO_HEADERS, br#"{"b": 1}"#);
        assert_eq!(captures.get("a"), None);
    }

    #[test]
    fn expressions_that_take_nothing_are_refused() {
        let faults = [
            Capture::json("a", "items[0").unwrap_err(),
            Capture::regex("b", "id=\\d+").unwrap_err(),
        ];
        insta::assert_snapshot!(faults.map(|fault| fault.to_string()).join("\n"), @r#"
        capture `a`: `items[0` is not a JSON path such as `$.items[0].id`: at position 0, parser error
        capture `b`: `id=\d+` is not a regular expression with a group such as `id=([0-9]+)`: it has no group
        "#);
        assert!(Capture::regex("c", "(").unwrap_err().to_string().contains("unclosed group"));
    }
}
