//! Whatever text of a document holds escape sequences: no output that is made of it does.

use crowd::report::{Colour, RunReport, html, json, junit, text};
use serde_json::{Map, Value};

#[allow(dead_code, reason = "others use more of them")]
#[path = "report/documents.rs"]
mod documents;

/// Names a window, clears it, turns the text round, hides what follows.
const TRICK: &str =
    "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}b\u{200b}c\u{7f}\u{2066}\u{e0041}";

/// The same document with the trick in one of its texts or keys, for each of them.
fn tricked(value: &Value) -> Vec<Value> {
    match value {
        Value::String(text) => vec![Value::String(format!("{text}{TRICK}"))],
        Value::Array(items) => {
            // The others are of the same kind.
            let each = items.iter().enumerate().take(2).flat_map(|(at, item)| {
                tricked(item).into_iter().map(move |other| {
                    let mut items = items.clone();
                    items[at] = other;
                    Value::Array(items)
                })
            });
            each.collect()
        }
        Value::Object(fields) => {
            let mut all = Vec::new();
            for (key, value) in fields {
                for other in tricked(value) {
                    let mut fields = fields.clone();
                    fields.insert(key.clone(), other);
                    all.push(Value::Object(fields));
                }
                let renamed: Map<_, _> = fields
                    .iter()
                    .map(|(name, value)| match name == key {
                        true => (format!("{name}{TRICK}"), value.clone()),
                        false => (name.clone(), value.clone()),
                    })
                    .collect();
                all.push(Value::Object(renamed));
            }
            all
        }
        _ => Vec::new(),
    }
}

fn is_bad(letter: char) -> bool {
    letter.is_control() && !matches!(letter, '\n' | '\t')
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{e0000}'..='\u{e007f}')
}

#[track_caller]
fn assert_plain(what: &str, changed: &Value, text: &str) {
    if let Some(at) = text.find(is_bad) {
        let from = text.floor_char_boundary(at.saturating_sub(200));
        panic!("{what}: {:?}, of {changed}", &text[from..text.ceil_char_boundary(at + 50)]);
    }
}

#[test]
fn no_text_of_a_document_gets_out_of_hand() {
    let (mut tried, mut read) = (0, 0);
    for report in [documents::busy(), documents::blink()] {
        let document: Value = serde_json::from_str(&json::render(&report).unwrap()).unwrap();
        for changed in tricked(&document) {
            tried += 1;
            let Ok(report) = json::of_text(&changed.to_string()) else { continue };
            read += 1;
            let report: RunReport = report;
            assert_plain("text", &changed, &text::summary(&report, Colour::Plain));
            assert_plain("page", &changed, &html::render(&report));
            assert_plain("XML", &changed, &junit::render(&report).unwrap());
            assert_plain("JSON", &changed, &json::render(&report).unwrap());
        }
    }
    assert!(tried > 200 && read > 100, "{tried} {read}");
}
