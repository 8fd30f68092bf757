//! Where a search of the command line is made: on a node of its own, or by a node elsewhere.

use super::{once::CapacityOptions, start, text};
use crate::{
    capacity::CapacityResult,
    control::{
        exit::Exit,
        operations::{Operations, RunEnd},
        run::host::{Here, Host, Trouble},
        tell::complain,
    },
    report::{RunReport, live::Screen},
};

/// Whoever makes the search, and the run it is made with.
pub(in crate::control) trait Searcher: Host {
    /// Starts both; answers when `init` is over.
    async fn begin(&self, options: &CapacityOptions) -> Result<(), Trouble>;

    /// Waits until it is over, and the run with it: what it has found, if anything.
    async fn found(&self) -> Result<Option<CapacityResult>, Trouble>;

    /// It is to stop, and to tell what it knows.
    async fn ask_to_stop(&self);

    /// What it has found, although not all is over yet; nothing if it still looks.
    async fn known(&self) -> Option<CapacityResult>;

    /// A few lines that tell how it goes, for that screen.
    async fn look(&self, screen: Screen) -> String;
}

impl<N: Operations> Searcher for Here<N> {
    async fn begin(&self, options: &CapacityOptions) -> Result<(), Trouble> {
        let CapacityOptions { scenario, settings, search, .. } = options;
        let begun = start(&self.0, scenario, settings.clone(), search.clone()).await;
        begun.map_err(|refusal| Trouble {
            exit: Exit::of_refusal(&refusal),
            message: refusal.to_string(),
        })
    }

    async fn found(&self) -> Result<Option<CapacityResult>, Trouble> {
        tokio::select! {
            status = self.0.desk().done() => Ok(status.result),
            trouble = self.broken() => Err(trouble),
        }
    }

    async fn ask_to_stop(&self) {
        self.0.desk().ask_to_stop();
    }

    async fn known(&self) -> Option<CapacityResult> {
        self.0.desk().status().result
    }

    async fn look(&self, screen: Screen) -> String {
        let line = text::line(&self.0.desk().status());
        let line: String = line.chars().take(screen.width).collect();
        format!("{line}\n{}", self.0.live(None, screen).await)
    }
}

/// What came of the run; nothing is lost of the search if that cannot be told.
pub(super) async fn run_report(searcher: &impl Searcher, interrupted: bool) -> Option<RunReport> {
    let end = if interrupted { RunEnd::Interrupted } else { RunEnd::Complete };
    match searcher.report(end).await {
        Ok(report) => Some(report),
        Err(Trouble { message, .. }) => {
            complain(&message);
            None
        }
    }
}
