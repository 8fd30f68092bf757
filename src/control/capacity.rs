//! Capacity searches on a node: the verb `capacity`, and `crowd capacity`.

use std::{future::Future, time::Duration};

use crowd_core::{
    rate::Rate,
    refusal::{Code, Refusal},
};
use crowd_measure::window::Window;
use crowd_plan::run_settings::{ALLOW_ERRORS, ITERATION_RATE, USER_RATE};

use super::{
    command::{CapacityCommand, Pair},
    operations::Operations,
    reply::Reply,
};
use crate::{
    capacity::{
        Look, Lost, SearchError, SearchSettings, Target, Unit,
        drive::monitors,
        settings::{Given, SearchFaults},
    },
    node::RunState,
};

pub(super) mod once;
pub(super) mod searcher;
pub(super) mod text;

/// The run of a node, or of a cluster, as what a search puts its load on. Users go to the least
/// loaded node and leave the most loaded one.
struct RunOf<N>(N);

impl<N: Operations> Target for RunOf<N> {
    async fn look(&self) -> Result<Look, Refusal> {
        let view = self.0.overview().await?;
        let users = view.status.users;
        Ok(Look {
            on: view.status.state == RunState::Running,
            waiting: users.waiting,
            running: users.running,
            removed: users.removed,
            lost: view
                .gaps
                .into_iter()
                .map(|gap| Lost { node: gap.node, users: gap.users, went: gap.went })
                .collect(),
        })
    }

    fn measured(&self) -> impl Future<Output = Option<Window>> + Send {
        self.0.measured()
    }

    async fn add(&self, users: u64) -> Result<(), Refusal> {
        self.0.add(users, &[]).await.map(drop)
    }

    async fn remove(&self, users: u64) -> Result<u64, Refusal> {
        Ok(self.0.remove(users, false, &[]).await?.chosen)
    }

    async fn begun(&self) -> Option<u64> {
        self.0.throttle(ITERATION_RATE).await.ok().map(|throttle| throttle.granted)
    }

    fn lag(&self) -> Duration {
        self.0.tally_lag()
    }

    async fn set_load(&self, per_second: f64) -> Result<(), Refusal> {
        self.0.set_load(per_second).await
    }

    async fn end(&self) {
        // Refused if it ends already; then only the waiting is left.
        let _ = self.0.stop().await;
        self.0.ended().await;
    }
}

/// Carries `capacity …` out.
pub(super) async fn execute(
    node: &impl Operations,
    command: CapacityCommand,
) -> Result<Reply, Refusal> {
    let status = match command {
        CapacityCommand::Start { scenario, settings, search } => {
            let mut given = Given::default();
            search.iter().for_each(|(name, text)| given.pair(name, text));
            let search = given.settings().map_err(|faults| refusal_of(&faults))?;
            start(node, &scenario, settings, search).await?;
            node.desk().status()
        }
        CapacityCommand::Status => node.desk().status(),
        CapacityCommand::Stop => node.desk().stop().await.map_err(refused)?,
    };
    Ok(Reply::Capacity(Box::new(status)))
}

/// Starts a run, and a search on it: without users, or with those that serve a rate, of which there
/// is none yet.
pub(super) async fn start(
    node: &impl Operations,
    scenario: &str,
    settings: Vec<Pair>,
    search: SearchSettings,
) -> Result<(), Refusal> {
    let place = node.desk().take().map_err(refused)?;
    let monitors = monitors(&search)
        .map_err(|fault| Refusal::new(Code::BadUsage, format!("prometheus: {fault}")))?;
    let mut settings = settings;
    let mut users = 0;
    if search.allow_errors && !settings.iter().any(|(name, _)| name == ALLOW_ERRORS) {
        settings.push((ALLOW_ERRORS.to_owned(), true.to_string()));
    }
    if search.unit == Unit::Rate {
        if settings.iter().any(|(name, _)| name == ITERATION_RATE) {
            let message = format!("`{ITERATION_RATE}` is what the search changes; leave it out");
            return Err(Refusal::new(Code::BadUsage, message));
        }
        users = search.users();
        settings.push((ITERATION_RATE.to_owned(), Rate::ZERO.to_string()));
        if !settings.iter().any(|(name, _)| name == USER_RATE) {
            // They wait for the rate before they do anything.
            settings.push((USER_RATE.to_owned(), Rate::UNLIMITED.to_string()));
        }
    }
    node.start_run(scenario, users, settings).await?;
    place.begin(RunOf(node.clone()), search, monitors).map_err(refused)
}

fn refusal_of(faults: &SearchFaults) -> Refusal {
    Refusal::new(Code::ParametersVerificationFailed, faults.to_string())
}

fn refused(error: SearchError) -> Refusal {
    let hint = match error {
        SearchError::AlreadyDone => ": `capacity status` tells its result, `reset` forgets it",
        SearchError::NotStopped => ": `capacity stop` ends it",
        _ => "",
    };
    Refusal::new(Code::InvalidStatus, format!("{error}{hint}"))
}

#[cfg(test)]
mod tests;
