//! The console without a terminal: commands from a pipe.

use crate::binary::{crowd, finish, stderr, stdout};
use tempfile::TempDir;

#[test]
fn a_script_prints_its_answers_and_passes() {
    let state = TempDir::new().unwrap();
    let script = "# a run\ndo idle 3 user_rate=unlimited lifetime=200ms\nwait 30s\n\
                  status\nstop\nwait 30s\nreset\n";
    let output = finish(crowd(state.path()), script);
    let answers = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{answers}{}", stderr(&output));
    assert!(answers.contains("users 1 to 3"), "{answers}");
    assert!(answers.contains("all users are gone"), "{answers}");
    assert!(answers.contains("3 finished"), "{answers}");
    assert!(answers.contains("idle again"), "{answers}");
    assert!(!answers.contains("crowd>") && !answers.contains('\x1b'), "{answers:?}");
}

#[test]
fn a_command_that_fails_is_told_with_its_line_and_fails_the_script() {
    let state = TempDir::new().unwrap();
    let mut command = crowd(state.path());
    command.arg("console");
    let output = finish(command, "add 5\nlaunch\nnodes\n");
    assert_eq!(output.status.code(), Some(1));
    let faults = stderr(&output);
    assert!(faults.contains("line 1: ") && faults.contains("[invalid-status]"), "{faults}");
    assert!(faults.contains("line 2: `launch` is not a command"), "{faults}");
    assert!(stdout(&output).contains("this node"));
}

#[test]
fn a_byte_order_mark_before_a_script_is_no_fault() {
    let state = TempDir::new().unwrap();
    let output = finish(crowd(state.path()), "\u{feff}nodes\nquit\n");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("this node"));
}

#[test]
fn a_rate_without_a_time_is_refused_with_both_readings() {
    let state = TempDir::new().unwrap();
    let script = "do idle 1 user_rate=10\ndo idle 0 iteration_rate=10\ndo idle 1\n\
                  throttle start x 10\nthrottle start x 0\nthrottle rate x 0.5\n\
                  throttle ramp x 10 20/s over 5s\nthrottle ramp x 10/s 20 over 5s\n\
                  throttle rate x unlimited\nset user_rate=600\nset user_rate=0\nstop\n";
    let output = finish(crowd(state.path()), script);
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(stderr(&output), @"");
}

#[test]
fn a_run_that_is_on_at_the_end_of_input_is_stopped_and_told() {
    let state = TempDir::new().unwrap();
    let output = finish(crowd(state.path()), "do idle 3 user_rate=unlimited\n");
    let answers = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{answers}{}", stderr(&output));
    let end = answers.split_once("the run of `idle` is on").unwrap().1;
    assert!(end.lines().count() > 2, "no summary: {answers}");
}

#[test]
fn scenarios_are_described() {
    let state = TempDir::new().unwrap();
    let mut all = crowd(state.path());
    all.arg("scenarios");
    let all = stdout(&finish(all, ""));
    for scenario in ["chat", "http", "idle"] {
        assert!(all.contains(scenario), "{all}");
    }
    let mut one = crowd(state.path());
    one.args(["scenarios", "idle"]);
    let one = stdout(&finish(one, ""));
    for word in ["lifetime", "user_rate", "default 1200/min", "Settings:"] {
        assert!(one.contains(word), "no {word}: {one}");
    }
    let mut none = crowd(state.path());
    none.args(["scenarios", "idel"]);
    let none = finish(none, "");
    assert_eq!(none.status.code(), Some(64));
    assert!(stderr(&none).contains("did you mean `idle`?"), "{}", stderr(&none));
}

#[test]
fn what_a_command_answers_is_not_logged_as_well() {
    let state = TempDir::new().unwrap();
    let script = "do idle 1 user_rate=unlimited\nset user_rate=5/s\nstop\nwait 30s\nexit\nlaunch\n";
    let mut usual = crowd(state.path());
    usual.env_remove("CROWD_LOG");
    let output = finish(usual, script);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    // Who asks for it has it.
    let mut asked = crowd(state.path());
    asked.env("CROWD_LOG", "info");
    let log = stderr(&finish(asked, script));
    assert!(log.contains("crowd.controller.state") && log.contains("crowd.config.update"), "{log}");
}
