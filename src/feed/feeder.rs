//! Where rows come from.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use crowd_core::plain_file;

use super::{
    Order, csv, json_lines,
    rows::{FeederFaults, MOST_BYTES, Rows, check_length},
};

/// Rows of data, and the order in which they are given; circular unless something else is said. To
/// be started with [`Run::start_feeder`](crate::scenario::Run::start_feeder).
///
/// A file is read on every node from its own disk, and has to be the same on all of them. It has at
/// most [`MOST_BYTES`] bytes and [`MOST_ROWS`](super::MOST_ROWS) rows.
///
/// ```
/// use crowd::feed::Feeder;
///
/// let rows = Feeder::csv_text("user,password\nann,secret\nbob,hidden\n").load()?;
/// assert_eq!(rows.row(1).get("user"), Some("bob"));
/// # Ok::<(), crowd::feed::FeederFaults>(())
/// ```
#[derive(Debug, Clone)]
pub struct Feeder {
    source: Source,
    order: Order,
}

#[derive(Debug, Clone)]
enum Source {
    File(PathBuf, Option<Format>),
    Text(String, Format),
}

#[derive(Debug, Clone, Copy)]
enum Format {
    Csv,
    JsonLines,
}

impl Feeder {
    /// A file of CSV (RFC 4180, UTF-8), whose first line names the columns.
    pub fn csv(path: impl Into<PathBuf>) -> Self {
        Self::of(Source::File(path.into(), Some(Format::Csv)))
    }

    /// CSV.
    pub fn csv_text(text: impl Into<String>) -> Self {
        Self::of(Source::Text(text.into(), Format::Csv))
    }

    /// A file of JSON lines: an object in every line, all with the same keys.
    pub fn json_lines(path: impl Into<PathBuf>) -> Self {
        Self::of(Source::File(path.into(), Some(Format::JsonLines)))
    }

    /// JSON lines.
    pub fn json_lines_text(text: impl Into<String>) -> Self {
        Self::of(Source::Text(text.into(), Format::JsonLines))
    }

    /// A file whose ending says what it is: `.csv`, or `.jsonl` or `.ndjson`.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::of(Source::File(path.into(), None))
    }

    fn of(source: Source) -> Self {
        Self { source, order: Order::default() }
    }

    /// In that order.
    #[must_use]
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// One after the other, and after the last the first again.
    #[must_use]
    pub fn circular(self) -> Self {
        self.order(Order::Circular)
    }

    /// Any, by the run's seed.
    #[must_use]
    pub fn random(self) -> Self {
        self.order(Order::Random)
    }

    /// One after the other, each once, until they run out.
    #[must_use]
    pub fn sequential(self) -> Self {
        self.order(Order::Sequential)
    }

    /// To each user one of its own, always the same.
    #[must_use]
    pub fn unique(self) -> Self {
        self.order(Order::Unique)
    }

    /// In which order rows are given.
    pub fn given_in(&self) -> Order {
        self.order
    }

    /// Reads and checks the rows. It blocks: inside of a run, start it instead.
    ///
    /// # Errors
    /// If the file cannot be read or is too large; and every fault in it, with its line.
    pub fn load(&self) -> Result<Rows, FeederFaults> {
        match &self.source {
            Source::Text(text, format) => parse(text, *format),
            Source::File(path, format) => {
                let format = match format {
                    Some(format) => Ok(*format),
                    None => format_of(path),
                };
                format
                    .and_then(|format| parse(&read(path)?, format))
                    .map_err(|faults| at(path, faults))
            }
        }
    }
}

fn parse(text: &str, format: Format) -> Result<Rows, FeederFaults> {
    match format {
        Format::Csv => csv::parse(text),
        Format::JsonLines => json_lines::parse(text),
    }
}

fn format_of(path: &Path) -> Result<Format, FeederFaults> {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    match &*ending {
        "csv" => Ok(Format::Csv),
        "jsonl" | "ndjson" => Ok(Format::JsonLines),
        _ => Err(FeederFaults::one("its name must end in .csv, .jsonl or .ndjson")),
    }
}

fn read(path: &Path) -> Result<String, FeederFaults> {
    let fault = |error: std::io::Error| FeederFaults::one(format!("cannot be read: {error}"));
    let file = plain_file::open(path).map_err(fault)?;
    check_length(file.metadata().map_err(fault)?.len())?;
    let mut bytes = Vec::new();
    // It may grow, and what is no regular file has no length.
    file.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(fault)?;
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        FeederFaults::one(format!("line {line}: not UTF-8"))
    })
}

fn at(path: &Path, mut faults: FeederFaults) -> FeederFaults {
    if let Some(first) = faults.told.first_mut() {
        *first = format!("{}: {first}", path.display());
    }
    faults
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_are_read_by_their_ending() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            Feeder::file(path).load().map(|rows| rows.len()).map_err(|faults| faults.to_string())
        };
        assert_eq!(write("a.csv", b"x\n1\n2\n"), Ok(2));
        assert_eq!(write("a.JSONL", b"{\"x\": 1}\n"), Ok(1));
        assert!(write("a.txt", b"x\n1\n").unwrap_err().ends_with(".jsonl or .ndjson"));
        assert!(write("b.csv", b"x\n1\n\xff\n").unwrap_err().ends_with("b.csv: line 3: not UTF-8"));
        let gone = Feeder::csv(folder.path().join("none.csv")).load().unwrap_err().to_string();
        assert!(gone.contains("none.csv: cannot be read"), "{gone}");
    }
}
