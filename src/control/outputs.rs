//! The files that a result goes into.

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::Args;

use crate::report::{RunReport, file, html, json, junit};

/// Where a result goes, beside what is printed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Outputs {
    /// Writes the result to a file, as one JSON document.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Writes the result to a file, as one self-contained page with charts.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Writes the result to a file, as JUnit's XML.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
}

type Render = fn(&RunReport) -> io::Result<String>;

impl Outputs {
    /// Those that are asked for: each with its flag, and how it is made.
    fn asked(&self) -> impl Iterator<Item = (&'static str, &Path, Render)> {
        let page: Render = |report| Ok(html::render(report));
        let all = [
            ("--json", &self.json, json::render as Render),
            ("--html", &self.html, page),
            ("--junit", &self.junit, junit::render),
        ];
        all.into_iter().filter_map(|(flag, path, render)| Some((flag, path.as_deref()?, render)))
    }

    /// Whether nothing is asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.asked().next().is_none()
    }

    /// Why files cannot be written, as far as that can be told beforehand: all of it.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults: Vec<String> =
            self.asked().filter_map(|(flag, path, _)| unwritable(flag, path)).collect();
        let asked: Vec<_> = self.asked().collect();
        for (at, (flag, path, _)) in asked.iter().enumerate().filter(|(_, all)| is_plain(all.1)) {
            if let Some((other, ..)) = asked[..at].iter().find(|(_, other, _)| other == path) {
                let path = path.display();
                faults.push(format!("{other} and {flag} name the same file, `{path}`"));
            }
        }
        faults
    }

    /// Writes what is asked for; answers with what could not be.
    pub(super) fn write(&self, report: &RunReport) -> Vec<file::WriteError> {
        let written = self.asked().map(|(_, path, render)| {
            let text = render(report)
                .map_err(|source| file::WriteError { path: path.to_owned(), source })?;
            file::write(path, &text)
        });
        written.filter_map(Result::err).collect()
    }
}

/// Not a terminal or a pipe, which takes more than one text.
fn is_plain(path: &Path) -> bool {
    !path.exists() || path.is_file()
}

/// Why no file can be written there, as far as that can be told by looking.
pub(super) fn unwritable(flag: &str, path: &Path) -> Option<String> {
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
