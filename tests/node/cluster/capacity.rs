//! Capacity searches on a cluster: its users are spread over the workers, and a lost worker ends
//! no search.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    binary::{crowd, finish, stdout},
    harness::{Cluster, PATIENCE, eventually},
    web::Web,
};

/// How long a search may take.
const SEARCH: Duration = Duration::from_secs(55);

/// Waits until the search is over, and answers with what it has found.
fn result(cluster: &Cluster, began: Instant) -> Value {
    let left = SEARCH.saturating_sub(began.elapsed());
    let status = eventually("the search ends", left, || {
        let status = cluster.done("capacity status");
        if status["state"] == "done" { Ok(status) } else { Err(status) }
    });
    status["result"].clone()
}

#[test]
fn a_search_goes_on_when_a_worker_dies() {
    let mut cluster = Cluster::start(3);
    let target = cluster.target.address;
    let began = Instant::now();
    // Ten requests a second of each user: 45 users are what it is to find.
    cluster.done(&format!(
        "capacity start echo target={target} interval=100ms user_rate=unlimited with \
         strategy=stress max=200 start=15 step=10 settle=1s window=2s tick=500ms signal=rate<450/s"
    ));
    let acting = eventually("users act on all workers", PATIENCE, || {
        let acting = cluster.target.acting(Duration::from_millis(800));
        if acting.len() >= 15 { Ok(acting) } else { Err(acting) }
    });
    for worker in ["worker-1", "worker-2", "worker-3"] {
        let share = acting.values().filter(|node| *node == worker).count();
        assert!(share.abs_diff(acting.len() / 3) <= 1, "{worker} has {share}: {acting:?}");
    }
    cluster.kill("worker-3");

    let result = result(&cluster, began);
    assert_eq!(result["outcome"], "found", "{result:#}");
    let notes = result["notes"].to_string();
    assert!(notes.contains("node worker-3 was lost and its "), "{result:#}");
    assert!(notes.contains(" to worker-1") && notes.contains(" to worker-2"), "{result:#}");
    let breach = &result["breach"];
    assert_eq!(breach["reason"], "rate < 450/s", "{result:#}");
    let failed = breach["failed_at"].as_f64().unwrap();
    assert!((35.0..=65.0).contains(&failed), "{result:#}");
}

/// The rate is that of the whole cluster, not of each worker; and the search of a cluster is one
/// command, asked of a node that is not the master.
#[test]
fn a_rate_is_one_for_all_workers() {
    let cluster = Cluster::start(2);
    let (web, folder) = (Web::start(), TempDir::new().unwrap());
    let [json, html, search] =
        ["answer.json", "answer.html", "search.toml"].map(|name| folder.path().join(name));
    fs::write(&search, "start = 60\nstep = 60\nsignals = ['rate(request) < 210/s']\n").unwrap();
    // Somebody else is the master.
    cluster.done("do idle 0");
    cluster.done("stop");
    cluster.until("it is over", |status| status.state == "finished");
    let mut command = crowd(folder.path());
    command.args([
        "capacity",
        "http",
        "--api",
        &format!("http://{}", cluster.node("worker-2").api),
    ]);
    command.args(["--unit", "rate", "--users", "20", "--strategy", "stress", "--max", "400"]);
    command.args(["--settle", "3s", "--window", "3s", "--with", "tick=500ms"]);
    command.arg(format!("url=http://{}/", web.address)).arg("--search").arg(search);
    command.arg("--json").arg(&json).arg("--html").arg(&html);
    let output = finish(command, "");
    // A machine that stands still is told, and is no matter here.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{output:?}");
    assert!(stdout(&output).contains("supports"), "{output:?}");
    let page = fs::read_to_string(html).unwrap();
    assert!(page.contains("worker-1") && page.contains("<svg"), "{page}");
    assert_eq!(cluster.status().state, "idle");
    let result: Value = serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    assert_eq!(result["outcome"], "found", "{result:#}");
    // Counts come in by the second, so a window may be a little short; 210 of each worker would be
    // exceeded at 120.
    let failed = result["breach"]["failed_at"].as_f64().unwrap();
    assert!((240.0..=300.0).contains(&failed), "{result:#}");
    let (mut asked, mut measured) = (0.0, 0.0);
    for point in result["curve"].as_array().unwrap() {
        asked += point["load"].as_f64().unwrap() * point["seconds"].as_f64().unwrap();
        measured += point["count"].as_f64().unwrap();
    }
    assert!((measured - asked).abs() < asked * 0.15, "{measured} of {asked}: {result:#}");
}
