//! A cluster: a master and its workers, and what the tests do with them.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    path::Path,
    process::Output,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    binary::{crowd, finish},
    cable::Cables,
    http,
    process::{NotReady, Options, Process},
    shapes::{self, Answer, Member, Status},
    target::Target,
};

/// How long anything may take on a busy machine, unless a test says otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The node that commands in all tests that do not say otherwise.
pub(crate) const MASTER: &str = "master";

/// A cluster with an echo server as its target.
pub(crate) struct Cluster {
    nodes: BTreeMap<String, Process>,
    cables: Option<Cables>,
    folder: TempDir,
    pub(crate) cookie: String,
    environment: Vec<(String, String)>,
    pub(crate) target: Target,
}

/// What a cluster is made of.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    workers: usize,
    cables: bool,
    environment: Vec<(String, String)>,
}

impl Plan {
    /// A master and so many workers.
    pub(crate) fn workers(workers: usize) -> Self {
        Self { workers, ..Self::default() }
    }

    /// Connected by cables that can be cut.
    pub(crate) fn cabled(mut self) -> Self {
        self.cables = true;
        self
    }

    /// All nodes with this in their environment.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Starts it, and waits until all nodes know each other.
    pub(crate) fn start(self) -> Cluster {
        let workers = self.workers;
        let mut cluster = Cluster::empty(self);
        cluster.add_node(MASTER);
        for number in 1..=workers {
            cluster.add_node(&worker(number));
        }
        cluster.settle();
        cluster
    }
}

/// `worker-1`, and so on.
pub(crate) fn worker(number: usize) -> String {
    format!("worker-{number}")
}

impl Cluster {
    /// A master and so many workers.
    pub(crate) fn start(workers: usize) -> Self {
        Plan::workers(workers).start()
    }

    /// Nobody yet.
    pub(crate) fn empty(plan: Plan) -> Self {
        let folder = TempDir::new().unwrap();
        let cookie = format!("cookie-{:032x}", rand::random::<u128>());
        let cables = plan.cables.then(|| Cables::new(&cookie));
        let environment = plan.environment;
        Self {
            nodes: BTreeMap::new(),
            cables,
            folder,
            cookie,
            environment,
            target: Target::start(),
        }
    }

    /// Where its nodes keep their files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The cables, of a cluster that has them.
    pub(crate) fn cables(&self) -> &Cables {
        self.cables.as_ref().unwrap()
    }

    /// Where others reach a node.
    pub(crate) fn address(&mut self, name: &str) -> String {
        match &mut self.cables {
            Some(cables) => cables.relay(name).to_string(),
            None => self.node(name).cluster.to_string(),
        }
    }

    /// What a node is started with, if it joins through that one.
    pub(crate) fn options(&mut self, name: &str, seed: Option<&str>) -> Options {
        let mut environment = self.environment.clone();
        let mut set = |name: &str, value: String| environment.push((name.into(), value));
        set("CROWD_COOKIE", self.cookie.clone());
        set("CROWD_LISTEN", "127.0.0.1:0".into());
        set("CROWD_API_LISTEN", "127.0.0.1:0".into());
        if let Some(seed) = seed {
            set("CROWD_NODES", seed.into());
        }
        if let Some(cables) = &mut self.cables {
            set("CROWD_ADVERTISE", cables.relay(name).to_string());
        }
        Options { name: name.into(), environment, under: Vec::new() }
    }

    /// Starts a node; all but the first join through the master, or whoever is there.
    pub(crate) fn add_node(&mut self, name: &str) {
        let seed = match self.nodes.contains_key(MASTER) {
            true => Some(MASTER.to_owned()),
            false => self.nodes.keys().find(|other| *other != name).cloned(),
        };
        let seed = seed.filter(|seed| seed != name).map(|seed| self.address(&seed));
        let options = self.options(name, seed.as_deref());
        self.start_node(&options);
    }

    /// Starts a node.
    #[track_caller]
    pub(crate) fn start_node(&mut self, options: &Options) {
        if let Err(fault) = self.try_start(options) {
            panic!("{} is not ready ({:?}):\n{}", options.name, fault.status, fault.said);
        }
    }

    /// Starts a node that may have reasons not to.
    ///
    /// # Errors
    /// If it does not come to be ready.
    pub(crate) fn try_start(&mut self, options: &Options) -> Result<(), NotReady> {
        let process = Process::start(options, self.folder.path())?;
        if let Some(cables) = &self.cables {
            cables.leads_to(&options.name, process.cluster);
        }
        self.nodes.insert(options.name.clone(), process);
        Ok(())
    }

    /// Starts a process beside the cluster's own nodes.
    ///
    /// # Errors
    /// If it does not come to be ready.
    pub(crate) fn try_start_beside(&self, options: &Options) -> Result<Process, NotReady> {
        Process::start(options, self.folder.path())
    }

    /// A node.
    #[track_caller]
    pub(crate) fn node(&self, name: &str) -> &Process {
        self.nodes.get(name).unwrap_or_else(|| panic!("no node {name}"))
    }

    /// A node.
    #[track_caller]
    pub(crate) fn node_mut(&mut self, name: &str) -> &mut Process {
        self.nodes.get_mut(name).unwrap_or_else(|| panic!("no node {name}"))
    }

    /// Kills a node at once and forgets it.
    pub(crate) fn kill(&mut self, name: &str) {
        self.node_mut(name).kill();
        self.nodes.remove(name);
    }

    /// Waits until every node lists all of them, and nobody else, as up.
    #[track_caller]
    pub(crate) fn settle(&self) {
        let names: Vec<_> = self.nodes.keys().cloned().collect();
        for name in &names {
            eventually(&format!("{name} knows {names:?}"), PATIENCE, || {
                let found = self.members(name);
                let mut up: Vec<_> = found
                    .iter()
                    .filter(|node| node.state == shapes::UP)
                    .map(|node| node.name.clone())
                    .collect();
                up.sort();
                if up == names { Ok(()) } else { Err(found) }
            });
        }
    }

    /// What a node answers to a line.
    #[track_caller]
    pub(crate) fn ask(&self, node: &str, line: &str) -> Answer {
        let token = self.environment.iter().find(|(name, _)| name == "CROWD_API_TOKEN");
        let token = token.map(|(_, token)| token.as_str());
        match http::command(self.node(node).api, token, line) {
            Ok(json) => Answer::of(&json),
            Err(error) => panic!("`{line}` on {node}: {error}"),
        }
    }

    /// What a node answers to a line that it carries out.
    #[track_caller]
    pub(crate) fn done_on(&self, node: &str, line: &str) -> Value {
        match self.ask(node, line) {
            Answer::Done { data, .. } => data,
            refused => panic!("`{line}` on {node}: {refused:?}"),
        }
    }

    /// What the master answers to a line that it carries out.
    #[track_caller]
    pub(crate) fn done(&self, line: &str) -> Value {
        self.done_on(MASTER, line)
    }

    /// The code a node refuses a line with, and its sentence.
    #[track_caller]
    pub(crate) fn refused(&self, node: &str, line: &str) -> (String, String) {
        match self.ask(node, line) {
            Answer::Refused { code, message } => (code, message),
            done => panic!("`{line}` on {node} is not refused: {done:?}"),
        }
    }

    /// `do echo` against the cluster's target, everybody at once unless said otherwise.
    #[track_caller]
    pub(crate) fn echo(&self, users: u64, settings: &str) -> shapes::Given {
        self.echo_on(MASTER, users, settings)
    }

    /// The same, typed on that node.
    #[track_caller]
    pub(crate) fn echo_on(&self, node: &str, users: u64, settings: &str) -> shapes::Given {
        let rate = if settings.contains("user_rate=") { "" } else { "user_rate=unlimited" };
        let target = self.target.address;
        let line = format!("do echo {users} target={target} {rate} {settings}");
        shapes::given(&self.done_on(node, &line))
    }

    /// `status` of the cluster.
    #[track_caller]
    pub(crate) fn status(&self) -> Box<Status> {
        self.status_on(MASTER)
    }

    /// `status`, asked on that node.
    #[track_caller]
    pub(crate) fn status_on(&self, node: &str) -> Box<Status> {
        Box::new(Status::of(&self.done_on(node, "status")))
    }

    /// `nodes`.
    #[track_caller]
    pub(crate) fn members(&self, node: &str) -> Vec<Member> {
        shapes::members(&self.done_on(node, "nodes"))
    }

    /// Waits until the cluster's status is as wanted.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Box<Status> {
        self.until_within(what, PATIENCE, wanted)
    }

    /// The same, for so long.
    #[track_caller]
    pub(crate) fn until_within(
        &self,
        what: &str,
        patience: Duration,
        wanted: impl Fn(&Status) -> bool,
    ) -> Box<Status> {
        eventually(what, patience, || {
            let status = self.status();
            if wanted(&status) { Ok(status) } else { Err(status) }
        })
    }

    /// Waits until so many users run.
    #[track_caller]
    pub(crate) fn until_running(&self, users: u64) -> Box<Status> {
        self.until(&format!("{users} run"), |status| status.users.running == users)
    }

    /// Waits until exactly these users act, as the target sees it, and answers with the node of
    /// each. A user acts at least every `within`.
    #[track_caller]
    pub(crate) fn until_acting(
        &self,
        ids: std::ops::RangeInclusive<u64>,
        within: Duration,
        patience: Duration,
    ) -> BTreeMap<u64, String> {
        eventually(&format!("{ids:?} act"), patience, || {
            let acting = self.target.acting(within);
            if acting.keys().copied().eq(ids.clone()) { Ok(acting) } else { Err(acting) }
        })
    }

    /// `crowd eval` against a node.
    pub(crate) fn eval(&self, node: &str, arguments: &[&str]) -> Output {
        let mut command = crowd(self.folder.path());
        command.args(["eval", "--api", &format!("http://{}", self.node(node).api)]);
        command.args(arguments);
        finish(command, "")
    }
}

/// **Counts add up**: over the cluster, and of its nodes.
#[track_caller]
pub(crate) fn assert_adds_up(status: &Status) {
    assert_eq!(status.users.told_of(), status.users.asked, "{status:?}");
    let running: u64 = status.nodes.values().map(|users| users.running).sum();
    assert_eq!(running, status.users.running, "{status:?}");
}

/// Tries until it works, and answers with what came of it.
#[track_caller]
pub(crate) fn eventually<T, E: Debug>(
    what: &str,
    patience: Duration,
    mut attempt: impl FnMut() -> Result<T, E>,
) -> T {
    let began = Instant::now();
    loop {
        match attempt() {
            Ok(found) => return found,
            Err(instead) if began.elapsed() > patience => {
                panic!("not within {patience:?}: {what}; instead {instead:?}")
            }
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// Watches for so long that something holds.
#[track_caller]
pub(crate) fn throughout<E: Debug>(
    what: &str,
    time: Duration,
    mut holds: impl FnMut() -> Result<(), E>,
) {
    let began = Instant::now();
    while began.elapsed() < time {
        if let Err(instead) = holds() {
            panic!("no longer after {:?}: {what}; instead {instead:?}", began.elapsed());
        }
        thread::sleep(Duration::from_millis(50));
    }
}
