//! Nothing that was begun vanishes on a cluster: not at the graceful end of a run, nor with a node.

use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    binary::crowd,
    harness::{Cluster, MASTER, PATIENCE, Plan, eventually, worker},
    web::Web,
};

/// `crowd run --api` of the `http` scenario against a server, under way.
fn begin(cluster: &Cluster, folder: &TempDir, web: &Web, more: &[&str]) -> std::process::Child {
    let mut command: Command = crowd(folder.path());
    command.args(["run", "http", "--api", &format!("http://{}", cluster.node(MASTER).api)]);
    command.args([&format!("url=http://{}/", web.address), "--user-rate", "unlimited"]);
    command.args(more).arg("--json").arg(folder.path().join("run.json"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn document(folder: &TempDir) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.path().join("run.json")).unwrap()).unwrap()
}

fn asked(web: &Web, requests: u64) {
    eventually(&format!("{requests} requests are under way"), PATIENCE, || {
        if web.requests() == requests { Ok(()) } else { Err(web.requests()) }
    });
}

#[test]
fn requests_of_a_lost_node_and_those_of_the_end_are_unfinished() {
    let mut cluster = Cluster::start(3);
    let (folder, web) = (TempDir::new().unwrap(), Web::silent());
    let more = ["--users", "12", "--duration", "25s", "graceful_stop=1s", "timeout=5min"];
    let mut run = begin(&cluster, &folder, &web, &more);
    asked(&web, 12);
    // The master knows of all of them once each worker has told a second.
    eventually("all are known", PATIENCE, || {
        let metrics = cluster.done("metrics request").to_string();
        if metrics.contains("\"unfinished\":12") { Ok(()) } else { Err(metrics) }
    });
    cluster.kill(&worker(1));
    // Its four users begin again elsewhere.
    asked(&web, 16);
    let code = run.wait().unwrap().code();
    let document = document(&folder);
    assert_eq!(code, Some(1), "{:#}", document["reasons"]);
    let request = &document["actions"]["request"];
    assert_eq!((&request["count"], &request["unfinished"]), (&0.into(), &16.into()), "{request:#}");
    assert_eq!(web.requests(), 16);
}

/// The master has counted them as unfinished because of the loss, and the node that comes back as well.
#[test]
fn requests_of_a_node_that_comes_back_are_unfinished_once() {
    let cluster = Plan::workers(3).cabled().start();
    let (folder, web) = (TempDir::new().unwrap(), Web::silent());
    let more = ["--users", "12", "--duration", "20s", "graceful_stop=1s", "timeout=5min"];
    let mut run = begin(&cluster, &folder, &web, &more);
    asked(&web, 12);
    eventually("all are known", PATIENCE, || {
        let metrics = cluster.done("metrics request").to_string();
        if metrics.contains("\"unfinished\":12") { Ok(()) } else { Err(metrics) }
    });
    cluster.cables().cut(&worker(1));
    asked(&web, 16);
    cluster.cables().mend(&worker(1));
    cluster.until("nothing is missing", |status| {
        status.gaps.len() == 1 && status.gaps[0].missing.is_none()
    });
    run.wait().unwrap();
    let document = document(&folder);
    let request = &document["actions"]["request"];
    assert_eq!((&request["count"], &request["unfinished"]), (&0.into(), &16.into()), "{request:#}");
    assert_eq!(document["gaps"][0]["missing"], Value::Null, "{:#}", document["gaps"]);
}

#[test]
fn what_is_under_way_on_all_nodes_may_finish() {
    let cluster = Cluster::start(2);
    let (folder, web) = (TempDir::new().unwrap(), Web::slow(Duration::from_secs(3)));
    let mut run = begin(&cluster, &folder, &web, &["--users", "6", "--duration", "2s"]);
    let code = run.wait().unwrap().code();
    let document = document(&folder);
    assert_eq!(code, Some(0), "{:#}", document["reasons"]);
    let request = &document["actions"]["request"];
    assert_eq!((&request["failed"], &request["unfinished"]), (&0.into(), &0.into()), "{request:#}");
    assert_eq!(request["count"], web.requests());
    assert!(web.requests() >= 6);
}
