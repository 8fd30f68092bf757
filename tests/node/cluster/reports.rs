//! What a cluster's run leaves behind: made and told by `crowd run --api`, and by `crowd report`.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    binary::{crowd, finish, stderr, stdout},
    harness::{Cluster, MASTER, PATIENCE, eventually},
    web::Web,
};

/// A folder for the outputs of one command.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn document(&self) -> Value {
        serde_json::from_str(&self.text("run.json")).unwrap()
    }

    /// `crowd VERB --api URL …` with all outputs, for a node.
    fn command(&self, cluster: &Cluster, node: &str, verb: &str, arguments: &[&str]) -> Command {
        let mut command = crowd(self.0.path());
        command.arg(verb).arg("--api").arg(format!("http://{}", cluster.node(node).api));
        for (flag, name) in [("--json", "run.json"), ("--html", "run.html"), ("--junit", "run.xml")]
        {
            command.arg(flag).arg(self.path(name));
        }
        command.args(arguments);
        command
    }

    fn run(&self, cluster: &Cluster, node: &str, verb: &str, arguments: &[&str]) -> Output {
        finish(self.command(cluster, node, verb, arguments), "")
    }
}

fn target(cluster: &Cluster) -> String {
    format!("target={}", cluster.target.address)
}

/// One command on a node that is not the master makes the run on all nodes, ends with its exit code
/// and leaves all outputs and an idle cluster.
#[test]
fn a_run_of_the_cluster_is_one_command() {
    let cluster = Cluster::start(2);
    // Who is asked becomes the master.
    let folder = Folder::new();
    let target = target(&cluster);
    let arguments = ["echo", "--users", "20", "--user-rate", "unlimited", &target];
    let more = ["lifetime=2s", "interval=50ms", "--threshold", "error_rate(echo) < 1%"];
    let output = folder.run(&cluster, MASTER, "run", &[&arguments[..], &more].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let summary = stdout(&output);
    assert!(summary.starts_with("PASSED"), "{summary}");
    assert!(summary.contains("worker-1") && summary.contains("worker-2"), "{summary}");

    let document = folder.document();
    assert_eq!((&document["verdict"], &document["exit_code"]), (&"passed".into(), &0.into()));
    assert_eq!(document["users"]["finished"], 20);
    assert_eq!(document["actions"]["echo"]["count"], cluster.target.ledger.lines());
    assert_eq!(document["thresholds"][0]["passed"], true);
    let nodes: Vec<_> =
        document["nodes"].as_array().unwrap().iter().map(|node| &node["name"]).collect();
    assert_eq!(nodes, ["worker-1", "worker-2"]);
    let page = folder.text("run.html");
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("worker-2"), "{page}");
    assert!(folder.text("run.xml").contains("<testsuites"));

    // The next one finds an idle cluster; this one ends early, by a threshold, and asks a worker.
    assert_eq!(cluster.status().state, "idle");
    let arguments = ["echo", "--stages", "5m: 30/s", &target, "lifetime=500ms"];
    let more = ["interval=50ms", "--threshold", "max(echo) < 1us abort after 2s; count(echo) > 5"];
    let output = folder.run(&cluster, "worker-2", "run", &[&arguments[..], &more].concat());
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let document = folder.document();
    assert_eq!(document["verdict"], "aborted", "{:#}", document["reasons"]);
    let aborted: Vec<_> = document["thresholds"].as_array().unwrap().iter().collect();
    assert_eq!((&aborted[0]["passed"], &aborted[0]["aborted"]), (&false.into(), &true.into()));
    assert!(document["arrivals"]["scheduled"].as_u64().unwrap() > 10);
    assert_eq!(document["run"]["nodes"].as_array().unwrap().len(), 2, "{:#}", document["run"]);
    assert_eq!(cluster.status().state, "idle");
}

/// Ctrl-C tells the users of all nodes to stop, and the result says so.
#[test]
fn an_interrupt_ends_the_run_of_the_cluster() {
    let cluster = Cluster::start(2);
    let folder = Folder::new();
    let target = target(&cluster);
    let arguments = ["echo", "--users", "10", "--user-rate", "unlimited", &target];
    let mut command = folder.command(&cluster, "worker-1", "run", &arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    cluster.until_running(10);
    // Refused while it goes on: whose run it is does not matter.
    let (code, message) = cluster.refused("worker-2", "report");
    assert_eq!(code, "invalid-status", "{message}");
    let other = Folder::new().run(&cluster, "worker-2", "run", &arguments);
    assert_eq!(other.status.code(), Some(1), "{other:?}");
    assert!(stderr(&other).contains("[invalid-status]"), "{other:?}");
    assert_eq!(cluster.status().users.running, 10, "a refused run has changed the one that is on");

    let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(signal.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    let document = folder.document();
    assert_eq!(document["verdict"], "interrupted");
    assert_eq!(document["users"]["removed"], 10);
    assert!(stdout(&output).starts_with("INTERRUPTED"), "{output:?}");
    assert_eq!(cluster.status().state, "idle");
}

/// The result of a run that was driven by hand, from whichever node.
#[test]
fn any_node_tells_the_result_of_the_last_run() {
    let cluster = Cluster::start(2);
    let folder = Folder::new();
    let (code, _) = cluster.refused("worker-1", "report");
    assert_eq!(code, "invalid-status");
    let output = folder.run(&cluster, "worker-1", "report", &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!folder.path("run.json").exists());

    cluster.echo(12, "lifetime=1s interval=50ms");
    cluster.until("all have finished", |status| status.users.finished == 12);
    cluster.done("stop");
    cluster.until("it is over", |status| status.state == "finished");
    let output = folder.run(&cluster, "worker-1", "report", &[]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), ""), "{output:?}");
    let asked_worker = folder.document();
    assert_eq!(asked_worker["actions"]["echo"]["count"], cluster.target.ledger.lines());
    assert!(folder.text("run.html").contains("worker-2"));
    // Made later from the document it is the same page.
    let later = folder.path("later.html");
    let mut command = crowd(folder.0.path());
    command.arg("report").arg(folder.path("run.json")).arg("--html").arg(&later);
    assert!(finish(command, "").status.success());
    assert_eq!(fs::read_to_string(later).unwrap(), folder.text("run.html"));
    // And so it is if the master itself is asked.
    assert!(folder.run(&cluster, MASTER, "report", &[]).status.success());
    assert_eq!(folder.document()["actions"], asked_worker["actions"]);
    // At a console it is the summary.
    let output = cluster.eval("worker-2", &["report"]);
    assert!(stdout(&output).starts_with("PASSED"), "{output:?}");
    assert_eq!(cluster.status().state, "finished", "telling forgets nothing");
}

/// Arrivals that are iterations of users who are kept: exactly those of the plan, by users of all
/// nodes, and never by more than there may be.
#[test]
fn iterations_arrive_by_the_plan_over_all_nodes() {
    let cluster = Cluster::start(2);
    let web = Web::start();
    let folder = Folder::new();
    let url = format!("url=http://{}/", web.address);
    let stages = "1s: 0/s -> 100/s max 8, 2s: 100/s max 8";
    let arguments = ["http", &url, "arrivals=iterations", "saturation=block", "--stages", stages];
    let output = folder.run(&cluster, MASTER, "run", &arguments);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{output:?}");
    let document = folder.document();
    let arrivals = &document["arrivals"];
    assert_eq!((&arrivals["scheduled"], &arrivals["started"]), (&250.into(), &250.into()));
    eventually("all were asked for", PATIENCE, || {
        let found = web.requests();
        if found == 250 { Ok(()) } else { Err(found) }
    });
    assert_eq!(document["actions"]["request"]["count"], 250);
    assert!(document["users"]["peak"].as_u64().unwrap() <= 8, "{:#}", document["users"]);
    let nodes = document["nodes"].as_array().unwrap();
    assert!(nodes.iter().all(|node| node["users"]["started"].as_u64().unwrap() > 0), "{nodes:#?}");
    thread::sleep(Duration::from_millis(100));
    assert_eq!(web.requests(), 250, "somebody asked after the end");
}
