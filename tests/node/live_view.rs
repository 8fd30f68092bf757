//! The lines that tell of a run while it goes on, in terminals of several kinds and sizes.

use tempfile::TempDir;

use crate::{
    binary::crowd,
    terminal::{COLUMNS, Screen, Terminal},
};

/// Something is coloured.
fn has_colours(printed: &str) -> bool {
    let mut rest = printed;
    while let Some((_, after)) = rest.split_once("\x1b[") {
        let end = after.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(0);
        if after[end..].starts_with('m') {
            return true;
        }
        rest = after;
    }
    false
}

/// A run of some seconds in such a terminal, whose live view has something to colour: a threshold
/// fails.
fn started(variables: &[(&str, &str)]) -> (TempDir, Terminal) {
    let state = TempDir::new().unwrap();
    let mut command = crowd(state.path());
    command
        .args(["run", "echo", "--users", "4", "--user-rate", "unlimited", "interval=50ms"])
        .args(["--threshold", "p50(echo) < 1us"])
        .envs(variables.iter().copied());
    (state, Terminal::start(command))
}

/// A line about the action, and one about the threshold.
fn in_full(screen: &Screen) -> bool {
    screen.text.contains("echo  ") && screen.text.contains("fails: ")
}

#[test]
fn a_terminal_sees_colours_unless_somebody_said_no() {
    for (variables, wanted) in [(&[][..], true), (&[("NO_COLOR", "1")], false)] {
        let (_state, mut terminal) = started(variables);
        terminal.until("the action and the threshold", in_full);
        assert_eq!(has_colours(&terminal.printed()), wanted, "{variables:?}");
        terminal.keys("\x03");
        let (code, text) = terminal.ended();
        assert_eq!(code, 5, "{text}");
        assert_eq!(has_colours(&terminal.printed()), wanted, "{variables:?}, the summary");
    }
}

#[test]
fn a_terminal_that_cannot_be_drawn_on_gets_plain_text() {
    // Nothing is drawn, so the log has to tell that it runs.
    let (_state, mut terminal) = started(&[("TERM", "dumb"), ("CROWD_LOG", "crowd=info")]);
    terminal.until("that it runs", |screen| screen.text.contains("to=\"running\""));
    terminal.keys("\x03");
    let (code, text) = terminal.ended();
    assert_eq!(code, 5, "{text}");
    let printed = terminal.printed();
    assert!(!printed.contains('\x1b'), "{printed:?}");
}

#[test]
fn the_lines_fit_a_window_whose_size_changes() {
    let (_state, mut terminal) = started(&[]);
    terminal.until("the whole table", |screen| screen.text.contains("p99 ms"));
    let once = |screen: &Screen, part: &str| screen.text.matches(part).count() == 1;
    // Too narrow for all numbers, and too low for all lines.
    for (rows, columns) in [(50, 30), (50, 50), (4, 50), (3, COLUMNS), (50, COLUMNS)] {
        terminal.resize(rows, columns);
        let screen = terminal.until("one state line", |screen| once(screen, " running"));
        assert!(
            screen.text.lines().all(|line| line.chars().count() <= usize::from(columns)),
            "{}",
            screen.text
        );
    }
    terminal.until("the whole table again", |screen| {
        once(screen, " running") && once(screen, "p99 ms") && once(screen, "fails: ")
    });
    terminal.keys("\x03");
    assert_eq!(terminal.end().0, 5);
}
