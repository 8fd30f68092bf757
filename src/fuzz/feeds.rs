//! Rows of data.

use super::{choose, targets, text};
use crate::feed::Feeder;

fn rows(bytes: &[u8]) {
    let (kind, bytes) = choose(bytes);
    let text = text(bytes).to_owned();
    let feeder = if kind == 0 { Feeder::csv_text(text) } else { Feeder::json_lines_text(text) };
    let Ok(rows) = feeder.load() else { return };
    for index in [0, rows.len() - 1, rows.len()] {
        let row = rows.row(index);
        assert_eq!(row.iter().count(), rows.columns().len());
        for (column, cell) in row.iter() {
            assert_eq!(row.get(column), Some(cell));
            let _ = row.parse::<u8>(column);
        }
        let _ = row.to::<std::collections::BTreeMap<String, String>>();
    }
    // The same rows, however often they are read.
    assert_eq!(rows.digest(), feeder.load().unwrap().digest());
}

const ROWS: [&[u8]; 4] = [
    b"\x00user,says\r\nann,\"a, \"\"b\"\"\nc\"\r\n\r\nbob,\n",
    b"\x00\xef\xbb\xbfa;b\n1;2\n",
    b"\x01{\"user\": \"ann\", \"age\": 41, \"tags\": [1, \"x\"]}\n\n{\"tags\": null, \"age\": 4.5, \"user\": true}\n",
    b"\x01{\"a\": 1e999}\n",
];

targets! {
    /// Rows of CSV and of JSON lines.
    feeder_rows(rows, ROWS);
}
