//! The real binary, as a process without a terminal.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

/// The binary with a clean environment and a state folder of its own.
pub(crate) fn crowd(state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crowd"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CROWD_") {
            command.env_remove(name);
        }
    }
    command.env("XDG_STATE_HOME", state).env("CROWD_LOG", "warn").env_remove("RUST_LOG");
    // Tests run side by side.
    command.env("CROWD_API_LISTEN", "127.0.0.1:0");
    command
}

/// Runs it to its end with this standard input.
pub(crate) fn finish(mut command: Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may end before it has read everything.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// What it printed.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What it complained of.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
