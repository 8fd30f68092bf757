//! A person's terminal: a pty with the binary in it and an emulator that knows what is on the
//! screen and answers what a terminal is asked.

use std::{
    io::Write,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use expectrl::process::unix::WaitStatus;
use expectrl::session::OsSession;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What programs ask to learn where the cursor is.
const WHERE: &[u8] = b"\x1b[6n";

/// A terminal of 120 columns and 50 rows.
pub struct Terminal {
    session: OsSession,
    emulator: vt100::Parser,
    pending: Vec<u8>,
}

impl Terminal {
    /// Starts the program in a new terminal.
    pub fn start(mut command: Command) -> Self {
        command.env("TERM", "xterm-256color").env_remove("NO_COLOR");
        let mut session = OsSession::spawn(command).unwrap();
        session.get_process_mut().set_window_size(120, 50).unwrap();
        Self { session, emulator: vt100::Parser::new(50, 120, 0), pending: Vec::new() }
    }

    /// Starts the binary with these arguments.
    pub fn crowd(state: &Path, arguments: &[&str]) -> Self {
        let mut command = super::binary::crowd(state);
        command.args(arguments);
        Self::start(command)
    }

    /// Presses keys.
    pub fn keys(&mut self, keys: &str) {
        self.session.write_all(keys.as_bytes()).unwrap();
        self.session.flush().unwrap();
    }

    /// Types a command at the prompt, and waits for the prompt to be back and for `wanted` to
    /// stand on the screen.
    pub fn command(&mut self, line: &str, wanted: &str) {
        self.prompt();
        self.keys(line);
        self.until("what was typed", |screen| screen.cursor.starts_with(&format!("crowd> {line}")));
        self.keys("\r");
        self.until(wanted, |screen| {
            screen.cursor == "crowd>" && screen.after(&format!("crowd> {line}")).contains(wanted)
        });
    }

    /// Waits for an empty prompt.
    pub fn prompt(&mut self) {
        self.until("the prompt", |screen| screen.cursor == "crowd>");
    }

    /// Waits until the screen is as wanted.
    #[track_caller]
    pub fn until(&mut self, what: &str, wanted: impl Fn(&Screen) -> bool) -> Screen {
        let began = Instant::now();
        loop {
            self.read();
            let screen = self.screen();
            if wanted(&screen) {
                return screen;
            }
            assert!(began.elapsed() < PATIENCE, "no sight of {what}:\n{}", screen.text);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for the program to end; answers with its exit code and what stands on the screen.
    pub fn end(mut self) -> (i32, String) {
        let began = Instant::now();
        while self.session.get_process().is_alive().unwrap() {
            self.read();
            assert!(began.elapsed() < PATIENCE, "it does not end:\n{}", self.screen().text);
            std::thread::sleep(Duration::from_millis(10));
        }
        self.read();
        let text = self.screen().text;
        match self.session.get_process().wait() {
            Ok(WaitStatus::Exited(_, code)) => (code, text),
            other => panic!("it did not end by itself: {other:?}\n{text}"),
        }
    }

    /// The id of the process.
    pub fn pid(&self) -> String {
        self.session.get_process().pid().to_string()
    }

    /// Takes in what was printed, and answers questions in it.
    fn read(&mut self) {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = self.session.try_read(&mut bytes) {
            self.pending.extend_from_slice(&bytes[..count]);
            self.digest();
        }
    }

    fn digest(&mut self) {
        while let Some(at) = self.pending.windows(WHERE.len()).position(|bytes| bytes == WHERE) {
            let rest = self.pending.split_off(at + WHERE.len());
            self.emulator.process(&self.pending);
            self.pending = rest;
            let (row, column) = self.emulator.screen().cursor_position();
            self.keys(&format!("\x1b[{};{}R", row + 1, column + 1));
        }
        // The beginning of a question waits for its end.
        let kept = (1..WHERE.len()).rev().find(|n| self.pending.ends_with(&WHERE[..*n]));
        let rest = self.pending.split_off(self.pending.len() - kept.unwrap_or(0));
        self.emulator.process(&self.pending);
        self.pending = rest;
    }

    fn screen(&self) -> Screen {
        let screen = self.emulator.screen();
        let rows: Vec<_> = screen.rows(0, 120).map(|row| row.trim_end().to_owned()).collect();
        let cursor = rows[usize::from(screen.cursor_position().0)].clone();
        Screen { cursor, text: rows.join("\n").trim_end().to_owned() }
    }
}

/// What stands on the screen.
pub struct Screen {
    /// The row of the cursor.
    pub cursor: String,
    /// All rows.
    pub text: String,
}

impl Screen {
    /// What stands behind the last occurrence of `text`; nothing if there is none.
    pub fn after(&self, text: &str) -> &str {
        self.text.rfind(text).map_or("", |at| &self.text[at + text.len()..])
    }
}
