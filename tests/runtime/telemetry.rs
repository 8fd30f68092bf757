//! What happens is told as events, to whoever subscribes.

use std::sync::{Arc, Mutex};

use crowd::{
    scenario::catalog::Catalog,
    telemetry::event::{ControllerUsers, Kind, UserException},
};

use super::support::*;

#[tokio::test]
async fn a_run_tells_its_events_in_order() {
    let node = node(Catalog::new().with::<Endings>()).await;
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = seen.clone();
    let subscription = node.telemetry().subscribe(move |occurrence| {
        let mut line = occurrence.kind.name().trim_start_matches("crowd.").to_owned();
        if let Some(event) = occurrence.event.downcast_ref::<ControllerUsers>() {
            line += &format!(" {} {}", event.change, event.users);
        }
        if let Some(event) = occurrence.event.downcast_ref::<UserException>() {
            line += &format!(" {} {}", event.user, event.kind);
        }
        log.lock().unwrap().push(line);
    });
    node.start_run("endings", 4, vec![]).await.unwrap();
    running(&node, 1).await;
    node.stop().await.unwrap();
    node.ended().await;
    drop(subscription);
    let seen = seen.lock().unwrap().clone();
    let of = |part: &str| seen.iter().filter(|line| line.starts_with(part)).collect::<Vec<_>>();
    assert_eq!(of("controller.users"), ["controller.users add 4", "controller.users remove 1"]);
    assert_eq!(of("controller.state").len(), 4, "starting, running, terminating, finished");
    assert_eq!(of("scenario.start.start").len(), 4);
    assert_eq!(of("scenario.start.stop").len(), 2);
    let mut bad = of("scenario.start.exception");
    bad.sort();
    assert_eq!(bad, ["scenario.start.exception 2 failed", "scenario.start.exception 3 panicked"]);
    let order: Vec<_> = seen
        .iter()
        .filter(|line| line.starts_with("scenario.init") || line.starts_with("scenario.term"))
        .collect();
    assert_eq!(
        order,
        [
            "scenario.init.start",
            "scenario.init.stop",
            "scenario.terminate.start",
            "scenario.terminate.stop"
        ]
    );
    assert_eq!(node.telemetry().count(Kind::ControllerUsers), 5);
    assert_eq!(node.telemetry().count(Kind::UserStart), 4);
    node.shutdown().await;
}
