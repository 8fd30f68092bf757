//! Runs of the scenario, and what was measured in them.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use crowd::{
    failure::Owner,
    measure::{Phase, Source, window::Window},
    node::{Node, UserCounts},
    scenario::catalog::Catalog,
    settings::NodeSettings,
};
use crowd_http::Http;

/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A node that knows the scenario and admits users as fast as it can.
pub(crate) async fn node() -> Node {
    let settings = NodeSettings { user_rate: "unlimited".into(), ..NodeSettings::default() };
    let environment = Arc::new(BTreeMap::<String, String>::new());
    Node::start(settings, Catalog::new().with::<Http>(), environment).await.unwrap()
}

pub(crate) fn given(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A run that goes on.
pub(crate) struct Going {
    pub(crate) node: Node,
}

/// A run that is over.
#[derive(Debug)]
pub(crate) struct Over {
    pub(crate) users: UserCounts,
    pub(crate) measured: Window,
}

/// Starts so many users.
pub(crate) async fn start(users: u64, settings: &[(&str, &str)]) -> Going {
    let node = node().await;
    node.start_run("http", users, given(settings)).await.unwrap();
    Going { node }
}

/// Runs so many users to their end.
pub(crate) async fn run(users: u64, settings: &[(&str, &str)]) -> Over {
    let going = start(users, settings).await;
    going
        .eventually("all users end", |over| over.users.finished + over.users.failed == users)
        .await;
    going.stop().await
}

impl Going {
    pub(crate) async fn so_far(&self) -> Over {
        let users = self.node.status().await.unwrap().users;
        let measured = self.node.measure().await.unwrap().snapshot().total;
        Over { users, measured }
    }

    /// Waits until `reached` holds.
    pub(crate) async fn eventually(&self, what: &str, reached: impl Fn(&Over) -> bool) {
        let began = Instant::now();
        loop {
            let so_far = self.so_far().await;
            if reached(&so_far) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "never happened: {what}; {so_far:#?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until `reached` holds for something that the run does not measure.
    pub(crate) async fn until(&self, what: &str, reached: impl Fn() -> bool) {
        self.eventually(what, |_| reached()).await;
    }

    pub(crate) async fn stop(self) -> Over {
        // Refused if the run has ended of itself.
        let _ = self.node.stop().await;
        self.node.ended().await;
        let over = self.so_far().await;
        self.node.shutdown().await;
        over
    }
}

impl Over {
    /// How often an action was done, and how often it failed.
    pub(crate) fn action(&self, name: &str) -> (u64, u64) {
        self.measured.actions.get(name).map_or((0, 0), |action| (action.count(), action.failed))
    }

    /// How often an action was begun and got no end.
    pub(crate) fn unfinished(&self, name: &str) -> u64 {
        self.measured.actions.get(name).map_or(0, |action| action.unfinished.count())
    }

    /// How often a phase of an action was measured, and its longest time.
    pub(crate) fn phase(&self, name: &str, phase: Phase) -> (u64, Duration) {
        let phases = self.measured.actions.get(name).map(|action| &action.phases);
        let found = phases.and_then(|phases| phases.iter().find(|(of, _)| *of == phase));
        found.map_or((0, Duration::ZERO), |(_, timing)| (timing.count(), timing.max()))
    }

    pub(crate) fn counter(&self, name: &str) -> u64 {
        self.measured.counters.get(name).copied().unwrap_or_default()
    }

    /// Failures of an action: whose, why, how often.
    pub(crate) fn failures(&self, action: &str) -> Vec<(Owner, String, u64)> {
        self.measured
            .failures
            .iter()
            .filter(|(key, _)| {
                key.source == Source::Action && key.action.as_deref() == Some(action)
            })
            .map(|(key, count)| (key.owner, key.reason.to_string(), *count))
            .collect()
    }
}
