//! A run that a node elsewhere makes, with all that it commands: what `crowd run --api` sees to its
//! end.

use std::{
    fmt::Display,
    future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crowd_core::{
    json_fault,
    refusal::{Code, Refusal},
};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use super::{Client, ClientFault, Done, Refused};
use crate::{
    control::{
        command::{Command, Pair},
        execute::is_on,
        exit::Exit,
        operations::RunEnd,
        run::host::{Host, Trouble},
    },
    node::{RunState, Status},
    report::{RunReport, json, live::Screen, table::cut},
};

/// How often it is looked whether the run is over.
const LOOK: Duration = Duration::from_millis(200);

/// How long an answer to `stop` is waited for, which is seen to its end there all the same.
const ASKED: Duration = Duration::from_secs(2);

/// How long a node may be away before the run is given up here.
const AWAY: Duration = Duration::from_secs(30);

/// How old what is shown may be: each look costs the node a table of all actions.
const FRESH: Duration = Duration::from_secs(1);

/// How many lines of each answer are shown.
const LINES: usize = 16;

/// The lines that were shown last, and when.
type Shown = (Instant, Vec<String>);

/// The node that makes the run. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::control) struct There {
    client: Client,
    shown: Arc<Mutex<Option<Shown>>>,
}

impl There {
    /// Runs are made by the node of that client.
    pub(in crate::control) fn new(client: Client) -> Self {
        Self { client, shown: Arc::default() }
    }

    /// Has a command carried out.
    pub(super) async fn command(
        &self,
        command: &Command,
    ) -> Result<Result<Done, Refused>, ClientFault> {
        let answer = self.client.command(&command.to_string()).await?;
        self.client.outcome(&answer)
    }

    /// Has a command carried out that does no harm if it is carried out twice: a node that is away
    /// for a moment is asked again.
    pub(super) async fn repeated(&self, command: &Command) -> Result<Done, Trouble> {
        let began = Instant::now();
        loop {
            match self.command(command).await {
                Ok(Ok(done)) => return Ok(done),
                // The master of the run may be on its way back.
                Ok(Err(refused)) if refused.code != Code::Unavailable.as_str() => {
                    return Err(refused.into());
                }
                Ok(Err(refused)) if began.elapsed() > AWAY => return Err(refused.into()),
                Err(fault) if began.elapsed() > AWAY => return Err(given_up(&fault)),
                Ok(Err(_)) | Err(_) => sleep(LOOK).await,
            }
        }
    }

    /// The result of the last run there; asked for once.
    pub(in crate::control) async fn last_report(&self) -> Result<RunReport, Trouble> {
        match self.command(&Command::Report).await {
            Ok(Ok(done)) => read(&done),
            Ok(Err(refused)) => Err(refused.into()),
            Err(fault) => Err(Trouble { message: fault.to_string(), exit: Exit::Failed }),
        }
    }

    /// What these commands answer, one below the other, none wider than `width`; not asked for more
    /// often than it need be.
    pub(super) async fn shown(&self, commands: &[Command], width: usize) -> String {
        let known = self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // The window may have another size by now.
        let fitted = |lines: &[String]| {
            lines.iter().map(|line| cut(line, width)).collect::<Vec<_>>().join("\n")
        };
        if let Some((at, lines)) = known
            && at.elapsed() < FRESH
        {
            return fitted(&lines);
        }
        let mut lines = Vec::new();
        for command in commands {
            match self.command(command).await {
                Ok(Ok(done)) => lines.extend(done.text.lines().take(LINES).map(str::to_owned)),
                // Before the run has begun nothing is measured.
                Ok(Err(_)) => {}
                Err(fault) => lines.push(fault.to_string()),
            }
        }
        let text = fitted(&lines);
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), lines));
        text
    }

    /// Has something begun, which is not to be done twice.
    pub(super) async fn start_with(&self, begin: &Command) -> Result<(), Trouble> {
        match self.command(begin).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(refused)) => Err(refused.into()),
            Err(fault @ (ClientFault::Unreachable(..) | ClientFault::NotCrowd(..))) => {
                Err(Trouble { message: fault.to_string(), exit: Exit::Failed })
            }
            Err(fault) => Err(given_up(&fault)),
        }
    }
}

impl From<Refused> for Trouble {
    fn from(refused: Refused) -> Self {
        let code = serde_json::from_value(Value::String(refused.code.clone()));
        let exit = match code {
            Ok(code) => Exit::of_refusal(&Refusal::new(code, "")),
            // A code that this version does not know.
            Err(_) => Exit::Failed,
        };
        Self { message: refused.to_string(), exit }
    }
}

/// The report in an answer.
fn read(done: &Done) -> Result<RunReport, Trouble> {
    json::of_text(&done.reply["data"].to_string()).map_err(|fault| unreadable(&fault))
}

fn given_up(fault: &dyn Display) -> Trouble {
    let message = format!(
        "{fault}; the run is given up here, and may go on there: `crowd eval stop` ends it"
    );
    Trouble { message, exit: Exit::Failed }
}

pub(super) fn unreadable(fault: &dyn Display) -> Trouble {
    let message =
        format!("what the node answers cannot be read, is it of another version? {fault}");
    Trouble { message, exit: Exit::Failed }
}

impl Host for There {
    async fn start(&self, scenario: &str, users: u64, settings: Vec<Pair>) -> Result<(), Trouble> {
        self.start_with(&Command::Do { scenario: scenario.to_owned(), users, settings }).await
    }

    /// `init` may be under way there.
    async fn abandon(&self) {
        self.stop().await;
        self.close().await;
    }

    async fn standing(&self) -> Result<Status, Trouble> {
        let done = self.repeated(&Command::Status).await?;
        serde_json::from_value(done.into_data())
            .map_err(|fault| unreadable(&json_fault::in_words(&fault)))
    }

    async fn remove(&self, count: u64) {
        let _ = self.command(&Command::Remove { count, force: false, nodes: Vec::new() }).await;
    }

    async fn stop(&self) {
        let _ = timeout(ASKED, self.command(&Command::Stop)).await;
    }

    async fn stop_gracefully(&self) {
        let _ = timeout(ASKED, self.command(&Command::StopGracefully)).await;
    }

    async fn ended(&self) -> Result<(), Trouble> {
        loop {
            match self.standing().await?.state {
                // It was not heard.
                RunState::Running => self.stop().await,
                state if !is_on(state) => return Ok(()),
                _ => {}
            }
            sleep(LOOK).await;
        }
    }

    /// Never: a node that is gone may come back.
    async fn broken(&self) -> Trouble {
        future::pending().await
    }

    async fn live(&self, left: Option<Duration>, screen: Screen) -> String {
        let commands = [Command::Status, Command::Metrics { name: None }];
        let mut text = self.shown(&commands, screen.width).await;
        if let Some(left) = left {
            let left = Duration::from_secs(left.as_secs());
            text += &format!("\n{} left", humantime::format_duration(left));
        }
        text
    }

    async fn report(&self, end: RunEnd) -> Result<RunReport, Trouble> {
        let report = read(&self.repeated(&Command::Report).await?)?;
        Ok(if end == RunEnd::Interrupted { report.interrupted() } else { report })
    }

    /// Its result is told here, so that the node is free for the next one.
    async fn close(&self) {
        let _ = self.command(&Command::Reset).await;
    }

    /// What is there may be somebody else's run.
    async fn give_up(&self) {}
}
