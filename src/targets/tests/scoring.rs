//! How scores move.

use super::*;

#[tokio::test]
async fn with_the_defaults_a_target_survives_one_failure_and_not_two() {
    let targets = unchecked(&["a"]);
    let mut scores = Vec::new();
    for _ in 0..5 {
        targets.downs("a", 1);
        scores.push((targets.score("a"), targets.pick().is_ok()));
    }
    assert_eq!(scores, [(0.0, true), (-1.0, false), (-2.0, false), (-3.0, false), (-3.0, false)]);
    scores.clear();
    for _ in 0..7 {
        targets.ups("a", 1);
        scores.push((targets.score("a"), targets.pick().is_ok()));
    }
    assert_eq!(
        scores,
        [
            (-2.0, false),
            (-1.0, false),
            (0.0, true),
            (1.0, true),
            (2.0, true),
            (3.0, true),
            (3.0, true)
        ]
    );
}

#[tokio::test]
async fn a_failure_that_is_not_the_targets_lowers_no_score() {
    let targets = unchecked(&["a"]);
    let target = targets.pick().unwrap();
    targets.down(&target, &Failure::generator("too many open files"));
    targets.down(&target, &Failure::scenario("lost its way"));
    targets.down(&target, &crowd_core::failure::Stopped.into());
    assert_eq!(target.score(), 1.0);
    targets.report(&target, &Err::<(), _>(refused()));
    assert_eq!(target.score(), 0.0);
    targets.report(&target, &Ok(()));
    assert_eq!(target.score(), 1.0);
}

#[tokio::test]
async fn the_options_say_how_far_and_how_fast_scores_move() {
    let options = TargetOptions {
        low_score: -0.2,
        high_score: 0.3,
        initial_score: 0.3,
        success_delta: 0.2,
        fail_delta: -0.1,
        ..TargetOptions::default()
    };
    let targets = unchecked_with(options, &["a"]);
    targets.downs("a", 3);
    // Exactly nothing, and so still in.
    assert_eq!((targets.score("a"), targets.next()), (0.0, "a"));
    targets.downs("a", 5);
    assert_eq!(targets.score("a"), -0.2);
    targets.ups("a", 1);
    assert_eq!((targets.score("a"), targets.next()), (0.0, "a"));
    targets.ups("a", 5);
    assert_eq!(targets.score("a"), 0.3);
}

#[tokio::test]
async fn below_nothing_at_first_it_is_out_until_it_proves_itself() {
    let options = TargetOptions { initial_score: -1.0, ..TargetOptions::default() };
    let targets = unchecked_with(options, &["a"]);
    let nobody = targets.pick().unwrap_err();
    assert_eq!(nobody.to_string(), "the only target is out: a: not checked yet");
    targets.ups("a", 1);
    assert_eq!(targets.next(), "a");
}
