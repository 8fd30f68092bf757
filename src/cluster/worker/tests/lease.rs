//! What becomes of users when the master is not heard of.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use crowd_core::telemetry::event::Kind;
use tokio::time::Instant;

use super::support::*;
use crate::{
    cluster::{
        lease::{CLEAN_END, LEASE},
        protocol::run::{Assignment, ToWorker, WorkerAnswer},
    },
    controller::machine::RunState,
};

/// Cuts the master off. Answers with the moment at which the last beat was sent that was answered.
fn cut(rig: &Rig) -> Instant {
    rig.network.cut(rig.mesh.me(), rig.master.mesh.me());
    rig.mesh.down(rig.master.mesh.me(), "nothing was heard of it");
    rig.mesh.instant(rig.master.last().sent)
}

fn mend(rig: &Rig) {
    rig.network.mend(rig.mesh.me(), rig.master.mesh.me());
    rig.mesh.up(rig.master.mesh.this_member().clone());
}

/// Invariant: no user acts after the lease.
#[tokio::test(start_paused = true)]
async fn users_are_killed_when_the_lease_ends() {
    let rig = Rig::running("fenced", &[("stubborn", "true")]).await;
    rig.place(1, 50).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let answered = cut(&rig);
    tokio::time::sleep_until(answered + LEASE - Duration::from_millis(50)).await;
    assert_eq!(rig.acting().await.len(), 50, "until then they go on");
    tokio::time::sleep(Duration::from_secs(4)).await;
    let last = rig.last_act().unwrap();
    assert!(last < answered + LEASE, "{:?} too late", last - answered - LEASE);
    assert!(last > answered + LEASE - Duration::from_millis(30));
    assert_eq!(rig.telemetry.count(Kind::ClusterMasterDown), 1);
    assert_eq!(rig.worker.following(), None);
    // The part was over for the master long ago; if it can be reached it hears what happened.
    mend(&rig);
    eventually("it is told", || rig.master.last().state == RunState::Failed).await;
    let beat = rig.master.last();
    assert_eq!(beat.reason.as_deref(), Some("cut off from the master"));
    assert_eq!((beat.users.running, beat.endings.killed), (0, 50));
    let order = rig.calls_of(&["terminate", "flush", "told failed", "unfollow"]);
    assert_eq!(order[..2], ["terminate", "flush"]);
    // And it can begin anew.
    assert_eq!(rig.begin(Assignment(2), &[]).await, WorkerAnswer::Done);
    rig.tell(ToWorker::Place { assignment: Assignment(2), users: ids(1, 50) });
    eventually("users run again", || rig.master.last().users.running == 50).await;
    rig.end().await;
}

/// A master that does not answer is as bad as one that cannot be reached.
#[tokio::test(start_paused = true)]
async fn beats_without_an_answer_are_worth_nothing() {
    let rig = Rig::running("unanswered", &[]).await;
    rig.place(1, 5).await;
    let answered = rig.mesh.instant(rig.master.last().sent);
    rig.master.answers.store(false, SeqCst);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(rig.last_act().unwrap() < answered + LEASE);
    rig.end().await;
}

/// A process that was frozen for a minute finds its lease over before a user can act.
#[tokio::test(start_paused = true)]
async fn a_node_that_was_frozen_does_not_act() {
    let rig = Rig::running("frozen", &[("stubborn", "true")]).await;
    rig.place(1, 50).await;
    let answered = cut(&rig);
    rig.eyes.reached.store(3, SeqCst);
    // Users are due before the worker hears of the time.
    tokio::time::advance(Duration::from_secs(60)).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(rig.last_act().unwrap() < answered + LEASE);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn users_go_on_when_the_master_is_dead_and_end_with_the_timeout() {
    let rig = Rig::running("orphaned", &[("stubborn", "true")]).await;
    rig.place(1, 50).await;
    let answered = rig.mesh.instant(rig.master.last().sent);
    rig.network.kill(rig.master.mesh.me());
    rig.eyes.reached.store(3, SeqCst);
    tokio::time::sleep_until(answered + MASTER_TIMEOUT - Duration::from_secs(1)).await;
    assert_eq!(rig.acting().await.len(), 50);
    assert_eq!(rig.telemetry.count(Kind::ClusterMasterDown), 1, "said once");
    assert_eq!(rig.worker.following().as_ref(), Some(rig.master.mesh.me()));
    rig.worker.gave_up().await;
    let last = rig.last_act().unwrap();
    assert!(last > answered + MASTER_TIMEOUT, "they are told to stop first");
    assert!(last < answered + MASTER_TIMEOUT + CLEAN_END);
    assert_eq!(rig.telemetry.count(Kind::ClusterMasterDown), 2);
    assert_eq!(
        rig.calls_of(&["terminate", "flush", "unfollow"]),
        ["terminate", "flush", "unfollow"]
    );
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_master_that_comes_back_is_followed_again() {
    let rig = Rig::running("back", &[]).await;
    rig.place(1, 5).await;
    cut(&rig);
    rig.eyes.reached.store(3, SeqCst);
    tokio::time::sleep(Duration::from_secs(15)).await;
    rig.eyes.reached.store(1, SeqCst);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(rig.acting().await.is_empty(), "reaching nobody any more, they died");
    rig.end().await;
    let rig = Rig::running("back-in-time", &[]).await;
    rig.place(1, 5).await;
    cut(&rig);
    rig.eyes.reached.store(3, SeqCst);
    tokio::time::sleep(Duration::from_secs(15)).await;
    mend(&rig);
    rig.eyes.reached.store(1, SeqCst);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(rig.acting().await.len(), 5);
    rig.place(6, 9).await;
    rig.end().await;
}

/// A worker that is gone leaves nobody behind: the lease runs out.
#[tokio::test(start_paused = true)]
async fn users_do_not_outlive_their_worker() {
    let rig = Rig::running("shut-down", &[("stubborn", "true")]).await;
    rig.place(1, 5).await;
    rig.worker.shutdown().await;
    let ended = Instant::now();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(rig.last_act().unwrap() < ended + LEASE);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_is_let_in_before_the_master_has_answered() {
    let rig = Rig::new("not-yet").await;
    rig.master.answers.store(false, SeqCst);
    assert_eq!(rig.begin(A, &[]).await, WorkerAnswer::Done);
    rig.tell(ToWorker::Place { assignment: A, users: ids(1, 50) });
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(rig.last_act(), None);
    assert_eq!(rig.master.last().users.waiting, 50, "they wait, and none is lost");
    rig.master.answers.store(true, SeqCst);
    eventually("they run", || rig.master.last().users.running == 50).await;
    rig.end().await;
}
