//! The health check, on a clock of its own.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crowd_measure::Source;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::*;

/// Targets with their check as a task.
fn checked<F, H, E>(
    options: TargetOptions,
    names: &[&'static str],
    measure: &Measure,
    check: impl Fn(Target<&'static str>) -> F + Send + Sync + 'static,
) -> (Targets<&'static str>, JoinHandle<()>)
where
    F: Future<Output = Result<H, E>> + Send + 'static,
    H: Into<Health>,
    E: Into<Failure>,
{
    let telemetry = Telemetry::default();
    let list = names.iter().copied();
    let (targets, checking) =
        Targets::prepare(measure.clone(), telemetry, options, list, check).unwrap();
    (targets, tokio::spawn(checking))
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What a target of this name does when it is checked.
async fn as_named(target: Target<&'static str>) -> Result<(), Failure> {
    match *target {
        "fail" => Err(refused()),
        "timeout" => pending().await,
        _ => Ok(()),
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_while_only_those_that_pass_are_picked() {
    let options = TargetOptions {
        low_score: -1.0,
        high_score: 1.0,
        interval: ms(10),
        timeout: ms(1),
        ..TargetOptions::default()
    };
    let names = ["success", "fail", "timeout"];
    let measure = Measure::default();
    let (targets, _task) = checked(options, &names, &measure, as_named);
    assert_eq!(targets.nexts(), names);
    sleep(ms(15)).await;
    assert_eq!(targets.scores(), [("success", 1.0), ("fail", -1.0), ("timeout", -1.0)]);
    assert_eq!(targets.nexts(), ["success"; 4]);
    let counters = measure.snapshot().total.counters;
    assert_eq!(counters["target.checks_passed.success"], 2);
    assert_eq!(counters["target.checks_failed.fail"], 2);
    assert_eq!(counters["target.checks_failed.timeout"], 2);
    assert_eq!(counters.get("target.downs.fail"), None);
}

#[tokio::test(start_paused = true)]
async fn the_first_round_comes_at_once_and_then_one_per_interval() {
    let began = Instant::now();
    let times = Arc::new(Mutex::new(Vec::new()));
    let noted = times.clone();
    let options = TargetOptions { interval: ms(250), ..TargetOptions::default() };
    let (_targets, _task) = checked(options, &["a"], &Measure::default(), move |_| {
        noted.lock().unwrap().push(began.elapsed().as_millis());
        async { Ok::<_, Failure>(()) }
    });
    sleep(ms(1_100)).await;
    assert_eq!(*times.lock().unwrap(), [0, 250, 500, 750, 1_000]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_host_holds_up_the_checks_of_no_other() {
    let began = Instant::now();
    let times = Arc::new(Mutex::new(Vec::new()));
    let noted = times.clone();
    let options = TargetOptions { timeout: ms(900), ..TargetOptions::default() };
    let names = ["dead 1", "dead 2", "dead 3", "alive"];
    let (targets, _task) = checked(options, &names, &Measure::default(), move |target| {
        if *target == "alive" {
            noted.lock().unwrap().push(began.elapsed().as_millis());
        }
        async move { if *target == "alive" { Ok(()) } else { pending::<Result<(), Failure>>().await } }
    });
    sleep(ms(2_500)).await;
    // One after the other this would be a round in 2.7 s.
    assert_eq!(*times.lock().unwrap(), [0, 1_000, 2_000]);
    assert_eq!(targets.nexts(), ["alive"; 4]);
    targets.reconcile(["dead 1"]).unwrap();
    assert_eq!(
        targets.pick().unwrap_err().to_string(),
        "the only target is out: dead 1: no answer to the health check in time"
    );
}

#[tokio::test(start_paused = true)]
async fn a_check_that_takes_longer_than_the_interval_is_not_begun_twice() {
    let running = Arc::new(AtomicU64::new(0));
    let (now, most) = (running.clone(), Arc::new(AtomicU64::new(0)));
    let seen = most.clone();
    let options = TargetOptions { interval: ms(100), timeout: ms(350), ..TargetOptions::default() };
    let measure = Measure::default();
    let (_targets, _task) = checked(options, &["slow"], &measure, move |_| {
        let (now, seen) = (now.clone(), seen.clone());
        async move {
            seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            sleep(ms(250)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, Failure>(())
        }
    });
    sleep(ms(950)).await;
    assert_eq!(most.load(Ordering::SeqCst), 1);
    assert_eq!(measure.snapshot().total.counters["target.checks_passed.slow"], 3);
}

#[tokio::test(start_paused = true)]
async fn the_first_check_can_be_waited_for() {
    let options = TargetOptions { initial_score: 0.0, ..TargetOptions::default() };
    let began = Instant::now();
    let (targets, _task) = checked(options, &["success", "timeout"], &Measure::default(), as_named);
    targets.wait_for_first_check().await;
    assert_eq!(began.elapsed(), ms(100));
    assert_eq!(targets.nexts(), ["success"; 3]);
    // From now on at once.
    targets.wait_for_first_check().await;
    assert_eq!(began.elapsed(), ms(100));
    let (none, _task) = checked(TargetOptions::default(), &[], &Measure::default(), as_named);
    timeout(ms(1), none.wait_for_first_check()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_later_tier_is_used_only_when_all_of_the_earlier_are_out() {
    let down = Arc::new(Mutex::new(Vec::new()));
    let dead = down.clone();
    let names = ["near 1", "far 1", "near 2", "far 2"];
    let (targets, _task) = checked(
        TargetOptions::default(),
        &names,
        &Measure::default(),
        move |target| {
            let dead = dead.lock().unwrap().contains(&*target);
            async move { if dead { Err(refused()) } else { Ok(u8::from(target.starts_with("far"))) } }
        },
    );
    targets.wait_for_first_check().await;
    assert_eq!(targets.nexts(), ["near 1", "near 2", "near 1"]);
    *down.lock().unwrap() = vec!["near 1"];
    sleep(ms(5_000)).await;
    assert_eq!(targets.nexts(), ["near 2", "near 2"]);
    *down.lock().unwrap() = vec!["near 1", "near 2"];
    sleep(ms(5_000)).await;
    assert_eq!(targets.nexts(), ["far 2", "far 1", "far 2"]);
    *down.lock().unwrap() = Vec::new();
    sleep(ms(5_000)).await;
    assert_eq!(targets.nexts(), ["near 1", "near 2", "near 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_is_wrong_itself_says_nothing_about_its_target() {
    let measure = Measure::default();
    let names = ["panics", "tier 9", "generator"];
    let (targets, _task) =
        checked(TargetOptions::default(), &names, &measure, |target| async move {
            match *target {
                "panics" => panic!("a bug of the check"),
                "tier 9" => Ok(9),
                _ => Err(Failure::generator("too many open files")),
            }
        });
    sleep(ms(500)).await;
    // The tier is not taken; that the target answered is.
    assert_eq!(targets.scores(), [("panics", 1.0), ("tier 9", 2.0), ("generator", 1.0)]);
    assert_eq!(targets.nexts(), names);
    let failures = measure.snapshot().total.failures;
    let noted: Vec<_> = failures.keys().filter(|key| key.source == Source::Noted).collect();
    let reasons: Vec<_> = noted.iter().map(|key| (key.owner, &*key.reason)).collect();
    use crowd_core::failure::Owner::{Generator, Scenario};
    assert_eq!(
        reasons,
        [
            (Scenario, "a health check panicked"),
            (Scenario, "a health check says tier #; the tiers are # to #"),
            (Generator, "too many open files"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn new_targets_are_checked_and_old_ones_no_longer() {
    let measure = Measure::default();
    let (targets, _task) = checked(TargetOptions::default(), &["a"], &measure, as_named);
    sleep(ms(1_500)).await;
    targets.reconcile(["b"]).unwrap();
    sleep(ms(2_000)).await;
    assert_eq!(targets.scores(), [("b", 3.0)]);
    let counters = measure.snapshot().total.counters;
    assert_eq!(counters["target.checks_passed.a"], 2);
    assert_eq!(counters["target.checks_passed.b"], 2);
}

#[tokio::test(start_paused = true)]
async fn the_check_ends_when_it_is_told_to() {
    let measure = Measure::default();
    let (targets, task) =
        checked(TargetOptions::default(), &["fail", "timeout"], &measure, as_named);
    sleep(ms(2_600)).await;
    targets.end().await;
    timeout(ms(1), task).await.unwrap().unwrap();
    // Up to the end it is counted who was out: since the check at 1 s, or its time-out.
    let counters = measure.snapshot().total.counters;
    assert_eq!(counters["target.out_ms.fail"], 1_600);
    assert_eq!(counters["target.out_ms.timeout"], 1_500);
    // It can be asked for twice, and scores still move.
    targets.end().await;
    targets.ups("fail", 5);
    assert_eq!(targets.nexts(), ["fail", "fail"]);
}

#[tokio::test(start_paused = true)]
async fn the_check_ends_with_the_last_who_knows_the_targets() {
    let (targets, task) = checked(TargetOptions::default(), &["a"], &Measure::default(), as_named);
    let other = targets.clone();
    drop(targets);
    sleep(ms(1_500)).await;
    assert!(!task.is_finished());
    assert_eq!(other.score("a"), 3.0);
    drop(other);
    timeout(ms(1), task).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_task_that_never_ran() {
    let targets = unchecked(&["a"]);
    timeout(ms(1), targets.wait_for_first_check()).await.unwrap();
    timeout(ms(1), targets.end()).await.unwrap();
    let (targets, task) =
        checked(TargetOptions::default(), &["timeout"], &Measure::default(), as_named);
    task.abort();
    timeout(ms(1), targets.wait_for_first_check()).await.unwrap();
    timeout(ms(1), targets.end()).await.unwrap();
}
