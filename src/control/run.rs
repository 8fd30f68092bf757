//! `crowd run`: one run from begin to end, with live progress, a summary and an exit code.

use std::{
    io::{self, Write},
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::{
    command::Pair,
    execute::all_gone,
    exit::Exit,
    logging::Logs,
    operations::{Operations, RunEnd},
    outputs::{Outputs, Settled},
    signals::EndSignals,
    tell::{complain, print_summary, say_aside},
};
use crate::{
    node::{RunState, Status},
    report::{Colour, RunReport, text},
};

mod ending;
pub(super) mod host;
pub(super) mod progress;

use ending::{Action, Ending};
use host::{Here, Host, Trouble};
use progress::Progress;

/// How often the run is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Every so many looks, the lines on the terminal are drawn anew.
const DRAW_EVERY: u32 = 3;

/// How long whoever leaves at once waits for what is known so far.
pub(super) const LAST_LOOK: Duration = Duration::from_secs(2);

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
    /// Where its result goes.
    pub outputs: Outputs,
}

/// Runs a scenario until all users have ended, the time is up or somebody interrupts it; writes
/// what was asked for; tells about it on `answers`, with colours for a terminal; ends the node. That
/// nobody hears what is told makes no difference.
///
/// # Errors
/// If signals cannot be heard.
pub(super) async fn run(
    signals: EndSignals,
    node: impl Operations,
    options: RunOptions,
    logs: &Logs,
    answers: &mut impl Write,
    colour: bool,
) -> io::Result<Exit> {
    run_until(signals, Here(node), options, logs, answers, colour).await
}

/// As [`run`], by whoever makes the run.
pub(super) async fn run_by(
    host: impl Host,
    options: RunOptions,
    logs: &Logs,
    answers: &mut impl Write,
    colour: bool,
) -> io::Result<Exit> {
    run_until(EndSignals::listen()?, host, options, logs, answers, colour).await
}

async fn run_until(
    signals: EndSignals,
    host: impl Host,
    options: RunOptions,
    logs: &Logs,
    answers: &mut impl Write,
    colour: bool,
) -> io::Result<Exit> {
    let settled = match options.outputs.settle() {
        Ok(settled) => settled,
        Err(faults) => {
            faults.iter().for_each(|fault| complain(&fault));
            return Ok(Exit::BadUsage);
        }
    };
    let mut work = Work {
        host,
        signals,
        ending: Ending::new(options.duration),
        progress: Progress::new(logs),
    };
    let left = match work.go(&options).await {
        Ok(()) => false,
        Err(Cut::Left) => true,
        Err(Cut::Trouble(Trouble { message, exit })) => {
            work.progress.say(&message);
            work.host.give_up().await;
            return Ok(exit);
        }
    };
    let Work { host, mut signals, ending, progress } = work;
    drop(progress);
    let cut = if left || ending.interrupted() { RunEnd::Interrupted } else { RunEnd::Complete };
    let report = tokio::select! {
        report = host.report(cut) => report,
        () = out_of_patience(&mut signals, left) => Err(unknown()),
    };
    let exit = match report {
        Ok(report) => tell(&report, (&options.outputs, &settled), answers, colour),
        Err(Trouble { message, exit }) => {
            complain(&message);
            exit
        }
    };
    if left {
        // Users that do not stop go with the process.
        return Ok(exit);
    }
    tokio::select! {
        () = host.close() => {}
        _ = signals.next() => {}
    }
    Ok(exit)
}

/// Resolves when whoever waits for a result does so no longer: some time after the last signal, since a
/// result is worth that.
pub(super) async fn out_of_patience(signals: &mut EndSignals, left: bool) {
    if !left {
        signals.next().await;
    }
    sleep(LAST_LOOK).await;
}

fn unknown() -> Trouble {
    let message = "left before it was known what came of the run".to_owned();
    Trouble { message, exit: Exit::Interrupted }
}

struct Work<H> {
    host: H,
    signals: EndSignals,
    ending: Ending,
    progress: Progress,
}

/// Why the run is not seen to its end.
enum Cut {
    /// It did not begin, or nobody can tell how it goes: there is nothing to tell in the end.
    Trouble(Trouble),
    /// Whoever started it does not want to wait any more: what is known so far is told.
    Left,
}

impl From<Trouble> for Cut {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl<H: Host> Work<H> {
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
                trouble = self.host.broken() => return Err(trouble.into()),
            };
            self.act(action).await?;
            let host = self.host.clone();
            let status = tokio::select! {
                status = host.standing() => status?,
                // A node elsewhere may be away.
                _ = self.signals.next() => {
                    let action = self.interrupt();
                    self.act(action).await?;
                    continue;
                }
            };
            if all_gone(&status) {
                break;
            }
            if look % DRAW_EVERY == 0
                && let Some(screen) = self.progress.screen()
            {
                let left = self.ending.left(began.elapsed());
                self.progress.show(self.host.live(left, screen).await);
            }
        }
        self.finish().await
    }

    async fn start(&mut self, options: &RunOptions) -> Result<(), Cut> {
        let host = self.host.clone();
        tokio::select! {
            outcome = host.start(&options.scenario, options.users, options.settings.clone()) => {
                Ok(outcome?)
            }
            // Nothing has been measured yet, so there is nothing to tell either.
            _ = self.signals.next() => {
                host.abandon().await;
                let message = "interrupted before the run had begun".to_owned();
                Err(Trouble { message, exit: Exit::Interrupted }.into())
            }
        }
    }

    /// Ends the run, in which nobody is left, so that `terminate` runs.
    async fn finish(&mut self) -> Result<(), Cut> {
        let host = self.host.clone();
        host.stop().await;
        let mut ended = std::pin::pin!(host.ended());
        loop {
            tokio::select! {
                outcome = &mut ended => return Ok(outcome?),
                _ = self.signals.next() => {
                    let action = self.interrupt();
                    self.act(action).await?;
                }
                trouble = host.broken() => return Err(trouble.into()),
            }
        }
    }

    fn interrupt(&mut self) -> Action {
        let action = self.ending.interrupt();
        self.progress.say(match action {
            Action::Nothing => "the run is ending already; once more leaves at once",
            Action::Finish => "what is under way may finish; once more stops everybody",
            Action::Drain => "no more users, and all are told to stop; once more forces them",
            Action::Force => "users that do not end are killed in 2s; once more leaves at once",
            Action::Leave => "left; what is known so far is written",
        });
        action
    }

    async fn act(&self, action: Action) -> Result<(), Cut> {
        match action {
            Action::Nothing => {}
            Action::Drain => {
                if let Ok(Status { state: RunState::Running, users, profile, .. }) =
                    self.host.standing().await
                {
                    match users.waiting + users.running {
                        // Nobody comes any more, and those that are there are told to stop.
                        _ if profile.is_some() => self.host.stop().await,
                        0 => {}
                        there => self.host.remove(there).await,
                    }
                }
            }
            Action::Finish => self.host.stop_gracefully().await,
            Action::Force => self.host.stop().await,
            Action::Leave => return Err(Cut::Left),
        }
        Ok(())
    }
}

/// Writes what was asked for and then prints the summary, which may fail or wait for ever; answers
/// with the exit code.
fn tell(
    report: &RunReport,
    (outputs, settled): (&Outputs, &Settled),
    answers: &mut impl Write,
    colour: bool,
) -> Exit {
    let faults = outputs.write(settled, report);
    faults.iter().for_each(|fault| complain(&fault));
    let colour = if colour { Colour::Ansi } else { Colour::Plain };
    let summary = text::summary(report, colour);
    if settled.take_stdout() {
        // A program that reads a document there expects nothing behind it.
        say_aside(summary.trim_end());
    } else {
        print_summary(answers, &summary);
    }
    let least = if faults.is_empty() { Exit::Passed } else { Exit::Failed };
    Exit::of_code(report.exit_code.max(least as u8))
}

#[cfg(test)]
mod tests;
