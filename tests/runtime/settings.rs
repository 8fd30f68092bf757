//! Settings of a running scenario: live, hooked, all or nothing.

use std::sync::Mutex;

use crowd::{prelude::*, refusal::Code, scenario::catalog::Catalog};

use super::support::*;

static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn seen() -> Vec<String> {
    SEEN.lock().unwrap().clone()
}

struct Live;

#[derive(Clone, Settings)]
struct LiveSettings {
    /// Never changes.
    #[setting(default = 1)]
    fixed: u32,
    /// Users see it when they ask.
    #[setting(default = 10, check = even, update = free)]
    pace: u32,
    /// The scenario is told.
    #[setting(default = "a".to_owned(), update = hook)]
    first: String,
    /// The scenario is told, and fails at it.
    #[setting(default = "b".to_owned(), update = hook)]
    second: String,
}

fn even(value: u32) -> Result<u32, String> {
    if value.is_multiple_of(2) { Ok(value) } else { Err("must be even".into()) }
}

impl Scenario for Live {
    const NAME: &'static str = "live";
    type Settings = LiveSettings;
    type Message = ();

    async fn init(_: &Run<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        let mut last = 0;
        while !user.is_stopping() {
            let settings = user.settings();
            if settings.pace != last {
                last = settings.pace;
                SEEN.lock().unwrap().push(format!("pace {last} of {}", settings.fixed));
            }
            user.sleep(Duration::from_millis(1)).await?;
        }
        Ok(())
    }

    async fn updated(&self, run: &Run<Self>, name: &str) -> Result<(), Failure> {
        let settings = run.settings();
        let line = format!("{name}: {} {}", settings.first, settings.second);
        SEEN.lock().unwrap().push(line);
        if name == "second" { Err(Failure::scenario("no thanks")) } else { Ok(()) }
    }
}

#[tokio::test]
async fn users_see_changes_while_they_run() {
    let node = node_with(Catalog::new().with::<Live>(), &[("CROWD_PACE", "4")]).await;
    node.start_run("live", 1, given(&[("fixed", "7")])).await.unwrap();
    eventually("the user sees the first pace", || async {
        (seen() == ["pace 4 of 7"]).then_some(())
    })
    .await;
    assert_eq!(node.set(given(&[("pace", "20")])).await.unwrap().changed, ["pace"]);
    eventually("the user sees the new pace", || async {
        (seen() == ["pace 4 of 7", "pace 20 of 7"]).then_some(())
    })
    .await;
    let origins: Vec<_> = node
        .settings()
        .await
        .unwrap()
        .into_iter()
        .map(|view| {
            format!("{}={:?} {}", view.declaration.name, view.value.text, view.value.origin)
        })
        .collect();
    assert!(origins[0].starts_with("fixed=Some(\"7\")"), "{origins:?}");
    assert!(origins[1].starts_with("pace=Some(\"20\")"), "{origins:?}");
    node.shutdown().await;
}

/// W24: hooks run in order, are awaited, and their failures are told to whoever changed the
/// setting.
#[tokio::test]
async fn w24_hooks_run_in_order_and_their_faults_are_told() {
    let node = node(Catalog::new().with::<Live>()).await;
    node.start_run("live", 0, vec![]).await.unwrap();
    let outcome =
        node.set(given(&[("second", "y"), ("first", "x"), ("pace", "10")])).await.unwrap();
    assert_eq!(outcome.changed, ["first", "second"], "an unchanged value is no change");
    assert_eq!(outcome.faults, [("second".to_owned(), "no thanks".to_owned())]);
    assert_eq!(seen(), ["first: x y", "second: x y"]);
    node.shutdown().await;
}

#[tokio::test]
async fn one_bad_value_changes_nothing_and_calls_no_hook() {
    let node = node(Catalog::new().with::<Live>()).await;
    node.start_run("live", 0, vec![]).await.unwrap();
    let both = node.set(given(&[("first", "x"), ("pace", "3")])).await.unwrap_err();
    assert_eq!(both.code, Code::ParametersVerificationFailed);
    assert!(both.message.contains("must be even"), "{both}");
    assert_eq!(code(node.set(given(&[("fixed", "1")])).await), Code::ReadonlyParameters);
    assert_eq!(code(node.set(given(&[("colour", "red")])).await), Code::UndefinedParameters);
    assert!(node.set(vec![]).await.unwrap().changed.is_empty());
    // A rate that the gate refuses leaves the others as they were, too.
    node.throttles()
        .ramp(
            "user_rate",
            crowd::throttle::Ramp::new(
                Rate::per_second(1),
                Rate::per_second(9),
                Duration::from_secs(60),
                None,
            )
            .unwrap(),
        )
        .await
        .unwrap();
    let refused = node.set(given(&[("first", "x"), ("user_rate", "5/s")])).await;
    assert_eq!(code(refused), Code::CannotChangeRate);
    assert_eq!(seen(), [""; 0]);
    let first = node.settings().await.unwrap().into_iter().find(|s| s.declaration.name == "first");
    assert_eq!(first.unwrap().value.text.as_deref(), Some("a"));
    node.shutdown().await;
}
