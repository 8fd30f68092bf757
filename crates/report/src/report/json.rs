//! The document as JSON.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    document::{RunReport, SCHEMA},
    file,
};
use crowd_core::{mark, printable};

pub use super::file::WriteError;
use crowd_core::json_fault;

mod layout;

/// The document as JSON, for people and programs.
///
/// # Errors
/// If it cannot be expressed in JSON, which has no reason to happen.
pub fn render(report: &RunReport) -> io::Result<String> {
    let mut bytes = Vec::new();
    let mut serializer =
        serde_json::Serializer::with_formatter(&mut bytes, layout::Layout::default());
    report.serialize(&mut serializer).map_err(io::Error::other)?;
    bytes.push(b'\n');
    let text = String::from_utf8(bytes).map_err(io::Error::other)?;
    Ok(printable::json(&text))
}

/// Writes the document to a file, as [`file::write`] does.
///
/// # Errors
/// If it cannot be written; what was there is untouched then.
pub fn write(report: &RunReport, path: &Path) -> Result<(), WriteError> {
    let text = render(report).map_err(|source| WriteError { path: path.to_owned(), source })?;
    file::write(path, &text)
}

/// A file holds no document that can be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be read at all.
    #[error("`{}` cannot be read: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is a document of another kind, or of another version of crowd.
    #[error(
        "`{}` holds a document of schema `{found}`; this version reads `{SCHEMA}`, as written by `crowd run --json`",
        path.display()
    )]
    Schema {
        /// The file.
        path: PathBuf,
        /// What it says it is.
        found: String,
    },
    /// It is no document at all.
    #[error(
        "`{}` holds no result of a run, as written by `crowd run --json`: {reason}",
        path.display()
    )]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        reason: String,
    },
}

/// Reads a document back.
///
/// # Errors
/// If the file cannot be read or holds something else.
pub fn read(path: &Path) -> Result<RunReport, ReadError> {
    let text = fs::read_to_string(path)
        .map_err(|source| ReadError::File { path: path.to_owned(), source })?;
    parse(&text).map_err(|fault| match fault {
        Fault::Schema(found) => ReadError::Schema { path: path.to_owned(), found },
        Fault::Content(reason) => ReadError::Content { path: path.to_owned(), reason },
    })
}

/// Reads a document that [`render`] has made.
///
/// # Errors
/// What is wrong with it, if it is none.
pub fn of_text(text: &str) -> Result<RunReport, String> {
    parse(text).map_err(|fault| match fault {
        Fault::Schema(found) => format!("it is a document of schema `{found}`"),
        Fault::Content(reason) => reason,
    })
}

enum Fault {
    Schema(String),
    Content(String),
}

fn parse(text: &str) -> Result<RunReport, Fault> {
    let text = mark::skipped(text);
    #[derive(Deserialize)]
    struct Kind {
        schema: String,
    }
    let wrong = |error: serde_json::Error| Fault::Content(json_fault::in_words(&error));
    // Another schema has other fields: what it is comes before what it lacks.
    let Kind { schema } = serde_json::from_str(text).map_err(wrong)?;
    if schema != SCHEMA {
        return Err(Fault::Schema(crowd_core::printable::line(&schema, 60)));
    }
    serde_json::from_str(text).map_err(wrong)
}
