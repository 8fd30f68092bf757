//! `crowd compare`: what of a run got better or worse.

use std::{
    fs,
    mem::take,
    path::{Path, PathBuf},
};

use clap::Args;
use crowd_core::{mark, printable, units::plural};

use super::say;
use crate::{
    compare::{Change, Comparison, Options, Side, compare, render},
    control::{exit::Exit, table::wants_colour, tell::complain},
    report::{Colour, RunReport, document::SCHEMA},
};

pub(super) const COMPARE_EXAMPLES: &str = "\
Examples:
  crowd compare base1.json base2.json base3.json -- new1.json new2.json new3.json
  crowd compare --json --action request --tolerance 10% base*.json -- new*.json
  crowd compare yesterday.json today.json     one run a side: the noise between runs is not known

The files are what `crowd run … --json FILE` writes. Exit code 6 says that something is worse.";

/// How it is to be called.
const USAGE: &str = "give one document a side, `crowd compare BASE.json NEW.json`, or several with `--` \
                     between the sides, `crowd compare BASE1.json BASE2.json -- NEW1.json NEW2.json`";

#[derive(Debug, Args)]
#[command(override_usage = "crowd compare [OPTIONS] BASE.json NEW.json\n       \
                            crowd compare [OPTIONS] BASE.json... -- NEW.json...")]
pub(super) struct CompareFlags {
    /// The documents of the runs to compare with; without `--`, one of them and the one to judge.
    #[arg(value_name = "BASE.json")]
    baseline: Vec<PathBuf>,
    /// The documents of the runs to judge.
    #[arg(last = true, value_name = "NEW.json")]
    candidate: Vec<PathBuf>,
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

impl CompareFlags {
    /// The documents of both sides. `open` says that the line ends with `--`.
    fn sides(&mut self, open: bool) -> Result<[Vec<PathBuf>; 2], String> {
        let (mut baseline, candidate) = (take(&mut self.baseline), take(&mut self.candidate));
        let fault = if open {
            "there is no document after `--`".to_owned()
        } else if !candidate.is_empty() && baseline.is_empty() {
            "there is no document before `--`".to_owned()
        } else if let Some(flag) = candidate.iter().find(|path| is_flag(path)) {
            format!("`{}` stands after `--`, where only documents do", flag.display())
        } else if !candidate.is_empty() {
            return Ok([baseline, candidate]);
        } else if baseline.len() == 2 {
            let candidate = baseline.split_off(1);
            return Ok([baseline, candidate]);
        } else {
            format!("{} without `--`", plural(baseline.len() as u64, "document"))
        };
        Err(format!("{fault}: {USAGE}"))
    }
}

fn is_flag(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().starts_with(b"--")
}

/// Compares, and says what came of it. `open` says that the line ends with `--`.
pub(super) fn compare_them(mut flags: CompareFlags, open: bool) -> Exit {
    let paths = match flags.sides(open) {
        Ok(paths) => paths,
        Err(fault) => {
            complain(&fault);
            return Exit::BadUsage;
        }
    };
    let CompareFlags { json, confidence, tolerance, actions, even_if_invalid, .. } = flags;
    let mut faults = Vec::new();
    let reports = paths.map(|side| {
        let read = |path: PathBuf| match read(&path) {
            Ok(report) => Some((path.display().to_string(), report)),
            Err(fault) => {
                faults.push(fault);
                None
            }
        };
        side.into_iter().filter_map(read).collect::<Vec<_>>()
    });
    if !faults.is_empty() {
        faults.iter().for_each(|fault| complain(fault));
        return Exit::BadUsage;
    }
    let options = Options { confidence, tolerance, actions };
    let [before, after] = reports
        .each_ref()
        .map(|side| side.iter().map(|(name, report)| Side::new(name, report)).collect::<Vec<_>>());
    let comparison = match compare(&before, &after, &options) {
        Ok(comparison) => comparison,
        Err(faults) => {
            complain(&faults);
            return Exit::BadUsage;
        }
    };
    if json {
        match serde_json::to_string_pretty(&comparison) {
            Ok(text) => say(&printable::json(&text)),
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
