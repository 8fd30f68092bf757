//! The files that a result goes into.

use std::path::Path;

use super::RunOptions;
use crate::{control::operations::FinishedReport, report::file};

/// The files that may be asked for, each with its flag.
fn outputs(options: &RunOptions) -> [(&'static str, Option<&Path>); 3] {
    [("--json", &options.json), ("--html", &options.html), ("--junit", &options.junit)]
        .map(|(flag, path)| (flag, path.as_deref()))
}

/// Why files cannot be written, as far as that can be told before the run: all of it.
pub(super) fn faults(options: &RunOptions) -> Vec<String> {
    let asked = outputs(options).into_iter().filter_map(|(flag, path)| Some((flag, path?)));
    let asked: Vec<_> = asked.collect();
    let mut faults: Vec<String> =
        asked.iter().filter_map(|(flag, path)| unwritable(flag, path)).collect();
    for (at, (flag, path)) in asked.iter().enumerate().filter(|(_, (_, path))| is_plain(path)) {
        if let Some((other, _)) = asked[..at].iter().find(|(_, other)| other == path) {
            faults.push(format!("{other} and {flag} name the same file, `{}`", path.display()));
        }
    }
    faults
}

/// Writes what was asked for; answers with what could not be.
pub(super) fn write(options: &RunOptions, report: &FinishedReport) -> Vec<file::WriteError> {
    let texts = [&report.document, &report.page, &report.junit];
    let outputs = outputs(options).into_iter().zip(texts);
    outputs.filter_map(|((_, path), text)| file::write(path?, text).err()).collect()
}

/// Not a terminal or a pipe, which takes more than one text.
fn is_plain(path: &Path) -> bool {
    !path.exists() || path.is_file()
}

/// Why no file can be written there, as far as that can be told by looking.
pub(in crate::control) fn unwritable(flag: &str, path: &Path) -> Option<String> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if path.is_dir() || path.file_name().is_none() {
        Some(format!("{flag} {}: this is a folder; name a file", path.display()))
    } else if !folder.is_dir() {
        Some(format!("{flag} {}: there is no folder `{}`", path.display(), folder.display()))
    } else {
        None
    }
}
