//! `crowd run` and `crowd start` as processes: summary, document, signals, exit codes.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::binary::{crowd, finish, stderr, stdout};
use crate::terminal::Terminal;
use serde_json::Value;
use tempfile::TempDir;

fn run(state: &TempDir, arguments: &[&str]) -> std::process::Output {
    let mut command = crowd(state.path());
    command.args(arguments);
    finish(command, "")
}

fn document(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn signal(child: &Child, signal: &str) {
    let status = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn ends_with_its_users_and_writes_the_document() {
    let state = TempDir::new().unwrap();
    let json = state.path().join("result.json");
    let output = run(
        &state,
        &[
            "run",
            "idle",
            "--users",
            "20",
            "lifetime=300ms",
            "--user-rate",
            "unlimited",
            "--json",
            json.to_str().unwrap(),
        ],
    );
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("idle"), "{}", stdout(&output));
    assert!(!stdout(&output).contains('\x1b'));
    // Quiet when piped.
    assert_eq!(stderr(&output), "");
    let document = document(&json);
    assert_eq!(document["users"]["asked"], 20);
    assert_eq!(document["users"]["finished"], 20);
    assert_eq!(document["run"]["scenario"], "idle");
    assert_eq!(document["exit_code"], 0);
    // Over time too, to the last moment.
    let sum = |list: &Value| list.as_array().unwrap().iter().filter_map(Value::as_u64).sum::<u64>();
    assert_eq!(sum(&document["series"]["started"]), 20);
    assert_eq!(sum(&document["series"]["ended"]), 20);
    let cells = document["lifetimes"]["cells"].as_array().unwrap();
    assert_eq!(cells.iter().filter_map(|cell| cell["count"].as_u64()).sum::<u64>(), 20);
    assert!(cells.iter().all(|cell| cell["to_ms"].as_f64() > Some(300.0)), "{cells:?}");
}

#[test]
fn ends_when_the_time_is_up() {
    let state = TempDir::new().unwrap();
    let json = state.path().join("result.json");
    let output = run(
        &state,
        &[
            "run",
            "idle",
            "--users",
            "20",
            "--user-rate",
            "unlimited",
            "--duration",
            "1s",
            "--json",
            json.to_str().unwrap(),
        ],
    );
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    let document = document(&json);
    // They leave as they are no longer needed.
    assert_eq!(document["users"]["finished"], 20);
    assert_eq!(document["users"]["running"].as_u64().unwrap_or(0), 0);
}

#[test]
fn one_interrupt_stops_all_users_and_still_tells() {
    let state = TempDir::new().unwrap();
    let json = state.path().join("result.json");
    let mut terminal = Terminal::crowd(
        state.path(),
        &[
            "run",
            "idle",
            "--users",
            "20",
            "--user-rate",
            "unlimited",
            "--json",
            json.to_str().unwrap(),
        ],
    );
    terminal.until("20 running users", |screen| screen.text.contains("20 running"));
    terminal.keys("\x03");
    let (code, text) = terminal.end();
    assert_eq!(code, 5, "{text}");
    let document = document(&json);
    assert_eq!(document["users"]["removed"], 20);
    assert_eq!(document["exit_code"], 5);
}

/// Starts a process and waits until it says `wanted` on standard error.
fn started(state: &TempDir, arguments: &[&str], wanted: &str) -> Child {
    let mut command = crowd(state.path());
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    // Without what is wanted the process ends, or the test runner ends the test.
    if lines.by_ref().map_while(Result::ok).any(|line| line.contains(wanted)) {
        // The rest is read and thrown away, so that the pipe stays open.
        std::thread::spawn(move || lines.for_each(drop));
        return child;
    }
    panic!("no `{wanted}`, and it ended: {:?}", child.wait());
}

#[test]
fn interrupts_by_signal_without_a_terminal() {
    for signals in [&["-INT"][..], &["-INT", "-INT"], &["-TERM"]] {
        let state = TempDir::new().unwrap();
        let child = started(
            &state,
            &["run", "idle", "--users", "5", "--user-rate", "unlimited", "--log", "crowd=info"],
            "to=\"running\"",
        );
        for name in signals {
            signal(&child, name);
        }
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(5), "{signals:?}: {}", stdout(&output));
    }
}

#[test]
fn bad_usage_is_64_and_says_why() {
    let state = TempDir::new().unwrap();
    let missing = state.path().join("nowhere/result.json");
    for (arguments, says) in [
        (&["run"][..], "SCENARIO"),
        (&["run", "idle"], "--users"),
        (&["run", "idle", "--users", "0"], "at least 1"),
        (&["run", "idle", "--users", "-5"], "cannot be negative"),
        (&["run", "idle", "--users", "many"], "`many` is not a count"),
        (&["run", "idle", "--users", "5", "lifetime"], "no `=`"),
        (&["run", "idle", "--users", "5", "a=1", "a=2"], "`a` is given twice"),
        (&["run", "idle", "--users", "5", "user_rate=1/s", "--user-rate", "2/s"], "twice"),
        (&["run", "idle", "--users", "5", "--duration", "soon"], "--duration"),
        (&["run", "idle", "--users", "5", "--duration", "0s"], "no time at all"),
        (&["run", "idle", "--users", "5", "--threshold", "x"], "--threshold"),
        (&["run", "idle", "--users", "5", "nonsense=1"], "nonsense"),
        (&["run", "idle", "--users", "5", "lifetime=soon"], "soon"),
        (&["run", "idle", "--users", "5", "--json", missing.to_str().unwrap()], "no folder"),
        (&["run", "idel", "--users", "5"], "did you mean `idle`?"),
        (&["launch"], "launch"),
        (&["--config", "/nowhere/crowd.toml", "start"], "/nowhere/crowd.toml"),
        (&["--log", "crowd=loud", "start"], "crowd=loud"),
    ] {
        let output = run(&state, arguments);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {told}");
        assert!(told.contains(says), "{arguments:?}: no `{says}` in {told}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
    }
}

#[test]
fn help_and_version_pass() {
    let state = TempDir::new().unwrap();
    for arguments in [&["--help"][..], &["run", "--help"], &["--version"]] {
        let output = run(&state, arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(stdout(&output).contains("crowd"), "{arguments:?}: {}", stdout(&output));
    }
    assert!(stdout(&run(&state, &["--help"])).contains("Examples:"));
}

#[test]
fn start_says_that_it_is_ready_and_ends_when_asked() {
    for name in ["-INT", "-TERM"] {
        let state = TempDir::new().unwrap();
        let mut command = crowd(state.path());
        command.arg("start").env("CROWD_NODE_NAME", "tester");
        command.stdout(Stdio::piped()).stdin(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.next().unwrap().unwrap();
        assert!(ready.starts_with("crowd node tester is ready, api http://127.0.0.1:"), "{ready}");
        signal(&child, name);
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}
