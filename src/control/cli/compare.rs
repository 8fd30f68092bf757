//! `crowd compare`: what of a run got better or worse.

use std::{fs, path::Path};

use clap::Args;

use super::say;
use crate::{
    compare::{Change, Comparison, Options, Side, compare, render},
    control::{exit::Exit, table::wants_colour, tell::complain},
    mark,
    report::{Colour, RunReport, document::SCHEMA},
};

pub(super) const COMPARE_EXAMPLES: &str = "\
Examples:
  crowd compare yesterday.json today.json
  crowd compare baseline.json candidate.json --action login --tolerance 10% --json

The files are what `crowd run … --json FILE` writes. Exit code 6 says that something is worse.";

#[derive(Debug, Args)]
pub(super) struct CompareFlags {
    /// The document of the run to compare with.
    baseline: std::path::PathBuf,
    /// The document of the run to judge.
    candidate: std::path::PathBuf,
    /// Prints one JSON document.
    #[arg(long)]
    json: bool,
    /// How sure it is that nothing is called a change that is none.
    #[arg(long, value_name = "SHARE", default_value = "95%", value_parser = share)]
    confidence: f64,
    /// Changes up to this are none.
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = share)]
    tolerance: f64,
    /// Only this action; may be given more than once.
    #[arg(long = "action", value_name = "NAME")]
    actions: Vec<String>,
    /// Compares runs whose generator could not keep up, too.
    #[arg(long)]
    even_if_invalid: bool,
}

fn share(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').map_or(text, str::trim_end);
    match number.parse::<f64>() {
        Ok(number) if number.is_finite() => {
            Ok(if text.ends_with('%') { number / 100.0 } else { number })
        }
        _ => Err("not a share: write `5%` or `0.05`, say".to_owned()),
    }
}

/// Compares, and says what came of it.
pub(super) fn compare_them(flags: CompareFlags) -> Exit {
    let CompareFlags { baseline, candidate, json, confidence, tolerance, actions, even_if_invalid } =
        flags;
    let (before, after) = match (read(&baseline), read(&candidate)) {
        (Ok(before), Ok(after)) => (before, after),
        (before, after) => {
            [before.err(), after.err()].into_iter().flatten().for_each(|fault| complain(&fault));
            return Exit::BadUsage;
        }
    };
    let side = |path: &Path| path.display().to_string();
    let options = Options { confidence, tolerance, actions, ..Options::default() };
    let (before, after) =
        (Side::new(side(&baseline), &before), Side::new(side(&candidate), &after));
    let comparison = match compare(&before, &after, &options) {
        Ok(comparison) => comparison,
        Err(faults) => {
            complain(&faults);
            return Exit::BadUsage;
        }
    };
    if json {
        match serde_json::to_string_pretty(&comparison) {
            Ok(text) => say(&text),
            Err(fault) => {
                complain(&format_args!("the comparison cannot be written as JSON: {fault}"));
                return Exit::Failed;
            }
        }
    } else {
        let colour = if wants_colour(&std::io::stdout()) { Colour::Ansi } else { Colour::Plain };
        say(&render(&comparison, colour).trim_end());
    }
    exit(&comparison, even_if_invalid)
}

fn exit(comparison: &Comparison, even_if_invalid: bool) -> Exit {
    match comparison.verdict {
        _ if !comparison.invalid.is_empty() && !even_if_invalid => Exit::Invalid,
        Change::Worse => Exit::WorseThanBaseline,
        _ => Exit::Passed,
    }
}

fn read(path: &Path) -> Result<RunReport, String> {
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(|error| format!("`{shown}`: {error}"))?;
    let value: serde_json::Value = serde_json::from_str(mark::skipped(&text))
        .map_err(|error| format!("`{shown}`: this is no JSON document: {error}"))?;
    // A document of another shape is told as that, not as the first field it lacks.
    match value.get("schema").and_then(serde_json::Value::as_str) {
        Some(SCHEMA) => {}
        Some(other) => {
            return Err(format!("`{shown}`: its schema is `{other}`, and must be `{SCHEMA}`"));
        }
        None => {
            return Err(format!(
                "`{shown}`: this is no document of a run: `crowd run … --json FILE` writes one"
            ));
        }
    }
    serde_json::from_value(value)
        .map_err(|error| format!("`{shown}`: the document is damaged: {error}"))
}
