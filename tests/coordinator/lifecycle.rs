//! Names, handles, replacement and the end.

use std::{sync::Arc, time::Duration};

use crowd::{
    coordinator::{Action, AddError, CoordinatorState, Group, Plan, Timeout},
    refusal::Code,
    user::UserId,
};
use insta::assert_snapshot;

use crate::log::{Log, add, coordinators, eventually};

#[tokio::test]
async fn any_name_will_do() {
    let (coordinators, ..) = coordinators().await;
    for name in ["meeting", "two words", "Größe/β", "{a, 1}"] {
        let log = Log::default();
        let plan = Plan::new().all([log.event("all")]);
        coordinators.start(name, plan, Timeout::default()).await.unwrap();
        let coordinator = coordinators.get::<u64>(name).unwrap();
        assert_eq!(coordinator.name(), name);
        add(&coordinator, 1..=10);
        coordinators.stop(name).await.unwrap();
        assert_eq!(log.take(), ["all: stop of 10"]);
    }
}

#[tokio::test]
async fn a_name_that_nobody_has_is_refused_with_those_there_are() {
    let (coordinators, ..) = coordinators().await;
    let refusal = coordinators.get::<u64>("chat").unwrap_err();
    assert_snapshot!(refusal, @"no coordinator `chat` is started; none is [no-coordinator]");
    for name in ["rooms", "chats"] {
        coordinators.start(name, Plan::<u64>::new(), Timeout::Never).await.unwrap();
    }
    let refusal = coordinators.reset("chat").await.unwrap_err();
    assert_snapshot!(refusal, @"no coordinator `chat` is started (there are: chats, rooms); did you mean `chats`? [no-coordinator]");
    let refusal = coordinators.stop("meetings").await.unwrap_err();
    assert_snapshot!(refusal, @"no coordinator `meetings` is started (there are: chats, rooms) [no-coordinator]");
}

#[tokio::test]
async fn another_type_of_data_is_refused() {
    let (coordinators, ..) = coordinators().await;
    coordinators.start("chat", Plan::<u64>::new(), Timeout::Never).await.unwrap();
    let refusal = coordinators.get::<Vec<u8>>("chat").unwrap_err();
    assert_snapshot!(refusal, @"coordinator `chat` was started with data of another type than is asked for here [no-coordinator]");
}

/// In amoc these crash the caller.
#[tokio::test]
async fn after_a_stop_everything_is_an_error_and_nothing_a_crash() {
    let (coordinators, _, events, _subscription) = coordinators().await;
    let plan = Plan::<u64>::new().group(Group::size(2), []);
    let coordinator = coordinators.start("chat", plan, Timeout::default()).await.unwrap();
    coordinator.stop().await.unwrap();
    let stopped = coordinator.add(UserId(1), 10).unwrap_err();
    assert_snapshot!(stopped, @"coordinator `chat` takes no more users: it has ended");
    let refusal = coordinator.stop().await.unwrap_err();
    assert_snapshot!(refusal, @"coordinator `chat` has been stopped [no-coordinator]");
    assert_eq!(coordinator.reset().await.unwrap_err(), refusal);
    for refusal in [coordinators.stop("chat").await, coordinators.reset("chat").await] {
        assert_eq!(refusal.unwrap_err().code, Code::NoCoordinator);
    }
    assert!(coordinator.info().is_none());
    assert!(coordinators.list().is_empty());
    assert_eq!(events.take(), ["start", "stop"]);
}

/// In amoc the old one lives on, unseen, and its timeout keeps firing.
#[tokio::test(start_paused = true)]
async fn a_start_under_the_same_name_stops_the_old_one_and_leaks_nothing() {
    let (coordinators, _, events, _subscription) = coordinators().await;
    let log = Log::default();
    let held = Arc::new(());
    let holding = |label: &'static str| {
        let (held, log) = (held.clone(), log.clone());
        let action = Action::<u64>::members(move |event, members| {
            let _held = &held;
            log.push(format!("{label}: {event} {}", members.len()));
        });
        Plan::new().all([action])
    };
    let timeout = Timeout::After(Duration::from_secs(1));
    let old = coordinators.start("chat", holding("old"), timeout).await.unwrap();
    add(&old, 1..=3);
    let new = coordinators.start("chat", holding("new"), timeout).await.unwrap();
    assert_eq!(log.take(), ["old: stop of 3 3"]);
    assert_eq!(old.add(UserId(4), 40), Err(AddError::Stopped("chat".into())));
    add(&coordinators.get("chat").unwrap(), [5]);
    assert_eq!(coordinators.list().len(), 1);
    assert_eq!(new.info().unwrap().adds, 1);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(log.take(), ["new: timeout of 1 1"]);
    assert_eq!(events.take(), ["start", "add", "add", "add", "stop", "start", "add", "timeout"]);
    eventually("the old plan is gone", || Arc::strong_count(&held) == 2).await;
    new.stop().await.unwrap();
    eventually("both plans are gone", || Arc::strong_count(&held) == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn starts_of_one_name_at_once_leave_one_and_lose_no_user() {
    let (coordinators, ..) = coordinators().await;
    let log = Log::default();
    let starters: Vec<_> = (1..=20)
        .map(|user| {
            let (coordinators, log) = (coordinators.clone(), log.clone());
            tokio::spawn(async move {
                let plan = Plan::new().all([log.event("all")]);
                let own = coordinators.start("chat", plan, Timeout::Never).await.unwrap();
                u64::from(own.add(UserId(user), user * 10).is_ok())
            })
        })
        .collect();
    let mut taken = 0;
    for starter in starters {
        taken += starter.await.unwrap();
    }
    assert_eq!(
        coordinators.list().iter().filter(|info| info.state == CoordinatorState::Running).count(),
        1
    );
    coordinators.stop_all().await;
    let stops = log.take();
    assert_eq!(stops.len(), 20, "each was stopped once: {stops:?}");
    let met: u64 =
        stops.iter().map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!(met, taken);
}

#[tokio::test]
async fn stop_all_delivers_the_stops_and_leaves_room_for_the_next_run() {
    let (coordinators, _, events, _subscription) = coordinators().await;
    let log = Log::default();
    for name in ["one", "two"] {
        let plan = Plan::new().all([log.event("all")]);
        add(&coordinators.start(name, plan, Timeout::default()).await.unwrap(), 1..=2);
    }
    coordinators.stop_all().await;
    assert_eq!(log.take(), ["all: stop of 2", "all: stop of 2"]);
    assert!(coordinators.list().is_empty());
    coordinators.stop_all().await;
    let plan = Plan::new().all([log.event("next run")]);
    coordinators.start("one", plan, Timeout::default()).await.unwrap();
    coordinators.stop_all().await;
    assert_eq!(log.take(), ["next run: stop of 0"]);
    let once = ["start", "add", "add"];
    assert_eq!(events.take(), [&once[..], &once, &["stop", "stop", "start", "stop"]].concat());
}

#[tokio::test]
async fn what_is_left_when_the_last_handle_goes_is_told() {
    let (coordinators, telemetry, ..) = coordinators().await;
    let held = Arc::new(());
    let captured = held.clone();
    let action = Action::<u64>::event(move |_| {
        let _captured = &captured;
    });
    let plan = Plan::from((Group::size(2), action));
    let coordinator = coordinators.start("chat", plan, Timeout::default()).await.unwrap();
    drop(coordinators);
    eventually("it takes no more users", || coordinator.add(UserId(1), 10).is_err()).await;
    eventually("its plan is gone", || Arc::strong_count(&held) == 1).await;
    let kind = crowd::telemetry::event::Kind::CoordinatorFault;
    eventually("it is told", || telemetry.count(kind) == 1).await;
}

#[tokio::test(start_paused = true)]
async fn the_list_says_what_goes_on() {
    let (coordinators, ..) = coordinators().await;
    let log = Log::default();
    let plan = Plan::new()
        .all([log.members("all")])
        .group(Group::size(3), [log.event("three")])
        .group(Group::range(5, 6), []);
    let timeout = Timeout::After(Duration::from_millis(90_500));
    let coordinator = coordinators.start("chat", plan, timeout).await.unwrap();
    add(&coordinator, 1..=4);
    eventually("the action has run", || coordinators.list()[0].queued == 0).await;
    let mut list = serde_json::to_value(coordinators.list()).unwrap();
    let drawn = list[0]["items"][1]["size"].take();
    assert!((5..=6).contains(&drawn.as_u64().unwrap()), "{drawn}");
    assert_snapshot!(serde_json::to_string_pretty(&list[0]).unwrap(), @r#"
    {
      "adds": 4,
      "events": {
        "coordinate": 1,
        "reset": 0,
        "stop": 0,
        "timeout": 0
      },
      "faults": 0,
      "items": [
        {
          "group": "3",
          "item": 2,
          "size": 3,
          "waiting": 1
        },
        {
          "group": "5..6",
          "item": 3,
          "size": null,
          "waiting": 4
        },
        {
          "group": "all",
          "item": 1,
          "size": null,
          "waiting": 4
        }
      ],
      "last_fault": null,
      "name": "chat",
      "queued": 0,
      "state": "running",
      "timeout": "1m 30s 500ms"
    }
    "#);

    let slow = Plan::new().all([log.slow("all", Duration::from_secs(100))]);
    let slow = coordinators.start("chat", slow, Timeout::Never).await.unwrap();
    let stopping = tokio::spawn(async move { slow.stop().await });
    eventually("it is stopping", || coordinators.list()[0].state == CoordinatorState::Stopping)
        .await;
    stopping.await.unwrap().unwrap();
    assert!(coordinators.list().is_empty());
}
