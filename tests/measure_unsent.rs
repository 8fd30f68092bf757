//! What is handed out to be sent elsewhere is everything that is measured, each sample once.

use std::time::Duration;

use crowd::measure::{Measure, Sample, series::Activity, window::Window};
use proptest::prelude::*;
use tokio::time::Instant;

fn act(measure: &Measure, millis: u64) {
    let time = Duration::from_millis(millis);
    measure.record("get", Sample { service: time, response: time * 2, failure: None });
    measure.count("bytes", millis);
    measure.check("fast", millis < 50);
}

#[derive(Debug, Clone)]
enum Step {
    Act(u64),
    Tick,
    Take,
    Look,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..100u64).prop_map(Step::Act),
        1 => Just(Step::Tick),
        1 => Just(Step::Take),
        1 => Just(Step::Look),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_sum_of_all_that_is_handed_out_is_all_that_was_measured(
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let measure = Measure::default();
        let mut sum = Window::default();
        let mut span = Duration::ZERO;
        let mut until = Duration::ZERO;
        let mut take = || {
            let unsent = measure.take_unsent(Instant::now(), Activity::default());
            span += unsent.window.span;
            until = unsent.until;
            sum.merge(&unsent.window).unwrap();
        };
        for step in steps {
            match step {
                Step::Act(millis) => act(&measure, millis),
                Step::Tick => measure.tick(Instant::now(), Activity::default()),
                Step::Take => take(),
                Step::Look => drop(measure.snapshot()),
            }
        }
        take();
        prop_assert_eq!(span, until);
        let total = measure.snapshot().total;
        sum.span = total.span;
        prop_assert!(sum == total);
    }
}

#[test]
fn nothing_is_handed_out_twice() {
    let measure = Measure::default();
    act(&measure, 7);
    let first = measure.take_unsent(Instant::now(), Activity::default()).window;
    assert_eq!(first.actions["get"].count(), 1);
    let again = measure.take_unsent(Instant::now(), Activity::default()).window;
    assert!(again.actions.values().all(|action| action.count() == 0));
    // What came in several intervals comes as one.
    for millis in 1..=3 {
        act(&measure, millis);
        measure.tick(Instant::now(), Activity::default());
    }
    let rest = measure.take_unsent(Instant::now(), Activity::default()).window;
    assert_eq!((rest.actions["get"].count(), rest.counters["bytes"]), (3, 6));
}
