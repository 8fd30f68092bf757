//! A node that runs in the background.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::binary::crowd;

/// A node without console. It ends when dropped.
pub(crate) struct Running {
    /// Where its API is.
    pub(crate) api: String,
    state: TempDir,
    process: Child,
}

impl Running {
    /// Starts a node with these variables, and waits until it is ready.
    pub(crate) fn start(variables: &[(&str, &str)]) -> Self {
        let state = TempDir::new().unwrap();
        let mut command = crowd(state.path());
        command.arg("start").env("CROWD_NODE_NAME", "tester").envs(variables.iter().copied());
        command.stdout(Stdio::piped()).stdin(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let ready = lines.next().expect("it ended without a word").unwrap();
        let api = ready.split_once(", api ").expect("no address").1.to_owned();
        Self { api, state, process }
    }

    /// The binary with these arguments, `--api` put behind the first.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = crowd(self.state.path());
        command.arg(arguments[0]).args(["--api", &self.api]).args(&arguments[1..]);
        command
    }

    /// A folder for who works with it.
    pub(crate) fn state(&self) -> &Path {
        self.state.path()
    }

    /// Ends it as an operator would.
    pub(crate) fn end(&mut self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert_eq!(self.process.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
