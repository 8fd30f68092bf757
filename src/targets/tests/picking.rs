//! Who is picked, in which order; and lists that change.

use super::*;

#[tokio::test]
async fn an_empty_list_has_nobody_to_pick() {
    let nobody = unchecked(&[]).pick().unwrap_err();
    assert_eq!(nobody, NobodyLeft { targets: Vec::new() });
    assert_eq!(nobody.to_string(), "no target is listed");
}

#[tokio::test]
async fn targets_are_picked_one_after_the_other() {
    let targets = unchecked(&["one", "two", "three"]);
    assert_eq!(targets.nexts(), ["one", "two", "three", "one"]);
}

#[tokio::test]
async fn those_that_are_out_are_passed_over_until_they_are_back() {
    let targets = unchecked(&["one", "two", "three"]);
    assert_eq!(targets.nexts(), ["one", "two", "three", "one"]);
    targets.downs("two", 2);
    targets.downs("three", 1);
    assert_eq!(targets.nexts(), ["three", "one", "three", "one"]);
    // However often it failed, the score does not fall any further.
    targets.downs("two", 20);
    assert_eq!(targets.score("two"), -3.0);
    targets.ups("two", 2);
    assert_eq!(targets.nexts(), ["three", "one"]);
    targets.ups("two", 1);
    assert_eq!(targets.score("two"), 0.0);
    assert_eq!(targets.nexts(), ["two", "three", "one", "two"]);
}

#[tokio::test]
async fn when_all_are_out_the_error_says_which_and_why() {
    let targets = unchecked(&["one", "two"]);
    targets.downs("one", 2);
    targets.down(&targets.find("two").unwrap(), &Failure::target("no answer in time"));
    targets.downs("two", 1);
    let nobody = targets.pick().unwrap_err();
    let why = Some("connection refused".to_owned());
    assert_eq!(nobody.targets, [("one".to_owned(), why.clone()), ("two".to_owned(), why)]);
    assert_eq!(
        nobody.to_string(),
        "all 2 targets are out: one: connection refused; two: connection refused"
    );
    // It is the targets' failure, whoever hands it on with `?`.
    assert_eq!(Failure::from(nobody).owner(), crowd_core::failure::Owner::Target);
}

#[tokio::test]
async fn reconciling_keeps_the_order_the_scores_and_whose_turn_it_is() {
    let targets = unchecked(&["a", "b", "c"]);
    targets.downs("c", 1);
    assert_eq!(targets.nexts(), ["a", "b"]);
    // Survivors keep their places, whatever the order given; new ones come last.
    targets.reconcile(["d", "c", "b", "a"]).unwrap();
    assert_eq!(targets.scores(), [("a", 1.0), ("b", 1.0), ("c", 0.0), ("d", 1.0)]);
    assert_eq!(targets.nexts(), ["c", "d", "a", "b"]);
    // The one whose turn was last is gone: those behind it are next.
    targets.reconcile(["a", "c", "d"]).unwrap();
    assert_eq!(targets.nexts(), ["c", "d", "a"]);
    targets.reconcile(["d"]).unwrap();
    assert_eq!(targets.nexts(), ["d", "d"]);
    targets.reconcile([]).unwrap();
    assert!(targets.pick().is_err());
    // Back again, nothing is known about it.
    targets.reconcile(["c"]).unwrap();
    assert_eq!(targets.scores(), [("c", 1.0)]);
}

#[tokio::test]
async fn a_target_that_is_gone_is_reported_without_effect() {
    let targets = unchecked(&["a", "b"]);
    let gone = targets.pick().unwrap();
    targets.reconcile(["b"]).unwrap();
    // Another of that name is another target.
    targets.reconcile(["b", "a"]).unwrap();
    (0..5).for_each(|_| targets.down(&gone, &refused()));
    targets.up(&gone);
    assert_eq!(targets.scores(), [("b", 1.0), ("a", 1.0)]);
}

#[tokio::test]
async fn a_name_that_is_there_twice_is_refused_and_changes_nothing() {
    let targets = unchecked(&["a", "b"]);
    let refusal = targets.reconcile(["c", "b", "c", "b", "d"]).unwrap_err();
    assert_eq!(refusal.message, "targets: `b` is there twice; `c` is there twice");
    assert_eq!(targets.scores(), [("a", 1.0), ("b", 1.0)]);
}

#[tokio::test]
async fn what_is_wrong_with_options_and_list_is_told_at_once() {
    let options = TargetOptions { fail_delta: 1.0, jitter: -1.0, ..TargetOptions::default() };
    let check = |_| pending::<Result<(), Infallible>>();
    let (measure, telemetry) = (Measure::default(), Telemetry::default());
    let refusal = Targets::prepare(measure, telemetry, options, ["a", "a"], check).err().unwrap();
    assert_eq!(refusal.code, Code::ParametersVerificationFailed);
    insta::assert_snapshot!(refusal.message, @"targets: the fail delta 1 is not less than 0 (-0.000001 at most); the jitter -1 is not between 0 and 1; `a` is there twice");
}

#[test]
fn many_threads_at_once_are_dealt_equal_shares() {
    let targets = unchecked(&["a", "b", "c"]);
    let picked: Vec<&str> = std::thread::scope(|scope| {
        let work = || (0..3_000).map(|_| targets.next()).collect::<Vec<_>>();
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    for name in ["a", "b", "c"] {
        assert_eq!(picked.iter().filter(|other| **other == name).count(), 4_000);
    }
}
