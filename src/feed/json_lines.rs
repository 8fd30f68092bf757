//! Pure: rows from JSON lines: an object in every line, all with the same keys.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use super::rows::{Builder, FeederFaults, Rows, check_length};
use crate::{json_fault, mark};

/// The rows of a text. A text is a cell as it is, a number or a truth value as it is written, `null`
/// is an empty cell, an array or an object is JSON. The keys of the first line name the columns.
///
/// # Errors
/// Every fault, with its line.
pub(super) fn parse(text: &str) -> Result<Rows, FeederFaults> {
    check_length(text.len() as u64)?;
    let text = mark::skipped(text);
    let mut builder = Builder::new(text.len());
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        let object: Object = match serde_json::from_str(line) {
            Ok(object) => object,
            Err(error) => {
                builder.fault(number, readable(&error));
                continue;
            }
        };
        if builder.names().is_empty() {
            let columns = object.0.iter().map(|(name, _)| name.clone()).collect();
            builder.columns(number, columns);
            if builder.names().is_empty() {
                builder.fault(number, "an object without keys");
                continue;
            }
        }
        let fault = misfit(builder.names(), &object.0);
        if !fault.is_empty() {
            builder.fault(number, fault.join(", "));
            continue;
        }
        // Every column is there, once.
        let cells: Vec<String> = builder
            .names()
            .iter()
            .filter_map(|name| object.0.iter().find(|(key, _)| key == name))
            .map(|(_, value)| cell(value))
            .collect();
        if !builder.row(cells.iter().map(|cell| &**cell)) {
            break;
        }
    }
    builder.finish()
}

/// Without the place that serde adds, which is within the line.
fn readable(error: &serde_json::Error) -> String {
    let told = json_fault::without_place(error);
    match error.column() {
        0 => told,
        column => format!("{told} (letter {column})"),
    }
}

/// How the keys of a line differ from the columns.
fn misfit(columns: &[String], object: &[(String, Value)]) -> Vec<String> {
    let mut faults = Vec::new();
    for column in columns {
        match object.iter().filter(|(key, _)| key == column).count() {
            0 => faults.push(format!("no `{column}`")),
            1 => {}
            _ => faults.push(format!("more than one `{column}`")),
        }
    }
    let unknown = object.iter().filter(|(key, _)| !columns.contains(key));
    faults.extend(unknown.map(|(key, _)| format!("`{key}` is not in the first line")));
    faults
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The keys and values of an object, in order and with those that come twice.
struct Object(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Object(entries))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_of_every_kind_become_texts() {
        let text = concat!(
            "{\"user\": \"ann\", \"age\": 41, \"tags\": [1, \"x\"]}\n\n",
            "{\"tags\": null, \"age\": 4.5, \"user\": true}\n",
        );
        let rows = parse(text).unwrap();
        assert_eq!(rows.columns(), ["user", "age", "tags"]);
        let row =
            |index| rows.row(index).iter().map(|(_, cell)| cell.to_owned()).collect::<Vec<_>>();
        assert_eq!(row(0), ["ann", "41", "[1,\"x\"]"]);
        assert_eq!(row(1), ["true", "4.5", ""]);
        assert_eq!(rows.row(0).parse::<u8>("age"), Ok(41));
    }

    #[test]
    fn every_fault_is_told_with_its_line() {
        let text = "{\"a\": 1, \"b\": 2}\n{\"a\": 1}\n[1]\n{\"a\": 1, \"b\": 2, \"c\": 3}\n{\"a\": 1,\n\
                    {\"a\": 1, \"b\": 2, \"b\": 3}";
        insta::assert_snapshot!(parse(text).unwrap_err().to_string().replace("; ", "\n"), @"
        line 2: no `b`
        line 3: a list stands where an object belongs
        line 4: `c` is not in the first line
        line 5: it ends too early (letter 8)
        line 6: more than one `b`
        ");
        assert!(parse("").unwrap_err().to_string().contains("no rows"));
        assert!(parse("{}").unwrap_err().to_string().contains("without keys"));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(text in "[{}\\[\\]:,\"a1\n]{0,60}") {
            let _ = parse(&text);
        }
    }
}
