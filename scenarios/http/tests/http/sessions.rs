//! Which TLS sessions users resume: a real nginx tells.

use std::{
    collections::BTreeMap,
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command},
    time::{Duration, Instant},
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;

use super::run::{Over, run, start};

/// An nginx under TLS that closes each connection after one answer, and notes whether it was
/// resumed.
struct Nginx {
    directory: TempDir,
    address: SocketAddr,
    process: Child,
}

const CONFIGURATION: &str = "
daemon off;
worker_processes 1;
pid @DIRECTORY@/pid;
events {}
http {
    access_log off;
    client_body_temp_path @DIRECTORY@/body;
    proxy_temp_path @DIRECTORY@/proxy;
    fastcgi_temp_path @DIRECTORY@/fastcgi;
    uwsgi_temp_path @DIRECTORY@/uwsgi;
    scgi_temp_path @DIRECTORY@/scgi;
    log_format resumed '$ssl_protocol $ssl_session_reused';
    server {
        listen @ADDRESS@ ssl;
        ssl_certificate @DIRECTORY@/cert.pem;
        ssl_certificate_key @DIRECTORY@/key.pem;
        ssl_protocols @PROTOCOL@;
        keepalive_timeout 0;
        access_log @DIRECTORY@/access resumed;
        location / { return 200 'hello'; }
    }
}
";

impl Nginx {
    fn start(protocol: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        // Free a moment ago; nginx takes no port 0.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let folder = directory.path().to_str().unwrap();
        let configuration = CONFIGURATION
            .replace("@DIRECTORY@", folder)
            .replace("@ADDRESS@", &address.to_string())
            .replace("@PROTOCOL@", protocol);
        for (file, text) in [
            ("cert.pem", cert.pem()),
            ("key.pem", signing_key.serialize_pem()),
            ("nginx.conf", configuration),
        ] {
            fs::write(directory.path().join(file), text).unwrap();
        }
        let process = Command::new(program())
            .args(["-p", folder, "-e", "error.log", "-c", "nginx.conf"])
            .current_dir(directory.path())
            .spawn()
            .unwrap();
        let nginx = Self { directory, address, process };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "nginx does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
        nginx
    }

    /// How many requests came over full and over resumed connections.
    fn noted(&self, protocol: &str, requests: u64) -> (u64, u64) {
        let began = Instant::now();
        loop {
            let text = fs::read_to_string(self.directory.path().join("access")).unwrap();
            let mut noted = BTreeMap::<_, u64>::new();
            text.lines().for_each(|line| *noted.entry(line).or_default() += 1);
            let of = |kind: &str| {
                noted.get(format!("{protocol} {kind}").as_str()).copied().unwrap_or_default()
            };
            let (full, resumed) = (of("."), of("r"));
            // A line is written after its answer.
            if full + resumed >= requests {
                return (full, resumed);
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{noted:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    async fn run(&self, users: u64, requests: u64, sessions: &str) -> Over {
        let url = format!("https://localhost:{}/", self.address.port());
        let file = self.directory.path().join("cert.pem");
        let requests = requests.to_string();
        let settings = [
            ("url", url.as_str()),
            ("ca_file", file.to_str().unwrap()),
            ("requests", &requests),
            ("tls_sessions", sessions),
        ];
        run(users, &settings).await
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Told rather than killed, so that its worker goes with it.
        let folder = self.directory.path();
        let told = Command::new(program())
            .args(["-p", folder.to_str().unwrap(), "-e", "error.log", "-c", "nginx.conf"])
            .args(["-s", "stop"])
            .status();
        if !told.is_ok_and(|status| status.success()) {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
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

const PROTOCOLS: [&str; 2] = ["TLSv1.2", "TLSv1.3"];

/// What nginx noted, and what the run counted.
async fn handshakes(protocol: &str, sessions: &str) -> ((u64, u64), (u64, u64)) {
    let nginx = Nginx::start(protocol);
    let over = nginx.run(10, 12, sessions).await;
    assert_eq!(over.action("request"), (120, 0), "{over:?}");
    let counted = (over.counter("tls_handshakes_full"), over.counter("tls_handshakes_resumed"));
    (nginx.noted(protocol, 120), counted)
}

#[tokio::test]
async fn each_user_resumes_its_own_session_from_its_second_connection_on() {
    for protocol in PROTOCOLS {
        // Ten users' first handshakes are full ones: nobody had a session but of its own.
        let own = (10, 110);
        assert_eq!(handshakes(protocol, "own").await, (own, own), "{protocol}");
    }
}

#[tokio::test]
async fn without_sessions_every_handshake_is_a_full_one() {
    for protocol in PROTOCOLS {
        assert_eq!(handshakes(protocol, "none").await, ((120, 0), (120, 0)), "{protocol}");
    }
}

#[tokio::test]
async fn a_user_that_comes_later_resumes_a_strangers_session_only_if_they_are_shared() {
    for protocol in PROTOCOLS {
        for (sessions, full) in [("own", 4), ("shared", 1)] {
            let nginx = Nginx::start(protocol);
            let url = format!("https://localhost:{}/", nginx.address.port());
            let file = nginx.directory.path().join("cert.pem");
            let over = one_after_the_other(&url, file.to_str().unwrap(), sessions).await;
            assert_eq!(over.action("request"), (12, 0), "{over:?}");
            assert_eq!(nginx.noted(protocol, 12), (full, 12 - full), "{protocol} {sessions}");
        }
    }
}

/// Four users of three requests each, who begin one after the other's first answer.
async fn one_after_the_other(url: &str, ca_file: &str, sessions: &str) -> Over {
    let settings = [
        ("url", url),
        ("ca_file", ca_file),
        ("requests", "3"),
        ("tls_sessions", sessions),
        // The first is still there when the last begins.
        ("think_time", "700ms"),
    ];
    let going = start(1, &settings).await;
    for begun in 1..4 {
        going.eventually("it is answered", |over| over.action("request").0 >= begun).await;
        going.node.add(1).await.unwrap();
    }
    going.eventually("all end", |over| over.users.finished == 4).await;
    going.stop().await
}
