//! A node in a process of its own: lines of JSON tell it what to do, and it tells what it sees.

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use crowd_core::{
    settings::Secret,
    telemetry::{
        Telemetry,
        event::{ClusterRefused, ClusterStumbled},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader as AsyncBufReader};

use crate::cluster::{
    link::{LinkOptions, Links, Listener, Standing, TlsFiles},
    member::{Member, MemberId},
    mesh::{Mesh, MeshEvent},
    protocol::{Protocol, Service},
};

const VARIABLE: &str = "CROWD_LINK_PEER";

/// How long anything may take that has no bound of its own.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// What a node is started with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Config {
    pub(super) name: String,
    pub(super) listen: String,
    pub(super) seeds: Vec<String>,
    pub(super) cookie: String,
    pub(super) scenarios: BTreeMap<String, String>,
    pub(super) tls: Option<[PathBuf; 3]>,
    pub(super) master: Option<String>,
}

impl Config {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            listen: "127.0.0.1:0".into(),
            seeds: Vec::new(),
            cookie: "swordfish".into(),
            scenarios: [("chat".to_owned(), "1".to_owned())].into(),
            tls: None,
            master: None,
        }
    }

    pub(super) fn seed(mut self, peer: &Peer) -> Self {
        self.seeds.push(peer.address.clone());
        self
    }

    pub(super) fn start(&self) -> Peer {
        Peer::start(self)
    }
}

/// A node in a process of its own, killed when dropped.
pub(super) struct Peer {
    child: Child,
    input: ChildStdin,
    heard: Arc<(Mutex<Vec<Value>>, Condvar)>,
    pub(super) address: String,
    pub(super) config: Config,
}

impl Peer {
    fn start(config: &Config) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "cluster::link::tests::peer::a_peer", "--nocapture"])
            .env(VARIABLE, serde_json::to_string(config).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let heard = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let told = heard.clone();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let said =
                    line.split_once('@').and_then(|(_, said)| serde_json::from_str(said).ok());
                told.0.lock().unwrap().extend(said);
                told.1.notify_all();
            }
        });
        let mut peer = Self { child, input, heard, address: String::new(), config: config.clone() };
        peer.address = peer.until("address", |said| said["listens"].as_str().map(String::from));
        peer
    }

    /// Tells it what to do.
    pub(super) fn tell(&mut self, what: &Value) {
        writeln!(self.input, "{what}").unwrap();
    }

    /// How much it has said so far.
    pub(super) fn so_far(&self) -> usize {
        self.heard.0.lock().unwrap().len()
    }

    /// The first thing it says, from then on, that is looked for.
    pub(super) fn since<T>(
        &self,
        from: usize,
        within: Duration,
        what: &str,
        look: impl Fn(&Value) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + within;
        let (said, more) = &*self.heard;
        let mut said = said.lock().unwrap();
        loop {
            if let Some(found) = said.iter().skip(from).find_map(&look) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{} never said {what}: {said:#?}", self.config.name);
            said = more.wait_timeout(said, left).unwrap().0;
        }
    }

    /// The first thing it ever says that is looked for.
    pub(super) fn until<T>(&self, what: &str, look: impl Fn(&Value) -> Option<T>) -> T {
        self.since(0, PATIENCE, what, look)
    }

    /// Whether it said something so far that is looked for.
    pub(super) fn says_so_far(&self, look: impl Fn(&Value) -> bool) -> bool {
        self.heard.0.lock().unwrap().iter().any(look)
    }

    /// Whether it ever said such a thing.
    pub(super) fn has_said(&self, what: &str) -> bool {
        self.heard.0.lock().unwrap().iter().any(|said| said.get(what).is_some())
    }

    /// Tells it something and hears the answer.
    pub(super) fn ask(&mut self, what: &Value, answer: &str) -> Value {
        let from = self.so_far();
        self.tell(what);
        self.since(from, PATIENCE, answer, |said| said.get(answer).cloned())
    }

    /// Waits until exactly these members are up.
    pub(super) fn reaches(&mut self, mut names: Vec<&str>, within: Duration) {
        names.sort_unstable();
        let deadline = Instant::now() + within;
        loop {
            let members = self.ask(&json!("members"), "members");
            let mut found: Vec<&str> =
                members.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
            found.sort_unstable();
            if found == names {
                return;
            }
            if Instant::now() >= deadline {
                let views = self.ask(&json!("views"), "views");
                panic!("{} reaches {found:?}, not {names:?}: {views:#}", self.config.name);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(super) fn comes_up(&self, from: usize, name: &str, within: Duration) {
        self.since(from, within, &format!("{name} up"), |said| (said["up"] == name).then_some(()));
    }

    pub(super) fn goes_down(&self, from: usize, name: &str, within: Duration) -> String {
        self.since(from, within, &format!("{name} down"), |said| {
            (said["down"] == name).then(|| said["why"].as_str().unwrap().to_owned())
        })
    }

    pub(super) fn refuses(&self, from: usize, words: &str) {
        self.since(from, PATIENCE, words, |said| {
            said["refused"].as_str().filter(|why| why.contains(words)).map(drop)
        });
    }

    /// What it has logged so far that nobody but the log is told, if it contains these words.
    pub(super) fn logged(&self, words: &str) -> Vec<String> {
        let said = self.heard.0.lock().unwrap();
        let lines = said.iter().filter_map(|said| said["logged"].as_str());
        lines.filter(|line| line.contains(words)).map(str::to_owned).collect()
    }

    /// Memory in use, in KiB.
    pub(super) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// The inodes of its sockets.
    pub(super) fn sockets(&self) -> Vec<String> {
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        files
            .filter_map(|file| std::fs::read_link(file.ok()?.path()).ok())
            .filter_map(|target| {
                let target = target.to_str()?.strip_prefix("socket:[")?;
                Some(target.strip_suffix(']')?.to_owned())
            })
            .collect()
    }

    pub(super) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Ends it without warning.
    pub(super) fn kill(mut self) -> Config {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut config = self.config.clone();
        config.listen = self.address.clone();
        config
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Number(u64, Vec<u8>);

impl Protocol for Number {
    const SERVICE: Service = Service::Mail;
    type Answer = u64;
}

fn say(what: &Value) {
    println!("@{what}");
}

/// Says what is logged, but for what the events tell.
struct Log;

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        if text.contains("a node cannot be reached") {
            say(&json!({"logged": text}));
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Not a test of its own: what the started processes run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer() {
    let Ok(config) = env::var(VARIABLE) else { return };
    if env::var("CROWD_LINK_LOG").is_ok() {
        let _ = tracing_subscriber::fmt().with_writer(std::io::stderr).try_init();
    } else {
        let warnings = tracing_subscriber::fmt().with_max_level(tracing::Level::WARN);
        let _ = warnings.with_ansi(false).with_writer(|| Log).try_init();
    }
    let config: Config = serde_json::from_str(&config).unwrap();
    let telemetry = Telemetry::default();
    let _refusals = telemetry.subscribe(|occurrence| {
        if let Some(refused) = occurrence.event.downcast_ref::<ClusterRefused>() {
            say(&json!({"refused": refused.reason, "address": refused.address}));
        }
    });
    let _stumbles = telemetry.subscribe(|occurrence| {
        if let Some(stumbled) = occurrence.event.downcast_ref::<ClusterStumbled>() {
            say(&json!({"stumbled": stumbled.node, "why": stumbled.reason}));
        }
    });
    let listener = Listener::bind(config.listen.parse().unwrap()).unwrap();
    let mesh = Mesh::new(Member {
        id: MemberId::new(config.name.as_str(), rand::random()),
        address: listener.advertised(None),
        version: env!("CARGO_PKG_VERSION").into(),
        since: 0,
    });
    serve(&mesh);
    let options = LinkOptions {
        advertise: None,
        seeds: config.seeds.iter().map(|seed| seed.parse().unwrap()).collect(),
        cookie: Secret::new(config.cookie.clone()),
        tls: config.tls.clone().map(|[cert, key, ca]| TlsFiles { cert, key, ca }),
        scenarios: config.scenarios.clone(),
        telemetry,
    };
    let mut events = mesh.events();
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            match event {
                MeshEvent::Up(member) => say(&json!({"up": member.id.name, "at": member.address})),
                MeshEvent::Left(id) => say(&json!({"left": id.name})),
                MeshEvent::Down(id, why) => say(&json!({"down": id.name, "why": why})),
            }
        }
    });
    let links = Links::start(mesh.clone(), listener, options).await.unwrap();
    links.set_master(config.master.map(|name| MemberId::new(name, 1)));
    say(&json!({"listens": links.address().to_string()}));
    let mut orders = AsyncBufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(order)) = orders.next_line().await {
        obey(&mesh, &links, &serde_json::from_str(&order).unwrap()).await;
    }
}

/// The handler of whoever gets this number panics.
const POISON: u64 = u64::MAX;

/// Counts what comes from everybody, and whether it comes in order.
fn serve(mesh: &Mesh) {
    let seen = Mutex::new(BTreeMap::<MemberId, u64>::new());
    mesh.serve(move |from: &MemberId, Number(number, body), responder| {
        assert!(number != POISON || !body.is_empty(), "number {number} is not to be handled");
        if let Some(responder) = responder {
            return responder.answer(&(number + body.len() as u64));
        }
        let mut seen = seen.lock().unwrap();
        let expected = seen.entry(from.clone()).or_default();
        if *expected != number {
            say(&json!({"disorder": number, "expected": *expected}));
        }
        *expected = number + 1;
        if number.is_multiple_of(10_000) {
            say(&json!({"got": number, "from": from.name}));
        }
    });
}

async fn obey(mesh: &Mesh, links: &Links, order: &Value) {
    let to = |order: &Value| mesh.named(order["to"].as_str().unwrap()).unwrap();
    if order == "members" {
        let members: Vec<_> = mesh.members().into_iter().map(|member| member.id.name).collect();
        say(&json!({"members": members}));
    } else if order == "views" {
        let views: Vec<Value> = links.views().iter().map(described).collect();
        say(&json!({"views": views}));
    } else if order == "shutdown" {
        links.shutdown().await;
        say(&json!({"shut": true}));
    } else if let Some(address) = order["join"].as_str() {
        let joined = links.join(&address.parse().unwrap()).await;
        say(&json!({"joined": joined.map_err(|refusal| refusal.message)}));
    } else if let Some(count) = order["casts"].as_u64() {
        let size = usize::try_from(order["size"].as_u64().unwrap()).unwrap();
        let to = to(order);
        for number in 0..=count {
            if mesh.cast(&to, &Number(number, vec![7; size])).is_err() {
                break;
            }
        }
        say(&json!({"sent": count}));
    } else if order["poison"] == true {
        say(&json!({"poisoned": mesh.cast(&to(order), &Number(POISON, Vec::new())).is_ok()}));
    } else if let Some(number) = order["call"].as_u64() {
        let size = usize::try_from(order["size"].as_u64().unwrap()).unwrap();
        let answer =
            mesh.call(&to(order), &Number(number, vec![7; size]), Duration::from_secs(5)).await;
        say(&json!({"answer": answer.map_err(|fault| fault.to_string())}));
    } else if let Some(name) = order["seen"].as_str() {
        // Whoever it is, under its last life known here.
        let id = links.views().into_iter().filter_map(|view| view.id).find(|id| &*id.name == name);
        let by_others = id.is_some_and(|id| links.reached_by_others(&id));
        say(&json!({"seen": {"by_others": by_others}}));
    } else {
        panic!("what is {order}?");
    }
}

fn described(view: &crate::cluster::link::LinkView) -> Value {
    let (state, why) = match &view.state {
        Standing::Up => ("up", None),
        Standing::Connecting(why) => ("connecting", why.clone()),
        Standing::Refused(why) => ("refused", Some(why.clone())),
        Standing::Lost(why) => ("lost", Some(why.clone())),
    };
    json!({
        "name": view.id.as_ref().map(|id| id.name.to_string()),
        "address": view.address,
        "state": state,
        "why": why,
        "master": view.master.as_ref().map(|id| id.name.to_string()),
        "clock": view.clock.map(|clock| [clock.error, clock.round_trip]),
    })
}
