//! A scenario's own code that blocks its thread cannot hold the end of a run up for ever.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crowd::{
    controller::machine::RunState, prelude::*, scenario::catalog::Catalog, telemetry::event::Kind,
};

use super::support::*;

/// Blocks the thread until it is told to go on: no timeout and no abort reaches it.
fn block(until: &AtomicBool) {
    let began = Instant::now();
    while !until.load(Ordering::SeqCst) && began.elapsed() < 2 * PATIENCE {
        thread::sleep(Duration::from_millis(5));
    }
}

struct Spawns;

static SPAWNED: AtomicBool = AtomicBool::new(false);

impl Scenario for Spawns {
    const NAME: &'static str = "spawns";
    type Settings = ();
    type Message = ();

    async fn init(run: &Run<Self>) -> Result<Self, Failure> {
        run.spawn(async { block(&SPAWNED) });
        run.spawn(std::future::pending());
        Ok(Self)
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        user.stopped().await;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_task_that_blocks_is_given_up_and_named() {
    static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let node = node(Catalog::new().with::<Spawns>()).await;
    let _subscription = node.telemetry().subscribe(|occurrence| {
        if occurrence.kind == Kind::GeneratorWarning {
            WARNINGS.lock().unwrap().push(format!("{occurrence:?}"));
        }
    });
    node.start_run("spawns", 1, vec![]).await.unwrap();
    running(&node, 1).await;
    let began = Instant::now();
    node.stop().await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, node.ended()).await;
    // Before anything may fail: the runtime waits for its threads.
    SPAWNED.store(true, Ordering::SeqCst);
    assert_eq!(ended.expect("it ends"), RunState::Finished);
    // `terminate` may take two seconds, and so may this.
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    let warnings = WARNINGS.lock().unwrap().join("\n");
    assert!(
        warnings.contains("1 task that `spawns` started with `run.spawn` did not end within 2s"),
        "{warnings}"
    );
    node.reset().await.unwrap();
    node.shutdown().await;
}

struct Terminates;

static TERMINATED: AtomicBool = AtomicBool::new(false);

impl Scenario for Terminates {
    const NAME: &'static str = "terminates";
    type Settings = ();
    type Message = ();

    async fn init(_: &Run<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        user.stopped().await;
        Ok(())
    }

    async fn terminate(&self, _: &Run<Self>) {
        block(&TERMINATED);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_terminate_that_blocks_is_given_up() {
    let node = node(Catalog::new().with::<Terminates>()).await;
    node.start_run("terminates", 1, vec![]).await.unwrap();
    running(&node, 1).await;
    node.stop().await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, node.ended()).await;
    TERMINATED.store(true, Ordering::SeqCst);
    assert_eq!(ended.expect("it ends"), RunState::Finished);
    assert_eq!(node.telemetry().count(Kind::TerminateException), 1);
    node.shutdown().await;
}
