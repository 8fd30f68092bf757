//! Which groups come together, who is in them, and in which order the actions run.

use std::sync::Arc;

use crate::log::{Log, add, coordinators, eventually};
use crowd::{
    coordinator::{Action, Group, Plan, Timeout},
    refusal::Code,
    telemetry::event::{CoordinatorExecute, Kind},
    user::UserId,
};
use insta::assert_snapshot;

#[tokio::test]
async fn every_item_counts_on_its_own_and_all_is_last() {
    let (coordinators, _, events, _subscription) = coordinators().await;
    let log = Log::default();
    let plan = Plan::new()
        .all([log.event("all, first")])
        .group(Group::size(2), [log.members("two"), log.event("two")])
        .group(Group::size(4), [log.pairs("four"), log.event("four")])
        .all([log.members("all, second")])
        .group(Group::size(3), [log.event("three")]);
    let coordinator = coordinators.start("meeting", plan, Timeout::default()).await.unwrap();
    add(&coordinator, 1..=4);
    coordinator.stop().await.unwrap();
    assert_snapshot!(log.text(), @"
    two: coordinate of 2 [2, 1]
    two: coordinate of 2
    three: coordinate of 3
    two: coordinate of 2 [4, 3]
    two: coordinate of 2
    four: coordinate 4-3
    four: coordinate 4-2
    four: coordinate 4-1
    four: coordinate 3-2
    four: coordinate 3-1
    four: coordinate 2-1
    four: coordinate of 4
    two: stop of 0 []
    two: stop of 0
    four: stop of 0
    three: stop of 1
    all, first: stop of 4
    all, second: stop of 4 [4, 3, 2, 1]
    ");
    assert_eq!(events.take(), ["start", "add", "add", "add", "add", "stop"]);
}

#[tokio::test]
async fn a_user_without_a_partner_is_told_so() {
    let (coordinators, ..) = coordinators().await;
    let log = Log::default();
    let plan = Plan::new().group(Group::size(2), [log.pairs("two")]);
    let coordinator = coordinators.start("meeting", plan, Timeout::Never).await.unwrap();
    add(&coordinator, 1..=3);
    coordinator.stop().await.unwrap();
    assert_eq!(log.take(), ["two: coordinate 2-1", "two: stop 3-nobody"]);
}

#[tokio::test]
async fn a_range_makes_groups_of_allowed_sizes_and_all_gets_everybody() {
    let (coordinators, _, events, _subscription) = coordinators().await;
    let log = Log::default();
    let plan =
        Plan::new().all([log.members("all")]).group(Group::range(5, 10), [log.event("some")]);
    let coordinator = coordinators.start("meeting", plan, Timeout::Never).await.unwrap();
    add(&coordinator, 1..=20);
    coordinator.stop().await.unwrap();
    let calls = log.take();
    // Two to four full groups, the rest, everybody.
    assert!((4..=6).contains(&calls.len()), "{calls:?}");
    let (all, some) = calls.split_last().unwrap();
    let everybody: Vec<u64> = (1..=20).rev().collect();
    assert_eq!(*all, format!("all: stop of 20 {everybody:?}"));
    let (rest, full) = some.split_last().unwrap();
    let size = |line: &String| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
    assert!(rest.starts_with("some: stop"), "{rest}");
    for line in full {
        assert!(line.starts_with("some: coordinate"), "{line}");
        assert!((5..=10).contains(&size(line)), "{line}");
    }
    assert_eq!(some.iter().map(size).sum::<u64>(), 20);
    let mut expected = vec!["start"];
    expected.extend([&"add"; 20]);
    expected.push("stop");
    assert_eq!(events.take(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn users_of_many_tasks_are_all_met_once() {
    const TASKS: u64 = 20;
    const EACH: u64 = 500;
    let (coordinators, ..) = coordinators().await;
    let met = Log::default();
    let log = met.clone();
    let plan = Plan::new().group(
        Group::size(7),
        [Action::<u64>::members(move |_, members| {
            members.iter().for_each(|member| log.push(member.data.to_string()));
        })],
    );
    let coordinator = coordinators.start("meeting", plan, Timeout::default()).await.unwrap();
    let adders: Vec<_> = (0..TASKS)
        .map(|task| {
            let coordinator = coordinator.clone();
            tokio::spawn(async move {
                for n in 0..EACH {
                    let user = task * EACH + n;
                    coordinator.add(UserId(user), user).unwrap();
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for adder in adders {
        adder.await.unwrap();
    }
    coordinator.stop().await.unwrap();
    let mut met: Vec<u64> = met.take().iter().map(|user| user.parse().unwrap()).collect();
    met.sort_unstable();
    assert_eq!(met, (0..TASKS * EACH).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_add_is_seen_without_a_stop() {
    let (coordinators, ..) = coordinators().await;
    let log = Log::default();
    let plan = Plan::new().group(Group::size(1), [log.members("one")]);
    let coordinator = coordinators.start("meeting", plan, Timeout::Never).await.unwrap();
    for user in 1..=3 {
        add(&coordinator, [user]);
        let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
        eventually("the action ran", || {
            let mut seen = seen.lock().unwrap();
            seen.extend(log.take());
            *seen == [format!("one: coordinate of 1 [{user}]")]
        })
        .await;
    }
}

#[tokio::test]
async fn an_empty_plan_takes_users_and_does_nothing() {
    let (coordinators, ..) = coordinators().await;
    let coordinator =
        coordinators.start("nothing", Plan::<u64>::new(), Timeout::default()).await.unwrap();
    add(&coordinator, 1..=10);
    coordinator.reset().await.unwrap();
    assert_eq!(coordinator.info().unwrap().adds, 10);
    coordinator.stop().await.unwrap();
}

#[tokio::test]
async fn a_plan_that_makes_no_sense_starts_nothing_and_changes_nothing() {
    let (coordinators, ..) = coordinators().await;
    let good = Plan::<u64>::new().group(Group::size(2), []);
    let running = coordinators.start("meeting", good, Timeout::Never).await.unwrap();
    let bad = Plan::<u64>::new().group(Group::range(4, 4), []);
    let refusal = coordinators.start("meeting", bad, Timeout::Never).await.unwrap_err();
    assert_eq!(refusal.code, Code::InvalidPlan);
    assert_snapshot!(refusal, @"coordinator `meeting`: item 1 of the plan: the range 4..4 is not usable; min is 1 or more, max is more than min [invalid-plan]");
    let zero = Timeout::After(std::time::Duration::ZERO);
    let refusal = coordinators.start("meeting", Plan::<u64>::new(), zero).await.unwrap_err();
    assert_snapshot!(refusal, @"coordinator `meeting`: a timeout is more than 0s, or `Timeout::Never` [invalid-plan]");
    add(&running, [1]);
}

#[tokio::test]
async fn what_is_executed_is_told_with_its_size() {
    let (coordinators, telemetry, ..) = coordinators().await;
    let log = Log::default();
    let told = log.clone();
    let _subscription = telemetry.subscribe(move |occurrence| {
        if let Some(execute) = occurrence.event.downcast_ref::<CoordinatorExecute>() {
            let CoordinatorExecute { name, event, configured, members } = execute;
            told.push(format!("{name}: {event} {members} of {configured}"));
        }
    });
    let plan = Plan::<u64>::new().all([]).group(Group::size(2), []);
    let coordinator = coordinators.start("meeting", plan, Timeout::Never).await.unwrap();
    add(&coordinator, 1..=3);
    coordinator.stop().await.unwrap();
    assert_snapshot!(log.text(), @"
    meeting: coordinate 2 of 2
    meeting: stop 1 of 2
    meeting: stop 3 of all
    ");
    assert_eq!(telemetry.count(Kind::CoordinatorExecute), 6);
}
