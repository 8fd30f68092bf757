//! The graceful end of a run: nothing new is begun, what is under way may finish, and what does not
//! is in the result.

use std::time::{Duration, Instant};

use crowd::{
    controller::machine::RunState,
    prelude::*,
    report::{RunReport, Verdict},
    scenario::catalog::Catalog,
};

use super::support::*;

#[derive(Debug, Clone, Settings)]
pub struct WorkSettings {
    /// How long an action takes; without it, for ever.
    pub takes: Option<Duration>,
    /// Whether users work in iterations.
    #[setting(default = false)]
    pub iterations: bool,
}

/// Users that do one thing after the other.
struct Works;

impl Works {
    async fn work(user: &User<Self>) -> Result<(), Failure> {
        let takes = user.settings().takes;
        let work = async move {
            match takes {
                Some(takes) => tokio::time::sleep(takes).await,
                None => std::future::pending().await,
            }
            Ok::<_, Failure>(())
        };
        user.time("work", work).await
    }
}

impl Scenario for Works {
    const NAME: &'static str = "works";
    type Settings = WorkSettings;
    type Message = ();

    async fn init(_: &Run<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        if user.settings().iterations {
            while user.next_iteration().await.is_some() {
                Self::work(&user).await?;
                user.count("iterations ended", 1);
            }
            return Ok(());
        }
        loop {
            Self::work(&user).await?;
        }
    }
}

async fn run(users: u64, settings: &[(&str, &str)]) -> crowd::node::Node {
    let node = node(Catalog::new().with::<Works>().with::<Waits>()).await;
    node.start_run("works", users, given(settings)).await.unwrap();
    running(&node, users).await;
    under_way(&node, users).await;
    node
}

/// Waits until each of so many users has something under way.
async fn under_way(node: &crowd::node::Node, users: u64) {
    eventually("all are at work", || async {
        let total = node.measure().await?.snapshot().total;
        (total.actions.get("work")?.begun() >= users).then_some(())
    })
    .await;
}

async fn result(node: &crowd::node::Node) -> RunReport {
    node.report(false).await.unwrap()
}

#[tokio::test]
async fn what_is_under_way_finishes_and_nothing_new_begins() {
    for iterations in ["false", "true"] {
        let node = run(5, &[("takes", "700ms"), ("iterations", iterations)]).await;
        node.stop_gracefully().await.unwrap();
        assert_eq!(node.ended().await, RunState::Finished);
        let report = result(&node).await;
        let work = &report.actions["work"];
        // Nobody began a second one: the first one was under way when the end was told.
        assert_eq!((work.count, work.failed, work.unfinished), (5, 0, 0), "{iterations}");
        assert_eq!(report.verdict, Verdict::Passed, "{:?}", report.reasons);
        if iterations == "true" {
            assert_eq!(report.counters["iterations ended"].count, 5);
        }
        node.shutdown().await;
    }
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_a_lower_bound() {
    let node = run(4, &[("graceful_stop", "1s")]).await;
    let began = Instant::now();
    node.stop_gracefully().await.unwrap();
    assert_eq!(node.ended().await, RunState::Finished);
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    let report = result(&node).await;
    let work = &report.actions["work"];
    assert_eq!((work.count, work.unfinished), (0, 4));
    assert!(work.service.p99 >= 1_000.0, "{work:?}");
    assert!(work.service.is_at_least("p99") && work.service.is_at_least("p50"), "{work:?}");
    assert_eq!(report.verdict, Verdict::Failed);
    assert!(
        report.reasons[0].contains("`work` never succeeded: 4 attempts"),
        "{:?}",
        report.reasons
    );
    node.shutdown().await;
}

#[tokio::test]
async fn no_grace_at_all_is_a_stop() {
    let node = run(3, &[("graceful_stop", "0s")]).await;
    node.stop_gracefully().await.unwrap();
    assert_eq!(node.ended().await, RunState::Finished);
    assert_eq!(result(&node).await.actions["work"].unfinished, 3);
    node.shutdown().await;
}

#[tokio::test]
async fn users_with_nothing_under_way_are_not_waited_for() {
    let node = node(Catalog::new().with::<Waits>()).await;
    node.start_run("waits", 50, vec![]).await.unwrap();
    running(&node, 50).await;
    node.stop_gracefully().await.unwrap();
    assert_eq!(node.ended().await, RunState::Finished);
    let counts = counts(&node).await;
    assert_eq!((counts.running, counts.asked), (0, 50));
    assert_eq!(node.account().await.unwrap().endings.killed, 0);
    node.shutdown().await;
}

#[tokio::test]
async fn users_that_heed_no_stop_are_killed_long_before_the_grace_is_over() {
    let node = node(Catalog::new().with::<Stubborn>()).await;
    node.start_run("stubborn", 6, vec![]).await.unwrap();
    running(&node, 6).await;
    let began = Instant::now();
    node.stop_gracefully().await.unwrap();
    assert_eq!(node.ended().await, RunState::Finished);
    // Two seconds after they were told, and not the thirty of the grace.
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!(node.account().await.unwrap().endings.killed, 6);
    node.shutdown().await;
}

#[tokio::test]
async fn everything_that_was_begun_is_in_the_result_however_users_go() {
    let node = run(9, &[]).await;
    // Three are told to stop and heed it not: they are killed.
    node.remove(3, true).await.unwrap();
    running(&node, 6).await;
    let total = node.measure().await.unwrap().snapshot().total;
    let work = &total.actions["work"];
    assert_eq!((work.unfinished.count(), work.waiting.count(), work.begun()), (3, 6, 9));
    node.stop().await.unwrap();
    assert_eq!(node.ended().await, RunState::Finished);
    let work = &result(&node).await.actions["work"];
    assert_eq!((work.count, work.failed, work.unfinished), (0, 0, 9));
    node.shutdown().await;
}

#[tokio::test]
async fn a_graceful_end_is_refused_when_nothing_runs_and_told_twice_is_once() {
    let node = run(2, &[("takes", "500ms")]).await;
    node.stop_gracefully().await.unwrap();
    node.stop_gracefully().await.unwrap();
    assert_eq!(node.ended().await, RunState::Finished);
    assert_eq!(code(node.stop_gracefully().await), crowd::refusal::Code::InvalidStatus);
    assert_eq!(result(&node).await.actions["work"].count, 2);
    node.shutdown().await;
}

#[tokio::test]
async fn the_end_of_one_run_kills_nobody_of_the_next() {
    let node = node(Catalog::new().with::<Works>().with::<Waits>()).await;
    node.start_run("waits", 4, vec![]).await.unwrap();
    running(&node, 4).await;
    node.stop_gracefully().await.unwrap();
    assert_eq!(node.ended().await, RunState::Finished);
    node.reset().await.unwrap();
    // The same ids, at work for longer than those of the first run had before they were killed.
    node.start_run("works", 4, given(&[("takes", "3s")])).await.unwrap();
    under_way(&node, 4).await;
    node.stop_gracefully().await.unwrap();
    assert_eq!(node.ended().await, RunState::Finished);
    let work = &result(&node).await.actions["work"];
    assert_eq!((work.count, work.unfinished), (4, 0));
    node.shutdown().await;
}
