use std::time::Duration;

use serde_json::{Value, json};

use super::{bootstrap::tests::times, *};
use crate::{
    measure::timing::Timing,
    report::{Colour, RunReport},
};

fn distribution(timing: &Timing) -> Value {
    json!({
        "min": 0.0, "mean": 0.0, "p50": 0.0, "p90": 0.0, "p95": 0.0, "p99": 0.0, "p999": 0.0,
        "max": 0.0, "histogram": timing.encode().unwrap(),
    })
}

fn action(timing: &Timing, failed: u64) -> Value {
    json!({
        "count": timing.count(), "failed": failed, "clamped": 0, "rate": 0.0,
        "service": distribution(timing), "response": distribution(timing),
    })
}

/// The document of a run of a minute.
fn document(id: &str, actions: Value) -> Value {
    json!({
        "schema": "crowd.run/1",
        "run": {
            "id": id, "scenario": "http", "settings": {"url": "http://127.0.0.1:1/", "body": null},
            "nodes": ["laptop"], "user_rate": "1200/min", "start": "2026-11-18T11:06:40Z",
            "end": "2026-11-18T11:07:40Z", "duration_ms": 60_000.0, "stages": [],
        },
        "users": {
            "asked": 100, "started": 100, "waiting": 0, "running": 0, "finished": 100, "failed": 0,
            "removed": 0, "peak": 100,
            "endings": {
                "finished": 100, "stopped": 0, "failed": 0, "panicked": 0, "killed": 0,
                "cancelled": 0,
            },
        },
        "arrivals": {"scheduled": 0, "started": 0, "dropped": 0},
        "actions": actions,
        "counters": {}, "gauges": {}, "checks": {}, "failures": [], "throttles": [],
        "coordinators": [], "thresholds": [],
        "generator": {
            "verdict": "VALID", "reasons": [], "samples": 60, "cores": 2, "cpu_mean": 0.3,
            "cpu_max": 0.5, "memory_max_bytes": 1, "memory_limit_bytes": 2, "descriptors_max": 1,
            "descriptors_limit": 2, "loop_lag_p50_ms": 0.1, "loop_lag_p99_ms": 0.2,
            "loop_lag_max_ms": 0.3, "admission_lag_p99_ms": 0.0, "slots_granted": 0,
            "slots_forfeited": 0, "own_failures": 0,
            "stalls": {"count": 0, "worst_ms": 0.0, "worst_name": ""},
        },
        "verdict": "passed", "reasons": [], "exit_code": 0,
    })
}

fn report(document: &Value) -> RunReport {
    serde_json::from_value(document.clone()).unwrap()
}

fn run(id: &str, timing: &Timing, failed: u64) -> RunReport {
    report(&document(id, json!({ "get": action(timing, failed) })))
}

fn quick() -> Options {
    Options { replicates: 1_000, ..Options::default() }
}

fn of(baseline: &RunReport, candidate: &RunReport, options: &Options) -> Comparison {
    let sides = [Side::new("a.json", baseline), Side::new("b.json", candidate)];
    compare(&sides[0], &sides[1], options).unwrap()
}

fn said(comparison: &Comparison, metric: Metric) -> Change {
    comparison.rows.iter().find(|row| row.metric == metric).unwrap().verdict
}

#[test]
fn a_run_is_the_same_as_itself() {
    let baseline = run("r1", &times(10_000, 10.0, 1), 30);
    let found = of(&baseline, &baseline, &Options::default());
    assert_eq!(found.rows.len(), 7);
    for row in &found.rows {
        assert!(matches!(row.verdict, Change::Same | Change::Noise), "{row:?}");
        assert_eq!(row.change, Some(0.0), "{row:?}");
    }
    assert_eq!(said(&found, Metric::ResponseP50), Change::Same);
    assert_eq!(found, of(&baseline, &baseline, &Options::default()), "always the same answer");
}

#[test]
fn equal_runs_are_seldom_called_different() {
    // 5 % of 200 is 10; with the doubt divided and 5 % tolerated it is far less.
    let alarms = (0..200)
        .filter(|pair| {
            let baseline = run("r1", &times(2_000, 10.0, 2 * pair), 20);
            let candidate = run("r2", &times(2_000, 10.0, 2 * pair + 1), 20);
            let found = of(&baseline, &candidate, &quick());
            matches!(found.verdict, Change::Worse | Change::Better)
        })
        .count();
    assert!(alarms <= 10, "{alarms} of 200");
}

#[test]
fn without_tolerance_the_error_is_the_one_asked_for() {
    let options = Options { tolerance: 0.0, ..quick() };
    let alarms = (0..200)
        .filter(|pair| {
            let baseline = run("r1", &times(2_000, 10.0, 2 * pair), 20);
            let candidate = run("r2", &times(2_000, 10.0, 2 * pair + 1), 20);
            matches!(of(&baseline, &candidate, &options).verdict, Change::Worse | Change::Better)
        })
        .count();
    // 10 are expected at most; 20 would be three deviations more.
    assert!(alarms <= 20, "{alarms} of 200");
}

#[test]
fn a_fifth_slower_is_found() {
    let found = (0..100)
        .filter(|pair| {
            let baseline = run("r1", &times(10_000, 10.0, 2 * pair), 0);
            let candidate = run("r2", &times(10_000, 12.0, 2 * pair + 1), 0);
            let found = of(&baseline, &candidate, &quick());
            let slower = [Metric::ResponseMean, Metric::ResponseP50, Metric::ResponseP95];
            slower.iter().all(|metric| said(&found, *metric) == Change::Worse)
                && said(&found, Metric::ResponseP99) == Change::Worse
        })
        .count();
    assert!(found >= 95, "{found} of 100");
}

#[test]
fn better_and_worse_are_told_apart_by_what_is_good() {
    let baseline = run("r1", &times(10_000, 10.0, 1), 50);
    let mut faster = document("r2", json!({ "get": action(&times(10_000, 7.0, 2), 500) }));
    // As many in twice the time.
    faster["run"]["duration_ms"] = json!(120_000.0);
    let found = of(&baseline, &report(&faster), &quick());
    assert_eq!(said(&found, Metric::ResponseP95), Change::Better);
    assert_eq!(said(&found, Metric::Errors), Change::Worse);
    assert_eq!(said(&found, Metric::Rate), Change::Worse);
    assert_eq!(found.verdict, Change::Worse);
    assert_eq!(found.notes, ["not the same length: 1m 00s before, 2m 00s now"]);
}

#[test]
fn few_samples_tell_nothing() {
    let found =
        of(&run("r1", &times(40, 10.0, 1), 0), &run("r2", &times(40, 30.0, 2), 0), &quick());
    assert_eq!(found.verdict, Change::TooFew);
    assert!(found.rows.iter().all(|row| row.interval.is_none()), "{found:?}");
    assert_eq!(found.sentence, "there are too few samples to tell anything");
    // Enough for some numbers.
    let found =
        of(&run("r1", &times(300, 10.0, 1), 0), &run("r2", &times(300, 30.0, 2), 0), &quick());
    assert_eq!(said(&found, Metric::ResponseP99), Change::TooFew);
    assert_eq!(said(&found, Metric::ResponseP95), Change::Worse);
    assert_eq!(found.compared, 6);
}

#[test]
fn users_and_arrivals_are_compared_where_there_are_any() {
    let baseline = run("r1", &times(1_000, 10.0, 1), 0);
    let mut failing = document("r2", json!({ "get": action(&times(1_000, 10.0, 1), 0) }));
    failing["users"]["failed"] = json!(60);
    failing["arrivals"] = json!({"scheduled": 5_000, "started": 4_000, "dropped": 1_000});
    let found = of(&baseline, &report(&failing), &quick());
    assert_eq!(said(&found, Metric::FailedUsers), Change::Worse);
    // The baseline had no arrivals at all.
    assert_eq!(said(&found, Metric::Dropped), Change::TooFew);
    assert_eq!(found.rows[0].action, None);
}

#[test]
fn a_person_reads_this() {
    let actions = |median: f64, failed: u64, extra: &str, seed: u64| {
        json!({
            "get": action(&times(20_000, median, seed), failed),
            "log in\u{1b}[31m": action(&times(150, 100.0, seed + 10), 0),
            extra: action(&times(60, 1.0, seed), 0),
        })
    };
    let baseline = report(&document("r1", actions(10.0, 20, "search", 1)));
    let mut other = document("r2", actions(12.0, 120, "browse", 2));
    other["run"]["settings"]["url"] = json!("http://127.0.0.1:2/");
    other["run"]["settings"]["profile"] = json!("1m: 100");
    other["users"]["asked"] = json!(200);
    other["generator"]["verdict"] = json!("INVALID");
    other["generator"]["reasons"] = json!(["the event loop was 730 ms late for 1% of the time"]);
    let found = of(&baseline, &report(&other), &Options::default());
    let text = render(&found, Colour::Plain);
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    insta::assert_snapshot!(text, @r#"
    INVALID  the generator of b.json is INVALID: the event loop was 730 ms late for 1% of the time
    WORSE  6 of 11 numbers are worse, above all failures of `get` +0.50 pp (+0.34 pp to +0.68 pp)
      baseline   a.json: http run r1, from 2026-11-18T11:06:40Z, generator VALID
      candidate  b.json: http run r2, from 2026-11-18T11:06:40Z, generator INVALID
      -  not the same load: 100 users before, 200 users now
      -  not the same load profile: not there before, `1m: 100` now
      -  not the same setting `url`: `http://127.0.0.1:1/` before, `http://127.0.0.1:2/` now
      -  only in the baseline: `search`
      -  only in the candidate: `browse`

    get               baseline  candidate    change              interval
    response mean ms      11.3       13.6    +20.4%      +18.5% to +22.2%  WORSE
    response p50 ms       10.0       12.1    +20.6%      +18.5% to +22.5%  WORSE
    response p95 ms       22.5       27.2    +21.0%      +17.5% to +24.7%  WORSE
    response p99 ms       31.3       38.2    +22.0%      +15.6% to +27.7%  WORSE
    service p95 ms        22.5       27.2    +21.0%      +17.4% to +24.6%  WORSE
    failures              0.1%       0.6%  +0.50 pp  +0.34 pp to +0.68 pp  WORSE
    rate/s                 333        333      0.0%        -2.8% to +2.9%  same

    log in [31m       baseline  candidate   change              interval
    response mean ms       117        114    -2.6%      -19.9% to +18.4%  noise
    response p50 ms       94.8        100    +5.9%      -11.9% to +22.3%  noise
    response p95 ms        263        260    -0.8%                     -  too few to tell
    response p99 ms        367        329   -10.4%                     -  too few to tell
    service p95 ms         263        260    -0.8%                     -  too few to tell
    failures                0%         0%  0.00 pp  -5.09 pp to +5.09 pp  noise
    rate/s                2.50       2.50     0.0%      -27.8% to +38.6%  noise

    All 11 intervals hold together with 95% confidence. Worse or better is what lies beyond 5% with all
    of its interval.
    "#);
}

#[test]
fn a_program_reads_this() {
    let found = of(
        &run("r1", &times(1_000, 10.0, 1), 0),
        &run("r2", &times(1_000, 10.0, 2), 0),
        &Options { actions: vec!["get".to_owned()], ..quick() },
    );
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["schema"], "crowd.comparison/1");
    assert_eq!(json["baseline"]["id"], "r1");
    let row = &json["rows"][0];
    assert_eq!((&row["action"], &row["metric"]), (&json!("get"), &json!("response-mean")));
    assert_eq!(row["unit"], "ms");
    assert!(row["interval"]["low"].as_f64() < row["interval"]["high"].as_f64(), "{row}");
    assert!(
        ["worse", "better", "same", "noise", "too-few"].contains(&row["verdict"].as_str().unwrap())
    );
}

#[test]
fn what_cannot_be_compared_is_refused_with_every_fault() {
    let baseline = run("r1", &times(100, 10.0, 1), 0);
    let other = report(&document("r2", json!({ "put": action(&times(100, 10.0, 1), 0) })));
    let faults = |baseline: &RunReport, candidate: &RunReport, options: &Options| {
        let sides = [Side::new("a.json", baseline), Side::new("b.json", candidate)];
        compare(&sides[0], &sides[1], options).unwrap_err().to_string()
    };
    assert_eq!(
        faults(&baseline, &other, &quick()),
        "the runs have no action in common: the baseline has `get`, the candidate `put`"
    );
    let wanted = Options { actions: vec!["gett".into(), "put".into()], ..quick() };
    assert_eq!(
        faults(&baseline, &baseline, &wanted),
        "there is no action `gett` in both runs; did you mean `get`?\n\
         there is no action `put` in both runs"
    );
    let mut broken = baseline.clone();
    broken.schema = "crowd.run/9".to_owned();
    let mut emptied = baseline.clone();
    emptied.actions.get_mut("get").unwrap().service.histogram = None;
    let wild = Options { confidence: 1.0, tolerance: -0.5, ..quick() };
    assert_eq!(
        faults(&broken, &emptied, &wild),
        "the confidence is 100%: it must be at least 50% and less than 100%\n\
         the tolerance is -50%: it must be at least 0% and less than 1000%\n\
         a.json: its schema is `crowd.run/9`, and this crowd compares `crowd.run/1`\n\
         b.json: action `get`: its service times have no `histogram`"
    );
}

#[test]
fn what_is_known_of_single_seconds_widens_the_intervals() {
    let baseline = run("r1", &times(60_000, 10.0, 1), 0);
    let candidate = run("r2", &times(60_000, 10.7, 2), 0);
    let sides = [Side::new("a.json", &baseline), Side::new("b.json", &candidate)];
    let narrow = compare(&sides[0], &sides[1], &quick()).unwrap();
    assert_eq!(said(&narrow, Metric::ResponseP50), Change::Worse);
    // Every minute of the hour is as fast as it likes, and stays so.
    let seconds: Vec<f64> =
        (0..3_600u64).map(|s| if s / 600 % 2 == 0 { 8.0 } else { 12.0 }).collect();
    let [mut before, after] = sides;
    before.intervals.insert(("get".to_owned(), Metric::ResponseP50), seconds);
    let wide = compare(&before, &after, &quick()).unwrap();
    assert_eq!(said(&wide, Metric::ResponseP50), Change::Noise);
    // Other numbers are told as before.
    assert_eq!(said(&wide, Metric::ResponseP95), said(&narrow, Metric::ResponseP95));
}

#[test]
fn an_empty_distribution_is_no_number() {
    let empty = run("r1", &Timing::default(), 0);
    let found = of(&empty, &empty, &quick());
    assert_eq!(found.verdict, Change::TooFew);
    assert!(found.rows.iter().all(|row| row.baseline == 0.0), "{found:?}");
    let mut fast = Timing::default();
    (0..1_000).for_each(|_| fast.record(Duration::from_nanos(100)));
    let found = of(&run("r1", &fast, 0), &run("r2", &fast, 0), &quick());
    assert_eq!(said(&found, Metric::ResponseP50), Change::Same);
}
