//! Users that a master places, takes back and removes, and the settings they run with.

use crowd_core::{
    rate::Rate,
    refusal::Code,
    user_id::{IdSet, UserId},
};

use super::support::*;
use crate::{
    cluster::{
        member::MemberId,
        protocol::run::{Assignment, ToWorker, WorkerAnswer},
    },
    controller::{message::SetOutcome, population::UserCounts},
    throttle::Ramp,
};

#[tokio::test(start_paused = true)]
async fn exactly_the_placed_ids_run_and_twice_is_as_good_as_once() {
    let rig = Rig::running("placed", &[]).await;
    rig.place(101, 104).await;
    rig.place(5, 14).await;
    for _ in 0..3 {
        rig.tell(ToWorker::Place { assignment: A, users: ids(3, 14) });
    }
    rig.tell(ToWorker::Place { assignment: Assignment(7), users: ids(200, 300) });
    eventually("two more run", || rig.master.last().users.running == 16).await;
    let all = IdSet::from(vec![(3, 14), (101, 104)]);
    assert_eq!(rig.acting().await, all);
    let counts = rig.master.last().users;
    assert_eq!((counts.asked, counts.started, counts.waiting), (16, 16, 0));
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn those_that_wait_are_removed_before_the_newest() {
    let rig = Rig::running("removed", &[]).await;
    rig.place(1, 10).await;
    let none = ToWorker::ApplySettings { assignment: A, settings: given(&[("user_rate", "0")]) };
    rig.call(none).await;
    rig.tell(ToWorker::Place { assignment: A, users: ids(21, 25) });
    let remove = |count, force| ToWorker::Remove { assignment: A, count, force };
    assert_eq!(rig.call(remove(8, false)).await, WorkerAnswer::Chosen(8));
    eventually("three have stopped", || rig.master.last().users.running == 7).await;
    let (ended, released) = rig.master.gone();
    assert_eq!(ended, IdSet::from(vec![(8, 10), (21, 25)]));
    assert!(released.is_empty());
    assert_eq!(rig.master.last().endings.stopped, 3);
    assert_eq!(rig.call(remove(100, true)).await, WorkerAnswer::Chosen(7));
    assert_eq!(refusal(rig.call(remove(0, true)).await).code, Code::InvalidRange);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn released_users_are_given_back_once_they_have_ended() {
    let rig = Rig::running("released", &[("stubborn", "true")]).await;
    rig.place(1, 10).await;
    rig.call(ToWorker::ApplySettings { assignment: A, settings: given(&[("user_rate", "0")]) })
        .await;
    rig.tell(ToWorker::Place { assignment: A, users: ids(21, 25) });
    rig.tell(ToWorker::Release { assignment: A, count: 8 });
    eventually("those that waited are back", || rig.master.gone().1 == ids(21, 25)).await;
    let asked = tokio::time::Instant::now();
    eventually("the others are", || rig.master.gone().1 == IdSet::from(vec![(8, 10), (21, 25)]))
        .await;
    let took = asked.elapsed();
    assert!(took.as_millis() > 1_400 && took.as_millis() < 2_600, "{took:?}");
    assert_eq!(rig.acting().await, ids(1, 7));
    let beat = rig.master.last();
    let counts = UserCounts { asked: 7, started: 7, running: 7, peak: 10, ..beat.users };
    assert_eq!(beat.users, counts);
    assert_eq!((beat.endings, rig.master.gone().0), Default::default(), "they end elsewhere");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn settings_are_checked_without_effect_and_applied_after() {
    let rig = Rig::running("settings", &[("pace", "4")]).await;
    let check = |pairs| ToWorker::CheckSettings { assignment: A, settings: given(pairs) };
    let apply = |pairs| ToWorker::ApplySettings { assignment: A, settings: given(pairs) };
    let both: &[(&str, &str)] = &[("pace", "6"), ("user_rate", "5/s")];
    assert_eq!(rig.call(check(both)).await, WorkerAnswer::Done);
    assert!(!rig.calls().contains(&"pace=6".to_owned()));
    let odd = refusal(rig.call(check(&[("pace", "5")])).await);
    assert_eq!(odd.code, Code::ParametersVerificationFailed);
    let fixed = refusal(rig.call(check(&[("fails", "true")])).await);
    assert_eq!(fixed.code, Code::ReadonlyParameters);
    let rate = refusal(rig.call(check(&[("user_rate", "quick")])).await);
    assert_eq!(rate.code, Code::ParametersVerificationFailed);
    let outcome = SetOutcome { changed: vec!["pace".into(), "user_rate".into()], faults: vec![] };
    assert_eq!(rig.call(apply(both)).await, WorkerAnswer::Applied(outcome));
    assert!(rig.calls().contains(&"pace=6".to_owned()));
    assert_eq!(rig.throttles.get("user_rate").unwrap().info().rate, "5/s");
    // On a ramp nobody sets the rate, and the check says so before any node has changed anything.
    let (from, to) = (Rate::per_second(1), Rate::per_second(9));
    let ramp = Ramp::new(from, to, std::time::Duration::from_secs(60), None).unwrap();
    rig.throttles.ramp("user_rate", ramp).await.unwrap();
    let ramped = refusal(rig.call(check(&[("user_rate", "8/s")])).await);
    assert_eq!(ramped.code, Code::CannotChangeRate);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_master_can_look_at_users_and_tell_where_others_are() {
    let rig = Rig::running("shown", &[]).await;
    rig.place(5, 14).await;
    let WorkerAnswer::Users(users) = rig.call(ToWorker::Users { limit: 3 }).await else { panic!() };
    let seen: Vec<_> = users.iter().map(|user| (user.id.0, user.node.as_str())).collect();
    assert_eq!(seen, [(5, "shown"), (6, "shown"), (7, "shown")]);
    let WorkerAnswer::User(user) = rig.call(ToWorker::User { id: UserId(14) }).await else {
        panic!()
    };
    assert_eq!(user.unwrap().state, "running");
    for id in [3, 99] {
        assert_eq!(rig.call(ToWorker::User { id: UserId(id) }).await, WorkerAnswer::User(None));
    }
    let there = vec![(ids(20, 29), Some(MemberId::new("other", 3)))];
    let tell = |assignment| ToWorker::Whereabouts { assignment, changes: there.clone() };
    rig.tell(tell(Assignment(9)));
    rig.tell(tell(A));
    eventually("it knows", || *rig.places.lock().unwrap() == there).await;
    rig.end().await;
}
