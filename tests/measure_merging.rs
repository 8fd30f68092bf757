//! What several nodes measured adds up to what one that saw everything would have measured.

use std::time::Duration;

use crowd::{
    failure::{Failure, Owner},
    measure::{
        Measure, Sample, Source,
        merge::MergeError,
        timing::Bounds,
        window::{ActionNumbers, Window},
    },
};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Act { action: u8, micros: u64, extra: u64, failure: Option<u8> },
    Count(u8, u64),
    Check(u8, bool),
    Fail(u8, u8),
}

fn step() -> impl Strategy<Value = Step> {
    // Times of every size: most short, a few beyond the hour that is kept.
    let micros = prop_oneof![0..100u64, 0..1_000_000u64, 0..5_000_000_000u64];
    prop_oneof![
        4 => (0..3u8, micros, 0..1_000_000u64, prop::option::weighted(0.2, 0..4u8))
            .prop_map(|(action, micros, extra, failure)| Step::Act { action, micros, extra, failure }),
        1 => (0..3u8, 0..100u64).prop_map(|(name, by)| Step::Count(name, by)),
        1 => (0..3u8, any::<bool>()).prop_map(|(name, passed)| Step::Check(name, passed)),
        1 => (0..3u8, 0..4u8).prop_map(|(source, failure)| Step::Fail(source, failure)),
    ]
}

fn failure(n: u8) -> Failure {
    match n {
        0 => Failure::target("refused"),
        1 => Failure::target("slow"),
        2 => Failure::scenario("refused"),
        _ => Failure::generator("no ports"),
    }
}

fn perform(measure: &Measure, step: &Step) {
    match step {
        Step::Act { action, micros, extra, failure: which } => {
            let failure = which.map(failure);
            measure.record(
                ["get", "post", "delete"][usize::from(*action)],
                Sample {
                    service: Duration::from_micros(*micros),
                    response: Duration::from_micros(micros + extra),
                    failure: failure.as_ref(),
                },
            );
        }
        Step::Count(name, by) => measure.count(["a", "b", "c"][usize::from(*name)], *by),
        Step::Check(name, passed) => {
            measure.check(["a", "b", "c"][usize::from(*name)], *passed);
        }
        Step::Fail(source, which) => {
            measure.failure(Source::ALL[usize::from(*source)], &failure(*which));
        }
    }
}

/// What was measured, without the time it took, which differs by chance.
fn measured(measure: &Measure) -> Window {
    Window { span: Duration::ZERO, ..measure.snapshot().total }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn merged_nodes_equal_one_that_saw_everything(
        steps in prop::collection::vec((0..3usize, step()), 0..120),
    ) {
        let one = Measure::default();
        let nodes = [Measure::default(), Measure::default(), Measure::default()];
        for (n, (node, step)) in steps.iter().enumerate() {
            perform(&one, step);
            perform(&nodes[*node], step);
            // Looking in between changes nothing.
            if n % 17 == 0 {
                nodes[*node].snapshot();
            }
        }
        let expected = measured(&one);
        let mut forwards = Window::default();
        let mut backwards = Window::default();
        for node in &nodes {
            forwards.merge(&measured(node)).unwrap();
        }
        for node in nodes.iter().rev() {
            backwards.merge(&measured(node)).unwrap();
        }
        prop_assert_eq!(&forwards, &expected);
        prop_assert_eq!(&backwards, &expected);
        for (name, action) in &expected.actions {
            let merged = &forwards.actions[name];
            for quantile in [0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0] {
                prop_assert_eq!(
                    merged.response.quantile(quantile),
                    action.response.quantile(quantile)
                );
            }
            prop_assert_eq!(merged.service.mean(), action.service.mean());
        }
    }

    /// A merged percentile is within the three digits kept of the exact one.
    #[test]
    fn percentiles_are_exact_to_three_digits(
        parts in prop::collection::vec(prop::collection::vec(1..3_000_000_000u64, 1..60), 1..5),
    ) {
        let mut merged = ActionNumbers::default();
        for part in &parts {
            let mut numbers = ActionNumbers::default();
            part.iter().for_each(|micros| numbers.service.record(Duration::from_micros(*micros)));
            merged.merge(&numbers);
        }
        let mut all: Vec<u64> = parts.concat();
        all.sort_unstable();
        for quantile in [0.5, 0.9, 0.99] {
            let rank = ((all.len() as f64 * quantile).ceil() as usize).max(1);
            let exact = all[rank - 1] as f64;
            let found = merged.service.quantile(quantile).as_micros() as f64;
            prop_assert!((found - exact).abs() <= exact / 1_000.0 + 1.0, "{found} for {exact}");
        }
    }
}

#[test]
fn bounds_that_differ_are_refused_and_change_nothing() {
    let measure = Measure::default();
    measure.count("a", 1);
    let mut ours = measured(&measure);
    let before = ours.clone();
    let mut theirs = before.clone();
    theirs.bounds = Bounds { digits: 2, ..theirs.bounds };
    let error = ours.merge(&theirs).unwrap_err();
    assert!(matches!(error, MergeError::Bounds { .. }));
    assert_eq!(
        error.to_string(),
        "distributions with different bounds do not merge: one holds 1 to 3600000000 µs with 3 \
         digits, the other 1 to 3600000000 µs with 2 digits; all nodes of a run must be given the \
         same"
    );
    assert_eq!(ours, before);
}

#[tokio::test(start_paused = true)]
async fn of_two_gauges_the_one_set_later_stands() {
    let early = Measure::default();
    early.gauge("depth", 7.0);
    let early = measured(&early);
    let late = Measure::default();
    tokio::time::advance(Duration::from_millis(50)).await;
    late.gauge("depth", 2.0);
    let late = measured(&late);
    for (first, second) in [(&early, &late), (&late, &early)] {
        let mut merged = first.clone();
        merged.merge(second).unwrap();
        let depth = merged.gauges["depth"];
        assert_eq!((depth.last, depth.min, depth.max), (2.0, 2.0, 7.0));
    }
}

#[test]
fn failures_keep_their_owner_when_merged() {
    let measure = Measure::default();
    measure.failure(Source::User, &Failure::target("refused"));
    measure.failure(Source::User, &Failure::generator("refused"));
    let mut window = measured(&measure);
    let copy = window.clone();
    window.merge(&copy).unwrap();
    let counts: Vec<_> = window.failures.iter().map(|(key, count)| (key.owner, *count)).collect();
    assert_eq!(counts, [(Owner::Target, 2), (Owner::Generator, 2)]);
}
