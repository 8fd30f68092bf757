//! What happens when nobody is added for a while, and on resets.

use std::time::Duration;

use crate::log::{Log, add, coordinators, eventually};
use crowd::coordinator::{Group, Plan, Timeout};
use insta::assert_snapshot;
use tokio::time::{advance, sleep};

const SECOND: Duration = Duration::from_secs(1);
const TIMEOUT: Timeout = Timeout::After(SECOND);

fn plan(log: &Log) -> Plan<u64> {
    Plan::new()
        .group(Group::size(2), [log.event("two")])
        .group(Group::size(3), [log.members("three")])
        .all([log.event("all")])
}

#[tokio::test(start_paused = true)]
async fn a_reset_hands_over_the_rest_and_disarms_the_timeout() {
    let (coordinators, _, events, _subscription) = coordinators().await;
    let log = Log::default();
    let coordinator = coordinators.start("meeting", plan(&log), TIMEOUT).await.unwrap();
    add(&coordinator, 1..=5);
    coordinator.reset().await.unwrap();
    assert_snapshot!(log.text(), @"
    two: coordinate of 2
    three: coordinate of 3 [3, 2, 1]
    two: coordinate of 2
    two: reset of 1
    three: reset of 2 [5, 4]
    all: reset of 5
    ");
    sleep(2 * SECOND).await;
    assert_eq!(log.take(), [""; 0], "no timeout after a reset");

    add(&coordinator, 1..=6);
    coordinator.reset().await.unwrap();
    assert_snapshot!(log.text(), @"
    two: coordinate of 2
    three: coordinate of 3 [3, 2, 1]
    two: coordinate of 2
    two: coordinate of 2
    three: coordinate of 3 [6, 5, 4]
    two: reset of 0
    three: reset of 0 []
    all: reset of 6
    ");
    coordinator.reset().await.unwrap();
    assert_eq!(log.take(), ["two: reset of 0", "three: reset of 0 []", "all: reset of 0"]);
    coordinator.stop().await.unwrap();
    assert_eq!(log.take(), ["two: stop of 0", "three: stop of 0 []", "all: stop of 0"]);

    let mut expected = vec!["start"];
    expected.extend([&"add"; 5]);
    expected.push("reset");
    expected.extend([&"add"; 6]);
    expected.extend(["reset", "reset", "stop"]);
    assert_eq!(events.take(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_comes_once_after_the_last_add() {
    let (coordinators, _, events, _subscription) = coordinators().await;
    let log = Log::default();
    let coordinator = coordinators.start("meeting", plan(&log), TIMEOUT).await.unwrap();
    sleep(2 * SECOND).await;
    assert_eq!(log.take(), [""; 0], "nobody was added yet");

    add(&coordinator, 1..=7);
    sleep(SECOND / 2).await;
    log.take();
    sleep(2 * SECOND).await;
    assert_snapshot!(log.text(), @"
    two: timeout of 1
    three: timeout of 1 [7]
    all: timeout of 7
    ");
    sleep(10 * SECOND).await;
    assert_eq!(log.take(), [""; 0], "it is told once");

    add(&coordinator, 1..=8);
    sleep(SECOND / 2).await;
    log.take();
    sleep(2 * SECOND).await;
    assert_snapshot!(log.text(), @"
    two: timeout of 0
    three: timeout of 2 [8, 7]
    all: timeout of 8
    ");
    coordinator.stop().await.unwrap();
    assert_eq!(log.take(), ["two: stop of 0", "three: stop of 0 []", "all: stop of 0"]);

    let mut expected = vec!["start"];
    expected.extend([&"add"; 7]);
    expected.push("timeout");
    expected.extend([&"add"; 8]);
    expected.extend(["timeout", "stop"]);
    assert_eq!(events.take(), expected);
}

#[tokio::test(start_paused = true)]
async fn every_add_puts_the_timeout_off() {
    let (coordinators, ..) = coordinators().await;
    let log = Log::default();
    let plan = Plan::new().all([log.event("all")]);
    let coordinator = coordinators.start("meeting", plan, TIMEOUT).await.unwrap();
    for user in 1..=20 {
        add(&coordinator, [user]);
        sleep(SECOND * 9 / 10).await;
        assert_eq!(log.take(), [""; 0], "after user {user}");
    }
    sleep(SECOND / 5).await;
    assert_eq!(log.take(), ["all: timeout of 20"]);
}

/// The clock's task may be late; the groups are cut where they should be nevertheless.
#[tokio::test(start_paused = true)]
async fn a_late_clock_puts_nobody_into_the_wrong_group() {
    let (coordinators, ..) = coordinators().await;
    let log = Log::default();
    let plan = Plan::new().all([log.members("all")]);
    let coordinator = coordinators.start("meeting", plan, TIMEOUT).await.unwrap();
    add(&coordinator, 1..=2);
    // No task but this one runs while the clock goes on.
    let late = advance(3 * SECOND);
    let mut late = std::pin::pin!(late);
    std::future::poll_fn(|context| {
        let _ = late.as_mut().poll(context);
        add(&coordinator, [3]);
        std::task::Poll::Ready(())
    })
    .await;
    coordinator.stop().await.unwrap();
    assert_eq!(log.take(), ["all: timeout of 2 [2, 1]", "all: stop of 1 [3]"]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_action_does_not_move_the_ends_of_groups() {
    let (coordinators, ..) = coordinators().await;
    let log = Log::default();
    let plan =
        Plan::new().group(Group::size(2), [log.slow("two", 60 * SECOND)]).all([log.members("all")]);
    let coordinator = coordinators.start("meeting", plan, TIMEOUT).await.unwrap();
    add(&coordinator, 1..=2);
    sleep(10 * SECOND).await;
    add(&coordinator, [3]);
    sleep(10 * SECOND).await;
    add(&coordinator, [4]);
    sleep(10 * SECOND).await;
    assert_eq!(log.take(), ["two: coordinate of 2 begins"]);
    let info = coordinator.info().unwrap();
    assert_eq!((info.events.timeout, info.queued), (6, 7));
    coordinator.stop().await.unwrap();
    let all: Vec<_> = log.take().into_iter().filter(|line| line.starts_with("all")).collect();
    assert_eq!(
        all,
        [
            "all: timeout of 2 [2, 1]",
            "all: timeout of 1 [3]",
            "all: timeout of 1 [4]",
            "all: stop of 0 []"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_timeout_nothing_times_out() {
    let (coordinators, _, events, _subscription) = coordinators().await;
    let log = Log::default();
    let coordinator = coordinators.start("meeting", plan(&log), Timeout::Never).await.unwrap();
    add(&coordinator, [1]);
    sleep(1_000_000 * SECOND).await;
    assert_eq!(log.take(), [""; 0]);
    assert_eq!(events.take(), ["start", "add"]);
}

#[tokio::test(start_paused = true)]
async fn the_longest_timeout_there_is_is_as_good_as_none() {
    let (coordinators, ..) = coordinators().await;
    let log = Log::default();
    let longest = Timeout::After(Duration::MAX);
    let coordinator = coordinators.start("meeting", plan(&log), longest).await.unwrap();
    add(&coordinator, 1..=2);
    eventually("the group is full", || !log.take().is_empty()).await;
    coordinator.reset().await.unwrap();
    assert_eq!(log.take(), ["two: reset of 0", "three: reset of 2 [2, 1]", "all: reset of 2"]);
}
