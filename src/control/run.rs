//! `crowd run`: one run from begin to end, with live progress, a summary and an exit code.

use std::{
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{
    command::Pair,
    execute::all_gone,
    exit::Exit,
    logging::Logs,
    operations::{FinishedReport, Operations, RunEnd},
    signals::EndSignals,
};
use crate::node::{RunState, Status};

mod ending;
mod outputs;
pub(super) mod progress;

use ending::{Action, Ending};
pub(super) use outputs::unwritable;
use progress::Progress;

/// How often the run is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Every so many looks, the lines on the terminal are drawn anew.
const DRAW_EVERY: u32 = 3;

/// What to run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The scenario.
    pub scenario: String,
    /// How many users.
    pub users: u64,
    /// The scenario's settings.
    pub settings: Vec<Pair>,
    /// How long at most; none: until all users have ended.
    pub duration: Option<Duration>,
    /// Where the document goes.
    pub json: Option<PathBuf>,
    /// Where the page goes.
    pub html: Option<PathBuf>,
    /// Where JUnit's XML goes.
    pub junit: Option<PathBuf>,
}

/// Runs a scenario until all users have ended, the time is up or somebody interrupts it; tells
/// about it on `answers`, with colours for a terminal; ends the node.
///
/// # Errors
/// If signals cannot be heard or the summary cannot be written.
pub async fn run(
    node: impl Operations,
    options: RunOptions,
    logs: &Logs,
    answers: &mut impl Write,
    colour: bool,
) -> io::Result<Exit> {
    run_until(EndSignals::listen()?, node, options, logs, answers, colour).await
}

async fn run_until(
    signals: EndSignals,
    node: impl Operations,
    options: RunOptions,
    logs: &Logs,
    answers: &mut impl Write,
    colour: bool,
) -> io::Result<Exit> {
    let faults = outputs::faults(&options);
    if !faults.is_empty() {
        faults.iter().for_each(|fault| eprintln!("{fault}"));
        return Ok(Exit::BadUsage);
    }
    let mut work = Work {
        node,
        signals,
        ending: Ending::new(options.duration),
        progress: Progress::new(logs),
    };
    match work.go(&options).await {
        Ok(()) => {}
        Err(Cut::Refused(exit)) => {
            work.node.shutdown().await;
            return Ok(exit);
        }
        Err(Cut::Left) => return Ok(Exit::Interrupted),
    }
    let Work { node, mut signals, ending, progress } = work;
    drop(progress);
    let cut = if ending.interrupted() { RunEnd::Interrupted } else { RunEnd::Complete };
    let exit = match node.finish_report(cut, colour).await {
        Some(report) => tell(&report, &options, answers)?,
        None => {
            eprintln!("the run has left nothing to tell");
            Exit::Failed as u8
        }
    };
    tokio::select! {
        () = node.shutdown() => {}
        _ = signals.next() => {}
    }
    Ok(Exit::of_code(exit))
}

struct Work<N> {
    node: N,
    signals: EndSignals,
    ending: Ending,
    progress: Progress,
}

/// Why there is nothing to tell in the end.
enum Cut {
    /// The run did not begin.
    Refused(Exit),
    /// Whoever started it does not want to wait any more.
    Left,
}

impl<N: Operations> Work<N> {
    /// Starts the run and sees it to its end.
    async fn go(&mut self, options: &RunOptions) -> Result<(), Cut> {
        self.start(options).await?;
        let began = Instant::now();
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for look in 0u32.. {
            let action = tokio::select! {
                _ = looks.tick() => self.ending.tick(began.elapsed()),
                _ = self.signals.next() => self.interrupt(),
                () = self.node.broken() => return Err(Cut::Refused(Exit::Failed)),
            };
            self.act(action).await?;
            let Ok(status) = self.node.status().await else {
                return Err(Cut::Refused(Exit::Failed));
            };
            if all_gone(&status) {
                break;
            }
            if look % DRAW_EVERY == 0
                && let Some(width) = self.progress.width()
            {
                let left = self.ending.left(began.elapsed());
                self.progress.show(self.node.live(left, width).await);
            }
        }
        self.finish().await
    }

    async fn start(&mut self, options: &RunOptions) -> Result<(), Cut> {
        let node = self.node.clone();
        let start = node.start_run(&options.scenario, options.users, options.settings.clone());
        tokio::select! {
            outcome = start => match outcome {
                Ok(_) => Ok(()),
                Err(refusal) => {
                    self.progress.say(&refusal.to_string());
                    Err(Cut::Refused(Exit::of_refusal(&refusal)))
                }
            },
            // Nothing has been measured yet, so there is nothing to tell either.
            _ = self.signals.next() => {
                self.progress.say("interrupted before the run had begun");
                Err(Cut::Refused(Exit::Interrupted))
            }
        }
    }

    /// Ends the run, in which nobody is left, so that `terminate` runs.
    async fn finish(&mut self) -> Result<(), Cut> {
        // Refused if it ends already; then only the waiting is left.
        let _ = self.node.stop().await;
        let node = self.node.clone();
        let mut ended = std::pin::pin!(node.ended());
        loop {
            tokio::select! {
                _ = &mut ended => return Ok(()),
                _ = self.signals.next() => {
                    let action = self.interrupt();
                    self.act(action).await?;
                }
                () = node.broken() => return Err(Cut::Refused(Exit::Failed)),
            }
        }
    }

    fn interrupt(&mut self) -> Action {
        let action = self.ending.interrupt();
        self.progress.say(match action {
            Action::Nothing => "the run is ending already; once more leaves at once",
            Action::Drain => "no more users, and all are told to stop; once more forces them",
            Action::Force => "users that do not end are killed in 2s; once more leaves at once",
            Action::Leave => "left",
        });
        action
    }

    async fn act(&self, action: Action) -> Result<(), Cut> {
        match action {
            Action::Nothing => {}
            Action::Drain => {
                if let Ok(Status { state: RunState::Running, users, profile, .. }) =
                    self.node.status().await
                    && (users.waiting + users.running > 0 || profile.is_some())
                {
                    if profile.is_some() {
                        // Nobody comes any more, and those that are there are told to stop.
                        let _ = self.node.stop().await;
                        return Ok(());
                    }
                    // Refused only if the run has ended meanwhile.
                    let _ = self.node.remove(users.waiting + users.running, false, &[]).await;
                }
            }
            // Refused only if it ends already.
            Action::Force => {
                let _ = self.node.stop().await;
            }
            Action::Leave => return Err(Cut::Left),
        }
        Ok(())
    }
}

/// Prints the summary and writes what else was asked for; answers with the exit code.
fn tell(report: &FinishedReport, options: &RunOptions, answers: &mut impl Write) -> io::Result<u8> {
    writeln!(answers, "{}", report.summary.trim_end())?;
    answers.flush()?;
    let faults = outputs::write(options, report);
    faults.iter().for_each(|fault| eprintln!("{fault}"));
    Ok(if faults.is_empty() { report.exit_code } else { report.exit_code.max(Exit::Failed as u8) })
}

#[cfg(test)]
mod tests;
