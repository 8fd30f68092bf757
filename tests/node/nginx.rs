//! The `http` scenario of the real binary against a real nginx: both count the same requests.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    ffi::OsString,
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

#[path = "nginx_two.rs"]
mod two;

/// How long nginx may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// An nginx with one worker, as the current user, on a free port.
struct Nginx {
    program: PathBuf,
    directory: TempDir,
    port: u16,
    process: Child,
}

impl Nginx {
    fn start() -> Self {
        let program = program();
        let directory = TempDir::new().unwrap();
        // Free a moment ago; nginx takes no port 0.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let configuration = include_str!("../../benches/http/nginx.conf")
            .replace("@DIRECTORY@", directory.path().to_str().unwrap())
            .replace("@PORT@", &port.to_string());
        fs::write(directory.path().join("nginx.conf"), configuration).unwrap();
        let process = spawn(&program, &directory);
        let nginx = Self { program, directory, port, process };
        nginx.wait();
        nginx
    }

    fn wait(&self) {
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let complaints = fs::read_to_string(self.directory.path().join("stderr")).unwrap();
            assert!(began.elapsed() < PATIENCE, "nginx does not answer: {complaints}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills it, master and worker, without a warning.
    fn kill(&mut self) {
        let master = self.process.id().to_string();
        let workers = Command::new("pgrep").args(["-P", &master]).output().unwrap().stdout;
        let workers = String::from_utf8(workers).unwrap();
        // The master first, or it would start another worker.
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let killed = Command::new("kill").arg("-KILL").args(workers.split_whitespace()).status();
        assert!(killed.unwrap().success(), "{workers}");
    }

    /// Starts it again after that, on the same port, with its counters at nothing.
    fn start_again(&mut self) {
        self.process = spawn(&self.program, &self.directory);
        self.wait();
    }

    /// How many requests it has taken; asking is one of them.
    fn requests(&self) -> u64 {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(b"GET /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let mut lines = answer.lines().skip_while(|line| !line.starts_with("server accepts"));
        let numbers = lines.nth(1).unwrap_or_else(|| panic!("no counters in {answer}"));
        numbers.split_whitespace().nth(2).unwrap().parse().unwrap()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Told rather than killed, so that its worker goes with it.
        let told = Command::new(&self.program)
            .args(arguments(&self.directory))
            .args(["-s", "stop"])
            .status();
        if !told.is_ok_and(|status| status.success()) {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

fn spawn(program: &Path, directory: &TempDir) -> Child {
    Command::new(program)
        .args(arguments(directory))
        .stderr(fs::File::create(directory.path().join("stderr")).unwrap())
        .spawn()
        .unwrap()
}

fn arguments(directory: &TempDir) -> [OsString; 6] {
    let path = directory.path();
    let word = |word: &str| OsString::from(word);
    [
        word("-p"),
        path.into(),
        word("-e"),
        path.join("error.log").into(),
        word("-c"),
        path.join("nginx.conf").into(),
    ]
}

/// Where nginx is: system directories are often not in a user's path.
fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join("nginx"))
        .find(|program| program.is_file())
        .expect("this test needs nginx: install it (on Debian: apt-get install nginx-light)")
}

#[test]
fn nginx_and_the_report_count_the_same_requests() {
    let nginx = Nginx::start();
    let report = nginx.directory.path().join("report.json");
    let before = nginx.requests();
    let output = Command::new(env!("CARGO_BIN_EXE_crowd"))
        .args(["run", "http", "--users", "20", "--user-rate", "unlimited"])
        .arg(format!("url=http://127.0.0.1:{}/", nginx.port))
        .arg("requests=50")
        .arg("--json")
        .arg(&report)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {told}{complaints}", output.status);
    let counted = nginx.requests() - before - 1;

    let document: Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    let action = |name: &str| {
        let action = &document["actions"][name];
        (action["count"].as_u64(), action["failed"].as_u64())
    };
    assert_eq!(counted, 1000);
    assert_eq!(action("request"), (Some(counted), Some(0)), "{document:#}");
    let connects = &document["actions"]["request"]["phases"]["connect"]["count"];
    assert_eq!(connects.as_u64(), Some(20), "{document:#}");
    assert_eq!(
        document["counters"]["bytes_received"]["count"].as_u64(),
        Some(1000 * 13),
        "{document:#}"
    );
}
