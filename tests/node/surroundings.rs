//! `crowd run` and `crowd capacity` where nobody reads what they print, or where they are told to end:
//! files and exit codes are as they would have been.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    binary::{crowd, finish, stderr, stdout},
    terminal::Terminal,
};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A short run that writes all there is to write.
struct Asked {
    folder: TempDir,
    command: Command,
}

impl Asked {
    fn run(users: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let mut command = crowd(folder.path());
        command.args(["run", "idle", "--user-rate", "unlimited"]).args(users);
        for (flag, name) in [("--json", "a.json"), ("--html", "a.html"), ("--junit", "a.xml")] {
            command.arg(flag).arg(folder.path().join(name));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { folder, command }
    }

    fn short() -> Self {
        Self::run(&["--users", "3", "lifetime=300ms"])
    }

    fn capacity() -> Self {
        let folder = TempDir::new().unwrap();
        let mut command = crowd(folder.path());
        command.args(["capacity", "idle", "--max", "10", "--missing", "ignore", "--window", "1s"]);
        command.args(["--user-rate", "unlimited", "--settle", "100ms"]);
        for (flag, name) in [("--json", "a.json"), ("--html", "a.html")] {
            command.arg(flag).arg(folder.path().join(name));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { folder, command }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn document(&self) -> Value {
        let text = fs::read_to_string(self.path("a.json")).expect("there is no document");
        serde_json::from_str(&text).unwrap()
    }

    /// All files are there, and nothing else.
    #[track_caller]
    fn assert_written(&self, files: &[&str]) {
        let found = fs::read_dir(self.folder.path()).unwrap();
        let mut found: Vec<_> =
            found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        found.sort();
        assert_eq!(found, files);
        for name in files {
            assert!(fs::metadata(self.path(name)).unwrap().len() > 100, "{name} is cut short");
        }
    }
}

const ALL: [&str; 3] = ["a.html", "a.json", "a.xml"];

fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

/// Runs it with a standard output that nobody reads.
fn unread(command: &mut Command) -> Output {
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    child.wait_with_output().unwrap()
}

#[test]
fn a_closed_pipe_loses_nothing() {
    let mut asked = Asked::short();
    let output = unread(&mut asked.command);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    asked.assert_written(&ALL);
    assert_eq!(asked.document()["verdict"], "passed");
}

#[test]
fn a_full_disk_behind_the_summary_is_told_and_loses_nothing() {
    let mut asked = Asked::short();
    let output = asked.command.stdout(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = stderr(&output);
    assert!(told.starts_with("the summary could not be printed: No space left"), "{told}");
    asked.assert_written(&ALL);
}

#[test]
fn nobody_hears_anything_and_the_verdict_stands() {
    let mut asked = Asked::run(&["--users", "3", "--threshold", "users_failed < 0"]);
    asked.command.args(["lifetime=300ms"]);
    let wrong = asked.command.stdout(full()).stderr(full()).status().unwrap();
    // A threshold that cannot be read is bad usage, whether or not anybody reads that.
    assert_eq!(wrong.code(), Some(64));
    let mut asked = Asked::short();
    let status = asked.command.stdout(full()).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(0));
    asked.assert_written(&ALL);
}

#[test]
fn a_search_whose_answer_nobody_reads_is_written() {
    let mut asked = Asked::capacity();
    let output = unread(&mut asked.command);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    asked.assert_written(&ALL[..2]);
    assert_eq!(asked.document()["outcome"], "not-limited");
}

/// Waits until users run: the log says so.
fn running(command: &mut Command) -> Child {
    use std::io::{BufRead, BufReader};
    let mut child = command.args(["--log", "crowd=info"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(
        lines.by_ref().map_while(Result::ok).any(|line| line.contains("to=\"running\"")),
        "it ended before it ran"
    );
    thread::spawn(move || lines.for_each(drop));
    child
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn every_signal_that_ends_a_process_leaves_its_files() {
    for name in ["-HUP", "-QUIT", "-TERM", "-INT"] {
        let mut asked = Asked::run(&["--users", "3"]);
        let child = running(&mut asked.command);
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(5), "{name}: {}", stdout(&output));
        asked.assert_written(&ALL);
        assert_eq!(asked.document()["exit_code"], 5, "{name}");
    }
}

#[test]
fn what_timeout_does_is_one_request() {
    let mut asked = Asked::capacity();
    // So long that nothing but a signal ends it.
    asked.command.args(["--with", "windows=1000", "--with", "patience=1h"]);
    let child = running(&mut asked.command);
    for _ in 0..3 {
        signal(&child, "-TERM");
        thread::sleep(Duration::from_millis(30));
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", stdout(&output));
    asked.assert_written(&ALL[..2]);
    assert_eq!(asked.document()["outcome"], "stopped");
}

#[test]
fn who_was_made_deaf_to_the_end_of_a_terminal_stays_so() {
    let mut asked = Asked::run(&["--users", "3", "--duration", "3s"]);
    let mut deaf = Command::new("nohup");
    deaf.arg(asked.command.get_program()).args(asked.command.get_args());
    for (name, value) in asked.command.get_envs() {
        match value {
            Some(value) => deaf.env(name, value),
            None => deaf.env_remove(name),
        };
    }
    deaf.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    asked.command = deaf;
    let child = running(&mut asked.command);
    signal(&child, "-HUP");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert_eq!(asked.document()["verdict"], "passed");
}

#[test]
fn a_terminal_that_is_closed_loses_nothing() {
    let asked = Asked::run(&["--users", "3"]);
    let mut command = crowd(asked.folder.path());
    command.args(asked.command.get_args());
    let mut terminal = Terminal::start(command);
    terminal.until("3 running users", |screen| screen.text.contains("3 running"));
    drop(terminal);
    let began = Instant::now();
    while ALL.iter().any(|name| !asked.path(name).exists()) {
        assert!(began.elapsed() < PATIENCE, "nothing is written");
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(asked.document()["exit_code"], 5);
}

#[test]
fn a_document_on_standard_output_stands_alone() {
    let folder = TempDir::new().unwrap();
    let mut command = crowd(folder.path());
    command.args(["run", "idle", "--users", "1", "lifetime=100ms", "--json", "/dev/stdout"]);
    let output = finish(command, "");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let document: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(document["users"]["finished"], 1);
    assert!(stderr(&output).contains("PASSED"), "{}", stderr(&output));

    // So too where it is a file, which would be written over from its beginning.
    let path = folder.path().join("out");
    let mut command = crowd(folder.path());
    command.args(["run", "idle", "--users", "1", "lifetime=100ms", "--json", "/dev/stdout"]);
    let status = command.stdout(File::create(&path).unwrap()).stderr(Stdio::null()).status();
    assert_eq!(status.unwrap().code(), Some(0));
    let document: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(document["users"]["finished"], 1);
}

fn names(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn nothing_is_left_behind_by_what_is_refused() {
    let folder = TempDir::new().unwrap();
    let mut command = crowd(folder.path());
    command.current_dir(folder.path());
    command.args(["run", "idle", "--users", "1", "--json", "x", "--html", "./x", "--junit", "-"]);
    let output = finish(command, "");
    assert_eq!(output.status.code(), Some(64));
    assert_eq!(names(folder.path()), 0);
}
