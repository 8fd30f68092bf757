//! `crowd report` as a process: what it makes of a document, and what it says of a file that is none.

use std::{fs, path::Path};

use serde_json::Value;
use tempfile::TempDir;

use crate::binary::{crowd, finish, stderr, stdout};

fn report(state: &TempDir, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = crowd(state.path());
    command.arg("report").args(arguments);
    let output = finish(command, "");
    (output.status.code(), stdout(&output), stderr(&output))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn makes_of_a_document_what_the_run_would_have_made() {
    let state = TempDir::new().unwrap();
    let [json, html, xml, later, later_xml] =
        ["run.json", "run.html", "run.xml", "later.html", "later.xml"]
            .map(|name| state.path().join(name));
    let mut command = crowd(state.path());
    command
        .args([
            "run",
            "idle",
            "--users",
            "5",
            "lifetime=200ms",
            "--user-rate",
            "unlimited",
            "--json",
        ])
        .arg(&json)
        .arg("--html")
        .arg(&html)
        .arg("--junit")
        .arg(&xml);
    let run = finish(command, "");
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));

    let (code, summary, faults) = report(&state, &[text(&json)]);
    assert_eq!((code, faults.as_str()), (Some(0), ""));
    assert_eq!(summary, stdout(&run));

    let made = report(&state, &[text(&json), "--html", text(&later), "--junit", text(&later_xml)]);
    assert_eq!(made, (Some(0), String::new(), String::new()));
    assert_eq!(fs::read_to_string(&later).unwrap(), fs::read_to_string(&html).unwrap());
    assert_eq!(fs::read_to_string(&later_xml).unwrap(), fs::read_to_string(&xml).unwrap());
}

#[test]
fn a_file_that_is_no_document_is_named() {
    let state = TempDir::new().unwrap();
    let path = state.path().join("run.json");
    let page = state.path().join("run.html");
    let refused = |content: Option<&str>| {
        match content {
            Some(content) => fs::write(&path, content).unwrap(),
            None => drop(fs::remove_file(&path)),
        }
        let (code, answer, fault) = report(&state, &[text(&path), "--html", text(&page)]);
        assert_eq!((code, answer.as_str()), (Some(64), ""), "{fault}");
        assert!(!page.exists());
        fault.trim_end().replace(text(&path), "FILE")
    };
    assert_eq!(refused(None), "`FILE` cannot be read: No such file or directory (os error 2)");
    assert_eq!(
        refused(Some("{\"schema\": \"crowd.run/9\"}")),
        "`FILE` holds a document of schema `crowd.run/9`; this version reads `crowd.run/1`, as written by `crowd run --json`"
    );
    assert_eq!(
        refused(Some("{\"schema\": ")),
        "`FILE` holds no result of a run, as written by `crowd run --json`: it ends too early, at line 1 column 11"
    );
    assert_eq!(
        refused(Some("{\"a\": 1}")),
        "`FILE` holds no result of a run, as written by `crowd run --json`: `schema` is missing, at line 1 column 8"
    );
    assert!(refused(Some("{\"schema\": \"crowd.run/1\"}")).contains("`run` is missing"));
    assert!(refused(Some("[]")).contains("holds no result of a run"));
}

#[test]
fn an_output_that_cannot_be_written_is_told() {
    let state = TempDir::new().unwrap();
    let nowhere = state.path().join("nowhere/run.html");
    let (code, _, fault) = report(&state, &["run.json", "--html", text(&nowhere)]);
    assert_eq!(code, Some(64));
    assert!(fault.contains("--html") && fault.contains("there is no folder"), "{fault}");
}

#[test]
fn a_document_of_an_earlier_version_is_read() {
    let state = TempDir::new().unwrap();
    let path = state.path().join("run.json");
    let mut command = crowd(state.path());
    command.args(["run", "idle", "--users", "1", "lifetime=10ms", "--json"]).arg(&path);
    assert_eq!(finish(command, "").status.code(), Some(0));
    let mut document: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    for newer in ["series", "lifetimes", "nodes", "gaps"] {
        document.as_object_mut().unwrap().remove(newer).unwrap();
    }
    fs::write(&path, document.to_string()).unwrap();
    let page = state.path().join("run.html");
    let made = report(&state, &[text(&path), "--html", text(&page)]);
    assert_eq!(made, (Some(0), String::new(), String::new()));
}
