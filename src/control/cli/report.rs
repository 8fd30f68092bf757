//! `crowd report`: the outputs of a run, of a running node or of a JSON document.

use std::{io, path::PathBuf};

use clap::Args;

use super::{
    complain,
    remote::{self, NodeAsked},
};
use crate::{
    control::{
        boot::BootOptions, exit::Exit, outputs::Outputs, table::wants_colour, tell::print_summary,
    },
    report::{Colour, json, text},
    scenario::catalog::Catalog,
};

pub(super) const REPORT_EXAMPLES: &str = "\
Examples:
  crowd run idle --users 1000 --duration 1m --json result.json
  crowd report result.json                       the summary again
  crowd report result.json --html result.html    a page with charts
  crowd report result.json --junit result.xml    for a build server
  crowd report --api http://master:4000 --html result.html --json result.json
                                                 the last run of a node and its cluster

The exit code says whether it was made, not how the run went.";

#[derive(Debug, Args)]
pub(super) struct ReportFlags {
    /// The document, as `crowd run --json` wrote it; without it, a running node is asked for the
    /// result of its last run.
    #[arg(value_name = "FILE.json", conflicts_with = "api")]
    document: Option<PathBuf>,
    #[command(flatten)]
    node: NodeAsked,
    #[command(flatten)]
    outputs: Outputs,
}

/// Makes them, or prints the summary if none is asked for.
pub(super) fn make(catalog: &Catalog, options: &BootOptions, flags: &ReportFlags) -> Exit {
    let settled = match flags.outputs.settle() {
        Ok(settled) => settled,
        Err(faults) => {
            faults.iter().for_each(|fault| complain(&fault));
            return Exit::BadUsage;
        }
    };
    let read = match &flags.document {
        Some(path) => json::read(path).map_err(|fault| {
            complain(&fault);
            Exit::BadUsage
        }),
        None => remote::result(catalog, options, &flags.node),
    };
    let report = match read {
        Ok(report) => report,
        Err(exit) => return exit,
    };
    if flags.outputs.is_empty() {
        let mut stdout = io::stdout();
        let colour = if wants_colour(&stdout) { Colour::Ansi } else { Colour::Plain };
        let printed = print_summary(&mut stdout, &text::summary(&report, colour));
        return if printed { Exit::Passed } else { Exit::Failed };
    }
    let faults = flags.outputs.write(&settled, &report);
    faults.iter().for_each(|fault| complain(&fault));
    if faults.is_empty() { Exit::Passed } else { Exit::Failed }
}
