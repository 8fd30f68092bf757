//! `crowd capacity`: one search on a node of its own, from begin to end.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use crowd_core::printable::{self, one_line};
use crowd_measure::health::Trust;
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval, timeout};

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
        outputs::{Settled, settle},
        run::{
            LAST_LOOK,
            host::{Here, Trouble},
            out_of_patience,
            progress::Progress,
        },
        signals::EndSignals,
        tell::{complain, print_summary},
    },
    report::{RunReport, file::Output, html},
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

impl CapacityOptions {
    /// The files that are asked for, each with its flag.
    fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let all = [("--json", &self.json), ("--html", &self.html)];
        all.into_iter().filter_map(|(flag, path)| Some((flag, path.as_deref()?)))
    }

    /// Where they go, found out before the search.
    ///
    /// # Errors
    /// Why files cannot be written, as far as that can be told beforehand: all of it.
    fn settle(&self) -> Result<Settled, Vec<String>> {
        settle(self.files())
    }
}

/// Searches until there is an answer or somebody interrupts it; writes what was asked for; tells
/// about it on `answers`; ends the node. That nobody hears what is told makes no difference.
///
/// # Errors
/// If signals cannot be heard.
pub(in crate::control) async fn search(
    signals: EndSignals,
    node: impl Operations,
    options: CapacityOptions,
    logs: &Logs,
    answers: &mut impl Write,
) -> io::Result<Exit> {
    search_until(signals, Here(node), options, logs, answers).await
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
    let settled = match options.settle() {
        Ok(settled) => settled,
        Err(faults) => {
            complain(&faults.join("\n"));
            return Ok(Exit::BadUsage);
        }
    };
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
    let (result, end) = match watched {
        Ok(seen) => seen,
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
        Some(result) => {
            let report = tokio::select! {
                report = run_report(&searcher, end != End::Seen) => report,
                () = out_of_patience(&mut signals, end == End::Left) => None,
            };
            tell((&options, &settled), result, end, report.as_ref(), answers)
        }
        None => {
            complain(&"the search has left nothing to tell");
            if end == End::Left { Exit::Interrupted } else { Exit::Failed }
        }
    };
    if end == End::Left {
        // Users that do not stop go with the process.
        return Ok(exit);
    }
    tokio::select! {
        () = searcher.close() => {}
        _ = signals.next() => {}
    }
    Ok(exit)
}

/// How the search came to its end, as far as whoever started it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// By itself.
    Seen,
    /// Somebody interrupted it.
    Interrupted,
    /// Somebody interrupted it twice and did not want to wait for the end of its run.
    Left,
}

/// Writes what was asked for and then prints what was found, which may fail or wait for ever; answers
/// with the exit code.
fn tell(
    (options, settled): (&CapacityOptions, &Settled),
    result: &CapacityResult,
    end: End,
    report: Option<&RunReport>,
    answers: &mut impl Write,
) -> Exit {
    let exit = exit_of(result, end != End::Seen, report);
    let page = settled.of("--html").map(|output| draw(output, result, report));
    let whole =
        settled.of("--json").map(|output| write(output, result, &options.scenario, report, exit));
    let faults: Vec<_> = page.into_iter().chain(whole).filter_map(Result::err).collect();
    let mut summary = text::summary(result);
    if let Some(report) = report.filter(|_| exit == Exit::Invalid) {
        let why = one_line(&report.generator.reasons.join("; "));
        summary += &format!("\nINVALID: the generator could not keep up: {why}");
    }
    if !faults.is_empty() {
        complain(&faults.join("\n"));
    }
    if settled.take_stdout() {
        // A program that reads a document there expects nothing behind it.
        complain(&summary.trim_end());
    } else {
        print_summary(answers, &summary);
    }
    if faults.is_empty() { exit } else { Exit::Failed }
}

/// Waits for the end of the search: what was found, and how it ended.
async fn watch(
    searcher: &impl Searcher,
    signals: &mut EndSignals,
    progress: &Progress,
) -> Result<(Option<CapacityResult>, End), Trouble> {
    let mut end = End::Seen;
    let mut found = std::pin::pin!(searcher.found());
    let mut draws = interval(DRAW);
    draws.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            result = &mut found => return Ok((result?, end)),
            _ = signals.next() => {
                if end == End::Interrupted {
                    progress.say("left; what is known so far is written");
                    let known = timeout(LAST_LOOK, searcher.known()).await;
                    return Ok((known.unwrap_or(None), End::Left));
                }
                end = End::Interrupted;
                progress.say("the search stops and tells what it knows; once more leaves at once");
                searcher.ask_to_stop().await;
            }
            _ = draws.tick() => {
                if let Some(screen) = progress.screen() {
                    progress.show(searcher.look(screen).await);
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
fn draw(
    output: &Output,
    result: &CapacityResult,
    report: Option<&RunReport>,
) -> Result<(), String> {
    let Some(report) = report else {
        return Err(format!(
            "`{}` is not written: the run has left nothing",
            output.path().display()
        ));
    };
    let page = html::render_capacity(report, result);
    output.write(&page).map_err(|fault| fault.to_string())
}

fn write(
    output: &Output,
    result: &CapacityResult,
    scenario: &str,
    report: Option<&RunReport>,
    exit: Exit,
) -> Result<(), String> {
    let fault = |fault: &dyn std::fmt::Display| {
        format!("`{}` cannot be written: {fault}", output.path().display())
    };
    let mut whole = serde_json::to_value(result).map_err(|error| fault(&error))?;
    whole["scenario"] = json!(scenario);
    whole["exit_code"] = json!(exit as u8);
    let run = serde_json::to_value(report).map_err(|error| fault(&error))?;
    whole["generator"] = run["generator"].clone();
    whole["run"] = run;
    let text = serde_json::to_string_pretty(&whole).map_err(|error| fault(&error))?;
    output.write(&(printable::json(&text) + "\n")).map_err(|fault| fault.to_string())
}
