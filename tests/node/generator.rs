//! A generator whose machine is taken by others, as a process.

use std::{
    fs,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::binary::crowd;

fn signal(process: u32, signal: &str) {
    // It may have ended just now.
    let _ = Command::new("kill").args([signal, &process.to_string()]).status();
}

/// As a container whose CPU is used up, or a virtual machine that is not scheduled: the whole process
/// stands still most of the time, through no fault of its own.
#[test]
fn a_process_that_hardly_runs_is_invalid_and_says_why() {
    let state = TempDir::new().unwrap();
    let json = state.path().join("result.json");
    let mut command = crowd(state.path());
    command.args(["run", "idle", "--users", "10", "--user-rate", "unlimited"]);
    command.args(["--duration", "7s", "--json"]).arg(&json);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
    // Until it has begun, it has nothing to be late for.
    sleep(Duration::from_secs(1));
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(5) {
        signal(child.id(), "-STOP");
        sleep(Duration::from_millis(400));
        signal(child.id(), "-CONT");
        sleep(Duration::from_millis(50));
    }
    let status = child.wait().unwrap();
    let document: Value = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    let generator = &document["generator"];
    assert_eq!(generator["verdict"], "INVALID", "{generator:#}");
    assert_eq!(status.code(), Some(3), "{generator:#}");
    let reasons = generator["reasons"].to_string();
    assert!(reasons.contains("the whole process stood still"), "{reasons}");
    let spells = generator["spells"].as_array().unwrap();
    let spell = spells.iter().find(|spell| spell["cause"] == "event-loop").unwrap();
    assert!(spell["to_ms"].as_f64().unwrap() - spell["from_ms"].as_f64().unwrap() >= 3_000.0);
}
