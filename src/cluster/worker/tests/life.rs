//! How a part in a run begins.

use std::time::Duration;

use crowd_core::refusal::Code;
use tokio::time::Instant;

use super::support::*;
use crate::{
    cluster::protocol::run::{Assignment, RunSpec, ToWorker, WorkerAnswer},
    controller::{machine::RunState, message::ControllerMessage},
    prelude::Rate,
};

#[tokio::test(start_paused = true)]
async fn beginning_twice_is_as_good_as_once() {
    let rig = Rig::running("twice", &[]).await;
    rig.place(1, 3).await;
    assert_eq!(rig.begin(A, &[]).await, WorkerAnswer::Done);
    assert_eq!(rig.calls(), ["follow master 1", "init"]);
    assert_eq!(rig.acting().await, ids(1, 3));
    assert_eq!(rig.worker.following().as_ref(), Some(rig.master.mesh.me()));
    let old = refusal(rig.begin(Assignment(0), &[]).await);
    assert_eq!(old.code, Code::InvalidStatus);
    rig.end().await;
}

/// The beats go on while `init` runs, so that the master knows that this node is there.
#[tokio::test(start_paused = true)]
async fn a_long_init_is_no_silence() {
    let rig = Rig::running("long-init", &[("init_takes", "20000")]).await;
    let beats = rig.master.beats();
    assert!(beats.len() >= 40, "{}", beats.len());
    assert!(beats.iter().all(|beat| beat.assignment == A));
    assert!(beats.iter().rev().skip(1).all(|beat| beat.state == RunState::Starting));
    rig.place(1, 2).await;
    assert_eq!(rig.master.last().state, RunState::Running);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_begin_is_refused_and_leaves_nothing_behind() {
    let rig = Rig::new("refused").await;
    let odd = refusal(rig.begin(A, &[("pace", "3")]).await);
    assert_eq!(odd.code, Code::ParametersVerificationFailed);
    assert_eq!(rig.worker.following(), None);
    let failed = refusal(rig.begin(Assignment(2), &[("fails", "true")]).await);
    assert_eq!(failed.code, Code::InitFailed);
    assert!(failed.message.contains("no luck"), "{failed}");
    eventually("the master hears of it", || rig.master.last().state == RunState::Failed).await;
    assert_eq!(rig.master.last().reason.as_deref(), Some("no luck"));
    assert_eq!(rig.begin(Assignment(3), &[]).await, WorkerAnswer::Done);
    rig.end().await;
}

/// Invariant: no user of an old part lives on in a new one.
#[tokio::test(start_paused = true)]
async fn the_users_of_before_are_killed_first() {
    let rig = Rig::running("anew", &[("stubborn", "true")]).await;
    rig.place(1, 50).await;
    let asked = Instant::now();
    assert_eq!(rig.begin(Assignment(2), &[]).await, WorkerAnswer::Done);
    assert!(asked.elapsed() < Duration::from_secs(1), "no grace: {:?}", asked.elapsed());
    assert_eq!(rig.acting().await.len(), 0);
    assert!(rig.last_act().unwrap() <= asked + Duration::from_millis(1));
    let calls = ["follow master 1", "init", "terminate", "unfollow", "follow master 2", "init"];
    assert_eq!(rig.calls(), calls);
    rig.tell(ToWorker::Place { assignment: Assignment(1), users: ids(1, 5) });
    rig.tell(ToWorker::Place { assignment: Assignment(2), users: ids(8, 9) });
    eventually("the new ones run", || rig.master.last().users.running == 2).await;
    assert_eq!(rig.acting().await, ids(8, 9));
    let counts = rig.master.last().users;
    assert_eq!((counts.asked, counts.removed), (2, 0), "nothing of before is counted");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_part_that_is_just_beginning_gives_way_to_the_next() {
    let rig = Rig::new("overtaken").await;
    let (slow, anew) = tokio::join!(rig.begin(A, &[("init_takes", "50000")]), async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        rig.begin(Assignment(2), &[]).await
    });
    assert_eq!(refusal(slow).code, Code::InitFailed);
    assert_eq!(anew, WorkerAnswer::Done);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_node_obeys_one_master() {
    let rig = Rig::running("one-master", &[]).await;
    rig.place(1, 3).await;
    let other = Master::new(rig.network.node("other", 1), "one-master".into());
    let run = RunSpec {
        id: "x".into(),
        scenario: "works".into(),
        settings: vec![],
        elapsed: Duration::ZERO,
    };
    let begin = ToWorker::Begin { assignment: A, run };
    let call = |order: ToWorker| {
        let (mesh, to) = (other.mesh.clone(), rig.mesh.me().clone());
        async move { mesh.call(&to, &order, Duration::from_secs(9)).await.unwrap() }
    };
    assert_eq!(refusal(call(begin.clone()).await).code, Code::MasterIsAlreadySet);
    let stop = refusal(call(ToWorker::Stop { assignment: A }).await);
    assert_eq!(stop.message, "node `one-master` does not take part in that run");
    assert_eq!(rig.acting().await, ids(1, 3));
    // Once its own is gone, and takes its users with it, another may come.
    rig.network.kill(rig.master.mesh.me());
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(call(begin).await, WorkerAnswer::Done);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_of_its_own_is_left_alone() {
    let rig = Rig::new("own-run").await;
    let begin = |reply: tokio::sync::oneshot::Sender<_>| ControllerMessage::Do {
        scenario: "works".into(),
        users: 3,
        given: vec![],
        follows: false,
        reply: reply.into(),
    };
    let (sender, receiver) = tokio::sync::oneshot::channel();
    rig.controller.cast(begin(sender)).unwrap();
    receiver.await.unwrap().unwrap();
    let refused = refusal(rig.begin(A, &[]).await);
    assert_eq!(refused.code, Code::InvalidStatus);
    assert!(refused.message.contains("a run of its own is running"), "{refused}");
    assert_eq!(rig.acting().await.len(), 3);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_node_can_be_its_own_master() {
    let rig = Rig::new("alone").await;
    let own = Master::new(rig.mesh.clone(), "alone".into());
    // Nobody answers, and nobody needs to.
    own.answers.store(false, std::sync::atomic::Ordering::SeqCst);
    let run = RunSpec {
        id: "x".into(),
        scenario: "works".into(),
        settings: vec![],
        elapsed: Duration::ZERO,
    };
    let limit = Duration::from_secs(9);
    let begin = ToWorker::Begin { assignment: A, run };
    assert_eq!(own.mesh.call(rig.mesh.me(), &begin, limit).await, Ok(WorkerAnswer::Done));
    own.mesh.cast(rig.mesh.me(), &ToWorker::Place { assignment: A, users: ids(1, 9) }).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(rig.acting().await, ids(1, 9));
    assert_eq!(own.last().users.running, 9);
    assert!(rig.worker.leave(limit).await);
    rig.end().await;
}

/// The rate is the cluster's: whoever joins late finds it running, perhaps at another one.
#[tokio::test(start_paused = true)]
async fn the_user_rate_of_the_cluster_is_left_alone() {
    let rig = Rig::new("late").await;
    rig.throttles.start("user_rate", Rate::per_second(5)).await.unwrap();
    assert_eq!(rig.begin(A, &[("user_rate", "7/s")]).await, WorkerAnswer::Done);
    assert_eq!(rig.throttles.get("user_rate").unwrap().info().rate, "5/s");
    rig.end().await;
}

/// On real threads and in real time: what one part leaves behind never hinders the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parts_follow_each_other_in_quick_succession() {
    let rig = Rig::new("quick").await;
    for round in 1..=60 {
        let assignment = Assignment(round);
        assert_eq!(rig.begin(assignment, &[]).await, WorkerAnswer::Done, "round {round}");
        let began = Instant::now();
        rig.tell(ToWorker::Place { assignment, users: ids(1, 20) });
        eventually("they run", || rig.acting_since(began) == ids(1, 20)).await;
        if round % 3 == 0 {
            // Every third ends in order, the others are overtaken.
            assert_eq!(rig.call(ToWorker::Stop { assignment }).await, WorkerAnswer::Done);
            while rig.call(ToWorker::Reset { assignment }).await != WorkerAnswer::Done {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
    assert!(rig.master.beats().iter().all(|beat| beat.users.asked <= 20));
    rig.end().await;
}
