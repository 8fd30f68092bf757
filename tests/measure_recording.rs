//! What is recorded is found again, however many threads record it and whenever it is looked at.

use std::{
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use crowd::{
    failure::{Failure, Owner, Stopped},
    measure::{
        Measure, Sample, Source,
        names::{MAX_NAMES, MAX_REASONS, OTHER_NAMES, OTHER_REASONS},
        series::Activity,
    },
    telemetry::{Telemetry, event::Kind},
};
use tokio::time::Instant;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn sample(millis: u64) -> Sample<'static> {
    Sample { service: ms(millis), response: ms(millis * 2), failure: None }
}

#[test]
fn nothing_is_lost_while_threads_record_and_others_look() {
    const THREADS: u64 = 4;
    const EACH: u64 = 20_000;
    let measure = Measure::default();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for n in 0..EACH {
                    measure.record("get", sample(1 + n % 50));
                    measure.count("bytes", 3);
                    measure.check("fast", n % 4 != 0);
                }
            });
        }
        let mut before = 0;
        for n in 0..50 {
            if n % 3 == 0 {
                measure.tick(Instant::now(), Activity::default());
            }
            let seen = measure.snapshot().total.actions.get("get").map_or(0, |get| get.count());
            assert!(seen >= before, "{seen} after {before}");
            before = seen;
        }
    });
    let total = measure.snapshot().total;
    let all = THREADS * EACH;
    assert_eq!(total.actions["get"].count(), all);
    assert_eq!(total.actions["get"].response.count(), all);
    assert_eq!(total.counters["bytes"], all * 3);
    assert_eq!((total.checks["fast"].passed, total.checks["fast"].failed), (all / 4 * 3, all / 4));
    assert!(total.actions["get"].service.max() >= ms(50));
    assert!(total.actions["get"].response.max() >= ms(100));
}

#[tokio::test(start_paused = true)]
async fn the_last_interval_is_apart_from_the_total() {
    let measure = Measure::default();
    for millis in [1, 2, 3] {
        measure.record("get", sample(millis));
    }
    measure.gauge("depth", 5.0);
    tokio::time::advance(ms(1_000)).await;
    measure
        .tick(Instant::now(), Activity { running: 3, started: 3, ended: 0, ..Activity::default() });
    measure.record("get", sample(40));
    tokio::time::advance(ms(500)).await;

    let snapshot = measure.snapshot();
    assert_eq!(snapshot.total.actions["get"].count(), 4);
    assert_eq!(snapshot.total.span, ms(1_500));
    assert_eq!(snapshot.last.actions["get"].count(), 3);
    assert_eq!(snapshot.last.rate(3), 3.0);
    assert!(snapshot.last.actions["get"].service.max() < ms(4));

    tokio::time::advance(ms(500)).await;
    measure
        .tick(Instant::now(), Activity { running: 2, started: 3, ended: 1, ..Activity::default() });
    let snapshot = measure.snapshot();
    assert_eq!(snapshot.last.actions["get"].count(), 1);
    assert!(snapshot.last.gauges.is_empty());
    assert_eq!(snapshot.total.gauges["depth"].last, 5.0);

    let series = measure.series();
    let rows: Vec<_> = series.rows().collect();
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].running, rows[0].started, rows[0].ended), (3, 3, 0));
    assert_eq!((rows[1].running, rows[1].started, rows[1].ended), (2, 0, 1));
    assert_eq!(rows[0].actions[0].count + rows[1].actions[0].count, 4);
    assert_eq!(rows[1].end, ms(2_000));
}

#[test]
fn a_snapshot_does_not_change_after_it_was_taken() {
    let measure = Measure::default();
    measure.record("get", sample(1));
    let before = measure.snapshot();
    let copy = before.clone();
    measure.record("get", sample(90));
    measure.tick(Instant::now(), Activity::default());
    assert_eq!(measure.snapshot().total.actions["get"].count(), 2);
    assert_eq!(before, copy);
    assert_eq!(before.total.actions["get"].count(), 1);
}

#[test]
fn gauges_keep_the_last_the_lowest_and_the_highest() {
    let measure = Measure::default();
    for value in [3.0, -1.5, 9.0, f64::NAN, f64::INFINITY, 4.0] {
        measure.gauge("depth", value);
    }
    measure.gauge("nothing", f64::NAN);
    let total = measure.snapshot().total;
    let depth = &total.gauges["depth"];
    assert_eq!((depth.last, depth.min, depth.max), (4.0, -1.5, 9.0));
    assert!(!total.gauges.contains_key("nothing"));
}

#[test]
fn failures_are_counted_by_source_owner_action_and_reason() {
    let measure = Measure::default();
    let refused = Failure::target("connection refused");
    for action in ["get", "get", "post"] {
        measure.record(action, Sample { failure: Some(&refused), ..sample(1) });
    }
    measure.failure(Source::User, &refused);
    measure.failure(Source::User, &Failure::scenario("no such room"));
    measure.failure(Source::Noted, &Failure::generator("too many open files"));
    measure.failure(Source::User, &Failure::from(Stopped));
    let total = measure.snapshot().total;
    let rows: Vec<_> = total
        .failures
        .iter()
        .map(|(key, count)| (key.source, key.owner, key.action.as_deref(), &*key.reason, *count))
        .collect();
    assert_eq!(
        rows,
        [
            (Source::User, Owner::Target, None, "connection refused", 1),
            (Source::User, Owner::Scenario, None, "no such room", 1),
            (Source::Action, Owner::Target, Some("get"), "connection refused", 2),
            (Source::Action, Owner::Target, Some("post"), "connection refused", 1),
            (Source::Noted, Owner::Generator, None, "too many open files", 1),
        ]
    );
    assert_eq!(total.actions["get"].failed, 2);
}

#[test]
fn too_many_names_are_counted_together_and_told_once() {
    let telemetry = Telemetry::default();
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = told.clone();
    let _subscription =
        telemetry.subscribe(move |occurrence| log.lock().unwrap().push(format!("{occurrence:?}")));
    let measure = Measure::new(telemetry.clone());
    let names = MAX_NAMES as u64 + 30;
    for round in 0..2 {
        for n in 0..names {
            measure.count(&format!("counter {n}"), 1);
            measure.check(&format!("check {n}"), true);
            measure.gauge(&format!("gauge {n}"), n as f64);
        }
        // The second half comes from another thread, whose shard knows none of the names.
        if round == 0 {
            thread::scope(|scope| {
                scope.spawn(|| {
                    for n in (0..names).rev() {
                        measure.record(&format!("action {n}"), sample(1));
                    }
                });
            });
            for n in 0..names {
                measure.record(&format!("action {n}"), sample(1));
            }
        }
        measure.tick(Instant::now(), Activity::default());
    }
    let total = measure.snapshot().total;
    assert_eq!(total.counters.len(), MAX_NAMES + 1);
    assert_eq!(total.counters.values().sum::<u64>(), names * 2);
    assert_eq!(total.counters[OTHER_NAMES], 60);
    assert_eq!(total.checks.len(), MAX_NAMES + 1);
    assert_eq!(total.gauges.len(), MAX_NAMES + 1);
    assert_eq!(total.actions.len(), MAX_NAMES + 1);
    assert_eq!(total.actions.values().map(|action| action.count()).sum::<u64>(), names * 2);
    assert_eq!(telemetry.count(Kind::GeneratorWarning), 4);
    let told = told.lock().unwrap();
    assert!(told[0].contains("more than 1000 names of actions"), "{}", told[0]);
}

#[test]
fn too_many_reasons_are_counted_together() {
    let measure = Measure::default();
    let reasons = MAX_REASONS as u64 + 50;
    for n in 0..reasons {
        // Told apart by letters: numbers are no part of a reason.
        let letter = char::from_u32(0x4e00 + n as u32).unwrap();
        let failure = Failure::target(format!("order {letter} {}", "x".repeat(500)));
        measure.failure(Source::User, &failure);
        measure
            .record(&format!("action {}", n % 3), Sample { failure: Some(&failure), ..sample(1) });
    }
    let total = measure.snapshot().total;
    for source in [Source::User, Source::Action] {
        let of_source: Vec<_> =
            total.failures.iter().filter(|(key, _)| key.source == source).collect();
        assert_eq!(of_source.len(), MAX_REASONS + 1, "{source}");
        assert_eq!(of_source.iter().map(|(_, count)| **count).sum::<u64>(), reasons);
        assert!(of_source.iter().all(|(key, _)| key.reason.chars().count() <= 300));
        let (_, others) = of_source.iter().find(|(key, _)| &*key.reason == OTHER_REASONS).unwrap();
        assert_eq!(**others, 50);
    }
}

#[test]
fn stalls_keep_the_worst_with_its_name() {
    let measure = Measure::default();
    measure.stalled("login", ms(300));
    measure.stalled("chat", ms(900));
    measure.stalled("login", ms(100));
    let stalls = measure.snapshot().total.stalls;
    assert_eq!((stalls.count, stalls.worst, &*stalls.worst_name), (3, ms(900), "chat"));
}
