//! The files that a result goes into.

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::Args;

use crate::report::{
    RunReport,
    file::{self, Output, Place},
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
        self.settle().err().unwrap_or_default()
    }

    /// Where they go, found out before the run.
    ///
    /// # Errors
    /// Why files cannot be written, as far as that can be told beforehand: all of it.
    pub(super) fn settle(&self) -> Result<Settled, Vec<String>> {
        settle(self.asked().map(|(flag, path, _)| (flag, path)))
    }

    /// Writes what is asked for to where it goes; answers with what could not be.
    pub(super) fn write(&self, settled: &Settled, report: &RunReport) -> Vec<file::WriteError> {
        let asked = self.asked().filter_map(|(flag, _, render)| Some((settled.of(flag)?, render)));
        let mut asked: Vec<_> = asked.collect();
        // A pipe may keep whoever writes to it waiting, for ever if nobody reads.
        asked.sort_by_key(|(output, _)| !matches!(output.place(), Place::File(_)));
        let written = asked.into_iter().map(|(output, render)| {
            let text = render(report)
                .map_err(|source| file::WriteError { path: output.path().to_owned(), source })?;
            output.write(&text)
        });
        written.filter_map(Result::err).collect()
    }
}

/// Where results go, each by its flag.
#[derive(Debug, Clone, Default)]
pub(super) struct Settled(Vec<(&'static str, Output)>);

impl Settled {
    /// Where that of a flag goes.
    pub(super) fn of(&self, flag: &str) -> Option<&Output> {
        self.0.iter().find(|(known, _)| *known == flag).map(|(_, output)| output)
    }

    /// Whether one of them goes where the summary goes otherwise.
    pub(super) fn take_stdout(&self) -> bool {
        self.0.iter().any(|(_, output)| *output.place() == Place::Stdout)
    }
}

/// Where files go, each given with its flag.
///
/// # Errors
/// Why they cannot be written, as far as that can be told by looking and trying: all of it.
pub(super) fn settle<'a>(
    asked: impl Iterator<Item = (&'static str, &'a Path)>,
) -> Result<Settled, Vec<String>> {
    let mut faults = Vec::new();
    let mut outputs: Vec<(&'static str, Output)> = Vec::new();
    for (flag, path) in asked {
        let output = match Output::of(path) {
            Ok(output) => output,
            Err(fault) => {
                faults.push(format!("{flag} {}: {fault}", path.display()));
                continue;
            }
        };
        let place = output.place();
        // A pipe or a terminal takes more than one text.
        let same = |(_, other): &&(&str, Output)| other.place() == place && *place != Place::Stream;
        if let Some((other, _)) = outputs.iter().find(same) {
            let path = path.display();
            faults.push(format!("{other} and {flag} name the same file, `{path}`"));
        } else if let Err(fault) = place.try_out() {
            faults.push(format!("{flag} {}: {fault}", path.display()));
        }
        outputs.push((flag, output));
    }
    if faults.is_empty() { Ok(Settled(outputs)) } else { Err(faults) }
}
