//! What is wrong with a JSON text, in the words of who wrote it and not in those of the types it was
//! to fill.

use std::borrow::Cow;

/// What is wrong, and where.
pub fn in_words(error: &serde_json::Error) -> String {
    let what = without_place(error);
    match error.line() {
        0 => what,
        line => format!("{what}, at line {line} column {}", error.column()),
    }
}

/// What is wrong, without the line and the column.
pub fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&place).unwrap_or(&text);
    if error.is_eof() { "it ends too early".to_owned() } else { reworded(text) }
}

fn reworded(text: &str) -> String {
    if let Some(misfit) =
        ["invalid type: ", "invalid value: "].iter().find_map(|kind| text.strip_prefix(kind))
        && let Some((found, wanted)) = misfit.rsplit_once(", expected ")
    {
        return format!(
            "{} stands where {} belongs",
            found_in_words(found),
            wanted_in_words(wanted)
        );
    }
    if let Some(field) = text.strip_prefix("missing field ") {
        return format!("{field} is missing");
    }
    if text.starts_with("data did not match any variant of untagged enum") {
        return "it has none of the forms it may have".to_owned();
    }
    if let Some(length) = text.strip_prefix("invalid length ")
        && let Some((length, _)) = length.split_once(", expected ")
    {
        return format!("a list has the wrong length, {length}");
    }
    if let Some(variant) = text.strip_prefix("unknown variant ") {
        return format!("unknown value {variant}");
    }
    text.to_owned()
}

fn found_in_words(found: &str) -> Cow<'_, str> {
    match found {
        "map" => "an object".into(),
        "sequence" => "a list".into(),
        "null" | "unit value" => "null".into(),
        other => {
            let words = [
                ("integer ", "the number "),
                ("floating point ", "the number "),
                ("number ", "the number "),
                ("string ", "the text "),
                ("boolean ", "the value "),
            ];
            let worded = words.into_iter().find_map(|(from, to)| {
                other.strip_prefix(from).map(|value| format!("{to}{value}"))
            });
            worded.map_or(other.into(), Cow::Owned)
        }
    }
}

fn wanted_in_words(wanted: &str) -> &str {
    match wanted {
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => "a whole number from 0",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a string" | "a borrowed string" | "str" => "a text",
        "bool" | "a boolean" => "`true` or `false`",
        "a map" | "map" => "an object",
        "a sequence" | "sequence" => "a list",
        "unit" => "null",
        _ if wanted.starts_with("a tuple") || wanted.starts_with("tuple ") => "a list",
        _ if wanted.starts_with("struct ") || wanted.starts_with("internally tagged enum ") => {
            "an object"
        }
        _ if wanted.starts_with("enum ") => "one of the texts it may be",
        _ => wanted,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::{Deserialize, de::DeserializeOwned};

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        #[serde(rename = "count")]
        _count: u64,
        #[serde(rename = "by")]
        _by: Option<By>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum By {
        Hand,
    }

    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    enum Either {
        _Number(#[expect(dead_code, reason = "only read")] u8),
    }

    fn told<T: DeserializeOwned + std::fmt::Debug>(text: &str) -> String {
        in_words(&serde_json::from_str::<T>(text).unwrap_err())
    }

    #[test]
    fn no_type_of_the_language_is_named() {
        insta::assert_snapshot!(
            [
                told::<Order>("[1]"),
                told::<Order>("7"),
                told::<Order>(r#"{"count": "many"}"#),
                told::<Order>(r#"{"count": -1}"#),
                told::<Order>(r#"{"count": 1.5}"#),
                told::<Order>(r#"{"count": null}"#),
                told::<Order>(r#"{"cuont": 1}"#),
                told::<Order>("{}"),
                told::<Order>(r#"{"count": 1, "by": "fax"}"#),
                told::<Order>(r#"{"count": 1, "by": [2]}"#),
                told::<Order>(r#"{"count": 1"#),
                told::<Order>(r#"{"count": 1,}"#),
                told::<String>("{}"),
                told::<BTreeMap<String, f64>>(r#"{"a": true}"#),
                told::<(f64, String)>("{}"),
                told::<(f64, String)>("[1]"),
                told::<Either>("[]"),
                told::<bool>("0"),
            ]
            .join("\n"),
            @r#"
        a list has the wrong length, 1, at line 1 column 3
        the number `7` stands where an object belongs, at line 1 column 1
        the text "many" stands where a whole number from 0 belongs, at line 1 column 16
        the number `-1` stands where a whole number from 0 belongs, at line 1 column 12
        the number `1.5` stands where a whole number from 0 belongs, at line 1 column 13
        null stands where a whole number from 0 belongs, at line 1 column 14
        unknown field `cuont`, expected `count` or `by`, at line 1 column 8
        `count` is missing, at line 1 column 2
        unknown value `fax`, expected `hand`, at line 1 column 24
        expected value, at line 1 column 20
        it ends too early, at line 1 column 11
        trailing comma, at line 1 column 13
        an object stands where a text belongs, at line 1 column 0
        the value `true` stands where a number belongs, at line 1 column 10
        an object stands where a list belongs, at line 1 column 0
        a list has the wrong length, 1, at line 1 column 3
        it has none of the forms it may have
        the number `0` stands where `true` or `false` belongs, at line 1 column 1
        "#
        );
    }
}
