//! `crowd eval` and `crowd status`.

use serde_json::Value;
use tempfile::TempDir;

use crate::binary::{crowd, finish, stderr, stdout};
use crate::running::Running;

/// Exit code, standard output, standard error.
fn told(node: &Running, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = finish(node.command(arguments), "");
    (output.status.code(), stdout(&output), stderr(&output))
}

#[test]
fn a_run_from_outside() {
    let node = Running::start(&[]);
    let (code, text, _) = told(&node, &["eval", "do idle 3 user_rate=unlimited"]);
    assert_eq!(code, Some(0));
    assert_eq!(text, "`idle` is running, users 1 to 3 (3 users)\n");
    let (code, text, _) = told(&node, &["eval", "add", "2"]);
    assert_eq!((code, text.as_str()), (Some(0), "added users 4 to 5 (2 users)\n"));
    let (code, text, _) = told(&node, &["status"]);
    assert_eq!(code, Some(0));
    assert!(text.contains("tester") && text.contains("5 asked for"), "{text}");
    for line in ["stop", "wait 20s", "reset"] {
        assert_eq!(told(&node, &["eval", line]).0, Some(0), "{line}");
    }
}

#[test]
fn a_refusal_fails_and_tells_its_code() {
    let node = Running::start(&[]);
    let (code, text, faults) = told(&node, &["eval", "add 5"]);
    assert_eq!((code, text.as_str()), (Some(1), ""));
    assert!(faults.ends_with("[invalid-status]\n"), "{faults}");
    for line in ["launch", "add", "quit"] {
        let (code, text, faults) = told(&node, &["eval", line]);
        assert_eq!((code, text.as_str()), (Some(64), ""), "{line}");
        assert!(faults.contains("[bad-usage]") || faults.contains("[unknown-command]"), "{faults}");
    }
    assert_eq!(told(&node, &["eval"]).0, Some(64));
    assert_eq!(told(&node, &["status"]).0, Some(0), "`quit` from outside ended the node");
}

#[test]
fn json_is_the_answer_as_it_came() {
    let node = Running::start(&[]);
    let (code, text, _) = told(&node, &["eval", "--json", "nodes"]);
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &answer["ok"]), (Some(0), &Value::Bool(true)));
    assert_eq!(answer["reply"]["data"][0]["name"], "tester");
    assert_eq!(answer["reply"]["reply"], "nodes");
    let (code, text, faults) = told(&node, &["eval", "add 5", "--json"]);
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, faults.as_str()), (Some(1), ""));
    assert_eq!(answer["code"], "invalid-status");
    let (code, text, _) = told(&node, &["status", "--json"]);
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &answer["reply"]["data"]["state"]), (Some(0), &Value::from("idle")));
}

#[test]
fn the_token_of_the_settings_is_shown_to_the_node_and_to_nobody_else() {
    let node = Running::start(&[("CROWD_API_TOKEN", "sesame")]);
    let file = node.state().join("token");
    std::fs::write(&file, "sesame\n").unwrap();
    let try_with = |name: &str, value: &str| {
        let mut command = node.command(&["status"]);
        command.env(name, value);
        let output = finish(command, "");
        (output.status.code(), stdout(&output) + &stderr(&output))
    };
    assert_eq!(try_with("CROWD_API_TOKEN", "sesame").0, Some(0));
    assert_eq!(try_with("CROWD_API_TOKEN_FILE", file.to_str().unwrap()).0, Some(0));
    for token in ["swordfish", ""] {
        let (code, text) = try_with("CROWD_API_TOKEN", token);
        assert_eq!(code, Some(1));
        assert!(text.contains("[unauthorized]") && !text.contains("sesame"), "{text}");
        assert!(token.is_empty() || !text.contains(token), "{text}");
    }
}

#[test]
fn without_an_address_the_settings_tell_which_node() {
    let node = Running::start(&[]);
    let folder = TempDir::new().unwrap();
    let mut command = crowd(folder.path());
    command.arg("status").env("CROWD_API_LISTEN", node.api.strip_prefix("http://").unwrap());
    assert_eq!(finish(command, "").status.code(), Some(0));
    let mut command = crowd(folder.path());
    command.arg("status");
    let output = finish(command, "");
    assert_eq!(output.status.code(), Some(64));
    assert!(stderr(&output).contains("names no port"), "{}", stderr(&output));
}

#[test]
fn a_node_that_is_down_is_told_so() {
    let mut node = Running::start(&[]);
    node.end();
    for arguments in [&["status"][..], &["eval", "status"], &["status", "--json"], &["attach"]] {
        let (code, text, faults) = told(&node, arguments);
        assert_eq!((code, text.as_str()), (Some(1), ""), "{arguments:?}");
        let wanted = format!("no node answers at {}: ", node.api);
        assert!(faults.starts_with(&wanted), "{arguments:?}: {faults}");
    }
}

#[test]
fn what_is_no_address_is_bad_usage() {
    let folder = TempDir::new().unwrap();
    for url in ["https://localhost:4000", "localhost", "http://me:swordfish@localhost:4000"] {
        let mut command = crowd(folder.path());
        command.args(["status", "--api", url]);
        let output = finish(command, "");
        assert_eq!(output.status.code(), Some(64), "{url}");
        let fault = stderr(&output);
        assert!(fault.contains("is no address of an API"), "{fault}");
        assert!(!fault.contains("swordfish"), "{fault}");
    }
}
