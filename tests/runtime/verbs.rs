//! `do`, `add`, `remove`, `stop`, `reset`, `status`: the acceptance lists of the local API and of
//! the controller.

use crowd::{
    controller::machine::RunState, node::Added, refusal::Code, scenario::catalog::Catalog,
};

use super::support::*;

fn catalog() -> Catalog {
    Catalog::new().with::<Waits>().with::<Stubborn>()
}

#[tokio::test]
async fn a_fresh_node_is_idle() {
    let node = node(catalog()).await;
    let status = node.status().await.unwrap();
    assert_eq!((status.state, status.scenario), (RunState::Idle, None));
    node.shutdown().await;
}

#[tokio::test]
async fn do_with_no_users_runs() {
    let node = node(catalog()).await;
    assert_eq!(node.start_run("waits", 0, vec![]).await, Ok(Added::NOBODY));
    let status = node.status().await.unwrap();
    assert_eq!(status.state, RunState::Running);
    assert_eq!((status.users.running, status.highest_user_id), (0, 0));
    node.add(1).await.unwrap();
    running(&node, 1).await;
    assert_eq!(highest(&node).await, 1);
    node.shutdown().await;
}

#[tokio::test]
async fn do_with_users_starts_them() {
    let node = node(catalog()).await;
    assert_eq!(node.start_run("waits", 3, vec![]).await, Ok(Added { first: 1, last: 3 }));
    running(&node, 3).await;
    assert_eq!(highest(&node).await, 3);
    node.shutdown().await;
}

#[tokio::test]
async fn add_continues_the_ids_and_ranges_may_leave_gaps() {
    let node = node(catalog()).await;
    node.start_run("waits", 0, vec![]).await.unwrap();
    assert_eq!(node.add_range(6, 10).await, Ok(Added { first: 6, last: 10 }));
    running(&node, 5).await;
    assert_eq!(highest(&node).await, 10);
    assert_eq!(code(node.add_range(10, 1).await), Code::InvalidRange);
    assert_eq!(code(node.add_range(10, 12).await), Code::InvalidRange);
    assert_eq!(node.add(2).await, Ok(Added { first: 11, last: 12 }));
    node.shutdown().await;
}

#[tokio::test]
async fn remove_takes_so_many_and_the_highest_id_stays() {
    let node = node(catalog()).await;
    node.start_run("waits", 200, vec![]).await.unwrap();
    running(&node, 200).await;
    for (count, force, chosen, left) in
        [(1, true, 1, 199), (120, true, 120, 79), (69, false, 69, 10), (999, true, 10, 0)]
    {
        assert_eq!(node.remove(count, force).await, Ok(chosen));
        running(&node, left).await;
        assert_eq!(highest(&node).await, 200);
    }
    assert_eq!(node.remove(10, true).await, Ok(0));
    let status = node.status().await.unwrap();
    assert_eq!((status.state, status.users.removed), (RunState::Running, 200));
    node.shutdown().await;
}

/// amoc removes arbitrary users; ours go newest first, so that the oldest keep their sessions.
#[tokio::test]
async fn remove_takes_the_newest() {
    let node = node(catalog()).await;
    node.start_run("waits", 10, vec![]).await.unwrap();
    running(&node, 10).await;
    node.remove(4, false).await.unwrap();
    running(&node, 6).await;
    let ids: Vec<_> = node.users(100).await.unwrap().iter().map(|user| user.id.0).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6]);
    node.shutdown().await;
}

/// W21: amoc counts users twice when asked twice; a user is chosen once here, also while it still
/// runs.
#[tokio::test]
async fn w21_two_quick_removes_choose_different_users() {
    let node = node(catalog()).await;
    node.start_run("stubborn", 10, vec![]).await.unwrap();
    running(&node, 10).await;
    assert_eq!(node.remove(6, false).await, Ok(6));
    assert_eq!(node.remove(6, false).await, Ok(4));
    assert_eq!(node.remove(6, false).await, Ok(0));
    assert_eq!(counts(&node).await.running, 10, "a soft stop may be ignored");
    node.shutdown().await;
}

/// W10 and W20: a finished run makes way for the next one with `reset`; verbs in the wrong state
/// are refused, never a crash.
#[tokio::test]
async fn w10_w20_every_ended_run_can_be_reset_and_wrong_states_are_refused() {
    let node = node(catalog()).await;
    assert_eq!(code(node.add(1).await), Code::InvalidStatus);
    assert_eq!(code(node.remove(1, true).await), Code::InvalidStatus);
    assert_eq!(code(node.stop().await), Code::InvalidStatus);
    assert_eq!(code(node.set(given(&[("a", "b")])).await), Code::InvalidStatus);
    node.start_run("waits", 1, vec![]).await.unwrap();
    assert_eq!(code(node.start_run("waits", 1, vec![]).await), Code::InvalidStatus);
    assert_eq!(code(node.reset().await), Code::InvalidStatus);
    node.stop().await.unwrap();
    state(&node, RunState::Finished).await;
    assert_eq!(code(node.start_run("waits", 1, vec![]).await), Code::InvalidStatus);
    assert_eq!(code(node.add(1).await), Code::InvalidStatus);
    node.reset().await.unwrap();
    state(&node, RunState::Idle).await;
    node.start_run("stubborn", 1, vec![]).await.unwrap();
    running(&node, 1).await;
    node.shutdown().await;
}

#[tokio::test]
async fn bad_words_are_refused_and_change_nothing() {
    let node = node(catalog()).await;
    let refusal = node.start_run("wait", 1, vec![]).await.unwrap_err();
    assert_eq!(refusal.code, Code::NoSuchScenario);
    assert!(refusal.message.contains("did you mean `waits`?"), "{refusal}");
    let unknown = node.start_run("waits", 1, given(&[("colour", "red")])).await;
    assert_eq!(code(unknown), Code::UndefinedParameters);
    assert_eq!(code(node.start_run("waits", u64::MAX, vec![]).await), Code::InvalidRange);
    assert_eq!(node.status().await.unwrap().state, RunState::Idle);
    node.start_run("waits", 2, vec![]).await.unwrap();
    assert_eq!(code(node.add(0).await), Code::InvalidRange);
    assert_eq!(code(node.add(u64::MAX).await), Code::InvalidRange);
    assert_eq!(code(node.remove(0, true).await), Code::InvalidRange);
    assert_eq!(counts(&node).await.asked, 2);
    node.shutdown().await;
}

#[tokio::test]
async fn a_run_goes_on_when_all_users_have_ended() {
    let node = node(catalog().with::<Endings>()).await;
    node.start_run("endings", 1, vec![]).await.unwrap();
    eventually("user 1 ends", || async { (counts(&node).await.finished == 1).then_some(()) }).await;
    assert_eq!(node.status().await.unwrap().state, RunState::Running);
    node.shutdown().await;
}

#[tokio::test]
async fn shutdown_ends_every_user() {
    let node = node(catalog()).await;
    node.start_run("stubborn", 5, vec![]).await.unwrap();
    running(&node, 5).await;
    let account = node.account().await.unwrap();
    assert_eq!(account.users.running, 5);
    node.shutdown().await;
    assert_eq!(code(node.status().await), Code::Unavailable);
}
