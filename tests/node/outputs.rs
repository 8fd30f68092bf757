//! Files that a result cannot go into are told before the run, and all of them at once.

use std::{fs, os::unix::fs::symlink, path::Path};

use tempfile::TempDir;

use crate::binary::{crowd, finish, stderr, stdout};

/// Runs `crowd` in a folder; answers with its exit code and what it complained of.
fn told(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = crowd(folder);
    command.current_dir(folder).args(arguments);
    let output = finish(command, "");
    assert!(output.status.code() == Some(0) || stdout(&output).is_empty(), "{}", stdout(&output));
    (output.status.code(), stderr(&output))
}

const RUN: [&str; 5] = ["run", "idle", "--users", "1", "lifetime=10ms"];
const SEARCH: [&str; 3] = ["capacity", "idle", "--max=1"];

#[test]
fn what_can_be_known_before_is_told_before() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    symlink("nowhere/x", folder.path().join("dangling")).unwrap();
    symlink("sub/x", folder.path().join("link")).unwrap();
    let long = "a".repeat(300);
    let cases: [(&[&str], &[&str]); 9] = [
        (&["--json", "nowhere/x"], &["--json nowhere/x: there is no folder `nowhere`"]),
        (&["--json", "sub"], &["--json sub: this is a folder; name a file"]),
        (&["--json", "dangling"], &["--json dangling: there is no folder `", "/nowhere`"]),
        (&["--json", &long], &["--json aaaaa", "this is too long for a path or the name in it"]),
        (&["--json", "/proc/x"], &["--json /proc/x: no file can be written in `/proc`"]),
        (&["--json", "-"], &["--json -: `-` names no file; write `/dev/stdout`"]),
        (&["--json", "x", "--html", "./x"], &["--json and --html name the same file, `./x`"]),
        (&["--json", "sub/x", "--html", "link"], &["--json and --html name the same file, `link`"]),
        (
            &["--json", "nowhere/x", "--html", "sub"],
            &["--json nowhere/x: there is no folder", "\n--html sub: this is a folder"],
        ),
    ];
    for verb in [&RUN[..], &SEARCH] {
        for (files, says) in cases {
            let (code, fault) = told(folder.path(), &[verb, files].concat());
            assert_eq!(code, Some(64), "{files:?}: {fault}");
            assert!(says.iter().all(|part| fault.contains(part)), "{files:?}: {fault}");
        }
    }
    assert_eq!(fs::read_dir(folder.path().join("sub")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn every_fault_of_a_command_line_is_told_at_once() {
    let folder = TempDir::new().unwrap();
    let arguments = [
        "run",
        "idle",
        "--stages",
        "1m: 5 -> many",
        "a=1",
        "a=2",
        "--threshold",
        "p95",
        "--junit",
        "nowhere/x",
        "--users",
        "1",
    ];
    let (code, fault) = told(folder.path(), &arguments);
    assert_eq!(code, Some(64));
    for part in ["--users says", "many", "`a` is given twice", "--threshold", "--junit nowhere/x"] {
        assert!(fault.contains(part), "no {part} in {fault}");
    }
    let (code, fault) =
        told(folder.path(), &["capacity", "idle", "--max=0", "--html", "nowhere/x"]);
    assert_eq!(code, Some(64));
    for part in ["max", "--html nowhere/x"] {
        assert!(fault.contains(part), "no {part} in {fault}");
    }
}

#[test]
fn links_are_followed_and_long_names_are_fine() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    symlink("sub/new.json", folder.path().join("link.json")).unwrap();
    let long = format!("{}.xml", "a".repeat(251));
    let (code, fault) =
        told(folder.path(), &[&RUN[..], &["--json", "link.json", "--junit", &long]].concat());
    assert_eq!((code, fault.as_str()), (Some(0), ""));
    assert!(fs::symlink_metadata(folder.path().join("link.json")).unwrap().is_symlink());
    let document = fs::read_to_string(folder.path().join("sub/new.json")).unwrap();
    assert!(document.contains("\"exit_code\": 0"), "{document}");
    assert!(fs::read_to_string(folder.path().join(long)).unwrap().contains("<testsuites"));
}
