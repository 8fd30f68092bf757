//! `crowd compare`, as a person and a pipeline use it.

use std::{fs, process::Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::{crowd, finish, stderr, stdout};

fn run(state: &TempDir, arguments: &[&str]) -> Output {
    let mut command = crowd(state.path());
    command.current_dir(state.path()).args(arguments);
    finish(command, "")
}

/// The document of a real run with a timed action.
fn measured(state: &TempDir, name: &str) -> Value {
    let output = run(
        state,
        &[
            "run",
            "chat",
            "--users",
            "20",
            "--user-rate",
            "unlimited",
            "--duration",
            "2s",
            "--json",
            name,
        ],
    );
    let path = state.path().join(name);
    assert!(path.exists(), "{}{}", stdout(&output), stderr(&output));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn write(state: &TempDir, name: &str, document: &Value) {
    fs::write(state.path().join(name), document.to_string()).unwrap();
}

fn first_action(document: &Value) -> String {
    let actions = document["actions"].as_object().unwrap();
    actions.keys().next().expect("the scenario times something").clone()
}

#[test]
fn two_documents_are_compared_with_an_exit_code() {
    let state = TempDir::new().unwrap();
    let mut document = measured(&state, "measured.json");
    // However busy this machine is: that is judged elsewhere.
    document["generator"]["verdict"] = json!("VALID");
    let action = first_action(&document);
    // As many as it takes to tell something, whatever this machine managed.
    document["actions"][&action]["count"] = json!(10_000);
    write(&state, "a.json", &document);

    let same = run(&state, &["compare", "a.json", "a.json"]);
    assert_eq!(same.status.code(), Some(0), "{}{}", stdout(&same), stderr(&same));
    assert!(stdout(&same).contains("a.json: chat run"), "{}", stdout(&same));

    let mut failing = document.clone();
    failing["actions"][&action]["failed"] = json!(5_000);
    failing["users"]["asked"] = json!(40);
    write(&state, "b.json", &failing);
    let worse = run(&state, &["compare", "a.json", "b.json", "--action", &action]);
    assert_eq!(worse.status.code(), Some(6), "{}{}", stdout(&worse), stderr(&worse));
    assert!(stdout(&worse).starts_with("WORSE  1 of "), "{}", stdout(&worse));
    assert!(stdout(&worse).contains("One run a side: "), "{}", stdout(&worse));
    assert!(stdout(&worse).contains("not the same load: 20 users before, 40 users now"));
    // The other way round it is better.
    let better = run(&state, &["compare", "b.json", "a.json", "--json"]);
    assert_eq!(better.status.code(), Some(0), "{}", stderr(&better));
    let told: Value = serde_json::from_str(&stdout(&better)).unwrap();
    assert_eq!(
        (&told["schema"], &told["verdict"]),
        (&json!("crowd.comparison/2"), &json!("better"))
    );

    failing["generator"]["verdict"] = json!("INVALID");
    write(&state, "b.json", &failing);
    let invalid = run(&state, &["compare", "a.json", "b.json"]);
    assert_eq!(invalid.status.code(), Some(3), "{}", stdout(&invalid));
    assert!(
        stdout(&invalid).starts_with("INVALID  the generator of b.json"),
        "{}",
        stdout(&invalid)
    );
    let anyway = run(&state, &["compare", "a.json", "b.json", "--even-if-invalid"]);
    assert_eq!(anyway.status.code(), Some(6), "{}", stdout(&anyway));
}

#[test]
fn several_runs_a_side_stand_on_both_sides_of_two_dashes() {
    let state = TempDir::new().unwrap();
    let mut document = measured(&state, "measured.json");
    document["generator"]["verdict"] = json!("VALID");
    let action = first_action(&document);
    document["actions"][&action]["count"] = json!(10_000);
    for name in ["a1", "a2", "a3", "b1", "b2"] {
        document["run"]["id"] = json!(name);
        write(&state, &format!("{name}.json"), &document);
    }
    let sides = ["a1.json", "a2.json", "a3.json", "--", "b1.json", "b2.json"];
    let compared = |flags: &[&str]| run(&state, &[&["compare"], flags, &sides].concat());
    let same = compared(&[]);
    assert_eq!(same.status.code(), Some(0), "{}{}", stdout(&same), stderr(&same));
    assert!(stdout(&same).contains("  candidate  b2.json: chat run b2"), "{}", stdout(&same));
    assert!(!stdout(&same).contains("One run a side"), "{}", stdout(&same));

    // An action is missing in one of the new runs.
    document["actions"].as_object_mut().unwrap().remove(&action);
    write(&state, "b2.json", &document);
    let vanished = compared(&[]);
    assert_eq!(vanished.status.code(), Some(6), "{}", stdout(&vanished));
    let first = format!("WORSE  `{action}` vanished from b2.json");
    assert!(stdout(&vanished).starts_with(&first), "{}", stdout(&vanished));
    let told: Value = serde_json::from_str(&stdout(&compared(&["--json"]))).unwrap();
    assert_eq!(told["candidate"].as_array().unwrap().len(), 2);
    assert_eq!(told["actions"][0]["event"], "vanished");

    document["run"]["id"] = json!("a2");
    write(&state, "b2.json", &document);
    let twice = compared(&[]);
    assert_eq!(twice.status.code(), Some(64), "{}", stdout(&twice));
    assert!(
        stderr(&twice).contains("a2.json and b2.json are the same run a2"),
        "{}",
        stderr(&twice)
    );
}

#[test]
fn what_cannot_be_compared_is_bad_usage() {
    let state = TempDir::new().unwrap();
    fs::write(state.path().join("text.json"), "not json").unwrap();
    fs::write(state.path().join("other.json"), r#"{"schema": "crowd.run/9"}"#).unwrap();
    fs::write(state.path().join("short.json"), r#"{"schema": "crowd.run/1"}"#).unwrap();
    fs::write(state.path().join("none.json"), "{}").unwrap();
    let refused = |arguments: &[&str], complaints: &[&str]| {
        let output = run(&state, arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {}", stdout(&output));
        for complaint in complaints {
            assert!(stderr(&output).contains(complaint), "{arguments:?}: {}", stderr(&output));
        }
    };
    refused(
        &["compare", "nowhere.json", "text.json"],
        &["`nowhere.json`: ", "`text.json`: this is no"],
    );
    refused(
        &["compare", "other.json", "none.json"],
        &[
            "its schema is `crowd.run/9`, and must be `crowd.run/1`",
            "`none.json`: this is no document of",
        ],
    );
    refused(&["compare", "short.json", "short.json"], &["`short.json`: the document is damaged"]);
    let several =
        "several with `--` between the sides, `crowd compare BASE1.json BASE2.json -- NEW";
    refused(&["compare"], &["0 documents without `--`: give one document a side", several]);
    refused(&["compare", "a.json"], &["1 document without `--`", several]);
    refused(&["compare", "a.json", "b.json", "c.json"], &["3 documents without `--`", several]);
    // What a pattern without a match leaves: not a comparison of the first two.
    refused(&["compare", "a.json", "b.json", "--"], &["no document after `--`", several]);
    refused(&["compare", "--", "a.json"], &["no document before `--`", several]);
    refused(&["compare", "a.json", "--", "b.json", "--json"], &["`--json` stands after `--`"]);
    refused(&["compare", "a.json", "b.json", "--tolerance", "much"], &["not a share"]);
}
