//! How a part in a run ends by the master's word, and how a node leaves.

use std::{sync::atomic::Ordering, time::Duration};

use crowd_core::refusal::Code;
use tokio::time::Instant;

use super::support::*;
use crate::{
    cluster::protocol::run::{Assignment, ToWorker, WorkerAnswer},
    controller::machine::RunState,
};

const STOP: ToWorker = ToWorker::Stop { assignment: A };
const RESET: ToWorker = ToWorker::Reset { assignment: A };

/// Invariant: the master hears that a run is over after all else that there is to hear of it.
#[tokio::test(start_paused = true)]
async fn a_stop_is_answered_at_once_and_told_when_all_was_said() {
    let rig = Rig::running("stopped", &[("stubborn", "true")]).await;
    rig.place(1, 20).await;
    let asked = Instant::now();
    assert_eq!(rig.call(STOP).await, WorkerAnswer::Done);
    assert_eq!(rig.call(STOP).await, WorkerAnswer::Done, "twice is as good as once");
    assert!(asked.elapsed() < Duration::from_millis(100));
    eventually("it ends", || rig.master.last().state == RunState::Terminating).await;
    eventually("it is over", || rig.master.last().state == RunState::Finished).await;
    assert!(asked.elapsed() > Duration::from_secs(3), "two for the users, one for the rest");
    let order = rig.calls_of(&["terminate", "flush", "told finished"]);
    assert_eq!(order, ["terminate", "flush", "told finished"]);
    let beat = rig.master.last();
    assert_eq!((beat.users.removed, beat.users.running, beat.endings.killed), (20, 0, 20));
    assert_eq!(rig.master.gone().0, ids(1, 20));
    assert_eq!(rig.call(STOP).await, WorkerAnswer::Done);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_can_be_stopped_before_it_has_begun() {
    let rig = Rig::new("stopped-early").await;
    let (begun, stopped) = tokio::join!(rig.begin(A, &[("init_takes", "50000")]), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        rig.call(STOP).await
    });
    assert_eq!(refusal(begun).code, Code::InitFailed);
    assert_eq!(stopped, WorkerAnswer::Done);
    eventually("the master hears of it", || rig.master.last().state == RunState::Failed).await;
    rig.end().await;
    // At the very first moment, before the controller knows of the run.
    let rig = Rig::new("stopped-at-once").await;
    let (begun, stopped) = tokio::join!(rig.begin(A, &[("init_takes", "50000")]), rig.call(STOP));
    assert_eq!(refusal(begun).code, Code::InitFailed);
    assert_eq!(stopped, WorkerAnswer::Done);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_over_is_forgotten_and_another_begins() {
    let rig = Rig::running("reset", &[]).await;
    rig.place(1, 5).await;
    assert_eq!(refusal(rig.call(RESET).await).code, Code::InvalidStatus);
    rig.call(STOP).await;
    eventually("it is over", || rig.master.last().state == RunState::Finished).await;
    assert_eq!(rig.call(RESET).await, WorkerAnswer::Done);
    assert_eq!(rig.call(RESET).await, WorkerAnswer::Done, "twice is as good as once");
    assert_eq!(rig.worker.following(), None);
    let beats = rig.master.beats().len();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(rig.master.beats().len(), beats, "there is nothing to tell of");
    assert_eq!(rig.begin(Assignment(2), &[]).await, WorkerAnswer::Done);
    assert_eq!(rig.calls_of(&["unfollow", "follow master 2"]), ["unfollow", "follow master 2"]);
    rig.tell(ToWorker::Place { assignment: Assignment(2), users: ids(1, 2) });
    eventually("users run", || rig.master.last().users.running == 2).await;
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_node_leaves_when_its_users_are_given_back_and_the_master_knows() {
    let rig = Rig::running("leaving", &[("stubborn", "true")]).await;
    rig.place(1, 20).await;
    let worker = rig.worker.clone();
    let leaving = tokio::spawn(async move { worker.leave(Duration::from_secs(20)).await });
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(rig.master.leaving.load(Ordering::SeqCst));
    assert_eq!(rig.acting().await, ids(1, 20), "they go on meanwhile");
    rig.tell(ToWorker::Release { assignment: A, count: 20 });
    assert!(leaving.await.unwrap());
    assert_eq!(rig.master.gone().1, ids(1, 20));
    assert_eq!(refusal(rig.begin(Assignment(2), &[]).await).code, Code::Unavailable);
    rig.end().await;
    let idle = Rig::new("leaving-idle").await;
    assert!(idle.worker.leave(Duration::from_secs(1)).await);
    idle.end().await;
}

/// Whoever hears that this node is gone may start its users elsewhere.
#[tokio::test(start_paused = true)]
async fn whom_nobody_takes_over_is_killed_before_the_node_goes() {
    let rig = Rig::running("not-taken", &[("stubborn", "true")]).await;
    rig.place(1, 20).await;
    let until = Instant::now() + Duration::from_secs(5);
    assert!(!rig.worker.leave(Duration::from_secs(5)).await, "nobody takes its users");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(rig.last_act().unwrap() <= until + Duration::from_millis(50));
    rig.end().await;
}

/// There is nobody to hand users over to.
#[tokio::test(start_paused = true)]
async fn a_node_without_its_master_leaves_as_soon_as_its_users_are_dead() {
    let rig = Rig::running("cut-off", &[("stubborn", "true")]).await;
    rig.place(1, 20).await;
    rig.network.cut(rig.mesh.me(), rig.master.mesh.me());
    let began = Instant::now();
    assert!(rig.worker.leave(Duration::from_secs(60)).await);
    assert!(began.elapsed() < Duration::from_millis(4_500), "{:?}", began.elapsed());
    let rig = Rig::running("orphan", &[("stubborn", "true")]).await;
    rig.place(1, 20).await;
    rig.network.kill(rig.master.mesh.me());
    rig.eyes.reached.store(3, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(rig.acting().await, ids(1, 20));
    let began = Instant::now();
    assert!(rig.worker.leave(Duration::from_secs(60)).await);
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    rig.end().await;
}
