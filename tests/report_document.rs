//! The document a run leaves behind: its names are a contract with other programs.

use std::{
    fs,
    io::Read,
    time::{Duration, SystemTime},
};

use crowd::{
    failure::Failure,
    measure::{Measure, Sample, Source, health::HealthSummary, timing::Timing},
    report::{
        ReportInput, RunReport, Verdict,
        input::{CoordinatorRow, Endings, Outcome, RunFacts, ThrottleRow, UserTotals},
        json,
    },
};
use serde_json::Value;

fn report() -> RunReport {
    let measure = Measure::default();
    for millis in 1..=1_000u64 {
        let refused = Failure::target("refused");
        measure.record(
            "get",
            Sample {
                service: Duration::from_millis(millis),
                response: Duration::from_millis(millis * 2),
                failure: (millis > 990).then_some(&refused),
            },
        );
    }
    measure.count("bytes", 5_000);
    measure.gauge("depth", 2.5);
    measure.count("target.picks.a:80", 12);
    measure.gauge("target.score.a:80", -1.0);
    measure.check("fast", true);
    measure.failure(Source::User, &Failure::scenario("lost its way"));
    let start = SystemTime::UNIX_EPOCH + Duration::new(1_795_000_000, 123_456_789);
    RunReport::build(ReportInput {
        run: RunFacts {
            id: "r1".to_owned(),
            scenario: "http".to_owned(),
            settings: vec![
                ("url".to_owned(), Some("http://127.0.0.1:1/".to_owned())),
                ("body".to_owned(), None),
            ],
            nodes: vec!["a".to_owned()],
            user_rate: None,
            start,
            end: start + Duration::from_secs(10),
            duration: Duration::from_millis(10_000),
            profile: None,
        },
        outcome: Outcome::Ended,
        users: UserTotals {
            asked: 2,
            started: 2,
            finished: 1,
            failed: 1,
            peak: 2,
            endings: Endings { finished: 1, failed: 1, ..Endings::default() },
            ..UserTotals::default()
        },
        measured: measure.snapshot().total,
        thresholds: vec![],
        series: Default::default(),
        throttles: vec![ThrottleRow { name: "get".to_owned(), ..ThrottleRow::default() }],
        coordinators: vec![CoordinatorRow { name: "pairs".to_owned(), ..Default::default() }],
        health: HealthSummary {
            samples: 10,
            cores: 2.0,
            cpu_mean: 0.5,
            ..HealthSummary::default()
        },
        nodes: Vec::new(),
        gaps: Vec::new(),
    })
}

/// The names at one level of a document.
fn names(value: &Value) -> Vec<&str> {
    let mut names: Vec<_> = value
        .as_object()
        .into_iter()
        .flat_map(|object| object.keys().map(String::as_str))
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn the_names_are_those_of_the_contract() {
    let document: Value = serde_json::from_str(&json::render(&report()).unwrap()).unwrap();
    assert_eq!(document["schema"], "crowd.run/1");
    for name in ["run", "users", "arrivals", "actions", "counters", "thresholds", "generator"] {
        assert!(document.get(name).is_some(), "{name} is missing");
    }
    for name in ["id", "scenario", "settings", "nodes", "start", "end", "stages"] {
        assert!(document["run"].get(name).is_some(), "run.{name} is missing");
    }
    for name in ["asked", "started", "finished", "failed", "removed", "peak"] {
        assert!(document["users"].get(name).is_some(), "users.{name} is missing");
    }
    let arrivals = ["dropped", "dropped_by_end", "dropped_for_nodes", "dropped_for_users"];
    assert_eq!(names(&document["arrivals"])[..4], arrivals);
    assert_eq!(names(&document["arrivals"])[4..], ["scheduled", "started"]);
    let get = &document["actions"]["get"];
    assert_eq!(
        names(get),
        ["clamped", "count", "failed", "rate", "response", "service", "unfinished"]
    );
    assert_eq!(
        names(&get["service"]),
        ["histogram", "max", "mean", "min", "p50", "p90", "p95", "p99", "p999"]
    );
    assert_eq!(names(&document["counters"]), ["bytes"]);
    assert_eq!(names(&document["gauges"]), ["depth"]);
    assert_eq!(
        names(&document["targets"]["a:80"]),
        ["checks_failed", "checks_passed", "downs", "out_ms", "outs", "picks", "score", "ups"]
    );
    assert_eq!(document["generator"]["verdict"], "VALID");
    assert_eq!(document["generator"]["reasons"], Value::Array(vec![]));
    // One in a hundred failed, which is too many unless a threshold says otherwise.
    assert_eq!(document["verdict"], "threshold-failed");
    assert_eq!(document["exit_code"], 2);
}

#[test]
fn the_numbers_are_what_was_measured() {
    let report = report();
    let get = &report.actions["get"];
    assert_eq!((get.count, get.failed, get.clamped), (1_000, 10, 0));
    assert_eq!(get.rate, 100.0);
    for (found, wanted) in [
        (get.service.min, 1.0),
        (get.service.p50, 500.0),
        (get.service.p99, 990.0),
        (get.service.max, 1_000.0),
        (get.response.p50, 1_000.0),
        (get.response.max, 2_000.0),
    ] {
        assert!((found - wanted).abs() <= wanted / 1_000.0, "{found} for {wanted}");
    }
    assert_eq!(report.counters["bytes"].rate, 500.0);
    assert_eq!(report.run.start, "2026-11-18T11:06:40.123Z");
    assert_eq!(report.run.duration_ms, 10_000.0);
    let failures: Vec<_> = report
        .failures
        .iter()
        .map(|row| (row.action.as_deref(), row.reason.as_str(), row.count))
        .collect();
    assert_eq!(failures, [(Some("get"), "refused", 10), (None, "lost its way", 1)]);
    assert_eq!(report.verdict, Verdict::ThresholdFailed);
    assert_eq!(
        report.reasons,
        [
            "threshold `error_rate(get) < 1%` failed: it was 1.0%, by default (`--allow-errors` \
             accepts them)",
            "1 user failed"
        ]
    );
}

#[test]
fn the_whole_distribution_can_be_read_back() {
    let report = report();
    let text = report.actions["get"].response.histogram.as_deref().unwrap();
    let timing = Timing::decode(text).unwrap();
    assert_eq!(timing.count(), 1_000);
    assert_eq!(timing.max().as_secs_f64() * 1e3, report.actions["get"].response.max);
}

#[test]
fn a_written_document_is_read_back_equal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    fs::write(&path, "an older document").unwrap();
    let report = report();
    json::write(&report, &path).unwrap();
    let read: RunReport = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(read, report);
    // Some programs that copy texts put a byte-order mark before them.
    let copy = format!("\u{feff}{}", fs::read_to_string(&path).unwrap());
    assert_eq!(json::of_text(&copy), Ok(report));
    // Nothing else is left behind.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_document_that_cannot_be_written_is_an_error_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no/such/folder/run.json");
    let error = json::write(&report(), &path).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("the report could not be written to "), "{text}");
    assert!(text.contains("no/such/folder/run.json"), "{text}");
    // A folder in the way is not replaced, and nothing is left beside it.
    let taken = folder.path().join("taken");
    fs::create_dir(&taken).unwrap();
    json::write(&report(), &taken).unwrap_err();
    assert!(taken.is_dir());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn what_a_link_points_to_is_written_and_the_link_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (target, link) = (folder.path().join("target"), folder.path().join("link"));
    fs::write(&target, "older and longer than nothing").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    json::write(&report(), &link).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let mut text = String::new();
    fs::File::open(&target).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(serde_json::from_str::<RunReport>(&text).unwrap(), report());
}
