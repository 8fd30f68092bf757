//! Pure: the rows of a feeder, in one piece of memory.

use std::{collections::HashMap, fmt, str::FromStr, sync::Arc};

use aws_lc_rs::digest::{Context, SHA256};
use crowd_core::units::plural;
use serde::de::DeserializeOwned;

/// More bytes than this are not read.
pub const MOST_BYTES: usize = 50 * 1024 * 1024;

/// More rows than this are not read.
pub const MOST_ROWS: usize = 5_000_000;

/// So many faults are told; the others are counted.
const MOST_FAULTS: usize = 50;

/// All rows of a feeder: a table of texts. Cheap to clone.
#[derive(Clone)]
pub struct Rows {
    table: Arc<Table>,
}

struct Table {
    columns: Vec<String>,
    /// All cells, one after the other.
    text: String,
    /// Where each cell ends.
    ends: Vec<u32>,
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows of {:?}", self.len(), self.table.columns)
    }
}

impl Rows {
    /// The names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.table.columns
    }

    /// How many rows there are; never 0.
    pub fn len(&self) -> u64 {
        (self.table.ends.len() / self.table.columns.len()) as u64
    }

    /// Never: a feeder has rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The row of that number, from 0; beyond the last, it begins anew with the first.
    pub fn row(&self, index: u64) -> Row {
        Row { rows: self.clone(), index: index % self.len() }
    }

    /// A number that rows which differ in anything do not share.
    pub(crate) fn digest(&self) -> u64 {
        let table = &*self.table;
        let mut context = Context::new(&SHA256);
        for column in &table.columns {
            context.update(&(column.len() as u64).to_le_bytes());
            context.update(column.as_bytes());
        }
        let mut bytes = Vec::with_capacity(4 * 1024);
        for ends in table.ends.chunks(1024) {
            bytes.clear();
            bytes.extend(ends.iter().flat_map(|end| end.to_le_bytes()));
            context.update(&bytes);
        }
        context.update(table.text.as_bytes());
        let digest = context.finish();
        digest.as_ref().iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }
}

impl Table {
    fn cell(&self, at: usize) -> &str {
        let begin = at.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.text[begin..self.ends[at] as usize]
    }
}

/// One row of a feeder: a text for every column. Cheap to clone.
#[derive(Clone)]
pub struct Row {
    rows: Rows,
    index: u64,
}

/// What a row does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RowError(String);

impl Row {
    /// Which row of the file it is, from 0.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The text in that column; `None` if there is no such column.
    pub fn get(&self, column: &str) -> Option<&str> {
        let at = self.rows.columns().iter().position(|name| name == column)?;
        Some(self.cell(at))
    }

    /// What the text in that column says, as a number or whatever else can be read from a text.
    ///
    /// # Errors
    /// If there is no such column, or its text says nothing of the kind.
    pub fn parse<T: FromStr>(&self, column: &str) -> Result<T, RowError> {
        let Some(text) = self.get(column) else {
            let columns = plural(self.rows.columns().len() as u64, "column");
            return Err(RowError(format!("no column `{column}`; the rows have {columns}")));
        };
        text.parse().map_err(|_| {
            let wanted = in_words(std::any::type_name::<T>());
            RowError(format!("column `{column}` of a row is not {wanted}"))
        })
    }

    /// The row as a struct of the scenario's own, whose fields are named as the columns.
    ///
    /// # Errors
    /// If a field has no column, or its text does not fit it.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, RowError> {
        let columns: csv::StringRecord = self.rows.columns().iter().collect();
        let cells: csv::StringRecord = self.iter().map(|(_, text)| text).collect();
        cells.deserialize(Some(&columns)).map_err(|error| match error.kind() {
            csv::ErrorKind::Deserialize { err, .. } => {
                let column = err.field().map(|at| format!("column {}: ", at + 1));
                RowError(format!("{}{}", column.unwrap_or_default(), misfit(err.kind())))
            }
            _ => RowError("it cannot be read".to_owned()),
        })
    }

    /// Every column with its text.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let columns = self.rows.columns().iter().enumerate();
        columns.map(|(at, name)| (&**name, self.cell(at)))
    }

    fn cell(&self, at: usize) -> &str {
        let width = self.rows.columns().len();
        self.rows.table.cell(self.index as usize * width + at)
    }
}

/// Why a cell or a row does not fit what it is read as, without what it holds.
fn misfit(kind: &csv::DeserializeErrorKind) -> String {
    match kind {
        csv::DeserializeErrorKind::Message(told) if told.starts_with("missing field ") => {
            told.clone()
        }
        csv::DeserializeErrorKind::Message(_) | csv::DeserializeErrorKind::Unsupported(_) => {
            "it does not fit".to_owned()
        }
        other => other.to_string(),
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {} ", self.index)?;
        f.debug_map().entries(self.iter()).finish()
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index && self.iter().eq(other.iter())
    }
}

impl Eq for Row {}

/// What is wrong with the rows of a feeder: every fault, a sentence each. It tells lines and numbers of
/// columns, and nothing that the file holds, not even the names of its columns: whoever names a file to
/// a node need not be somebody who may read it, and of a file of another kind anything may be its first
/// line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeederFaults {
    /// The faults, the first of each file first.
    pub told: Vec<String>,
    /// How many more there are.
    pub more: u64,
}

impl FeederFaults {
    pub(super) fn one(fault: impl Into<String>) -> Self {
        Self { told: vec![fault.into()], more: 0 }
    }
}

impl fmt::Display for FeederFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told.join("; "))?;
        if self.more > 0 { write!(f, "; and {} more", self.more) } else { Ok(()) }
    }
}

impl std::error::Error for FeederFaults {}

/// Rows in the making.
pub(super) struct Builder {
    table: Table,
    /// What is wrong, each with its line.
    faults: Vec<(u64, String)>,
    more: u64,
    rows: usize,
}

impl Builder {
    /// With the text so long, and columns yet to be told.
    pub(super) fn new(length: usize) -> Self {
        let text = String::with_capacity(length);
        let table = Table { columns: Vec::new(), text, ends: Vec::new() };
        Self { table, faults: Vec::new(), more: 0, rows: 0 }
    }

    /// The names of the columns, told in that line.
    pub(super) fn columns(&mut self, line: u64, columns: Vec<String>) {
        let mut known = HashMap::new();
        for (number, name) in (1..).zip(&columns) {
            if name.is_empty() {
                self.fault(line, format!("column {number} has no name"));
            } else if let Some(first) = known.insert(name, number) {
                self.fault(line, format!("columns {first} and {number} have the same name"));
            }
        }
        self.table.columns = columns;
    }

    pub(super) fn names(&self) -> &[String] {
        &self.table.columns
    }

    /// A row, which has as many cells as there are columns. Says whether there is room for more.
    pub(super) fn row<'c>(&mut self, cells: impl Iterator<Item = &'c str>) -> bool {
        self.rows += 1;
        if self.rows > MOST_ROWS {
            self.faults.push((u64::MAX, format!("there are more than {MOST_ROWS} rows")));
            return false;
        }
        for cell in cells {
            self.table.text.push_str(cell);
            // No more than are read, which a `u32` holds.
            self.table.ends.push(u32::try_from(self.table.text.len()).unwrap_or(u32::MAX));
        }
        true
    }

    /// Something is wrong in that line.
    pub(super) fn fault(&mut self, line: u64, fault: impl std::fmt::Display) {
        // Told by line in the end, so some more are kept than are told.
        if self.faults.len() < 2 * MOST_FAULTS {
            self.faults.push((line, format!("line {line}: {fault}")));
        } else {
            self.more += 1;
        }
    }

    /// The rows.
    ///
    /// # Errors
    /// Every fault that was told, and that there are none if nothing else is wrong.
    pub(super) fn finish(mut self) -> Result<Rows, FeederFaults> {
        if self.faults.is_empty() && self.rows == 0 {
            self.faults.push((0, "there are no rows".to_owned()));
        }
        if !self.faults.is_empty() {
            self.faults.sort_by_key(|(line, _)| *line);
            let untold = self.faults.len().saturating_sub(MOST_FAULTS) as u64;
            let told = self.faults.into_iter().take(MOST_FAULTS).map(|(_, fault)| fault);
            return Err(FeederFaults { told: told.collect(), more: self.more + untold });
        }
        self.table.text.shrink_to_fit();
        self.table.ends.shrink_to_fit();
        Ok(Rows { table: Arc::new(self.table) })
    }
}

/// That a text is not too long to be read.
pub(super) fn check_length(length: u64) -> Result<(), FeederFaults> {
    if length <= MOST_BYTES as u64 {
        return Ok(());
    }
    let most = MOST_BYTES / (1024 * 1024);
    Err(FeederFaults::one(format!("{length} bytes are too many: {most} MiB are the most")))
}

/// What people call the values of a type.
fn in_words(type_name: &str) -> &'static str {
    match type_name {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "u128" | "usize" => "a whole number from 0",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "bool" => "`true` or `false`",
        "char" => "one character",
        _ => "what is to be read there",
    }
}
