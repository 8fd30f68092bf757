//! `crowd capacity`: one search on a node of its own, from begin to end.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use super::{
    searcher::{Searcher, run_report},
    text,
};
use crate::{
    capacity::{CapacityResult, Outcome, SearchSettings},
    control::{
        command::Pair,
        exit::Exit,
        logging::Logs,
        operations::Operations,
        outputs::unwritable,
        run::{
            host::{Here, Trouble},
            progress::Progress,
        },
        signals::EndSignals,
    },
    measure::health::Trust,
    report::{RunReport, file, html},
};

/// How often the lines on the terminal are drawn anew.
const DRAW: Duration = Duration::from_millis(300);

/// What to search.
#[derive(Debug, Clone)]
pub(in crate::control) struct CapacityOptions {
    /// The scenario.
    pub(in crate::control) scenario: String,
    /// The scenario's settings.
    pub(in crate::control) settings: Vec<Pair>,
    /// How to search.
    pub(in crate::control) search: SearchSettings,
    /// The same as it was given, for a node elsewhere.
    pub(in crate::control) given: Vec<Pair>,
    /// Where the document goes.
    pub(in crate::control) json: Option<PathBuf>,
    /// Where the page goes.
    pub(in crate::control) html: Option<PathBuf>,
}

/// Searches until there is an answer or somebody interrupts it; tells about it on `answers`; ends
/// the node.
///
/// # Errors
/// If signals cannot be heard or the answer cannot be written.
pub(in crate::control) async fn search(
    node: impl Operations,
    options: CapacityOptions,
    logs: &Logs,
    answers: &mut impl Write,
) -> io::Result<Exit> {
    search_by(Here(node), options, logs, answers).await
}

/// As [`search`], by whoever makes the search.
pub(in crate::control) async fn search_by(
    searcher: impl Searcher,
    options: CapacityOptions,
    logs: &Logs,
    answers: &mut impl Write,
) -> io::Result<Exit> {
    search_until(EndSignals::listen()?, searcher, options, logs, answers).await
}

pub(super) async fn search_until(
    mut signals: EndSignals,
    searcher: impl Searcher,
    options: CapacityOptions,
    logs: &Logs,
    answers: &mut impl Write,
) -> io::Result<Exit> {
    let files = [("--json", &options.json), ("--html", &options.html)];
    let faults: Vec<_> =
        files.iter().filter_map(|(flag, path)| unwritable(flag, path.as_deref()?)).collect();
    if !faults.is_empty() {
        eprintln!("{}", faults.join("\n"));
        return Ok(Exit::BadUsage);
    }
    let progress = Progress::new(logs);
    let begun = tokio::select! {
        begun = searcher.begin(&options) => begun,
        _ = signals.next() => {
            searcher.abandon().await;
            let message = "interrupted before the search had begun".to_owned();
            Err(Trouble { message, exit: Exit::Interrupted })
        }
    };
    let watched = match begun {
        Ok(()) => watch(&searcher, &mut signals, &progress).await,
        Err(trouble) => Err(trouble),
    };
    let (result, interrupted) = match watched {
        Ok(Some(seen)) => seen,
        Ok(None) => {
            progress.say("left");
            return Ok(Exit::Interrupted);
        }
        Err(Trouble { message, exit }) => {
            progress.say(&message);
            tokio::select! {
                () = searcher.give_up() => {}
                _ = signals.next() => {}
            }
            return Ok(exit);
        }
    };
    drop(progress);
    let exit = match &result {
        Some(result) => tell(&searcher, &options, result, interrupted, answers).await?,
        None => {
            eprintln!("the search has left nothing to tell");
            Exit::Failed
        }
    };
    tokio::select! {
        () = searcher.close() => {}
        _ = signals.next() => {}
    }
    Ok(exit)
}

/// Prints what was found and writes what else was asked for; answers with the exit code.
async fn tell(
    searcher: &impl Searcher,
    options: &CapacityOptions,
    result: &CapacityResult,
    interrupted: bool,
    answers: &mut impl Write,
) -> io::Result<Exit> {
    let report = run_report(searcher, interrupted).await;
    let exit = exit_of(result, interrupted, report.as_ref());
    writeln!(answers, "{}", text::summary(result))?;
    if let Some(report) = report.as_ref().filter(|_| exit == Exit::Invalid) {
        let why = report.generator.reasons.join("; ");
        writeln!(answers, "INVALID: the generator could not keep up: {why}")?;
    }
    answers.flush()?;
    let CapacityOptions { scenario, json, html, .. } = options;
    let page = html.as_ref().map(|path| draw(path, result, report.as_ref()));
    let whole = json.as_ref().map(|path| write(path, result, scenario, report.as_ref(), exit));
    let faults: Vec<_> = page.into_iter().chain(whole).filter_map(Result::err).collect();
    if faults.is_empty() {
        return Ok(exit);
    }
    eprintln!("{}", faults.join("\n"));
    Ok(Exit::Failed)
}

/// Waits for the end of the search, and says whether somebody interrupted it; `None` if somebody
/// wants to leave at once.
async fn watch(
    searcher: &impl Searcher,
    signals: &mut EndSignals,
    progress: &Progress,
) -> Result<Option<(Option<CapacityResult>, bool)>, Trouble> {
    let mut interrupted = false;
    let mut found = std::pin::pin!(searcher.found());
    let mut draws = interval(DRAW);
    draws.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            result = &mut found => return Ok(Some((result?, interrupted))),
            _ = signals.next() => {
                if interrupted {
                    return Ok(None);
                }
                interrupted = true;
                progress.say("the search stops and tells what it knows; once more leaves at once");
                searcher.ask_to_stop().await;
            }
            _ = draws.tick() => {
                if let Some(width) = progress.width() {
                    progress.show(searcher.look(width).await);
                }
            }
        }
    }
}

fn exit_of(result: &CapacityResult, interrupted: bool, report: Option<&RunReport>) -> Exit {
    if interrupted {
        return Exit::Interrupted;
    }
    let invalid = report.is_some_and(|report| report.generator.verdict == Trust::Invalid);
    match result.outcome {
        // Users that fail are what a search is looking for; a generator that cannot keep up is not.
        Outcome::Found | Outcome::NotLimited if invalid => Exit::Invalid,
        Outcome::Found | Outcome::NotLimited => Exit::Passed,
        Outcome::Stopped | Outcome::Undecided => Exit::Failed,
    }
}

/// Writes the page of the search and its run.
fn draw(path: &Path, result: &CapacityResult, report: Option<&RunReport>) -> Result<(), String> {
    let Some(report) = report else {
        return Err(format!("`{}` is not written: the run has left nothing", path.display()));
    };
    let page = html::render_capacity(report, result);
    file::write(path, &page).map_err(|fault| fault.to_string())
}

fn write(
    path: &PathBuf,
    result: &CapacityResult,
    scenario: &str,
    report: Option<&RunReport>,
    exit: Exit,
) -> Result<(), String> {
    let fault =
        |fault: &dyn std::fmt::Display| format!("`{}` cannot be written: {fault}", path.display());
    let mut whole = serde_json::to_value(result).map_err(|error| fault(&error))?;
    whole["scenario"] = json!(scenario);
    whole["exit_code"] = json!(exit as u8);
    let run = serde_json::to_value(report).map_err(|error| fault(&error))?;
    whole["generator"] = run["generator"].clone();
    whole["run"] = run;
    let text = serde_json::to_string_pretty(&whole).map_err(|error| fault(&error))?;
    fs::write(path, text + "\n").map_err(|error| fault(&error))
}
