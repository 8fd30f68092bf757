//! A person's terminal: a pty with the binary in it and an emulator that knows what is on the
//! screen and answers what a terminal is asked.

use std::{
    io::Write,
    num::NonZero,
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

pub(crate) const COLUMNS: u16 = 120;
const ROWS: u16 = 50;

/// A terminal of that size.
pub(crate) struct Terminal {
    session: OsSession,
    emulator: vt100::Parser,
    pending: Vec<u8>,
    printed: Vec<u8>,
}

impl Terminal {
    /// Starts the program in a new terminal, of the usual kind unless its variables say otherwise.
    pub(crate) fn start(mut command: Command) -> Self {
        let given: Vec<_> = command.get_envs().map(|(name, _)| name.to_owned()).collect();
        if !given.iter().any(|name| name == "TERM") {
            command.env("TERM", "xterm-256color");
        }
        if !given.iter().any(|name| name == "NO_COLOR") {
            command.env_remove("NO_COLOR");
        }
        let mut session = OsSession::spawn(command).unwrap();
        session.get_process_mut().set_window_size(COLUMNS, ROWS).unwrap();
        let [rows, columns] = [ROWS, COLUMNS].map(|size| NonZero::new(size).unwrap());
        let emulator = vt100::Parser::new(rows, columns, 0);
        Self { session, emulator, pending: Vec::new(), printed: Vec::new() }
    }

    /// Starts the binary with these arguments.
    pub(crate) fn crowd(state: &Path, arguments: &[&str]) -> Self {
        let mut command = crate::binary::crowd(state);
        command.args(arguments);
        Self::start(command)
    }

    /// Presses keys.
    pub(crate) fn keys(&mut self, keys: &str) {
        self.session.write_all(keys.as_bytes()).unwrap();
        self.session.flush().unwrap();
    }

    /// Types a command at the prompt, and waits for the prompt to be back and for `wanted` to
    /// stand on the screen.
    pub(crate) fn command(&mut self, line: &str, wanted: &str) {
        self.prompt();
        self.keys(line);
        self.until("what was typed", |screen| screen.cursor.starts_with(&format!("crowd> {line}")));
        self.keys("\r");
        self.until(wanted, |screen| {
            screen.cursor == "crowd>" && screen.after(&format!("crowd> {line}")).contains(wanted)
        });
    }

    /// Waits for an empty prompt.
    pub(crate) fn prompt(&mut self) {
        self.until("the prompt", |screen| screen.cursor == "crowd>");
    }

    /// Waits until the screen is as wanted.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, wanted: impl Fn(&Screen) -> bool) -> Screen {
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
    pub(crate) fn end(mut self) -> (i32, String) {
        self.ended()
    }

    /// As [`Terminal::end`], for who wants to know more afterwards.
    pub(crate) fn ended(&mut self) -> (i32, String) {
        let began = Instant::now();
        loop {
            if let Some(ended) = self.has_ended() {
                return ended;
            }
            assert!(began.elapsed() < PATIENCE, "it does not end:\n{}", self.screen().text);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The exit code and what stands on the screen, if the program has ended.
    pub(crate) fn has_ended(&mut self) -> Option<(i32, String)> {
        let status = self.session.get_process().status().unwrap();
        self.read();
        let text = self.screen().text;
        match status {
            WaitStatus::StillAlive => None,
            WaitStatus::Exited(_, code) => Some((code, text)),
            other => panic!("it did not end by itself: {other:?}\n{text}"),
        }
    }

    /// Gives the window another size.
    pub(crate) fn resize(&mut self, rows: u16, columns: u16) {
        self.session.get_process_mut().set_window_size(columns, rows).unwrap();
        let [rows, columns] = [rows, columns].map(|size| NonZero::new(size).unwrap());
        self.emulator.screen_mut().set_size(rows, columns);
    }

    /// All that was printed so far, as it came.
    pub(crate) fn printed(&self) -> String {
        String::from_utf8_lossy(&self.printed).into_owned()
    }

    /// The id of the process.
    pub(crate) fn pid(&self) -> String {
        self.session.get_process().pid().to_string()
    }

    /// Takes in what was printed, and answers questions in it.
    fn read(&mut self) {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = self.session.try_read(&mut bytes) {
            self.printed.extend_from_slice(&bytes[..count]);
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
        let rows: Vec<_> =
            screen.rows(0, screen.size().1.get()).map(|row| row.trim_end().to_owned()).collect();
        let cursor = rows[usize::from(screen.cursor_position().0)].clone();
        Screen { cursor, text: rows.join("\n").trim_end().to_owned() }
    }
}

/// What stands on the screen.
pub(crate) struct Screen {
    /// The row of the cursor.
    pub(crate) cursor: String,
    /// All rows.
    pub(crate) text: String,
}

impl Screen {
    /// What stands behind the last occurrence of `text`; nothing if there is none.
    pub(crate) fn after(&self, text: &str) -> &str {
        self.text.rfind(text).map_or("", |at| &self.text[at + text.len()..])
    }
}
