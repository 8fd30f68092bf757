//! A target that is closed, refuses, hangs, freezes, closes or dies never passes: the real binary
//! against servers that do.

use std::{
    collections::HashSet,
    fs,
    io::{BufRead, BufReader, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::binary::{crowd, finish, stderr, stdout};

/// What a server does with the request of that number (from 1), since it was started.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Answer(u16),
    /// Keeps it without an answer.
    Hang,
    /// Closes the connection without an answer.
    Close,
}

type Plan = dyn Fn(u64, Duration) -> Deed + Send + Sync;

/// A server of this test's own.
struct Server {
    address: SocketAddr,
    asked: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Server {
    fn start(plan: impl Fn(u64, Duration) -> Deed + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
            over: Arc::default(),
            open: Arc::default(),
        };
        let (asked, over, open) = (server.asked.clone(), server.over.clone(), server.open.clone());
        let (plan, began): (Arc<Plan>, _) = (Arc::new(plan), Instant::now());
        thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { return };
                open.lock().unwrap().push(stream.try_clone().unwrap());
                let (asked, plan) = (asked.clone(), plan.clone());
                thread::spawn(move || serve(stream, &asked, &*plan, began));
            }
        });
        server
    }

    fn url(&self) -> String {
        format!("url=http://{}/", self.address)
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    /// The process is gone: no connection is open, and none can be made.
    fn die(&self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the one that accepts, so that its socket is closed.
        drop(TcpStream::connect(self.address));
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.die();
    }
}

fn serve(mut stream: TcpStream, asked: &AtomicU64, plan: &Plan, began: Instant) {
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            match lines.read_line(&mut head) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        let number = asked.fetch_add(1, Ordering::SeqCst) + 1;
        match plan(number, began.elapsed()) {
            Deed::Answer(status) => {
                let answer = format!("HTTP/1.1 {status} Fine\r\ncontent-length: 2\r\n\r\nok");
                if stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
                // So that the numbers of this test are not those of its machine.
                thread::sleep(Duration::from_millis(5));
            }
            Deed::Hang => {}
            Deed::Close => return drop(stream.shutdown(Shutdown::Both)),
        }
    }
}

/// A port that nobody listens at.
fn closed() -> String {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    format!("url=http://{address}/")
}

/// How a run ended: its exit code, its document, and all that it said.
struct Outcome {
    code: i32,
    document: Value,
    said: String,
}

impl Outcome {
    fn request(&self) -> &Value {
        &self.document["actions"]["request"]
    }

    fn number(&self, name: &str) -> u64 {
        self.request()[name].as_u64().unwrap_or_else(|| panic!("no {name}: {}", self.said))
    }

    fn did_not_pass(&self) -> &Self {
        assert_ne!(self.code, 0, "{}", self.said);
        assert_ne!(self.document["verdict"], "passed", "{}", self.said);
        assert!(!self.said.contains("as it should"), "{}", self.said);
        self
    }
}

fn run(arguments: &[&str]) -> Outcome {
    let state = TempDir::new().unwrap();
    let (json, html) = (state.path().join("r.json"), state.path().join("r.html"));
    let mut command = crowd(state.path());
    command.args(["run", "http", "--user-rate", "unlimited"]).args(arguments);
    command.arg("--json").arg(&json).arg("--html").arg(&html);
    let output = finish(command, "");
    let text = fs::read_to_string(&json).unwrap_or_default();
    let page = fs::read_to_string(&html).unwrap_or_default();
    // Of the page only what a reader sees first.
    let banner = page.split("class=\"tiles\"").next().unwrap_or_default();
    let banner = banner.split("<body").nth(1).unwrap_or_default();
    let said = format!("{}{}{banner}", stdout(&output), stderr(&output));
    let document = serde_json::from_str(&text).unwrap_or_else(|fault| panic!("{fault}: {said}"));
    Outcome { code: output.status.code().unwrap(), document, said }
}

#[test]
fn a_closed_port_fails() {
    let outcome = run(&[&closed(), "--users", "3", "--duration", "3s"]);
    outcome.did_not_pass();
    assert_eq!(outcome.code, 2);
    assert!(outcome.number("count") >= 3);
    assert_eq!(outcome.number("failed"), outcome.number("count"));
    assert!(outcome.said.contains("`error_rate(request) < 1%`"), "{}", outcome.said);
    assert!(outcome.said.contains("`request` never succeeded"), "{}", outcome.said);
    // Connecting is a phase of the request, and no action that might dilute its errors.
    assert_eq!(outcome.document["actions"].as_object().unwrap().len(), 1);
}

#[test]
fn a_closed_port_fails_though_errors_are_accepted() {
    let outcome = run(&[&closed(), "--users", "2", "--duration", "2s", "--allow-errors"]);
    outcome.did_not_pass();
    assert_eq!(outcome.code, 1);
}

#[test]
fn requests_at_a_closed_port_come_to_their_end() {
    let outcome = run(&[&closed(), "--users", "2", "requests=3"]);
    outcome.did_not_pass();
    assert_eq!((outcome.number("count"), outcome.number("failed")), (6, 6), "{}", outcome.said);
}

#[test]
fn a_threshold_aborts_within_its_window_though_users_back_off() {
    let began = Instant::now();
    let abort = "error_rate(request) < 1% over 2s abort";
    let outcome = run(&[&closed(), "--users", "2", "--duration", "60s", "--threshold", abort]);
    assert_eq!(outcome.code, 4, "{}", outcome.said);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[test]
fn answers_that_refuse_fail() {
    let server = Server::start(|_, _| Deed::Answer(401));
    let outcome = run(&[&server.url(), "--users", "2", "--duration", "2s"]);
    outcome.did_not_pass();
    assert_eq!(outcome.code, 2);
    assert_eq!(outcome.number("failed"), outcome.number("count"));
    assert!(outcome.said.contains("status 401"), "{}", outcome.said);
}

#[test]
fn errors_that_are_accepted_pass_and_are_told() {
    let server = Server::start(|number, _| Deed::Answer(if number % 5 == 0 { 500 } else { 200 }));
    let arguments = [&server.url(), "--users", "2", "--duration", "2s", "--allow-errors"];
    let outcome = run(&arguments);
    assert_eq!(outcome.code, 0, "{}", outcome.said);
    assert!(outcome.said.contains("it passed though"), "{}", outcome.said);
    assert!(!outcome.said.contains("everything went as it should"), "{}", outcome.said);
}

#[test]
fn a_server_that_never_answers_fails() {
    let server = Server::start(|_, _| Deed::Hang);
    let outcome = run(&[
        &server.url(),
        "--users",
        "5",
        "--duration",
        "2s",
        "graceful_stop=1s",
        "--threshold",
        "error_rate < 1%",
        "--threshold",
        "p95 < 150ms",
    ]);
    outcome.did_not_pass();
    assert_eq!((outcome.number("count"), outcome.number("unfinished")), (0, 5), "{}", outcome.said);
    assert_eq!(outcome.number("unfinished"), server.asked());
    let p95 = &outcome.request()["service"]["p95"];
    assert!(p95.as_f64() >= Some(2_500.0), "{p95}");
    assert!(outcome.said.contains("≥"), "{}", outcome.said);
    let held: Vec<_> = outcome.document["thresholds"].as_array().unwrap().iter().collect();
    assert!(held.iter().all(|row| row["passed"] == false), "{held:?}");
}

#[test]
fn a_server_that_freezes_fails_though_most_requests_were_fast() {
    let server = Server::start(|_, since| match since < Duration::from_secs(2) {
        true => Deed::Answer(200),
        false => Deed::Hang,
    });
    let outcome = run(&[&server.url(), "--users", "5", "--duration", "6s", "graceful_stop=1s"]);
    outcome.did_not_pass();
    let (done, unfinished) = (outcome.number("count"), outcome.number("unfinished"));
    assert_eq!((unfinished, outcome.number("failed")), (5, 0), "{}", outcome.said);
    assert_eq!(done + unfinished, server.asked());
    assert!(outcome.said.contains("did not succeed any more"), "{}", outcome.said);
    assert!(outcome.request()["service"]["max"].as_f64() >= Some(3_000.0), "{}", outcome.said);
}

#[test]
fn a_window_sees_that_nothing_comes_any_more() {
    let server = Server::start(|_, since| match since < Duration::from_secs(2) {
        true => Deed::Answer(200),
        false => Deed::Hang,
    });
    let abort = "p95(request) < 500ms over 2s abort";
    let outcome = run(&[&server.url(), "--users", "3", "--duration", "60s", "--threshold", abort]);
    assert_eq!(outcome.code, 4, "{}", outcome.said);
}

#[test]
fn arrivals_at_a_target_that_died_are_failed_requests() {
    let server = Server::start(|_, _| Deed::Answer(200));
    let url = server.url();
    let run = thread::spawn(move || {
        run(&[&url, "arrivals=iterations", "--stages", "8s: 20/s", "graceful_stop=1s"])
    });
    let began = Instant::now();
    while server.asked() < 20 {
        assert!(began.elapsed() < Duration::from_secs(30), "nobody asks");
        thread::sleep(Duration::from_millis(10));
    }
    server.die();
    let outcome = run.join().unwrap();
    outcome.did_not_pass();
    let started = outcome.document["arrivals"]["started"].as_u64().unwrap();
    let begun = outcome.number("count") + outcome.number("unfinished");
    assert_eq!(begun, started, "{}", outcome.said);
    let failed = outcome.number("failed") as f64 / outcome.number("count") as f64;
    assert!(failed > 0.5, "{failed}: {}", outcome.said);
}

#[test]
fn users_whose_target_dies_fail_as_often_as_they_would_have_asked() {
    let server = Server::start(|_, _| Deed::Answer(200));
    let url = server.url();
    let run = thread::spawn(move || {
        run(&[&url, "--users", "5", "--duration", "8s", "--threshold", "error_rate < 1%"])
    });
    let began = Instant::now();
    while server.asked() < 200 {
        assert!(began.elapsed() < Duration::from_secs(30), "nobody asks");
        thread::sleep(Duration::from_millis(10));
    }
    server.die();
    let outcome = run.join().unwrap();
    outcome.did_not_pass();
    let failed = outcome.number("failed") as f64 / outcome.number("count") as f64;
    assert!(failed > 0.3, "{failed}: {}", outcome.said);
}

#[test]
fn one_cause_is_one_reason() {
    let outcome = run(&[&closed(), "--users", "20", "--duration", "2s"]);
    let failures = outcome.document["failures"].as_array().unwrap();
    let reasons: HashSet<_> = failures.iter().map(|row| row["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons.len(), 1, "{reasons:?}");
}

#[test]
fn a_server_that_closes_without_an_answer_fails() {
    let server = Server::start(|_, _| Deed::Close);
    let outcome = run(&[&server.url(), "--users", "2", "--duration", "2s"]);
    outcome.did_not_pass();
    assert_eq!(outcome.number("failed"), outcome.number("count"), "{}", outcome.said);
}
