//! `crowd profile`, as a person uses it.

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
