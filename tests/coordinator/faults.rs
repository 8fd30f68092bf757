//! Actions that fail, panic, take long or never end: it is told, and nothing else is harmed.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crowd::{
    coordinator::{Action, AddError, Group, Plan, Timeout},
    failure::Failure,
    refusal::Code,
    telemetry::{Subscription, Telemetry, event::CoordinatorFault, event::Kind},
    user::UserId,
};
use insta::assert_snapshot;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::log::{Log, add, coordinators, eventually};

/// The faults as they are told: coordinator, item, reason.
fn faults(telemetry: &Telemetry) -> (Log, Subscription) {
    let log = Log::default();
    let told = log.clone();
    let subscription = telemetry.subscribe(move |occurrence| {
        if let Some(fault) = occurrence.event.downcast_ref::<CoordinatorFault>() {
            told.push(format!("{} item {}: {}", fault.name, fault.item, fault.reason));
        }
    });
    (log, subscription)
}

#[tokio::test]
async fn actions_that_fail_or_panic_are_told_and_the_others_run() {
    let (coordinators, telemetry, ..) = coordinators().await;
    let (faults, _told) = faults(&telemetry);
    let log = Log::default();
    let plan = Plan::<u64>::new()
        .all([Action::event(|_| Err(Failure::scenario("no room"))), log.event("all")])
        .group(
            Group::size(2),
            [
                Action::members(|_, members| assert!(members.is_empty(), "somebody is here")),
                log.event("two, after a panic"),
                Action::event(|_| Box::pin(async { Err(Failure::target("no answer")) })),
                Action::event(|_| {
                    Box::pin(async {
                        sleep(Duration::from_millis(1)).await;
                        panic!("late")
                    })
                }),
                log.event("two, after three faults"),
            ],
        );
    let coordinator = coordinators.start("meeting", plan, Timeout::Never).await.unwrap();
    add(&coordinator, 1..=2);
    coordinator.reset().await.unwrap();
    let info = coordinator.info().unwrap();
    assert_eq!((info.faults, info.last_fault.as_deref()), (6, Some("no room")));
    assert_snapshot!(faults.text(), @"
    meeting item 2: panicked: somebody is here
    meeting item 2: no answer
    meeting item 2: panicked: late
    meeting item 2: no answer
    meeting item 2: panicked: late
    meeting item 1: no room
    ");
    assert_snapshot!(log.text(), @"
    two, after a panic: coordinate of 2
    two, after three faults: coordinate of 2
    two, after a panic: reset of 0
    two, after three faults: reset of 0
    all: reset of 2
    ");
    assert_eq!(telemetry.count(Kind::CoordinatorFault), 6);
    coordinator.stop().await.unwrap();
}

#[tokio::test]
async fn failing_pairs_of_a_group_are_told_together() {
    let (coordinators, telemetry, ..) = coordinators().await;
    let (faults, _told) = faults(&telemetry);
    let met = Log::default();
    let log = met.clone();
    let action = Action::<u64>::pairs(move |_, newer, older| {
        log.push(format!("{}-{}", newer.user, older.map_or(0, |older| older.user.0)));
        if newer.user == UserId(4) { Err(Failure::scenario("4 is shy")) } else { Ok(()) }
    });
    let plan = Plan::from((Group::size(4), action));
    let coordinator = coordinators.start("meeting", plan, Timeout::Never).await.unwrap();
    add(&coordinator, 1..=4);
    coordinator.stop().await.unwrap();
    assert_eq!(met.take(), ["4-3", "4-2", "4-1", "3-2", "3-1", "2-1"]);
    assert_eq!(
        faults.take(),
        ["meeting item 1: 4 is shy (and 2 more calls of this action failed)"]
    );
}

/// amoc's coordinator dies when an action takes more than five seconds.
#[tokio::test(start_paused = true)]
async fn a_coordinator_outlives_an_action_of_a_minute() {
    let (coordinators, telemetry, ..) = coordinators().await;
    let log = Log::default();
    let minute = Duration::from_secs(60);
    let plan = Plan::new()
        .group(Group::size(2), [log.slow("two", minute), log.members("two")])
        .all([log.members("all")]);
    let began = Instant::now();
    let timeout = Timeout::After(Duration::from_secs(1));
    let coordinator = coordinators.start("meeting", plan, timeout).await.unwrap();
    add(&coordinator, 1..=4);
    coordinator.reset().await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 180, "two groups and the reset");
    assert_snapshot!(log.text(), @"
    two: coordinate of 2 begins
    two: coordinate of 2 ends
    two: coordinate of 2 [2, 1]
    two: coordinate of 2 begins
    two: coordinate of 2 ends
    two: coordinate of 2 [4, 3]
    two: reset of 0 begins
    two: reset of 0 ends
    two: reset of 0 []
    all: reset of 4 [4, 3, 2, 1]
    ");
    add(&coordinator, [5]);
    coordinator.stop().await.unwrap();
    assert_eq!(log.take().last().unwrap(), "all: stop of 1 [5]");
    assert_eq!(telemetry.count(Kind::CoordinatorFault), 0);
}

#[tokio::test(start_paused = true)]
async fn an_action_that_never_ends_can_be_cut_short() {
    let (coordinators, telemetry, ..) = coordinators().await;
    let (faults, _told) = faults(&telemetry);
    let log = Log::default();
    let forever = Action::<u64>::event(|_| Box::pin(std::future::pending()));
    let hung = Plan::from((Group::size(2), forever));
    let hung = coordinators.start("hung", hung, Timeout::Never).await.unwrap();
    let well = Plan::new().all([log.event("well")]);
    let well = coordinators.start("well", well, Timeout::Never).await.unwrap();
    add(&hung, 1..=6);
    add(&well, [1]);
    let waiting = tokio::spawn({
        let hung = hung.clone();
        async move { hung.reset().await }
    });
    eventually("the reset waits", || hung.info().unwrap().events.reset == 1).await;
    assert_eq!(coordinators.stop_all_within(Duration::from_secs(10)).await, ["hung"]);
    assert_eq!(log.take(), ["well: stop of 1"]);
    assert!(coordinators.list().is_empty());
    assert_eq!(hung.add(UserId(7), 70), Err(AddError::Stopped("hung".into())));
    assert_eq!(waiting.await.unwrap().unwrap_err().code, Code::Unavailable);
    assert_eq!(hung.stop().await.unwrap_err().code, Code::NoCoordinator);
    eventually("the death is told", || telemetry.count(Kind::CoordinatorFault) == 1).await;
    assert_eq!(faults.take(), ["hung item 0: the coordinator died: killed; 5 events are lost"]);
    // The name is free again.
    let again = Plan::new().all([log.event("again")]);
    coordinators.start("hung", again, Timeout::Never).await.unwrap();
    assert!(coordinators.stop_all_within(Duration::from_secs(10)).await.is_empty());
    assert_eq!(log.take(), ["again: stop of 0"]);
}

#[derive(Clone, Serialize, Deserialize)]
struct Brittle;

impl Drop for Brittle {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[tokio::test]
async fn data_that_panics_when_dropped_is_told_and_the_coordinator_lives() {
    let (coordinators, telemetry, ..) = coordinators().await;
    let (faults, _told) = faults(&telemetry);
    let log = Log::default();
    let calls = log.clone();
    let action = Action::<Brittle>::members(move |event, _| calls.push(event.to_string()));
    let plan = Plan::from((Group::size(1), action));
    let coordinator = coordinators.start("brittle", plan, Timeout::Never).await.unwrap();
    coordinator.add(UserId(1), Brittle).unwrap();
    coordinator.stop().await.unwrap();
    assert_eq!(log.take(), ["coordinate of 1", "stop of 0"]);
    let fault = "brittle item 1: the data of a member panicked when dropped: dropped";
    assert_eq!(faults.take(), [fault]);
}

/// What would wait for itself does not wait.
#[tokio::test(start_paused = true)]
async fn an_action_may_reset_stop_and_replace_its_own_coordinator() {
    let (coordinators, ..) = coordinators().await;
    let log = Log::default();
    let own: Arc<Mutex<Option<crowd::coordinator::Coordinator<u64>>>> = Arc::default();
    let action = {
        let (own, log, coordinators) = (own.clone(), log.clone(), coordinators.clone());
        Action::event(move |event| {
            log.push(event.to_string());
            let (log, coordinators) = (log.clone(), coordinators.clone());
            let own = own.lock().unwrap().clone().unwrap();
            Box::pin(async move {
                if event.name() == "coordinate" {
                    own.reset().await.unwrap();
                    let plan = Plan::new().all([log.event("the next one")]);
                    coordinators.start("self", plan, Timeout::Never).await.unwrap();
                    assert_eq!(own.stop().await.unwrap_err().code, Code::NoCoordinator);
                    log.push("through");
                }
                Ok(())
            })
        })
    };
    let plan = Plan::from((Group::size(1), action));
    let coordinator = coordinators.start("self", plan, Timeout::Never).await.unwrap();
    *own.lock().unwrap() = Some(coordinator.clone());
    add(&coordinator, [1]);
    eventually("it has ended", || coordinator.info().is_none()).await;
    coordinators.stop_all().await;
    assert_snapshot!(log.text(), @"
    coordinate of 1
    through
    reset of 0
    stop of 0
    the next one: stop of 0
    ");
}
