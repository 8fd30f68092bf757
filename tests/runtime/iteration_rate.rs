//! The run setting `iteration_rate`: all users together begin so many iterations.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crowd::{
    controller::machine::RunState, node::Node, prelude::*, refusal::Code,
    scenario::catalog::Catalog, user::Iteration,
};
use tokio::time::{Instant, sleep};

use crate::support::{code, counts, eventually, given, node, running, state};

const MS: Duration = Duration::from_millis(1);

#[derive(Clone, Settings)]
struct RingSettings {
    /// How long an iteration takes.
    #[setting(default = "10ms")]
    work: Duration,
    /// The pace of each user.
    #[setting(default = "none")]
    pacing: Pacing,
}

/// Users that write down when their iterations began.
struct Ring;

/// One process per test.
static BEGAN: Mutex<Vec<Iteration>> = Mutex::new(Vec::new());

fn began() -> Vec<Iteration> {
    BEGAN.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Scenario for Ring {
    const NAME: &'static str = "ring";
    type Settings = RingSettings;
    type Message = ();

    async fn init(_: &Run<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        let settings = user.settings();
        let mut iterations = user.iterations(settings.pacing);
        while let Some(iteration) = iterations.next().await {
            BEGAN.lock().unwrap_or_else(PoisonError::into_inner).push(iteration);
            user.time("ring", async {
                sleep(settings.work).await;
                Ok::<_, Failure>(())
            })
            .await?;
        }
        Ok(())
    }
}

async fn ring(users: u64, settings: &[(&str, &str)]) -> (Node, Instant) {
    let node = node(Catalog::new().with::<Ring>()).await;
    let start = Instant::now();
    node.start_run("ring", users, given(settings)).await.unwrap();
    (node, start)
}

/// How many began from then to then, since `start`.
fn between(start: Instant, from: Duration, to: Duration) -> usize {
    let all = began().into_iter().map(|iteration| iteration.began().duration_since(start));
    all.filter(|at| (from..to).contains(at)).count()
}

#[tokio::test(start_paused = true)]
async fn iterations_of_all_users_together_are_evenly_spaced() {
    let (node, start) = ring(8, &[("iteration_rate", "20/s")]).await;
    sleep(5_000 * MS - 10 * MS).await;
    let all = began();
    assert_eq!(all.len(), 100);
    let first = all[0].began();
    assert!(first.duration_since(start) < 20 * MS);
    for (slot, iteration) in all.iter().enumerate() {
        let at = iteration.began() - first;
        let due = 50 * MS * slot as u32;
        assert!(at + MS >= due && at <= due + 2 * MS, "iteration {slot} at {at:?}");
        assert!(iteration.late() <= 2 * MS, "{iteration:?}");
    }
    node.shutdown().await;
}

/// A throttle does not make up for what nobody was free for: that would be a burst.
#[tokio::test(start_paused = true)]
async fn what_the_users_cannot_do_is_not_done_later() {
    let (node, start) = ring(2, &[("iteration_rate", "100/s"), ("work", "100ms")]).await;
    sleep(4_050 * MS).await;
    let done = between(start, Duration::ZERO, 4_000 * MS);
    assert!((76..=82).contains(&done), "{done} in 4 s of two users that do 10 a second each");
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn the_rate_is_changed_while_the_run_goes_on() {
    let (node, start) = ring(10, &[("iteration_rate", "10/s")]).await;
    sleep(2_000 * MS).await;
    let outcome = node.set(given(&[("iteration_rate", "80/s")])).await.unwrap();
    assert_eq!(outcome.changed, ["iteration_rate"]);
    sleep(2_000 * MS).await;
    node.set(given(&[("iteration_rate", "0")])).await.unwrap();
    sleep(2_000 * MS).await;
    let counted = [0, 2, 4].map(|at| between(start, 1_000 * MS * at, 1_000 * MS * (at + 2)));
    let near = |wanted: usize, found: usize| found.abs_diff(wanted) <= 2;
    assert!(near(20, counted[0]) && near(160, counted[1]) && near(0, counted[2]), "{counted:?}");
    let settings = node.settings().await.unwrap();
    let shown = settings.iter().find(|view| view.declaration.name == "iteration_rate").unwrap();
    assert_eq!(shown.value.text.as_deref(), Some("0"));
    assert_eq!(node.throttles().get("iteration_rate").unwrap().info().rate, "0");
    node.shutdown().await;
}

/// Slots at thirds of a second begin a little late, for a clock of milliseconds.
#[tokio::test(start_paused = true)]
async fn a_response_time_counts_from_the_slot() {
    let (node, _) = ring(3, &[("iteration_rate", "3/s")]).await;
    sleep(10_000 * MS).await;
    let late: Duration = began().iter().map(Iteration::late).sum();
    let count = began().len() as u32;
    assert!(count >= 29 && late >= 5 * MS, "{late:?} of {count}");
    let window = node.measure().await.unwrap().snapshot().total;
    let ring = &window.actions["ring"];
    let waited = ring.response.mean().saturating_sub(ring.service.mean());
    assert!(waited.abs_diff(late / count) < MS / 10, "{waited:?}, and late were {late:?}");
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_slot_is_told_to_stop() {
    let (node, start) = ring(4, &[("iteration_rate", "1/h")]).await;
    running(&node, 4).await;
    node.remove(1, false).await.unwrap();
    eventually("one leaves", || async { (counts(&node).await.removed == 1).then_some(()) }).await;
    node.stop().await.unwrap();
    state(&node, RunState::Finished).await;
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert_eq!(began().len(), 1);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_slot_leaves_when_no_longer_needed() {
    let (node, start) = ring(0, &[("iteration_rate", "1/h"), ("profile", "2s: 3, 2s: 1")]).await;
    eventually("two leave", || async { (counts(&node).await.running == 1).then_some(()) }).await;
    state(&node, RunState::Finished).await;
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert_eq!(began().len(), 1);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_stage_of_users_keeps_to_it() {
    let (node, start) = ring(0, &[("iteration_rate", "20/s"), ("profile", "5s: 6")]).await;
    sleep(4_900 * MS).await;
    let done = between(start, 1_000 * MS, 4_000 * MS);
    assert!((59..=61).contains(&done), "{done}");
    node.shutdown().await;
}

/// Until it is changed; and the pace of each user counts as well.
#[tokio::test(start_paused = true)]
async fn unlimited_limits_nothing() {
    let pacing = [("iteration_rate", "unlimited"), ("pacing", "every 100ms")];
    let (node, start) = ring(5, &pacing).await;
    sleep(3_050 * MS).await;
    let done = between(start, 1_000 * MS, 3_000 * MS);
    assert!((95..=105).contains(&done), "{done}");
    node.set(given(&[("iteration_rate", "10/s")])).await.unwrap();
    sleep(3_000 * MS).await;
    let done = between(start, 4_000 * MS, 6_000 * MS);
    assert!((19..=21).contains(&done), "{done}");
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_throttle_that_an_operator_stops_lets_nobody_through_until_there_is_one_again() {
    let (node, start) = ring(5, &[("iteration_rate", "10/s")]).await;
    sleep(2_000 * MS).await;
    node.throttles().stop("iteration_rate").await.unwrap();
    sleep(2_000 * MS).await;
    node.throttles().start("iteration_rate", "20/s".parse().unwrap()).await.unwrap();
    sleep(2_000 * MS).await;
    assert!(between(start, 2_050 * MS, 4_000 * MS) == 0);
    let done = between(start, 4_000 * MS, 6_000 * MS);
    assert!((33..=41).contains(&done), "{done}");
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_refused() {
    let node = node(Catalog::new().with::<Ring>()).await;
    let refused = |settings: Vec<(String, String)>| {
        let node = node.clone();
        async move { node.start_run("ring", 1, settings).await.unwrap_err().to_string() }
    };
    let at_once = refused(given(&[("iteration_rate", "8 at once")])).await;
    insta::assert_snapshot!(at_once, @"`iteration_rate=8 at once` is no rate over time, such as `80/s`: how many iterations there are at once is how many users there are [parameters-verification-failed]");
    let two_plans = given(&[("iteration_rate", "8/s"), ("profile", "1m: 5, 1m: 50/s")]);
    insta::assert_snapshot!(refused(two_plans).await, @"`iteration_rate` and the arrivals of the load profile would both say when iterations begin; give one of them [parameters-verification-failed]");
    assert!(refused(given(&[("iteration_rate", "often")])).await.contains("iteration_rate"));

    node.start_run("ring", 1, given(&[])).await.unwrap();
    let set = |rate: &'static str| {
        let node = node.clone();
        async move { node.set(given(&[("iteration_rate", rate)])).await }
    };
    let absent = set("8/s").await.unwrap_err();
    insta::assert_snapshot!(absent, @"`iteration_rate` can only be changed in a run that has begun with it; `iteration_rate=unlimited` limits nothing until it is changed [invalid-status]");
    node.stop().await.unwrap();
    state(&node, RunState::Finished).await;
    node.reset().await.unwrap();

    node.start_run("ring", 1, given(&[("iteration_rate", "5/s")])).await.unwrap();
    assert_eq!(code(set("").await), Code::InvalidStatus);
    assert_eq!(code(set("8 at once").await), Code::ParametersVerificationFailed);
    assert_eq!(node.throttles().get("iteration_rate").unwrap().info().rate, "5/s");
    node.shutdown().await;
}
