//! The files that a result goes into.

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::Args;

use crate::report::{
    RunReport,
    file::{self, Place},
    html, json, junit,
};

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
        faults(self.asked().map(|(flag, path, _)| (flag, path)))
    }

    /// Whether one of them goes where the summary goes otherwise.
    pub(super) fn take_stdout(&self) -> bool {
        self.asked().any(|(_, path, _)| is_stdout(path))
    }

    /// Writes what is asked for; answers with what could not be.
    pub(super) fn write(&self, report: &RunReport) -> Vec<file::WriteError> {
        let mut asked: Vec<_> = self.asked().collect();
        // A pipe may keep whoever writes to it waiting, for ever if nobody reads.
        asked.sort_by_key(|(_, path, _)| !matches!(Place::of(path), Ok(Place::File(_))));
        let written = asked.into_iter().map(|(_, path, render)| {
            let text = render(report)
                .map_err(|source| file::WriteError { path: path.to_owned(), source })?;
            file::write(path, &text)
        });
        written.filter_map(Result::err).collect()
    }
}

/// Whether this is where standard output goes.
pub(super) fn is_stdout(path: &Path) -> bool {
    Place::of(path) == Ok(Place::Stdout)
}

/// Why files cannot be written, each given with its flag, as far as that can be told by looking and
/// trying: all of it.
pub(super) fn faults<'a>(asked: impl Iterator<Item = (&'static str, &'a Path)>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut places: Vec<(&str, Place)> = Vec::new();
    for (flag, path) in asked {
        let place = match Place::of(path) {
            Ok(place) => place,
            Err(fault) => {
                faults.push(format!("{flag} {}: {fault}", path.display()));
                continue;
            }
        };
        // A pipe or a terminal takes more than one text.
        let same = |(_, other): &&(&str, Place)| *other == place && place != Place::Stream;
        if let Some((other, _)) = places.iter().find(same) {
            let path = path.display();
            faults.push(format!("{other} and {flag} name the same file, `{path}`"));
        } else if let Err(fault) = place.try_out() {
            faults.push(format!("{flag} {}: {fault}", path.display()));
        }
        places.push((flag, place));
    }
    faults
}
