//! What the end of a run costs is not the generator's fault: the load is over by then.

use std::{
    thread,
    time::{Duration, Instant},
};

use crowd::{controller::machine::RunState, prelude::*, scenario::catalog::Catalog};

use super::support::*;

/// Users with something that takes long to drop.
struct Heavy;

struct Ballast;

impl Drop for Ballast {
    fn drop(&mut self) {
        thread::sleep(Duration::from_millis(200));
    }
}

impl Scenario for Heavy {
    const NAME: &'static str = "heavy";
    type Settings = ();
    type Message = ();

    async fn init(_: &Run<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        let _ballast = Ballast;
        if user.id().0.is_multiple_of(2) {
            // Dropped when it is told to stop, or when it is killed.
            user.stopped().await;
            return Ok(());
        }
        std::future::pending().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_long_teardown_spoils_no_run() {
    let node = node(Catalog::new().with::<Heavy>()).await;
    node.start_run("heavy", 30, vec![]).await.unwrap();
    running(&node, 30).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let load = node.account().await.unwrap().elapsed;
    let began = Instant::now();
    node.stop().await.unwrap();
    assert_eq!(node.ended().await, RunState::Finished);
    // Three seconds and more in a row in which the only worker stood still.
    assert!(began.elapsed() > Duration::from_secs(5), "{:?}", began.elapsed());
    let generator = node.report(false).await.unwrap().generator;
    assert_eq!(generator.stalls.count, 0, "{generator:?}");
    // A busy machine may have been late before.
    let latest = load.as_secs_f64() * 1e3 + 500.0;
    assert!(generator.spells.iter().all(|spell| spell.to_ms <= latest), "{generator:?}");
    assert!(generator.loop_lag_max_ms < 1_000.0, "{generator:?}");
    assert_eq!(generator.own_failures, 0);
    node.shutdown().await;
}
