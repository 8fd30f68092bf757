//! The console as a person uses it: the real binary in a terminal.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use crate::terminal::Terminal;
use tempfile::TempDir;

const UP: &str = "\x1b[A";
const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";

fn console() -> (TempDir, Terminal) {
    let state = TempDir::new().unwrap();
    let mut terminal = Terminal::crowd(state.path(), &["--log", "error"]);
    terminal.prompt();
    (state, terminal)
}

#[test]
fn a_run_from_do_to_quit() {
    let (_state, mut terminal) = console();
    terminal.command("help do", "do SCENARIO COUNT");
    terminal.command("scenarios", "idle");
    terminal.command("do idle 5 user_rate=unlimited", "users 1 to 5");
    terminal.command("add 2", "users 6 to 7");
    terminal.command("remove 3", "3 users told to stop");
    terminal.command("status", "7 asked for");
    terminal.command("launch 5", "not a command");
    terminal.command("stop", "the run is");
    terminal.command("wait 20s", "all users are gone");
    terminal.command("status", "finished");
    terminal.command("reset", "idle again");
    terminal.keys("quit\r");
    let (code, text) = terminal.end();
    assert_eq!(code, 0, "{text}");
}

#[test]
fn tab_completes_verbs_scenarios_and_settings() {
    let (_state, mut terminal) = console();
    terminal.keys("rem\t");
    terminal.until("a verb", |screen| screen.cursor.starts_with("crowd> remove"));
    terminal.keys(CTRL_C);
    terminal.prompt();
    terminal.keys("do id\t");
    terminal.until("a scenario", |screen| screen.cursor.starts_with("crowd> do idle"));
    terminal.keys("3 life\t");
    terminal.until("a setting", |screen| screen.cursor.starts_with("crowd> do idle 3 lifetime="));
    terminal.keys(CTRL_C);
    terminal.prompt();
    terminal.keys("st\t");
    terminal.until("a menu", |screen| {
        let menu = screen.after("crowd> st");
        menu.contains("stop") && menu.contains("status")
    });
}

#[test]
fn log_lines_appear_above_what_is_being_typed() {
    let state = TempDir::new().unwrap();
    let mut terminal = Terminal::crowd(state.path(), &["--log", "crowd=trace"]);
    terminal.prompt();
    terminal.command("do idle 1 lifetime=4s user_rate=unlimited", "is running");
    terminal.keys("stat");
    terminal.until("what was typed", |screen| screen.cursor.starts_with("crowd> stat"));
    let screen = terminal.until("the end of the user", |screen| {
        screen.text.contains("crowd.scenario.start.stop")
            && screen.cursor.starts_with("crowd> stat")
    });
    let log = screen.text.find("crowd.scenario.start.stop").unwrap();
    assert!(log < screen.text.rfind("crowd> stat").unwrap(), "{}", screen.text);
    terminal.keys("us\r");
    terminal.until("the answer to what was typed", |screen| {
        screen.after("crowd> status").contains("1 finished")
    });
}

#[test]
fn history_is_kept_from_one_console_to_the_next() {
    let (state, mut terminal) = console();
    terminal.command("nodes", "this node");
    terminal.command("throttle list", "no throttle");
    terminal.keys(UP);
    terminal.until("the last line", |screen| screen.cursor.starts_with("crowd> throttle list"));
    terminal.keys(UP);
    terminal.until("the line before", |screen| screen.cursor.starts_with("crowd> nodes"));
    terminal.keys(CTRL_C);
    terminal.prompt();
    terminal.keys(CTRL_D);
    assert_eq!(terminal.end().0, 0);

    let mut terminal = Terminal::crowd(state.path(), &[]);
    terminal.prompt();
    terminal.keys(UP);
    terminal.until("the last line", |screen| screen.cursor.starts_with("crowd> throttle list"));
}

#[test]
fn lines_with_secrets_are_remembered_and_not_kept() {
    let (state, mut terminal) = console();
    terminal.command("nodes", "this node");
    for line in ["set headers='A: S3CRET'", "do http 1 url=http://me:S3CRET@127.0.0.1:1/"] {
        terminal.command(line, "[");
        terminal.keys(UP);
        let end = line.chars().rev().take(9).collect::<Vec<_>>();
        let end: String = end.into_iter().rev().collect();
        terminal.until("the last line", |screen| screen.cursor.ends_with(&end));
        terminal.keys(CTRL_C);
        terminal.prompt();
    }
    terminal.command("throttle list", "no throttle");
    terminal.keys(CTRL_D);
    assert_eq!(terminal.end().0, 0);
    let path = state.path().join("crowd/history");
    assert_eq!(fs::read_to_string(&path).unwrap(), "nodes\nthrottle list\n");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn ctrl_c_clears_the_line_and_ends_a_wait_but_not_the_run() {
    let (_state, mut terminal) = console();
    terminal.keys("half a li");
    terminal.until("what was typed", |screen| screen.cursor.starts_with("crowd> half a li"));
    terminal.keys(CTRL_C);
    terminal.prompt();
    terminal.command("do idle 2 user_rate=unlimited", "users 1 to 2");
    terminal.prompt();
    terminal.keys("wait\r");
    terminal.until("the wait", |screen| !screen.cursor.starts_with("crowd>"));
    terminal.keys(CTRL_C);
    terminal.until("the end of the wait", |screen| {
        screen.text.contains("no longer waiting") && screen.cursor == "crowd>"
    });
    terminal.command("status", "2 running");
}

#[test]
fn leaving_with_a_run_on_stops_it_and_tells_about_it() {
    let (_state, mut terminal) = console();
    terminal.command("do idle 2 user_rate=unlimited", "users 1 to 2");
    terminal.keys(CTRL_D);
    let (code, text) = terminal.end();
    assert_eq!(code, 0, "{text}");
    let end = &text[text.rfind("crowd>").unwrap()..];
    assert!(end.contains("the run of `idle` is on"), "{text}");
    assert!(end.contains("idle") && end.lines().count() > 3, "no summary:\n{text}");
}

#[test]
fn sigterm_ends_the_console_and_the_run() {
    let (_state, mut terminal) = console();
    terminal.command("do idle 2 user_rate=unlimited", "users 1 to 2");
    terminal.keys("half a li");
    let status = Command::new("kill").args(["-TERM", &terminal.pid()]).status().unwrap();
    assert!(status.success());
    let (code, text) = terminal.end();
    assert_eq!(code, 5, "{text}");
    assert!(text.contains("the run of `idle` is on"), "{text}");
}

#[test]
fn tab_says_nothing_where_nothing_fits() {
    let (_state, mut terminal) = console();
    terminal.keys("launch \t");
    terminal.keys("now");
    let screen =
        terminal.until("what was typed", |screen| screen.cursor.starts_with("crowd> launch now"));
    assert!(!screen.text.to_lowercase().contains("no records"), "{}", screen.text);
    terminal.keys(CTRL_C);
    terminal.prompt();
    terminal.keys("exit\r");
    let (code, text) = terminal.end();
    assert_eq!(code, 0, "{text}");
}
