//! Deaths that no scenario can bring about: the actors themselves are killed.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crowd_core::{
    refusal::Code,
    telemetry::{Subscription, Telemetry, event::CoordinatorFault},
    user_id::UserId,
};
use ractor::{ActorRef, ActorStatus};

use crate::coordinator::{Action, Coordinator, Coordinators, Group, Plan, Timeout, worker::Wake};

type Told = Arc<Mutex<Vec<String>>>;

async fn coordinators() -> (Coordinators, Told, Subscription) {
    let telemetry = Telemetry::default();
    let told = Told::default();
    let faults = told.clone();
    let subscription = telemetry.subscribe(move |occurrence| {
        if let Some(fault) = occurrence.event.downcast_ref::<CoordinatorFault>() {
            let line = format!("{} item {}: {}", fault.name, fault.item, fault.reason);
            faults.lock().unwrap().push(line);
        }
    });
    (Coordinators::spawn(telemetry).await.unwrap(), told, subscription)
}

async fn start(coordinators: &Coordinators, name: &str) -> Coordinator<u64> {
    let slow = Action::event(|_| {
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Ok(())
        })
    });
    let plan = Plan::new().group(Group::size(2), [slow]);
    coordinators.start(name, plan, Timeout::default()).await.unwrap()
}

fn worker(coordinator: &Coordinator<u64>) -> ActorRef<Wake> {
    coordinator.instance.core.worker.get().unwrap().clone()
}

async fn eventually(what: &str, check: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if check() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("never: {what}");
}

#[tokio::test(start_paused = true)]
async fn the_death_of_an_idle_coordinator_is_told_and_its_name_is_free() {
    let (coordinators, told, _subscription) = coordinators().await;
    let coordinator = start(&coordinators, "chat").await;
    start(&coordinators, "other").await;
    coordinator.add(UserId(1), 1).unwrap();
    worker(&coordinator).kill();
    eventually("the death is told", || !told.lock().unwrap().is_empty()).await;
    let line = "chat item 0: the coordinator died: killed; 0 events are lost";
    assert_eq!(*told.lock().unwrap(), [line]);
    coordinator.add(UserId(2), 2).unwrap_err();
    assert_eq!(coordinator.stop().await.unwrap_err().code, Code::NoCoordinator);
    assert_eq!(coordinators.get::<u64>("chat").unwrap_err().code, Code::NoCoordinator);
    assert_eq!(coordinators.list().len(), 1, "the other one lives");
    let again = start(&coordinators, "chat").await;
    again.add(UserId(1), 1).unwrap();
    again.stop().await.unwrap();
    assert_eq!(told.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_coordinator_that_dies_is_told() {
    let (coordinators, told, _subscription) = coordinators().await;
    let coordinator = start(&coordinators, "chat").await;
    for user in 1..=4 {
        coordinator.add(UserId(user), user).unwrap();
    }
    let waiting = tokio::spawn({
        let coordinator = coordinator.clone();
        async move { coordinator.stop().await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    worker(&coordinator).kill();
    assert_eq!(waiting.await.unwrap().unwrap_err().code, Code::Unavailable);
    eventually("the death is told", || !told.lock().unwrap().is_empty()).await;
    // The action that was cut short, the group after it, and the stop.
    let line = "chat item 0: the coordinator died: killed; 3 events are lost";
    assert_eq!(*told.lock().unwrap(), [line]);
}

#[tokio::test(start_paused = true)]
async fn no_coordinator_outlives_the_supervisor_unseen() {
    let (coordinators, told, _subscription) = coordinators().await;
    let coordinator = start(&coordinators, "chat").await;
    coordinator.add(UserId(1), 1).unwrap();
    let worker = worker(&coordinator);
    worker.get_cell().try_get_supervisor().unwrap().kill();
    eventually("the death is told", || !told.lock().unwrap().is_empty()).await;
    let line = "chat item 0: the coordinator died: the supervisor of coordinators ended; 0 events are lost";
    assert_eq!(*told.lock().unwrap(), [line]);
    coordinator.add(UserId(2), 2).unwrap_err();
    eventually("the worker is gone", || worker.get_status() == ActorStatus::Stopped).await;
    let plan = Plan::<u64>::new();
    let refusal = coordinators.start("next", plan, Timeout::Never).await.unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "coordinator `next` cannot be started: the supervisor of coordinators has ended [unavailable]"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_no_death() {
    let (coordinators, told, _subscription) = coordinators().await;
    let coordinator = start(&coordinators, "chat").await;
    coordinator.add(UserId(1), 1).unwrap();
    let worker = worker(&coordinator);
    coordinator.stop().await.unwrap();
    eventually("the worker is gone", || worker.get_status() == ActorStatus::Stopped).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(told.lock().unwrap().is_empty());
}
