//! `terminate` runs exactly once, whatever happened.

use std::sync::atomic::Ordering;

use crowd::{controller::machine::RunState, scenario::catalog::Catalog};

use super::support::*;

#[tokio::test]
async fn terminate_runs_once_and_its_panic_is_no_failure_of_the_run() {
    let node = node(Catalog::new().with::<Counted>()).await;
    node.start_run("counted", 5, vec![]).await.unwrap();
    running(&node, 5).await;
    node.stop().await.unwrap();
    assert_eq!(node.ended().await, RunState::Finished);
    node.shutdown().await;
    assert_eq!((INITS.load(Ordering::SeqCst), TERMINATES.load(Ordering::SeqCst)), (1, 1));
}

/// amoc does not run it when the node ends; ours does.
#[tokio::test]
async fn terminate_runs_when_the_node_is_shut_down() {
    let node = node(Catalog::new().with::<Counted>()).await;
    node.start_run("counted", 5, vec![]).await.unwrap();
    node.shutdown().await;
    assert_eq!(TERMINATES.load(Ordering::SeqCst), 1);
}
