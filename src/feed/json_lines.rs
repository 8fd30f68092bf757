//! Pure: rows from JSON lines: an object in every line, all with the same keys.

use std::{collections::HashMap, fmt};

use crowd_core::mark;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use super::rows::{Builder, FeederFaults, Rows, check_length};

/// So many faults of one line are told; the others are counted.
const MOST_OF_A_LINE: usize = 5;

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
        let cells = match cells(builder.names(), &object.0) {
            Ok(cells) => cells,
            Err(mut faults) => {
                let more = faults.len().saturating_sub(MOST_OF_A_LINE);
                faults.truncate(MOST_OF_A_LINE);
                let more = if more == 0 { String::new() } else { format!(" and {more} more") };
                builder.fault(number, faults.join(", ") + &more);
                continue;
            }
        };
        if !builder.row(cells.iter().map(|cell| &**cell)) {
            break;
        }
    }
    builder.finish()
}

/// What is wrong, without anything of the line, not even where in it: whoever has named the file need
/// not be somebody who may read it.
fn readable(error: &serde_json::Error) -> String {
    if error.is_eof() { "it ends too early" } else { "it is no JSON object" }.to_owned()
}

/// The cells of a line, in the order of the columns.
///
/// # Errors
/// How its keys differ from the columns.
fn cells(columns: &[String], object: &[(String, Value)]) -> Result<Vec<String>, Vec<String>> {
    let mut faults = Vec::new();
    let mut values: HashMap<&str, Option<&Value>> =
        columns.iter().map(|name| (&**name, None)).collect();
    for (number, (key, value)) in (1..).zip(object) {
        match values.get_mut(&**key) {
            None => faults.push(format!("key {number} is not in the first line")),
            Some(there @ None) => *there = Some(value),
            Some(Some(_)) => faults.push(format!("key {number} comes twice")),
        }
    }
    let mut cells = Vec::with_capacity(columns.len());
    for (number, name) in (1..).zip(columns) {
        match values.get(&**name) {
            Some(Some(value)) => cells.push(cell(value)),
            _ => faults.push(format!("no key {number} of the first line")),
        }
    }
    if faults.is_empty() { Ok(cells) } else { Err(faults) }
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
        line 2: no key 2 of the first line
        line 3: a list stands where an object belongs
        line 4: key 3 is not in the first line
        line 5: it ends too early
        line 6: key 3 comes twice
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
