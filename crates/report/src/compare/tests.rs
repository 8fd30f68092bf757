use crowd_measure::timing::Timing;
use serde_json::{Value, json};

use super::{
    random::{Draws, times},
    *,
};
use crate::report::{Colour, RunReport};

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

/// One run a side.
fn of(baseline: &RunReport, candidate: &RunReport, options: &Options) -> Comparison {
    compare(&[Side::new("a.json", baseline)], &[Side::new("b.json", candidate)], options).unwrap()
}

/// Several runs a side, `a1.json` and so on.
fn sides(baseline: &[RunReport], candidate: &[RunReport]) -> Result<Comparison, Faults> {
    let side = |letter: &'static str| {
        move |(at, report)| Side::new(format!("{letter}{}.json", at + 1), report)
    };
    let before: Vec<_> = baseline.iter().enumerate().map(side("a")).collect();
    let after: Vec<_> = candidate.iter().enumerate().map(side("b")).collect();
    compare(&before, &after, &Options::default())
}

fn said(comparison: &Comparison, metric: Metric) -> Change {
    comparison.rows.iter().find(|row| row.metric == metric).unwrap().verdict
}

fn text(comparison: &Comparison) -> String {
    let text = render(comparison, Colour::Plain);
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    text
}

mod between;
mod one_each;
mod simulated;
mod unfinished;
