//! Pure: rows from CSV (RFC 4180): the first line names the columns, commas separate, quotes hold
//! what has commas, quotes (doubled) or line ends in it.

use crowd_core::mark;

use super::rows::{Builder, FeederFaults, Rows, check_length};

/// The rows of a text.
///
/// # Errors
/// Every fault, with its line.
pub(super) fn parse(text: &str) -> Result<Rows, FeederFaults> {
    check_length(text.len() as u64)?;
    let text = mark::skipped(text);
    let mut builder = Builder::new(text.len());
    quote_faults(text, |line, fault| builder.fault(line, fault));
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    match reader.headers() {
        Ok(columns) if columns.is_empty() => {
            builder.fault(1, "it is empty, and should name the columns");
            return builder.finish();
        }
        Ok(columns) => {
            let columns = columns.iter().map(str::to_owned).collect();
            builder.columns(1, columns);
        }
        // Of a text, which has no other bytes than those of characters, there is no other fault.
        Err(error) => builder.fault(1, error),
    }
    let mut record = csv::StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {
                let (wanted, found) = (builder.names().len(), record.len());
                if wanted != found {
                    let line = record.position().map_or(0, |position| line(text, position));
                    let cells = if found == 1 { "cell" } else { "cells" };
                    builder.fault(line, format!("{found} {cells}, and {wanted} columns"));
                } else if !builder.row(record.iter()) {
                    break;
                }
            }
            Err(error) => {
                builder.fault(error.position().map_or(0, csv::Position::line), error);
                break;
            }
        }
    }
    builder.finish()
}

/// The line of a record: the reader counts blank lines before it as a part of it.
fn line(text: &str, position: &csv::Position) -> u64 {
    let begin = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let rest = text.as_bytes().get(begin..).unwrap_or_default();
    let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    position.line() + blank.filter(|byte| **byte == b'\n').count() as u64
}

/// Where the reading of quotes is.
enum At {
    /// Before the first letter of a cell.
    Begin,
    /// In a cell without quotes.
    Plain,
    /// In a cell that was opened by a quote.
    Quoted,
    /// After a quote in such a cell: its end, or the first of two.
    Quote,
}

/// Tells quotes that do not fit, with their lines: readers of CSV differ in what they make of them, and
/// none makes what was meant.
fn quote_faults(text: &str, mut tell: impl FnMut(u64, &'static str)) {
    let (mut at, mut line, mut opened) = (At::Begin, 1, 1);
    for byte in text.bytes() {
        at = match (at, byte) {
            (At::Begin, b'"') => {
                opened = line;
                At::Quoted
            }
            (At::Plain, b'"') => {
                tell(line, "a quote inside of a cell that does not begin with one");
                At::Plain
            }
            (At::Quoted, b'"') => At::Quote,
            (At::Quoted, _) => At::Quoted,
            (At::Quote, b'"') => At::Quoted,
            (_, b',' | b'\n' | b'\r') => At::Begin,
            (At::Quote, _) => {
                tell(line, "more of a cell after its closing quote");
                At::Plain
            }
            (At::Begin | At::Plain, _) => At::Plain,
        };
        line += u64::from(byte == b'\n');
    }
    if matches!(at, At::Quoted) {
        tell(opened, "a quote that is never closed");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cells(text: &str) -> Vec<Vec<String>> {
        let rows = parse(text).unwrap();
        let all = (0..rows.len()).map(|index| rows.row(index));
        all.map(|row| row.iter().map(|(_, cell)| cell.to_owned()).collect()).collect()
    }

    fn faults(text: &str) -> String {
        parse(text).unwrap_err().to_string().replace("; ", "\n")
    }

    #[test]
    fn cells_are_read_with_quotes_and_without() {
        let text = "\u{feff}user,says\r\nann,\"a, \"\"b\"\"\nc\"\r\n\r\nbob,\n";
        assert_eq!(cells(text), [["ann", "a, \"b\"\nc"], ["bob", ""]]);
        let rows = parse(text).unwrap();
        assert_eq!(rows.columns(), ["user", "says"]);
        assert_eq!(rows.row(1).get("user"), Some("bob"));
        assert_eq!(rows.row(1).get("none"), None);
    }

    #[test]
    fn every_fault_is_told_with_its_line() {
        let text = "a,b,a,\n1,2,3,4\n1,2\n\n1,2,3,4,5\n1,\"2\"x,3,4\n1,2\"2,3,4\n1,\"2,3\n4";
        insta::assert_snapshot!(faults(text), @"
        line 1: columns 1 and 3 have the same name
        line 1: column 4 has no name
        line 3: 2 cells, and 4 columns
        line 5: 5 cells, and 4 columns
        line 6: more of a cell after its closing quote
        line 7: a quote inside of a cell that does not begin with one
        line 8: a quote that is never closed
        line 8: 2 cells, and 4 columns
        ");
    }

    #[test]
    fn a_file_without_rows_is_refused() {
        assert_eq!(faults(""), "line 1: it is empty, and should name the columns");
        assert_eq!(faults("a,b\n"), "there are no rows");
    }

    #[test]
    fn a_file_with_many_faults_tells_the_first_and_counts_the_others() {
        let text = format!("a,b\n{}", "1\n".repeat(1_000));
        let faults = parse(&text).unwrap_err();
        assert_eq!((faults.told.len(), faults.more), (50, 950));
        assert!(faults.to_string().ends_with("; and 950 more"));
    }

    #[test]
    fn limits_are_named() {
        let long = " ".repeat(super::super::rows::MOST_BYTES + 1);
        assert_eq!(faults(&long), "52428801 bytes are too many: 50 MiB are the most");
        let many = format!("a\n{}", "1\n".repeat(super::super::rows::MOST_ROWS + 1));
        assert_eq!(faults(&many), "there are more than 5000000 rows");
    }

    proptest! {
        /// What is written by the rules is read without a fault, cell by cell.
        #[test]
        fn cells_come_back(rows in prop::collection::vec(prop::collection::vec("[a-c \",\r\n]{0,6}", 2..=2), 1..20)) {
            let mut text = "x,y\n".to_owned();
            for row in &rows {
                let quoted: Vec<_> = row.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
                text += &format!("{}\n", quoted.join(","));
            }
            prop_assert_eq!(cells(&text), rows);
        }

        #[test]
        fn whatever_comes_is_read_or_refused(text in "[a-b,\"\r\n]{0,60}") {
            let _ = parse(&text);
        }
    }
}
