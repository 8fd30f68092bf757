//! The generator judges itself: real runs on a lone node, each in a process of its own.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeMap,
    hint::black_box,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use crowd::{
    measure::health::{GeneratorVerdict, Trust},
    node::Node,
    prelude::*,
    scenario::catalog::Catalog,
    settings::NodeSettings,
    telemetry::event::{GeneratorWarning, Kind},
};
use tokio::runtime::Runtime;

/// Once a starved run was starved for so long, it must be known.
const TOLD_WITHIN: Duration = Duration::from_secs(5);

/// Users that compute for 200 ms at a time where they should await.
struct Hot;

impl Scenario for Hot {
    const NAME: &'static str = "hot";
    type Settings = ();
    type Message = ();

    async fn init(_: &Run<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        loop {
            user.time("encrypt", async {
                compute(Duration::from_millis(200));
                Ok::<_, Failure>(())
            })
            .await?;
            user.sleep(Duration::from_millis(1)).await?;
        }
    }
}

fn compute(time: Duration) {
    let began = Instant::now();
    let mut sum = 0u64;
    while began.elapsed() < time {
        sum = (0..1_000u64).fold(sum, |sum, n| black_box(sum ^ n));
    }
}

/// Users that hold their worker for good.
struct Stuck;

impl Scenario for Stuck {
    const NAME: &'static str = "stuck";
    type Settings = ();
    type Message = ();

    async fn init(_: &Run<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn start(&self, _: User<Self>) -> Result<(), Failure> {
        compute(Duration::from_secs(7));
        Ok(())
    }
}

/// Users as they should be: a little work, a lot of waiting.
struct Calm;

impl Scenario for Calm {
    const NAME: &'static str = "calm";
    type Settings = ();
    type Message = ();

    async fn init(_: &Run<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        loop {
            user.time("think", async { user.sleep(Duration::from_millis(10)).await }).await?;
        }
    }
}

/// A node on a runtime of its own, so that the test itself is not starved.
fn node<S: Scenario>(workers: usize) -> (Runtime, Node) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(workers).enable_all().build().unwrap();
    let settings = NodeSettings { user_rate: "unlimited".into(), ..NodeSettings::default() };
    let environment: Arc<BTreeMap<String, String>> = Arc::default();
    let catalog = Catalog::new().with::<S>();
    let node = runtime.block_on(Node::start(settings, catalog, environment)).unwrap();
    (runtime, node)
}

/// Starts a run that starves the generator; answers what was told of it, and after how long.
fn starved<S: Scenario>(users: u64) -> (GeneratorVerdict, String, Duration) {
    let (runtime, node) = node::<S>(2);
    let (warned, warnings) = mpsc::channel();
    let _subscription = node.telemetry().subscribe(move |occurrence| {
        if occurrence.kind == Kind::GeneratorWarning
            && let Some(warning) = occurrence.event.downcast_ref::<GeneratorWarning>()
        {
            let _ = warned.send(warning.reason.clone());
        }
    });
    let began = Instant::now();
    let starting = node.clone();
    runtime.spawn(async move { starting.start_run(S::NAME, users, vec![]).await });
    let verdict = loop {
        let verdict = node.generator();
        if verdict.verdict == Trust::Invalid || began.elapsed() > TOLD_WITHIN * 3 {
            break verdict;
        }
        thread::sleep(Duration::from_millis(10));
    };
    let took = began.elapsed();
    let warning = warnings.recv_timeout(Duration::from_secs(2)).unwrap_or_default();
    // Its users do not listen.
    runtime.shutdown_background();
    (verdict, warning, took)
}

#[test]
fn user_code_that_does_not_await_is_named_within_five_seconds() {
    let (verdict, warning, took) = starved::<Hot>(20);
    assert_eq!(verdict.verdict, Trust::Invalid, "{verdict:?}");
    assert!(took <= TOLD_WITHIN, "{took:?}");
    assert!(verdict.reasons.iter().any(|reason| reason.contains("`hot: encrypt`")), "{verdict:?}");
    assert!(verdict.reasons[0].contains(", from "), "{verdict:?}");
    assert!(warning.starts_with("the generator is INVALID: "), "{warning}");
}

#[test]
fn a_loop_that_stands_still_is_told_while_it_does() {
    let (verdict, warning, took) = starved::<Stuck>(2);
    assert_eq!(verdict.verdict, Trust::Invalid, "{verdict:?}");
    assert!(took <= TOLD_WITHIN, "{took:?}");
    assert!(
        verdict.reasons[0].starts_with("the event loop was more than 50 ms late"),
        "{verdict:?}"
    );
    assert!(
        verdict.reasons.iter().any(|reason| reason.contains("without awaiting")),
        "{verdict:?}"
    );
    assert!(warning.contains("INVALID"), "{warning}");
}

/// A second of calm load.
fn calm_second() -> GeneratorVerdict {
    let (runtime, node) = node::<Calm>(2);
    let verdict = runtime.block_on(async {
        node.start_run("calm", 100, vec![]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        node.stop().await.unwrap();
        node.ended().await;
        let report = node.report(false).await.unwrap();
        assert!(report.actions["think"].count > 1_000, "{:?}", report.actions["think"]);
        node.shutdown().await;
        GeneratorVerdict {
            verdict: report.generator.verdict,
            reasons: report.generator.reasons.clone(),
        }
    });
    runtime.shutdown_background();
    verdict
}

#[test]
fn a_generator_that_keeps_up_is_valid_twenty_times_of_twenty() {
    let verdicts: Vec<_> = (0..20).map(|_| calm_second()).collect();
    let bad: Vec<_> = verdicts.iter().filter(|said| said.verdict != Trust::Valid).collect();
    assert!(bad.is_empty(), "{bad:#?}");
}
