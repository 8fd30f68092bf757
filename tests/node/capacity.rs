//! Capacity searches by the real binary: against an nginx that takes a limited rate, and with a real
//! Prometheus as the monitor.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Requests a second that nginx takes; all others are answered 503.
const RATE: u32 = 200;

/// A server of somebody else, on a free port, with a folder of its own.
struct Server {
    directory: TempDir,
    port: u16,
    process: Child,
}

impl Server {
    fn start(name: &str, arguments: impl Fn(&Path, u16) -> Vec<String>) -> Self {
        let directory = TempDir::new().unwrap();
        // Free a moment ago; neither of them takes port 0.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(program(name))
            .args(arguments(directory.path(), port))
            .stdout(Stdio::null())
            .stderr(fs::File::create(directory.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let server = Self { directory, port, process };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let complaints = fs::read_to_string(server.directory.path().join("stderr")).unwrap();
            assert!(began.elapsed() < PATIENCE, "{name} does not answer: {complaints}");
            thread::sleep(Duration::from_millis(10));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Told rather than killed, so that workers go with it.
        let id = self.process.id().to_string();
        if !Command::new("kill").args(["-TERM", &id]).status().is_ok_and(|told| told.success()) {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

/// Where a program is: system directories are often not in a user's path.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .unwrap_or_else(|| {
            panic!("this test needs {name}: install it (on Debian: apt-get install {name})")
        })
}

fn limited_nginx(burst: u32) -> Server {
    Server::start("nginx", move |directory, port| {
        let path = directory.to_str().unwrap();
        let limited = include_str!("../../benches/http/nginx.conf")
            .replace("@DIRECTORY@", path)
            .replace("@PORT@", &port.to_string())
            .replace(
                "access_log off;",
                &format!("access_log off; limit_req_zone all zone=all:1m rate={RATE}r/s;"),
            )
            .replace(
                "return 200 \"hello, world\\n\";",
                &format!("limit_req zone=all burst={burst} nodelay; try_files /hello =404;"),
            )
            .replace("location / {", &format!("root {path};\nlocation / {{"));
        fs::write(directory.join("nginx.conf"), limited).unwrap();
        fs::write(directory.join("hello"), "hello, world\n").unwrap();
        let error_log = directory.join("error.log").to_str().unwrap().to_owned();
        let conf = directory.join("nginx.conf").to_str().unwrap().to_owned();
        ["-p", path, "-e", &error_log, "-c", &conf].map(str::to_owned).to_vec()
    })
}

/// A search that takes a minute at most.
fn search(arguments: &[&str], json: &Path) -> (Output, Value) {
    let began = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_crowd"))
        .args(["capacity", "http", "--user-rate", "unlimited"])
        .args(arguments)
        .arg("--json")
        .arg(json)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    println!("{:?}, {}:\n{told}{complaints}", began.elapsed(), output.status);
    let document = fs::read(json).expect("a search that has begun writes its document");
    (output, serde_json::from_slice(&document).unwrap())
}

/// 0, or 3 where the machine was too busy for the search to be trusted.
fn assert_found(output: &Output, document: &Value) {
    assert!(matches!(output.status.code(), Some(0 | 3)), "{document:#}");
    assert_eq!(document["outcome"], "found", "{document:#}");
    assert_eq!(document["scenario"], "http");
    assert!(document["curve"].as_array().unwrap().len() > 3, "{document:#}");
}

#[test]
fn nginx_with_a_limited_rate_supports_as_many_users_as_it_lets_through() {
    let nginx = limited_nginx(20);
    let url = format!("url=http://127.0.0.1:{}/", nginx.port);
    let json = nginx.directory.path().join("result.json");
    // Each user asks every 100 ms, so 20 of them are 200 requests a second.
    let (output, document) = search(
        &[
            "--max",
            "80",
            "--signal",
            "error_rate(request) < 1%",
            "--precision",
            "10%",
            "--settle",
            "1s",
            "--window",
            "2s",
            "--with",
            "windows=15",
            "think_time=100ms",
            &url,
        ],
        &json,
    );
    assert_found(&output, &document);
    let supported = document["supported"].as_f64().unwrap();
    assert!((15.0..=25.0).contains(&supported), "{document:#}");
    assert_eq!(document["limiting"]["signal"], "error_rate(request) < 1%");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains(&format!("It supports {supported} users.")), "{told}");
    // The curve shows where it breaks.
    let points = document["curve"].as_array().unwrap();
    let errors = |wanted: &dyn Fn(f64) -> bool| {
        let loads = points.iter().filter(|point| wanted(point["load"].as_f64().unwrap()));
        loads.map(|point| point["error_rate"].as_f64().unwrap()).fold(0.0, f64::max)
    };
    assert!(
        errors(&|load| load < 15.0) < 0.01 && errors(&|load| load > 25.0) > 0.1,
        "{document:#}"
    );
}

/// A search by rate on an nginx that takes `RATE` requests a second.
fn by_rate(arguments: &[&str]) -> (Output, Value) {
    let nginx = limited_nginx(40);
    let url = format!("url=http://127.0.0.1:{}/", nginx.port);
    let json = nginx.directory.path().join("result.json");
    let common = ["--unit", "rate", "--max", "600", "--users", "50", "--settle", "1s"];
    let signal = ["--window", "2s", "--signal", "error_rate(request) < 1%", &url];
    search(&[&common[..], &signal[..], arguments].concat(), &json)
}

#[test]
fn stress_by_rate_brackets_what_nginx_lets_through() {
    let (output, document) = by_rate(&[
        "--strategy",
        "stress",
        "--with",
        "start=60",
        "--with",
        "step=60",
        "--with",
        "sustained=2",
    ]);
    assert_found(&output, &document);
    let breach = &document["breach"];
    let [healthy, failed] =
        ["last_healthy", "failed_at"].map(|field| breach[field].as_f64().unwrap());
    let limit = f64::from(RATE);
    assert!(healthy <= limit && limit < failed, "{document:#}");
    assert_eq!(failed - healthy, 60.0, "{document:#}");
    assert_eq!(breach["reason"], "error_rate(request) < 1%", "{document:#}");
    assert_eq!(document["unit"], "rate");
    // What was measured is the load that was asked for, if the machine had time for it.
    if output.status.code() != Some(0) {
        return;
    }
    for point in document["curve"].as_array().unwrap() {
        let [load, rate] = ["load", "rate"].map(|field| point[field].as_f64().unwrap());
        assert!((rate - load).abs() < load * 0.1, "{point:#}");
    }
}

#[test]
fn bisect_by_rate_finds_what_nginx_lets_through() {
    let settings = ["--with", "start=80", "--with", "windows=8", "--with", "tick=500ms"];
    let (output, document) = by_rate(&[&["--precision", "15%"], &settings[..]].concat());
    assert_found(&output, &document);
    let supported = document["supported"].as_f64().unwrap();
    assert!((160.0..=240.0).contains(&supported), "{document:#}");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("/s.") && told.contains(" iterations."), "{told}");
}

/// Two users that take 100 ms each do not do more than 20 iterations a second, however many are asked
/// for; nothing fails, and it is not the load that was asked for.
#[test]
fn a_rate_that_is_not_reached_is_not_supported() {
    let target = counting_server(Duration::from_millis(100));
    let state = TempDir::new().unwrap();
    let url = format!("url=http://127.0.0.1:{target}/");
    let arguments = [
        "--unit",
        "rate",
        "--max",
        "100",
        "--users",
        "2",
        "--strategy",
        "stress",
        "--settle",
        "1s",
    ];
    let others = ["--window", "2s", "--with", "start=10", "--with", "step=20", &url];
    let json = state.path().join("result.json");
    let (output, document) = search(&[&arguments[..], &others[..]].concat(), &json);
    assert_eq!(output.status.code(), Some(0), "{document:#}");
    assert_eq!(document["breach"]["last_healthy"], 10.0, "{document:#}");
    assert_eq!(document["breach"]["failed_at"], 30.0, "{document:#}");
    assert_eq!(document["breach"]["reason"], "iteration_rate is reached", "{document:#}");
}

/// A server that answers everybody after a while with how many connections it has, as
/// Prometheus reads it.
fn counting_server(after: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let connections = connections.clone();
            thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut counted = false;
                loop {
                    let mut asks_for_metrics = false;
                    let mut line = String::new();
                    while line != "\r\n" {
                        line.clear();
                        if !matches!(reader.read_line(&mut line), Ok(1..)) {
                            connections.fetch_sub(usize::from(counted), Ordering::SeqCst);
                            return;
                        }
                        asks_for_metrics |= line.starts_with("GET /metrics");
                    }
                    if !asks_for_metrics && !counted {
                        counted = true;
                        connections.fetch_add(1, Ordering::SeqCst);
                    }
                    thread::sleep(after);
                    let body = format!("active_users {}\n", connections.load(Ordering::SeqCst));
                    let head = format!(
                        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n\
                         Content-Length: {}\r\n\r\n",
                        body.len()
                    );
                    // Whoever is gone is seen when the next request is read.
                    let _ = (&stream).write_all((head + &body).as_bytes());
                }
            });
        }
    });
    port
}

#[test]
fn a_prometheus_server_says_when_it_is_too_much() {
    let target = counting_server(Duration::ZERO);
    let prometheus = Server::start("prometheus", |directory, port| {
        let config = format!(
            "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\nscrape_configs:\n\
             - job_name: target\n  static_configs: [{{targets: ['127.0.0.1:{target}']}}]\n"
        );
        let file = directory.join("prometheus.yml");
        fs::write(&file, config).unwrap();
        vec![
            format!("--config.file={}", file.display()),
            format!("--storage.tsdb.path={}", directory.join("data").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
        ]
    });
    let json = prometheus.directory.path().join("result.json");
    let (output, document) = search(
        &[
            "--max",
            "60",
            "--prometheus",
            &format!("http://127.0.0.1:{}", prometheus.port),
            "--query",
            "connected users: max(active_users) >= 20",
            "--precision",
            "10%",
            "--settle",
            "1s",
            "--window",
            "1s",
            "--with",
            "tick=500ms",
            "--with",
            "windows=15",
            "think_time=100ms",
            &format!("url=http://127.0.0.1:{target}/"),
        ],
        &json,
    );
    assert_found(&output, &document);
    let supported = document["supported"].as_f64().unwrap();
    assert!((16.0..=22.0).contains(&supported), "{document:#}");
    assert_eq!(document["limiting"]["signal"], "connected users", "{document:#}");
}

#[test]
fn every_fault_of_the_command_line_is_told_at_once() {
    let state = TempDir::new().unwrap();
    let file = state.path().join("search.toml");
    fs::write(&file, "incraese = 3\nrest = \"1ms\"\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_crowd"))
        .args(["capacity", "http", "--max", "0", "--signal", "p95", "--strategy", "guess"])
        .args(["--query", "x: up >= 1", "--search", file.to_str().unwrap()])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64));
    let told = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = told.lines().map(|line| line.split([' ', ':']).next().unwrap()).collect();
    assert_eq!(
        lines,
        ["incraese", "strategy", "max", "signals[0]", "rest", "prometheus"],
        "{told}"
    );
}
