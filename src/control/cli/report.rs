//! `crowd report`: the outputs of a run, made later from its JSON document.

use std::{io, io::Write, path::PathBuf};

use clap::Args;

use crate::{
    control::{exit::Exit, run::unwritable, table::wants_colour},
    report::{Colour, file, html, json, junit, text},
};

pub(super) const REPORT_EXAMPLES: &str = "\
Examples:
  crowd run idle --users 1000 --json result.json
  crowd report result.json                       the summary again
  crowd report result.json --html result.html    a page with charts
  crowd report result.json --junit result.xml    for a build server

The exit code says whether it was made, not how the run went.";

#[derive(Debug, Args)]
pub(super) struct ReportFlags {
    /// The document, as `crowd run --json` wrote it.
    #[arg(value_name = "FILE.json")]
    document: PathBuf,
    /// Writes one self-contained page with charts.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Writes JUnit's XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// Makes them, or prints the summary if none is asked for.
pub(super) fn make(flags: &ReportFlags) -> Exit {
    let outputs = [("--html", &flags.html), ("--junit", &flags.junit)];
    let faults = outputs.iter().filter_map(|(flag, path)| unwritable(flag, path.as_deref()?));
    let faults: Vec<_> = faults.collect();
    if !faults.is_empty() {
        faults.iter().for_each(|fault| eprintln!("{fault}"));
        return Exit::BadUsage;
    }
    let report = match json::read(&flags.document) {
        Ok(report) => report,
        Err(fault) => {
            eprintln!("{fault}");
            return Exit::BadUsage;
        }
    };
    if flags.html.is_none() && flags.junit.is_none() {
        let mut stdout = io::stdout();
        let colour = if wants_colour(&stdout) { Colour::Ansi } else { Colour::Plain };
        // Whoever closes the pipe early wants no more of it.
        let _ = writeln!(stdout, "{}", text::summary(&report, colour).trim_end());
        return Exit::Passed;
    }
    let page = flags.html.as_ref().map(|path| file::write(path, &html::render(&report)));
    let suite = flags.junit.as_ref().map(|path| {
        let text = junit::render(&report)
            .map_err(|source| file::WriteError { path: path.clone(), source })?;
        file::write(path, &text)
    });
    let faults: Vec<_> = [page, suite].into_iter().flatten().filter_map(Result::err).collect();
    faults.iter().for_each(|fault| eprintln!("{fault}"));
    if faults.is_empty() { Exit::Passed } else { Exit::Failed }
}
