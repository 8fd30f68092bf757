//! What the machine does not allow is said before it hurts.

use crowd::{controller::machine::RunState, prelude::*, refusal::Code, scenario::catalog::Catalog};

use super::support::*;

struct Greedy;

impl Scenario for Greedy {
    const NAME: &'static str = "greedy";
    const DESCRIPTORS_PER_USER: u64 = 1 << 40;
    type Settings = ();
    type Message = ();

    async fn init(_: &Run<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn start(&self, _: User<Self>) -> Result<(), Failure> {
        Ok(())
    }
}

#[tokio::test]
async fn too_few_descriptors_refuse_the_users_and_change_nothing() {
    let node = node(Catalog::new().with::<Greedy>()).await;
    let refusal = node.start_run("greedy", 1, vec![]).await.unwrap_err();
    assert_eq!(refusal.code, Code::InsufficientResources);
    assert!(refusal.message.contains("ulimit -n"), "{refusal}");
    assert_eq!(node.status().await.unwrap().state, RunState::Idle);
    node.start_run("greedy", 0, vec![]).await.unwrap();
    assert_eq!(code(node.add(1).await), Code::InsufficientResources);
    assert_eq!(counts(&node).await.asked, 0);
    node.shutdown().await;
}
