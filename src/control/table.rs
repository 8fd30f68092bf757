//! Text for people: whether it may have colours, and tables with columns as wide as their widest
//! cell.

use std::{env, fmt, io::IsTerminal};

use crowd_core::printable::{LINE, line};

/// Whether text that is written there may have colours: it is a terminal that knows them (`TERM`),
/// and nobody said no (`NO_COLOR`).
pub(crate) fn wants_colour(to: &impl IsTerminal) -> bool {
    to.is_terminal()
        && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && env::var_os("TERM").is_none_or(|value| value != "dumb")
}

/// The text broken between words into lines of at most `width`, each after `indent`. A word that is
/// longer than a line is not torn.
pub(crate) fn fill(text: &str, indent: &str, width: usize) -> String {
    let mut filled = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        let letters = word.chars().count();
        if length > 0 && length + 1 + letters <= width {
            filled.push(' ');
            length += 1;
        } else {
            if length > 0 {
                filled.push('\n');
            }
            filled.push_str(indent);
            length = indent.chars().count();
        }
        filled.push_str(word);
        length += letters;
    }
    filled
}

/// Rows under headings.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub(crate) fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        // A line break in a cell would tear the table.
        self.rows.push(cells.into_iter().map(|cell| line(&cell, LINE)).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut widths: Vec<_> = self.headings.iter().map(|cell| cell.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let headings: Vec<_> = self.headings.iter().map(|cell| (*cell).to_owned()).collect();
        write!(f, "{}", aligned(&headings, &widths))?;
        self.rows.iter().try_for_each(|row| write!(f, "\n{}", aligned(row, &widths)))
    }
}

fn aligned(cells: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        line.push_str(&format!("{cell:<width$}  "));
    }
    line.truncate(line.trim_end().len());
    line
}
