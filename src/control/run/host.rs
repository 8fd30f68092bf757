//! Where a run of the command line is made: on a node of its own, or by a node elsewhere.

use std::time::Duration;

use crate::{
    control::{
        command::Pair,
        exit::Exit,
        operations::{Operations, RunEnd},
    },
    node::Status,
    report::{RunReport, live::Screen},
};

/// Why a run did not begin, or cannot be seen to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::control) struct Trouble {
    /// The sentence for people.
    pub(in crate::control) message: String,
    /// What the process ends with.
    pub(in crate::control) exit: Exit,
}

/// Whoever makes the run.
pub(in crate::control) trait Host: Clone + Send {
    /// Starts it; answers when `init` is over.
    async fn start(&self, scenario: &str, users: u64, settings: Vec<Pair>) -> Result<(), Trouble>;

    /// It is not to begin after all: nobody waits for [`Host::start`] any more.
    async fn abandon(&self);

    /// How it stands.
    async fn standing(&self) -> Result<Status, Trouble>;

    /// Tells so many users to stop. Refused only if it has ended meanwhile, which is no matter.
    async fn remove(&self, users: u64);

    /// Ends it. Refused only if it ends already, which is no matter.
    async fn stop(&self);

    /// Lets what is under way finish, and ends it then. Refused only if it ends already, which is no
    /// matter.
    async fn stop_gracefully(&self);

    /// Waits until it is over.
    async fn ended(&self) -> Result<(), Trouble>;

    /// Resolves when nothing can be done any more.
    async fn broken(&self) -> Trouble;

    /// A few lines that tell how it goes, for that screen.
    async fn live(&self, left: Option<Duration>, screen: Screen) -> String;

    /// What came of it.
    async fn report(&self, end: RunEnd) -> Result<RunReport, Trouble>;

    /// It is over and was told of.
    async fn close(&self);

    /// It did not begin, or is not seen to its end.
    async fn give_up(&self);
}

/// A node of this process, which ends with its run.
#[derive(Debug, Clone)]
pub(in crate::control) struct Here<N>(pub(in crate::control) N);

impl<N: Operations> Host for Here<N> {
    async fn start(&self, scenario: &str, users: u64, settings: Vec<Pair>) -> Result<(), Trouble> {
        let started = self.0.start_run(scenario, users, settings).await;
        started.map(drop).map_err(|refusal| Trouble {
            exit: Exit::of_refusal(&refusal),
            message: refusal.to_string(),
        })
    }

    /// It ends with the node.
    async fn abandon(&self) {}

    async fn standing(&self) -> Result<Status, Trouble> {
        self.0
            .status()
            .await
            .map_err(|refusal| Trouble { message: refusal.to_string(), exit: Exit::Failed })
    }

    async fn remove(&self, users: u64) {
        let _ = self.0.remove(users, false, &[]).await;
    }

    async fn stop(&self) {
        let _ = self.0.stop().await;
    }

    async fn stop_gracefully(&self) {
        let _ = self.0.stop_gracefully().await;
    }

    async fn ended(&self) -> Result<(), Trouble> {
        self.0.ended().await;
        Ok(())
    }

    async fn broken(&self) -> Trouble {
        self.0.broken().await;
        Trouble { message: "the node is broken".to_owned(), exit: Exit::Failed }
    }

    async fn live(&self, left: Option<Duration>, screen: Screen) -> String {
        self.0.live(left, screen).await
    }

    async fn report(&self, end: RunEnd) -> Result<RunReport, Trouble> {
        self.0.finish_report(end).await.ok_or_else(|| Trouble {
            message: "the run has left nothing to tell".to_owned(),
            exit: Exit::Failed,
        })
    }

    async fn close(&self) {
        self.0.shutdown().await;
    }

    async fn give_up(&self) {
        self.0.shutdown().await;
    }
}
