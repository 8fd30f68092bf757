//! What of the targets is measured.

use std::{collections::BTreeMap, time::Duration};

use crowd_core::telemetry::event::Kind;
use crowd_measure::window::GaugeNumbers;

use super::*;

fn counters(measure: &Measure) -> BTreeMap<String, u64> {
    let window = measure.snapshot().total;
    window.counters.iter().map(|(name, count)| (name.to_string(), *count)).collect()
}

fn gauge(measure: &Measure, name: &str) -> [f64; 3] {
    let GaugeNumbers { last, min, max, .. } = measure.snapshot().total.gauges[name];
    [last, min, max]
}

#[tokio::test(start_paused = true)]
async fn picks_reports_and_the_time_out_are_counted() {
    let measure = Measure::default();
    let targets = measured(TargetOptions::default(), &["a:1", "b:1"], &measure);
    targets.nexts::<5>();
    targets.ups("a:1", 2);
    targets.downs("b:1", 2);
    tokio::time::advance(Duration::from_millis(1_500)).await;
    targets.inner.shared.account();
    tokio::time::advance(Duration::from_millis(700)).await;
    targets.ups("b:1", 1);
    // More than what moves a score is counted, too.
    targets.ups("a:1", 3);
    targets.nexts::<2>();
    assert_eq!(
        counters(&measure),
        [
            ("target.downs.b:1", 2),
            ("target.out_ms.b:1", 2_200),
            ("target.outs.b:1", 1),
            ("target.picks.a:1", 4),
            ("target.picks.b:1", 3),
            ("target.ups.a:1", 5),
            ("target.ups.b:1", 1),
        ]
        .map(|(name, count)| (name.to_owned(), count))
        .into()
    );
    assert_eq!(gauge(&measure, "target.score.a:1"), [3.0, 1.0, 3.0]);
    assert_eq!(gauge(&measure, "target.score.b:1"), [0.0, -1.0, 1.0]);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_taken_off_while_it_is_out_was_out_until_then() {
    let measure = Measure::default();
    let targets = measured(TargetOptions::default(), &["a", "b"], &measure);
    targets.downs("a", 2);
    tokio::time::advance(Duration::from_secs(3)).await;
    targets.reconcile(["b"]).unwrap();
    tokio::time::advance(Duration::from_secs(3)).await;
    targets.inner.shared.account();
    assert_eq!(counters(&measure)["target.out_ms.a"], 3_000);
}

#[tokio::test(start_paused = true)]
async fn going_out_and_coming_back_are_told() {
    let telemetry = Telemetry::default();
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let tell = told.clone();
    let _subscription = telemetry.subscribe(move |occurrence| {
        tell.lock().unwrap().push(format!("{occurrence:?}"));
    });
    let check = |_| pending::<Result<(), Infallible>>();
    let options = TargetOptions::default();
    let (targets, checking) =
        Targets::prepare(Measure::default(), telemetry.clone(), options, ["a"], check).unwrap();
    drop(checking);
    targets.downs("a", 4);
    tokio::time::advance(Duration::from_secs(2)).await;
    targets.ups("a", 4);
    assert_eq!([Kind::TargetOut, Kind::TargetBack].map(|kind| telemetry.count(kind)), [1, 1]);
    insta::assert_snapshot!(told.lock().unwrap().join("\n"), @r#"
    crowd.target.out TargetOut { name: "a", reason: "connection refused" }
    crowd.target.back TargetBack { name: "a", after: 2s }
    "#);
}
