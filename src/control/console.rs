//! The console of a node: a person at a terminal, or lines from a pipe.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crowd_core::printable;
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt},
    task::JoinSet,
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    command::{Command, parse_line},
    execute::is_on,
    exit::Exit,
    logging::Logs,
    operations::{Operations, RunEnd},
    signals::{EndSignal, EndSignals},
    table::wants_colour,
};
use crate::{
    node::RunState,
    report::{Colour, text::summary},
};

pub mod completion;
mod editor;
mod history;
pub(super) mod operator;
mod printer;

use completion::Known;
use editor::{Editor, Typed};
use operator::{Local, Operator};
use printer::Printer;

/// How long a command may keep the prompt away. What takes longer goes on, and its outcome is
/// printed when it is known.
const PATIENCE: Duration = Duration::from_secs(3);

/// What comes after a line.
enum Next {
    Prompt,
    End,
}

/// The console of a person at a terminal. Ends with `quit`, Ctrl-D or SIGTERM, and then ends the
/// run and the node.
///
/// # Errors
/// If the terminal cannot be used.
pub(super) async fn interactive(
    signals: EndSignals,
    node: impl Operations,
    logs: &Logs,
) -> io::Result<Exit> {
    let (mut console, editor) = Console::open(signals, Local(node))?;
    let lines = console.printer.clone();
    let diverted = logs.divert(move |text| lines.print(text));
    console.printer.print(&format!(
        "crowd {}: `help` lists the commands, Tab completes, Ctrl-D ends.",
        env!("CARGO_PKG_VERSION")
    ));
    let exit = console.converse(editor).await;
    drop(diverted);
    let Console { node: Local(node), mut signals, late, .. } = console;
    drop(late);
    let mut stdout = io::stdout();
    let colour = wants_colour(&stdout);
    // Whoever asked for the end once may ask again, and is then not kept waiting.
    tokio::select! {
        () = end(&node, &mut stdout, colour) => exit,
        _ = signals.next() => Ok(Exit::Interrupted),
    }
}

/// The console of a person at a terminal, of a node elsewhere. Leaving it with `quit`, Ctrl-D or
/// SIGTERM changes nothing there.
///
/// # Errors
/// If the terminal cannot be used.
pub(super) async fn attached(node: impl Operator, welcome: &str) -> io::Result<Exit> {
    let (mut console, editor) = Console::open(EndSignals::listen()?, node)?;
    console.printer.print(welcome);
    console.converse(editor).await
}

struct Console<N> {
    node: N,
    signals: EndSignals,
    known: Arc<Mutex<Known>>,
    printer: Printer,
    /// Commands that go on although the prompt is back.
    late: JoinSet<()>,
}

impl<N: Operator> Console<N> {
    /// Takes hold of the terminal.
    fn open(signals: EndSignals, node: N) -> io::Result<(Self, Editor)> {
        let known = Arc::new(Mutex::new(Known::default()));
        let (editor, printer) = Editor::start(known.clone())?;
        Ok((Self { node, signals, known, printer, late: JoinSet::new() }, editor))
    }

    async fn converse(&mut self, mut editor: Editor) -> io::Result<Exit> {
        let exit = loop {
            self.refresh().await;
            editor.ask();
            let typed = tokio::select! {
                typed = editor.line() => typed,
                // Ctrl-C is a key while somebody types, so this is somebody else's signal.
                _ = self.signals.next() => break Ok(Exit::Interrupted),
                () = self.node.broken() => break Ok(Exit::Failed),
            };
            let line = match typed {
                Typed::Line(line) => line,
                Typed::Cleared => continue,
                Typed::End => break Ok(Exit::Passed),
                Typed::Failed(error) => break Err(error),
            };
            let next = match parse_line(&line) {
                Ok(None) => Next::Prompt,
                Ok(Some(Command::Quit)) => Next::End,
                Ok(Some(command)) => self.carry_out(command).await,
                Err(refusal) => {
                    self.printer.print(&text(Err(refusal.to_string())));
                    Next::Prompt
                }
            };
            if let Next::End = next {
                break Ok(Exit::Passed);
            }
            while self.late.try_join_next().is_some() {}
        };
        editor.close();
        if !matches!(exit, Ok(Exit::Passed)) {
            // Half a line may stand there.
            self.printer.print("");
        }
        exit
    }

    /// Carries a command out, with the prompt back before long.
    async fn carry_out(&mut self, command: Command) -> Next {
        let waits = matches!(command, Command::Wait { .. });
        let starts = matches!(command, Command::Do { .. });
        let shown = title(&command);
        let node = self.node.clone();
        let mut task =
            AbortOnDropHandle::new(tokio::spawn(async move { node.carry_out(command).await }));
        let patience = async {
            if waits { std::future::pending().await } else { tokio::time::sleep(PATIENCE).await }
        };
        tokio::select! {
            outcome = &mut task => {
                match outcome {
                    Ok(outcome) => self.printer.print(&text(outcome)),
                    Err(panic) => self.printer.print(&format!("`{shown}` broke: {panic}")),
                }
                return Next::Prompt;
            }
            () = patience => {}
            signal = self.signals.next() => match signal {
                EndSignal::Terminate => {
                    return Next::End;
                }
                EndSignal::Interrupt if waits => {
                    self.printer.print("\nno longer waiting; the run goes on");
                    return Next::Prompt;
                }
                EndSignal::Interrupt => self.printer.print(""),
            },
        }
        self.printer.print(if starts { "still initialising …" } else { "still at it …" });
        let printer = self.printer.clone();
        self.late.spawn(async move {
            if let Ok(outcome) = task.await {
                printer.print(&format!("{shown}: {}", text(outcome)));
            }
        });
        Next::Prompt
    }

    /// Learns the names that completion offers.
    async fn refresh(&self) {
        if let Some(fresh) = self.node.known().await {
            *self.known.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        }
    }
}

/// Carries out one command a line and prints the answers, the refusals to `faults`; goes on after
/// a refusal. Ends at the end of input or with `quit`, and then ends the run and the node.
///
/// The answer is [`Exit::Failed`] if any command was refused.
///
/// # Errors
/// If the answers cannot be written.
pub(super) async fn scripted(
    mut signals: EndSignals,
    node: impl Operations,
    mut lines: impl AsyncBufRead + Unpin,
    mut answers: impl Write,
    mut faults: impl Write,
) -> io::Result<Exit> {
    let operator = Local(node.clone());
    let work = script(&operator, &mut lines, &mut answers, &mut faults);
    // Where nobody reads the answers the run has its end all the same.
    let exit = tokio::select! {
        exit = work => exit,
        _ = signals.next() => Ok(Exit::Interrupted),
        () = node.broken() => Ok(Exit::Failed),
    };
    tokio::select! {
        () = end(&node, &mut answers, false) => exit,
        _ = signals.next() => Ok(Exit::Interrupted),
    }
}

/// Carries out one command a line on a node elsewhere. Ends at the end of input or with `quit`,
/// and changes nothing there by ending.
///
/// The answer is [`Exit::Failed`] if any command was refused.
///
/// # Errors
/// If the answers cannot be written.
pub(super) async fn attached_script(
    node: impl Operator,
    mut lines: impl AsyncBufRead + Unpin,
    mut answers: impl Write,
    mut faults: impl Write,
) -> io::Result<Exit> {
    let mut signals = EndSignals::listen()?;
    tokio::select! {
        exit = script(&node, &mut lines, &mut answers, &mut faults) => exit,
        _ = signals.next() => Ok(Exit::Interrupted),
    }
}

async fn script(
    node: &impl Operator,
    lines: &mut (impl AsyncBufRead + Unpin),
    answers: &mut impl Write,
    faults: &mut impl Write,
) -> io::Result<Exit> {
    let mut exit = Exit::Passed;
    let mut line = Vec::new();
    for number in 1u64.. {
        line.clear();
        if lines.read_until(b'\n', &mut line).await? == 0 {
            break;
        }
        let outcome = match parse_line(&String::from_utf8_lossy(&line)) {
            Ok(None) => continue,
            Ok(Some(Command::Quit)) => break,
            Ok(Some(command)) => node.carry_out(command).await,
            Err(refusal) => Err(refusal.to_string()),
        };
        match outcome {
            Ok(answer) => writeln!(answers, "{}", printable::lines(&answer))?,
            Err(fault) => {
                exit = Exit::Failed;
                writeln!(faults, "line {number}: {}", printable::lines(&fault))?;
            }
        }
        answers.flush()?;
    }
    Ok(exit)
}

/// The command without the values that were given with it: they may be secrets.
fn title(command: &Command) -> String {
    match command {
        Command::Do { scenario, .. } => format!("do {scenario}"),
        Command::Set { .. } => "set".to_owned(),
        other => other.to_string(),
    }
}

/// What is printed of an outcome at a terminal: other nodes and the target may be quoted in it.
fn text(outcome: Result<String, String>) -> String {
    printable::lines(&outcome.unwrap_or_else(|fault| fault))
}

/// Ends the run, if one is on, and tells about it; then ends the node.
async fn end(node: &impl Operations, answers: &mut impl Write, colour: bool) {
    let colour = if colour { Colour::Ansi } else { Colour::Plain };
    if let Some(words) = node.last_words().await {
        // Nobody is harmed if the terminal or the pipe is gone.
        let _ = writeln!(answers, "{}", summary(&words, colour).trim_end());
    }
    if node.owns_run()
        && let Ok(status) = node.status().await
        && is_on(status.state)
    {
        let scenario = status.scenario.unwrap_or_default();
        // Nobody is harmed if the terminal or the pipe is gone.
        let _ = writeln!(
            answers,
            "the run of `{scenario}` is on, with {} running and {} waiting: it is stopped …",
            status.users.running, status.users.waiting
        );
        let _ = answers.flush();
        // Refused if it ends already, or has not begun; the latter is for the node to end.
        let stopped = node.stop().await.is_ok() || status.state == RunState::Terminating;
        if stopped {
            node.ended().await;
            if let Some(report) = node.finish_report(RunEnd::Complete).await {
                let _ = writeln!(answers, "{}", summary(&report, colour).trim_end());
            }
        }
    }
    node.shutdown().await;
}

#[cfg(test)]
mod tests;
