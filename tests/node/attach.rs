//! `crowd attach`: the console of a running node, in pipes and in a terminal.

use std::process::Command;

use crate::binary::{finish, stderr, stdout};
use crate::running::Running;
use crate::terminal::Terminal;

const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";

fn attached(node: &Running) -> Terminal {
    let mut terminal = Terminal::crowd(node.state(), &["attach", "--api", &node.api]);
    terminal.prompt();
    terminal
}

fn status(node: &Running) -> String {
    stdout(&finish(node.command(&["status"]), ""))
}

#[test]
fn a_script_drives_a_running_node_and_leaves_its_run_alone() {
    let node = Running::start(&[]);
    let script = "# a run\ndo idle 3 user_rate=unlimited\nwait 300ms\nquit\nstop\n";
    let output = finish(node.command(&["attach"]), script);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let answers = stdout(&output);
    assert!(answers.contains("users 1 to 3") && answers.contains("the time is up"), "{answers}");
    assert!(!answers.contains('\x1b') && !answers.contains("crowd>"), "{answers:?}");
    assert!(status(&node).contains("running"), "{}", status(&node));
    let output = finish(node.command(&["attach"]), "launch\nremove 1\nadd 0\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("1 user told to stop"));
    let faults = stderr(&output);
    assert!(faults.contains("line 1: ") && faults.contains("line 3: "), "{faults}");
    assert!(status(&node).contains("running"), "{}", status(&node));
}

#[test]
fn a_person_drives_a_running_node_and_leaves_its_run_alone() {
    let node = Running::start(&[]);
    let mut terminal = attached(&node);
    terminal.until("whose console it is", |screen| {
        screen.text.contains(&format!("tester at {}", node.api))
    });
    terminal.command("do idle 5 user_rate=unlimited", "users 1 to 5");
    terminal.command("status", "5 asked for");
    terminal.command("add 0", "[invalid-range]");
    terminal.keys("wait\r");
    terminal.until("the wait", |screen| !screen.cursor.starts_with("crowd>"));
    terminal.keys(CTRL_C);
    terminal.until("the end of the wait", |screen| {
        screen.text.contains("no longer waiting") && screen.cursor == "crowd>"
    });
    terminal.keys(CTRL_D);
    let (code, text) = terminal.end();
    assert_eq!(code, 0, "{text}");
    assert!(status(&node).contains("5 running"), "{}", status(&node));
    let mut terminal = attached(&node);
    terminal.keys("quit\r");
    assert_eq!(terminal.end().0, 0);
    assert!(status(&node).contains("5 running"), "{}", status(&node));
}

#[test]
fn names_of_the_node_are_completed() {
    let node = Running::start(&[]);
    let mut terminal = attached(&node);
    terminal.keys("do id\t");
    terminal.until("a scenario", |screen| screen.cursor.starts_with("crowd> do idle"));
    terminal.keys("3 life\t");
    terminal.until("a setting", |screen| screen.cursor.starts_with("crowd> do idle 3 lifetime="));
    terminal.keys(CTRL_C);
    terminal.prompt();
    terminal.command("throttle start login 5/s", "is started");
    terminal.prompt();
    terminal.keys("throttle info lo\t");
    terminal.until("a throttle", |screen| screen.cursor.starts_with("crowd> throttle info login"));
    terminal.keys(CTRL_C);
    terminal.prompt();
    terminal.keys("drain te\t");
    terminal.until("a node", |screen| screen.cursor.starts_with("crowd> drain tester"));
}

#[test]
fn a_node_that_is_gone_is_told_and_the_console_stays() {
    let mut node = Running::start(&[]);
    let mut terminal = attached(&node);
    terminal.command("nodes", "this node");
    node.end();
    terminal.command("status", "no node answers");
    terminal.command("nodes", "the next command tries again");
    let again = Running::start(&[("CROWD_API_LISTEN", node.api.strip_prefix("http://").unwrap())]);
    assert_eq!(again.api, node.api);
    terminal.command("status", "idle");
    terminal.keys(CTRL_D);
    assert_eq!(terminal.end().0, 0);
}

#[test]
fn a_signal_ends_the_console_and_not_the_node() {
    let node = Running::start(&[]);
    let terminal = attached(&node);
    let kill = Command::new("kill").args(["-TERM", &terminal.pid()]).status().unwrap();
    assert!(kill.success());
    assert_eq!(terminal.end().0, 5);
    assert!(status(&node).contains("idle"), "{}", status(&node));
}

#[test]
fn the_wrong_token_is_no_way_in() {
    let node = Running::start(&[("CROWD_API_TOKEN", "sesame")]);
    let output = finish(node.command(&["attach"]), "status\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("[unauthorized]"), "{}", stderr(&output));
    assert_eq!(stdout(&output), "");
}
