//! **Nothing leaks**: whatever takes a secret is given one, and then it is looked for in all that
//! comes out: files, logs, standard streams, answers of the API, on every node.

use std::{fs, path::Path};

use tempfile::TempDir;

use crate::{
    binary::{crowd, finish, stderr, stdout},
    harness::{MASTER, Plan, eventually},
    http,
    web::Web,
};

/// What every secret in here begins with, and nothing else that is given or asked for.
const SECRET: &str = "S3CRET";

/// Everything that a node tells.
const QUESTIONS: &[&str] = &[
    "status",
    "settings",
    "scenarios",
    "users",
    "user 1",
    "metrics",
    "report",
    "throttle list",
    "coordinator list",
    "capacity status",
    "nodes",
    "help",
];

/// All verbs with secrets that are refused.
const REFUSED: &[&str] = &[
    "do http 2 url=http://me:S3CRETa@127.0.0.1:1/",
    "do http 2 url=http://127.0.0.1:99999/?x=S3CRETb",
    "do http 2 url=http://127.0.0.1:1/?x=S3CRETc,http://127.0.0.1:1/?x=S3CRETc",
    "do http 2 url=http://127.0.0.1:1/ headers='S3CRETd without a name'",
    "do http 2 url=http://127.0.0.1:1/ 'headers=A: S3CRETe | S3CRETf'",
    "do http 2 url=http://127.0.0.1:1/ headers='A: S3CRETg\u{1}'",
    "do http 2 url=http://127.0.0.1:1/ heeders='A: S3CRETh'",
    "do http 2 url=http://127.0.0.1:1/ 'health_path=no?path=S3CRETi'",
    "do http 2 headers=Authorization: Bearer S3CRETu",
    "do http 2 --headers=S3CRETv",
    "do http 2 url=http://127.0.0.1:1/ headers='Authorization Bearer S3CRETw: x'",
    "do http 2 url=localhost:1/?debug&token=S3CRETx",
    "do http 2 url=127.0.0.1:1/path#S3CRETy",
    "do http 2 url=http://me:S3CRETz%40localhost/",
    "add 5 headers=S3CRETA",
    "add 5 on headers=S3CRETB",
    "join me:S3CRETC@127.0.0.1:x",
    "set headers='A: S3CRETk'",
    "set body=S3CRETl",
    "capacity start http url=http://127.0.0.1:1/ max=5 prometheus=http://me:S3CRETm@h:1/ \
     query='q: up >= 1'",
];

#[track_caller]
fn assert_clean(what: &str, text: &str) {
    if let Some(at) = text.find(SECRET) {
        let from = text.floor_char_boundary(at.saturating_sub(300));
        panic!("{what} tells a secret: …{}", &text[from..text.ceil_char_boundary(at + 20)]);
    }
}

/// Looks at all files in a folder, and in those below.
#[track_caller]
fn assert_clean_folder(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_clean_folder(&path);
        } else {
            let bytes = fs::read(&path).unwrap();
            assert_clean(&path.display().to_string(), &String::from_utf8_lossy(&bytes));
        }
    }
}

fn given(web: &Web) -> Vec<String> {
    let address = web.address;
    vec![
        format!("url=http://{address}/a?token=S3CRETn&x=S3CRETo,http://{address}/a?S3CRETp"),
        "headers=Authorization: Bearer S3CRETq | Cookie: session=S3CRETr".to_owned(),
        "body=S3CRETs".to_owned(),
        "method=POST".to_owned(),
        "health_path=/health?key=S3CRETt".to_owned(),
        "think_time=10ms".to_owned(),
    ]
}

#[test]
fn a_run_tells_no_secret_in_any_of_its_results() {
    let web = Web::start();
    let folder = TempDir::new().unwrap();
    let mut command = crowd(folder.path());
    command.current_dir(folder.path()).env("CROWD_LOG", "trace");
    command.env("CROWD_COOKIE", "S3CRETcookie-of-the-cluster");
    command.env("CROWD_API_TOKEN", "S3CRETtoken-of-the-interface");
    command.args(["run", "http", "--users", "3", "requests=20"]).args(given(&web));
    command.args(["--json", "r.json", "--html", "r.html", "--junit", "r.xml"]);
    let output = finish(command, "");
    // Everything was sent, and to the right place.
    assert!(web.requests() >= 60, "{}", stderr(&output));
    assert_clean("standard output", &stdout(&output));
    assert_clean("standard error", &stderr(&output));
    assert_clean_folder(folder.path());
    let document = fs::read_to_string(folder.path().join("r.json")).unwrap();
    for shown in
        ["/a?token=***&x=***", "/a?***", "Authorization: *** | Cookie: ***", "/health?key=***"]
    {
        assert!(document.contains(shown), "{shown}: {document}");
    }
}

#[test]
fn what_the_environment_gives_is_hidden_as_well() {
    let web = Web::start();
    let folder = TempDir::new().unwrap();
    let mut command = crowd(folder.path());
    command.current_dir(folder.path()).env("CROWD_LOG", "trace");
    for pair in given(&web) {
        let (name, value) = pair.split_once('=').unwrap();
        command.env(format!("CROWD_{}", name.to_uppercase()), value);
    }
    command.args(["run", "http", "--users", "2", "requests=5", "--json", "r.json"]);
    let output = finish(command, "");
    assert!(web.requests() >= 10, "{}", stderr(&output));
    assert_clean("standard output", &stdout(&output));
    assert_clean("standard error", &stderr(&output));
    assert_clean_folder(folder.path());
}

#[test]
fn no_node_of_a_cluster_tells_a_secret() {
    let web = Web::start();
    let token = "S3CRETtoken-of-the-interface";
    let cluster =
        Plan::workers(2).with("CROWD_LOG", "debug").with("CROWD_API_TOKEN", token).start();
    let nodes = [MASTER, "worker-1", "worker-2"];
    let ask = |node: &str, line: &str| {
        let api = cluster.node(node).api;
        http::request(api, "POST", "/api/v1/command", Some(token), line).unwrap()
    };
    let settings: Vec<_> = given(&web).iter().map(|pair| format!("'{pair}'")).collect();
    let line = format!("do http 6 user_rate=unlimited {}", settings.join(" "));
    let (status, answer) = ask("worker-1", &line);
    assert_eq!(status, 200, "{answer}");
    eventually("requests", crate::harness::PATIENCE, || {
        if web.requests() > 100 { Ok(()) } else { Err(web.requests()) }
    });
    let all = || {
        for node in nodes {
            for question in QUESTIONS {
                assert_clean(&format!("{question} on {node}"), &ask(node, question).1);
            }
        }
    };
    all();
    for refused in REFUSED {
        for node in [MASTER, "worker-2"] {
            let (status, answer) = ask(node, refused);
            assert!((400..500).contains(&status), "{refused}: {status} {answer}");
            assert_clean(refused, &answer);
        }
    }
    assert_eq!(ask(MASTER, "set think_time=20ms").0, 200);
    assert_eq!(ask(MASTER, "stop").0, 200);
    assert_eq!(ask(MASTER, "wait 20s").0, 200);
    all();
    // While nothing runs, `do` itself is what refuses.
    assert_eq!(ask(MASTER, "reset").0, 200);
    for refused in REFUSED {
        let (status, answer) = ask("worker-2", refused);
        assert!((400..500).contains(&status), "{refused}: {status} {answer}");
        assert_clean(refused, &answer);
    }
    for node in nodes {
        assert_clean(&format!("the log of {node}"), &cluster.node(node).logged());
        assert_clean(&format!("what {node} printed"), &cluster.node(node).printed());
        assert!(!cluster.node(node).logged().contains(&cluster.cookie), "{node} tells the cookie");
    }
    assert_clean_folder(cluster.folder());
}
