//! What the binary says of itself: help, examples, descriptions.

use std::{fs, process::Command};

use tempfile::TempDir;

use crate::binary::{crowd, finish, stderr, stdout};

fn says(arguments: &[&str]) -> String {
    let state = TempDir::new().unwrap();
    let mut command = crowd(state.path());
    command.args(arguments);
    let output = finish(command, "");
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
    stdout(&output)
}

const VERBS: [&str; 12] = [
    "console",
    "start",
    "run",
    "capacity",
    "scenarios",
    "profile",
    "compare",
    "report",
    "attach",
    "eval",
    "status",
    "new",
];

#[test]
fn help_is_a_verb_too() {
    assert_eq!(says(&["help"]), says(&["--help"]));
    assert_eq!(says(&["help", "run"]), says(&["run", "--help"]));
}

#[test]
fn a_flag_stands_in_the_help_of_the_verbs_that_use_it() {
    for verb in VERBS {
        let help = says(&["help", verb]);
        let starts_a_node = ["console", "start"].contains(&verb);
        assert_eq!(help.contains("--on-node-loss"), starts_a_node, "{verb}: {help}");
    }
    let state = TempDir::new().unwrap();
    let mut command = crowd(state.path());
    command.args(["eval", "--on-node-loss", "stop", "status"]);
    assert_eq!(finish(command, "").status.code(), Some(64));
    // Before the verb it is the node's, as ever.
    let mut command = crowd(state.path());
    command.args(["--on-node-loss", "stop"]);
    assert_eq!(finish(command, "quit\n").status.code(), Some(0));
}

#[test]
fn descriptions_of_scenarios_fit_a_terminal() {
    for scenario in ["chat", "echo", "http", "idle"] {
        let text = says(&["scenarios", scenario]);
        let long: Vec<_> = text.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(long.is_empty(), "{scenario}: {long:#?}");
        for word in ["user_rate", "default 1200/min", "may change while a run goes on"] {
            assert!(text.contains(word), "{scenario}: no {word} in {text}");
        }
    }
}

/// The lines of the examples below a verb's help, those that go on put together.
fn examples(verb: &str) -> Vec<String> {
    let help = says(&["help", verb]);
    let lines = help.split_once("Examples:\n").unwrap().1.lines();
    let lines = lines.take_while(|line| line.starts_with("  "));
    let mut examples: Vec<String> = Vec::new();
    for line in lines.map(str::trim) {
        match examples.last_mut().filter(|last| last.ends_with('\\')) {
            Some(last) => {
                last.pop();
                last.push_str(line);
            }
            None => examples.push(line.to_owned()),
        }
    }
    examples
}

/// Examples are real: each begins its run, and its thresholds are of something that the scenario
/// measures. `timeout` ends them before long.
#[test]
fn the_examples_of_run_work() {
    let examples = examples("run");
    assert!(examples.len() > 5, "{examples:?}");
    let folder = TempDir::new().unwrap();
    let profile = "[[stages]]\nduration = '1m'\nrate = '5/s'\n";
    fs::write(folder.path().join("load.toml"), profile).unwrap();
    // Those with `--api` need a node.
    for example in examples.iter().filter(|example| !example.contains("--api")) {
        let script = example
            .replacen("crowd ", "exec \"$CROWD\" --log crowd=info ", 1)
            .replace("http://localhost:8080/", "http://127.0.0.1:9/");
        let binary = crowd(folder.path());
        let mut shell = Command::new("timeout");
        shell.args(["-s", "TERM", "3", "sh", "-c", &script]).env("CROWD", binary.get_program());
        shell.current_dir(folder.path());
        for (name, value) in binary.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        let output = finish(shell, "");
        let (told, log) = (stdout(&output), stderr(&output));
        assert!(log.contains("to=\"running\""), "{example}: {log}");
        assert!(!told.contains("nothing was measured"), "{example}: {told}");
    }
}
