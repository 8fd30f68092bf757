//! `reset` is done before anything else begins.

use std::time::Duration;

use crowd::{controller::machine::RunState, prelude::*, refusal::Code, scenario::catalog::Catalog};

use super::support::*;

/// A run that another client asks for while a `reset` goes on keeps its throttles: it begins after.
#[tokio::test(start_paused = true)]
async fn a_run_that_is_asked_for_meanwhile_keeps_its_user_rate() {
    let node = node(Catalog::new().with::<Waits>()).await;
    // The action of a coordinator takes a second, and `reset` waits for it.
    node.coordinators().start("slow", slow(), Timeout::Never).await.unwrap();
    let mut reset = Box::pin(node.reset());
    tokio::select! {
        biased;
        done = &mut reset => panic!("it is done at once: {done:?}"),
        // It was asked for, and takes a second.
        () = tokio::task::yield_now() => {}
    }
    let refusal = node.start_run("waits", 3, vec![]).await.unwrap_err();
    assert_eq!(refusal.code, Code::InvalidStatus);
    assert_eq!(refusal.message, "`do` needs the run to be idle, and it is being reset");
    reset.await.unwrap();
    node.start_run("waits", 3, vec![]).await.unwrap();
    running(&node, 3).await;
    assert!(node.throttles().get("user_rate").is_ok());
    node.shutdown().await;
}

/// Whoever sees an idle node can begin at once, and whoever was answered sees one.
#[tokio::test]
async fn idle_is_shown_when_it_is_done() {
    let node = node(Catalog::new().with::<Waits>()).await;
    for _ in 0..20 {
        node.start_run("waits", 2, vec![]).await.unwrap();
        node.stop().await.unwrap();
        assert_eq!(node.ended().await, RunState::Finished);
        let (one, other) = tokio::join!(node.reset(), node.reset());
        one.and(other).unwrap();
        assert_eq!(node.state(), RunState::Idle);
        assert!(node.throttles().list().await.is_empty());
    }
    node.shutdown().await;
}

/// Starts something that takes long to end, and hangs.
struct Hangs;

fn slow() -> Plan<()> {
    let action = Action::event(|_| {
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok::<_, Failure>(())
        })
    });
    Plan::new().all([action])
}

impl Scenario for Hangs {
    const NAME: &'static str = "hangs";
    type Settings = ();
    type Message = ();

    async fn init(run: &Run<Self>) -> Result<Self, Failure> {
        run.start_coordinator("slow", slow(), Timeout::Never).await?;
        std::future::pending().await
    }

    async fn start(&self, _: User<Self>) -> Result<(), Failure> {
        Ok(())
    }
}

/// What ends late of an `init` that was given up does not end what the next run has started.
#[tokio::test(start_paused = true)]
async fn what_is_left_of_an_init_that_was_given_up_is_waited_for() {
    let node = node(Catalog::new().with::<Hangs>().with::<Waits>()).await;
    let other = node.clone();
    let begun = tokio::spawn(async move { other.start_run("hangs", 1, vec![]).await });
    eventually("`init` hangs", || async { (!node.coordinators().list().is_empty()).then_some(()) })
        .await;
    node.stop().await.unwrap();
    assert_eq!(begun.await.unwrap().unwrap_err().code, Code::InitFailed);
    node.reset().await.unwrap();
    node.start_run("waits", 1, vec![]).await.unwrap();
    running(&node, 1).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    node.add(1).await.unwrap();
    running(&node, 2).await;
    node.shutdown().await;
}
