//! `init`: failing, panicking, hanging, slow.

use std::time::Duration;

use crowd::{controller::machine::RunState, prelude::*, refusal::Code, scenario::catalog::Catalog};

use super::support::*;

/// How `init` goes, by setting.
struct Init;

#[derive(Clone, Settings)]
struct InitSettings {
    /// How `init` goes.
    #[setting(default = "well", one_of = ["well", "fails", "panics", "hangs", "slow"])]
    how: String,
}

impl Scenario for Init {
    const NAME: &'static str = "init";
    type Settings = InitSettings;
    type Message = ();

    async fn init(run: &Run<Self>) -> Result<Self, Failure> {
        match run.settings().how.as_str() {
            "fails" => Err(Failure::target("nobody answers")),
            "panics" => panic!("init fell over"),
            "hangs" => std::future::pending().await,
            "slow" => {
                tokio::time::sleep(Duration::from_millis(1500)).await;
                Ok(Self)
            }
            _ => Ok(Self),
        }
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        user.stopped().await;
        Ok(())
    }
}

async fn failing(how: &str, reason: &str) {
    let node = node(Catalog::new().with::<Init>()).await;
    let refusal = node.start_run("init", 3, given(&[("how", how)])).await.unwrap_err();
    assert_eq!(refusal.code, Code::InitFailed);
    assert!(refusal.message.contains(reason), "{refusal}");
    let status = node.status().await.unwrap();
    assert_eq!((status.state, status.users.asked), (RunState::Failed, 0));
    assert!(status.reason.unwrap().contains(reason));
    // W10: the throttle of the failed run is not left behind, and `reset` makes way.
    assert!(node.throttles().list().await.is_empty());
    node.reset().await.unwrap();
    node.start_run("init", 1, vec![]).await.unwrap();
    running(&node, 1).await;
    node.shutdown().await;
}

#[tokio::test]
async fn an_init_that_fails_fails_the_run_and_says_why() {
    failing("fails", "nobody answers").await;
}

#[tokio::test]
async fn an_init_that_panics_fails_the_run_and_says_why() {
    failing("panics", "panicked: init fell over").await;
}

#[tokio::test(start_paused = true)]
async fn an_init_that_hangs_is_given_up() {
    failing("hangs", "did not end within 2s").await;
}

/// W9: amoc's caller gets a time-out after 5 s while the run starts all the same. Ours waits for
/// the true outcome, and other verbs are answered meanwhile.
#[tokio::test(start_paused = true)]
async fn w9_a_slow_init_blocks_no_verb_and_tells_its_true_outcome() {
    let node = node(Catalog::new().with::<Init>()).await;
    let starting = tokio::spawn({
        let node = node.clone();
        async move { node.start_run("init", 2, given(&[("how", "slow")])).await }
    });
    state(&node, RunState::Starting).await;
    assert_eq!(code(node.add(1).await), Code::InvalidStatus);
    assert_eq!(code(node.start_run("init", 1, vec![]).await), Code::InvalidStatus);
    assert_eq!(starting.await.unwrap().unwrap().count(), 2);
    running(&node, 2).await;
    node.shutdown().await;
}

#[tokio::test]
async fn stop_gives_a_hanging_init_up() {
    let node = node(Catalog::new().with::<Init>()).await;
    let starting = tokio::spawn({
        let node = node.clone();
        async move { node.start_run("init", 2, given(&[("how", "hangs")])).await }
    });
    state(&node, RunState::Starting).await;
    node.stop().await.unwrap();
    assert_eq!(code(starting.await.unwrap()), Code::InitFailed);
    assert_eq!(node.ended().await, RunState::Failed);
    node.reset().await.unwrap();
    node.shutdown().await;
}

#[tokio::test]
async fn bad_settings_refuse_the_run_and_leave_the_node_idle() {
    let node = node(Catalog::new().with::<Init>()).await;
    let refusal = node.start_run("init", 1, given(&[("how", "badly")])).await.unwrap_err();
    assert_eq!(refusal.code, Code::ParametersVerificationFailed);
    assert_eq!(node.status().await.unwrap().state, RunState::Idle);
    node.shutdown().await;
}

/// W24: a bad value in the environment is an error, not silently the default.
#[tokio::test]
async fn w24_a_bad_environment_value_refuses_the_run() {
    let node = node_with(Catalog::new().with::<Init>(), &[("CROWD_HOW", "badly")]).await;
    let refusal = node.start_run("init", 1, vec![]).await.unwrap_err();
    assert_eq!(refusal.code, Code::ParametersVerificationFailed);
    assert!(refusal.message.contains("CROWD_HOW"), "{refusal}");
    node.shutdown().await;
}

/// Settings that are declared otherwise than they are read.
#[derive(Clone)]
struct Odd;

impl crowd::scenario::settings::Settings for Odd {
    fn declarations() -> Declarations {
        Declarations::default()
    }

    fn from_values(_: &crowd::scenario::settings::Values) -> Result<Self, Refusal> {
        Err(Refusal::new(Code::ParametersVerificationFailed, "they make no sense"))
    }
}

struct Unreadable;

impl Scenario for Unreadable {
    const NAME: &'static str = "unreadable";
    type Settings = Odd;
    type Message = ();

    async fn init(_: &Run<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn start(&self, _: User<Self>) -> Result<(), Failure> {
        Ok(())
    }
}

/// What is refused before `init` has changed nothing: nobody is left with a run that starts for ever.
#[tokio::test]
async fn a_run_that_cannot_be_prepared_is_refused_and_the_node_stays_idle() {
    let node = node(Catalog::new().with::<Unreadable>().with::<Waits>()).await;
    let refusal = node.start_run("unreadable", 3, vec![]).await.unwrap_err();
    assert_eq!(refusal.message, "they make no sense");
    let status = node.status().await.unwrap();
    assert_eq!((status.state, status.scenario), (RunState::Idle, None));
    node.start_run("waits", 1, vec![]).await.unwrap();
    running(&node, 1).await;
    node.shutdown().await;
}
