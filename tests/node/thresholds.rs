//! `crowd run` with thresholds, as a process: exit codes, what is told, and how it is refused.

use std::{fs, process::Output, time::Instant};

use crate::binary::{crowd, finish, stderr, stdout};
use serde_json::Value;
use tempfile::TempDir;

/// Runs it with these arguments and thresholds; what came of it, and its document if there is one.
fn run(arguments: &[&str], thresholds: &[&str]) -> (Output, Value) {
    let state = TempDir::new().unwrap();
    let json = state.path().join("result.json");
    let mut command = crowd(state.path());
    command.arg("run").args(arguments).arg("--json").arg(&json);
    command.args(["--user-rate", "unlimited"]);
    for threshold in thresholds {
        command.args(["--threshold", threshold]);
    }
    let output = finish(command, "");
    let document = fs::read_to_string(json).unwrap_or_default();
    (output, serde_json::from_str(&document).unwrap_or_default())
}

fn told(output: &Output) -> String {
    format!("{}{}", stdout(output), stderr(output))
}

const IDLE: [&str; 4] = ["idle", "--users", "5", "lifetime=300ms"];

#[test]
fn a_run_that_keeps_to_them_passes() {
    let thresholds = ["users >= 5", "failed_users <= 0; dropped_rate < 1%", "users <= 5 over 1s"];
    let (output, document) = run(&IDLE, &thresholds);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let rows = document["thresholds"].as_array().unwrap();
    let expressions: Vec<_> = rows.iter().map(|row| row["expression"].as_str().unwrap()).collect();
    assert_eq!(
        expressions,
        ["users >= 5", "failed_users <= 0", "dropped_rate < 1%", "users <= 5 over 1s"]
    );
    assert!(rows.iter().all(|row| row["passed"] == true && row["aborted"] == false), "{rows:?}");
    assert_eq!(rows[0]["actual"], 5.0);
    assert_eq!(document["verdict"], "passed");
}

#[test]
fn one_that_fails_is_exit_code_2_with_what_it_was() {
    let mut arguments = IDLE.to_vec();
    arguments.push("thresholds=users >= 5");
    let (output, document) = run(&arguments, &["users >= 6", "p95(nothing) < 1s"]);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    let text = stdout(&output);
    assert!(text.contains("threshold `users >= 6` failed: it was 5"), "{text}");
    assert!(text.contains("threshold `p95(nothing) < 1s` failed: nothing was measured"), "{text}");
    assert_eq!(document["verdict"], "threshold-failed");
    assert_eq!(document["exit_code"], 2);
    let settings = &document["run"]["settings"]["thresholds"];
    assert_eq!(settings, "users >= 5; users >= 6; p95(nothing) < 1s");
    let passed: Vec<_> =
        document["thresholds"].as_array().unwrap().iter().map(|row| &row["passed"]).collect();
    assert_eq!(passed, [true, false, false]);
    assert_eq!(document["thresholds"][2]["actual"], Value::Null);
}

#[test]
fn times_are_judged_by_what_was_measured() {
    let chat = [
        "chat",
        "--users",
        "8",
        "messages_min=2",
        "messages_max=3",
        "message_interval=100ms",
        "idle_time=500ms",
    ];
    let thresholds = [
        "p95(connect) < 30s",
        "p99.9 < 30s",
        "count(connect) >= 8",
        "count(messages_sent) >= 16",
        "max(connect, service) < 1us",
    ];
    let (output, document) = run(&chat, &thresholds);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    let rows = document["thresholds"].as_array().unwrap();
    let passed: Vec<_> = rows.iter().map(|row| row["passed"] == true).collect();
    assert_eq!(passed, [true, true, true, true, false], "{rows:?}");
    // The same numbers as in the document, in other units.
    let p95 = document["actions"]["connect"]["response"]["p95"].as_f64().unwrap();
    assert!((rows[0]["actual"].as_f64().unwrap() * 1e3 - p95).abs() < 1e-6, "{rows:?} {p95}");
    let max = document["actions"]["connect"]["service"]["max"].as_f64().unwrap();
    assert!((rows[4]["actual"].as_f64().unwrap() / 1e3 - max).abs() < 1e-6, "{rows:?} {max}");
    assert_eq!(rows[3]["actual"], document["counters"]["messages_sent"]["count"].as_f64().unwrap());
}

#[test]
fn one_that_aborts_ends_the_run_early_with_exit_code_4() {
    for threshold in ["users <= 3 abort after 1s", "users <= 3 over 2s abort"] {
        let began = Instant::now();
        let arguments = ["idle", "--users", "5", "--duration", "5m"];
        let (output, document) = run(&arguments, &["users >= 5", threshold]);
        assert_eq!(output.status.code(), Some(4), "{}", told(&output));
        assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
        let text = stdout(&output);
        assert!(text.contains(&format!("threshold `{threshold}` failed: it was 5")), "{text}");
        assert!(text.contains("ABORTED"), "{text}");
        assert_eq!(document["verdict"], "aborted");
        assert_eq!(document["thresholds"][0]["passed"], true);
        let row = &document["thresholds"][1];
        assert_eq!((&row["passed"], &row["aborted"]), (&false.into(), &true.into()));
        assert!(row["at_ms"].as_f64().unwrap() >= 900.0, "{row}");
        // Users are told to go, as by `stop`.
        assert_eq!(document["users"]["removed"], 5);
    }
}

#[test]
fn wrong_ones_are_refused_before_anything_starts() {
    let (output, _) = run(&IDLE, &["p95(login) << 150ms", "users > 3", "error_rate < 5"]);
    assert_eq!(output.status.code(), Some(64));
    assert_eq!(stdout(&output), "");
    insta::assert_snapshot!(stderr(&output), @r"
    --threshold cannot be read:
    p95(login) << 150ms
                ^ expected a number with a unit, such as `150ms`
    error_rate < 5
                 ^ a share is 1 at most: write `5%` for 5 in 100
    ");
    let mut arguments = IDLE.to_vec();
    arguments.push("thresholds=users > 3; rate(a) > 5");
    let (output, _) = run(&arguments, &[]);
    assert_eq!(output.status.code(), Some(64));
    assert!(stderr(&output).contains("rate(a) > 5\n           ^ `rate(a)` is a rate"));
}

#[test]
fn a_stage_that_is_not_there_is_refused() {
    let (output, _) = run(&IDLE, &["users > 3 in stage 1"]);
    assert_eq!(output.status.code(), Some(64), "{}", told(&output));
    assert!(stderr(&output).contains("the run has no load profile"), "{}", stderr(&output));
    let arguments = ["idle", "profile=1s: 5, 1s: 3"];
    let (output, _) = run(&arguments, &["users > 3 in stage 3"]);
    assert_eq!(output.status.code(), Some(64), "{}", told(&output));
    assert!(stderr(&output).contains("the load profile has 2 stages"), "{}", stderr(&output));
}

#[test]
fn the_console_says_what_is_wrong_where() {
    let state = TempDir::new().unwrap();
    let output = finish(crowd(state.path()), "do idle 1 thresholds='p95(login) <'\n");
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let told = told(&output);
    assert!(told.contains("p95(login) <\n"), "{told}");
    assert!(told.contains("^ expected a number with a unit"), "{told}");
}
