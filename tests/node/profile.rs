//! `crowd profile`, and runs that follow one, as a person uses them.

use tempfile::TempDir;

use crate::binary::{crowd, finish, stderr, stdout};

#[test]
fn a_profile_is_drawn_from_a_line_or_a_file() {
    let state = TempDir::new().unwrap();
    let mut command = crowd(state.path());
    command.args(["profile", "--stages", "10s: 0 -> 40, 20s: 10/s"]);
    let output = finish(command, "");
    assert!(output.status.success(), "{}", stderr(&output));
    let line = stdout(&output);
    assert!(line.contains("stage 2 at 10s, for 20s: 10/s"), "{line}");
    assert!(line.ends_with("30s in all, 200 arrivals\n"), "{line}");

    let file = state.path().join("load.json");
    let json = r#"{"stages": [{"duration": "10s", "users": {"from": 0, "to": 40}},
                              {"duration": "20s", "rate": "10/s"}]}"#;
    std::fs::write(&file, json).unwrap();
    let mut command = crowd(state.path());
    command.arg("profile").arg(&file);
    assert_eq!(stdout(&finish(command, "")), line);
}

#[test]
fn all_that_is_wrong_is_told_and_is_bad_usage() {
    let state = TempDir::new().unwrap();
    for (arguments, complaint) in [
        (&["profile", "--stages", "10s: 5 -> 6/s, 0s: 3"][..], "stage 1: one end counts users"),
        (&["profile", "nowhere.toml"][..], "nowhere.toml"),
        (&["profile"][..], "required"),
    ] {
        let mut command = crowd(state.path());
        command.args(arguments);
        let output = finish(command, "");
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(stderr(&output).contains(complaint), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn a_run_follows_its_stages_and_tells_what_became_of_arrivals() {
    let state = TempDir::new().unwrap();
    let json = state.path().join("result.json");
    let mut command = crowd(state.path());
    command.args(["run", "idle", "lifetime=50ms", "--json"]).arg(&json);
    command.args(["--stages", "1s: 40/s -> 80/s, 300ms: pause, 500ms: 4, 1s: 50/s max 1"]);
    let output = finish(command, "");
    let told = stdout(&output);
    assert!(told.contains("1  1s: 40/s -> 80/s"), "{told}");
    assert!(told.contains("arrived scheduled 110, started "), "{told}");
    let document = std::fs::read_to_string(json).unwrap();
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    let stages = document["run"]["stages"].as_array().unwrap();
    let scheduled: Vec<_> =
        stages.iter().map(|stage| stage["arrivals"]["scheduled"].as_u64()).collect();
    assert_eq!(scheduled, [Some(60), None, None, Some(50)]);
    let count = |name: &str| document["arrivals"][name].as_u64().unwrap();
    assert_eq!(count("scheduled"), count("started") + count("dropped"));
    assert!(count("dropped_for_users") > 0, "{document}");
}

/// The line that `run` hands to the node is the one that it has read.
#[test]
fn what_is_drawn_is_run() {
    let state = TempDir::new().unwrap();
    let lines = [
        ("600ms: 100/min", 1),
        ("300ms: 100 per 3s", 10),
        ("400ms: every 30ms", 13),
        ("400ms: 10/s -> 100/s in 8 steps", 22),
        ("400ms: 0 -> 10 in 4 steps", 0),
        ("100ms: 9/s, 100ms: 9/s, 100ms: 9/s, 100ms: 9/s, 100ms: 9/s", 4),
    ];
    for (line, arrivals) in lines {
        let mut command = crowd(state.path());
        command.args(["profile", "--stages", line]);
        let drawn = stdout(&finish(command, ""));
        let told =
            if arrivals > 0 { format!(", {arrivals} arrivals\n") } else { "in all\n".into() };
        assert!(drawn.ends_with(&told), "{line}: {drawn}");

        let json = state.path().join("result.json");
        let mut command = crowd(state.path());
        command.args(["run", "idle", "lifetime=1ms", "--stages", line, "--json"]).arg(&json);
        let output = finish(command, "");
        let document = std::fs::read_to_string(json);
        let document = document.unwrap_or_else(|_| panic!("{line}: {}", stderr(&output)));
        let document: serde_json::Value = serde_json::from_str(&document).unwrap();
        assert_eq!(document["arrivals"]["scheduled"], arrivals, "{line}");
    }
}

#[test]
fn a_file_may_begin_with_a_byte_order_mark_and_end_in_any_case() {
    let state = TempDir::new().unwrap();
    let file = state.path().join("load.JSON");
    let json = "\u{feff}{\"stages\": [{\"duration\": \"3s\", \"rate\": \"20/min\"}]}";
    std::fs::write(&file, json).unwrap();
    let mut command = crowd(state.path());
    command.arg("profile").arg(&file);
    let output = finish(command, "");
    assert!(stdout(&output).ends_with("for 3s: 20/min\n3s in all, 1 arrivals\n"), "{output:?}");
}

#[test]
fn how_many_users_there_are_is_said_once() {
    let state = TempDir::new().unwrap();
    let refused = |arguments: &[&str]| {
        let mut command = crowd(state.path());
        command.args(["run", "idle"]).args(arguments);
        let output = finish(command, "");
        assert_eq!(output.status.code(), Some(64), "{}", stderr(&output));
        stderr(&output)
    };
    assert!(refused(&[]).starts_with("how many users?"));
    assert!(refused(&["--users", "3", "--stages", "1s: 3"]).contains("give one of them"));
    let faults = refused(&["--stages", "10s: 0 -> x, 0s: 5"]);
    assert!(
        faults.contains("stage 1: `x` is neither") && faults.contains("stage 2: it takes no time")
    );
}
