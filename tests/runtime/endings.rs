//! An end, an error, a panic, a stop and a kill are told apart, counted and kept with a reason.

use crowd::{
    controller::machine::RunState, refusal::Code, scenario::catalog::Catalog, user::UserId,
};

use super::support::*;

#[tokio::test]
async fn every_way_to_end_is_told_apart() {
    let node = node(Catalog::new().with::<Endings>()).await;
    node.start_run("endings", 8, vec![]).await.unwrap();
    running(&node, 5).await;
    let now = counts(&node).await;
    assert_eq!((now.finished, now.failed, now.removed), (1, 2, 0));
    node.stop().await.unwrap();
    assert_eq!(node.ended().await, RunState::Finished);
    let endings = node.account().await.unwrap().endings;
    assert_eq!(
        (endings.finished, endings.failed, endings.panicked, endings.stopped, endings.killed),
        (1, 1, 1, 2, 3)
    );
    let told = async |id| {
        let user = node.user(UserId(id)).await.unwrap();
        (user.state, user.failure.unwrap_or_default())
    };
    assert_eq!(told(1).await, ("gone".to_owned(), String::new()));
    assert_eq!(told(2).await, ("failed".to_owned(), "the door is closed".to_owned()));
    assert_eq!(told(3).await, ("panicked".to_owned(), "user three fell over".to_owned()));
    assert_eq!(told(6).await, ("killed".to_owned(), "did not end when told to stop".to_owned()));
    assert_eq!(code(node.user(UserId(9)).await), Code::NoSuchUser);
    node.shutdown().await;
}

#[tokio::test]
async fn one_users_panic_harms_nobody() {
    let node = node(Catalog::new().with::<Endings>()).await;
    node.start_run("endings", 4, vec![]).await.unwrap();
    eventually("users 1 to 3 have ended", || async {
        (counts(&node).await.running == 1).then_some(())
    })
    .await;
    assert_eq!(node.status().await.unwrap().state, RunState::Running);
    node.add(1).await.unwrap();
    running(&node, 2).await;
    node.shutdown().await;
}
