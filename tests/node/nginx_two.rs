//! Users spread over two nginx servers, one of which is killed and started again.

use std::{
    fs,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{Nginx, PATIENCE};

/// Told to end by a signal, as an operator would; killed if the test fails before that.
struct Run(Child);

impl Run {
    fn interrupt(&mut self) -> Option<i32> {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        self.0.wait().unwrap().code()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until a server has been asked so much more often than `before`.
fn busy(nginx: &Nginx, before: u64, more: u64) {
    let began = Instant::now();
    while nginx.requests() < before + more {
        assert!(began.elapsed() < PATIENCE, "no load on {}", nginx.port);
        thread::sleep(Duration::from_millis(20));
    }
}

/// How many requests each of two has had meanwhile, without those of the counting.
fn shares(one: &Nginx, two: &Nginx) -> [u64; 2] {
    let before = [one.requests(), two.requests()];
    thread::sleep(Duration::from_secs(2));
    [one.requests() - before[0], two.requests() - before[1]]
}

fn even([one, two]: [u64; 2]) -> bool {
    one.abs_diff(two) * 5 < one + two
}

#[test]
fn nobody_is_lost_when_one_of_two_servers_is_killed_and_started_again() {
    let (stays, mut goes) = (Nginx::start(), Nginx::start());
    let report = stays.directory.path().join("report.json");
    let url = |nginx: &Nginx| format!("http://127.0.0.1:{}/", nginx.port);
    let (stays_url, goes_url) = (url(&stays), url(&goes));
    let mut run = Run(Command::new(env!("CARGO_BIN_EXE_crowd"))
        .args(["run", "http", "--users", "20", "--user-rate", "unlimited"])
        .arg(format!("url={stays_url},{goes_url}"))
        .args(["think_time=2ms", "health_interval=200ms", "--json"])
        .arg(&report)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap());
    busy(&stays, 0, 200);
    busy(&goes, 0, 200);
    let spread = shares(&stays, &goes);
    assert!(even(spread), "{spread:?}");

    goes.kill();
    let before = stays.requests();
    busy(&stays, before, 2_000);
    goes.start_again();
    busy(&goes, 0, 200);
    let spread = shares(&stays, &goes);
    assert!(even(spread), "{spread:?}");
    // Interrupted, and for no worse reason.
    assert_eq!(run.interrupt(), Some(5));

    let document: Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    let users = &document["users"];
    assert_eq!(
        ["started", "failed", "finished", "removed"].map(|state| users[state].as_u64().unwrap()),
        [20, 0, 0, 20],
        "{users:#}"
    );
    let targets = &document["targets"];
    let number = |url: &str, name: &str| targets[url][name].as_u64().unwrap();
    assert_eq!(number(&stays_url, "outs"), 0, "{targets:#}");
    assert_eq!(number(&stays_url, "checks_failed"), 0, "{targets:#}");
    // Its processes are killed one after the other: a check may pass in between, and it is out again.
    let outs = number(&goes_url, "outs");
    assert!((1..=2).contains(&outs), "{targets:#}");
    assert!(number(&goes_url, "out_ms") > 0, "{targets:#}");
    // Ten users at first and ten that came over; ten at first and ten that came back.
    assert!(number(&stays_url, "picks") >= 20, "{targets:#}");
    assert!(number(&goes_url, "picks") >= 20, "{targets:#}");
    assert_eq!(targets[&goes_url]["score"]["last"], 3.0, "{targets:#}");
    // What failed was the killed server's failure, and is all accounted for.
    let failures = document["failures"].as_array().unwrap();
    assert!(failures.iter().all(|row| row["owner"] == "target"), "{failures:#?}");
    let failed: u64 = failures.iter().map(|row| row["count"].as_u64().unwrap()).sum();
    assert!(failed >= 2 && failed <= number(&goes_url, "downs"), "{failures:#?} {targets:#}");
}
