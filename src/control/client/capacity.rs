//! A capacity search that a node elsewhere makes, with all that it commands: what
//! `crowd capacity --api` sees to its end.

use std::time::Duration;

use crowd_core::json_fault;
use serde::Deserialize;
use tokio::time::{sleep, timeout};

use super::run::{There, unreadable};
use crate::{
    capacity::{CapacityResult, SearchState},
    control::{
        capacity::{once::CapacityOptions, searcher::Searcher},
        command::{CapacityCommand, Command},
        run::host::Trouble,
    },
    report::live::Screen,
};

/// How often it is looked whether the search is over.
const LOOK: Duration = Duration::from_millis(500);

/// How long the request to stop is waited for: it is answered when the search is over.
const ASKED: Duration = Duration::from_secs(1);

impl Searcher for There {
    async fn begin(&self, options: &CapacityOptions) -> Result<(), Trouble> {
        self.start_with(&Command::Capacity(CapacityCommand::Start {
            scenario: options.scenario.clone(),
            settings: options.settings.clone(),
            search: options.given.clone(),
        }))
        .await
    }

    async fn found(&self) -> Result<Option<CapacityResult>, Trouble> {
        #[derive(Deserialize)]
        struct Standing {
            state: SearchState,
            result: Option<CapacityResult>,
        }
        loop {
            let done = self.repeated(&Command::Capacity(CapacityCommand::Status)).await?;
            let standing = serde_json::from_value(done.into_data());
            match standing.map_err(|fault| unreadable(&json_fault::in_words(&fault)))? {
                Standing { state: SearchState::Running, .. } => sleep(LOOK).await,
                // Somebody may have forgotten it.
                Standing { result, .. } => return Ok(result),
            }
        }
    }

    /// Seen to its end there, whoever waits for the answer.
    async fn ask_to_stop(&self) {
        let _ = timeout(ASKED, self.command(&Command::Capacity(CapacityCommand::Stop))).await;
    }

    async fn known(&self) -> Option<CapacityResult> {
        let status = Command::Capacity(CapacityCommand::Status);
        let done = self.command(&status).await.ok()?.ok()?;
        serde_json::from_value(done.into_data().get_mut("result")?.take()).ok()
    }

    async fn look(&self, screen: Screen) -> String {
        let commands = [Command::Capacity(CapacityCommand::Status), Command::Status];
        self.shown(&commands, screen.width).await
    }
}
