//! Nodes, scenarios and patience for tests.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crowd::{
    controller::machine::RunState,
    node::{Node, UserCounts},
    prelude::*,
    refusal::Code,
    scenario::catalog::Catalog,
    settings::NodeSettings,
};

/// How long anything may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `probe` answers `Some`; panics with `what` when patience ends. It looks at real
/// time, so that it works under a paused clock too.
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut probe: impl FnMut() -> F,
) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        assert!(began.elapsed() < PATIENCE, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A node with these scenarios that admits users as fast as it can.
pub async fn node(catalog: Catalog) -> Node {
    node_with(catalog, &[]).await
}

/// The same with variables in its environment.
pub async fn node_with(catalog: Catalog, environment: &[(&str, &str)]) -> Node {
    let settings = NodeSettings {
        user_rate: "unlimited".into(),
        init_timeout: Duration::from_secs(2),
        terminate_timeout: Duration::from_secs(2),
        ..NodeSettings::default()
    };
    let environment: BTreeMap<String, String> =
        environment.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    Node::start(settings, catalog, Arc::new(environment)).await.unwrap()
}

pub async fn counts(node: &Node) -> UserCounts {
    node.status().await.unwrap().users
}

pub async fn highest(node: &Node) -> u64 {
    node.status().await.unwrap().highest_user_id
}

/// Waits until exactly so many users run.
pub async fn running(node: &Node, users: u64) {
    eventually(&format!("{users} users run"), || async {
        let counts = counts(node).await;
        (counts.running == users && counts.waiting == 0).then_some(())
    })
    .await;
}

pub async fn state(node: &Node, wanted: RunState) {
    eventually(&format!("the run is {wanted}"), || async {
        (node.status().await.unwrap().state == wanted).then_some(())
    })
    .await;
}

pub fn code<T: std::fmt::Debug>(result: Result<T, Refusal>) -> Code {
    result.unwrap_err().code
}

pub fn given(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

/// Users that wait until they are told to stop.
pub struct Waits;

impl Scenario for Waits {
    const NAME: &'static str = "waits";
    type Settings = ();
    type Message = u64;

    async fn init(_: &Run<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        user.stopped().await;
        Ok(())
    }
}

/// Users that ignore a soft stop.
pub struct Stubborn;

impl Scenario for Stubborn {
    const NAME: &'static str = "stubborn";
    type Settings = ();
    type Message = ();

    async fn init(_: &Run<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn start(&self, _: User<Self>) -> Result<(), Failure> {
        std::future::pending().await
    }
}

/// Users that end in every way there is, by id: 1 ends, 2 fails, 3 panics, 4 waits for a stop and
/// then ends, 5 gives up a sleep because of the stop, the others ignore it.
pub struct Endings;

impl Scenario for Endings {
    const NAME: &'static str = "endings";
    type Settings = ();
    type Message = ();

    async fn init(_: &Run<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        match user.id().0 {
            1 => Ok(()),
            2 => Err(Failure::target("the door is closed")),
            3 => panic!("user three fell over"),
            4 => {
                user.stopped().await;
                Ok(())
            }
            5 => Ok(user.sleep(Duration::from_secs(3600)).await?),
            _ => std::future::pending().await,
        }
    }
}

/// Counts how often its callbacks ran, in statics: one test process per test.
pub struct Counted;

pub static INITS: AtomicU64 = AtomicU64::new(0);
pub static TERMINATES: AtomicU64 = AtomicU64::new(0);

impl Scenario for Counted {
    const NAME: &'static str = "counted";
    type Settings = ();
    type Message = ();

    async fn init(_: &Run<Self>) -> Result<Self, Failure> {
        INITS.fetch_add(1, Ordering::SeqCst);
        Ok(Self)
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        user.stopped().await;
        Ok(())
    }

    async fn terminate(&self, _: &Run<Self>) {
        TERMINATES.fetch_add(1, Ordering::SeqCst);
        panic!("a terminate that throws");
    }
}
