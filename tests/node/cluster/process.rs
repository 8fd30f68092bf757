//! One node: a process, its output, and the signals it gets.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    net::SocketAddr,
    os::unix::{fs::MetadataExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use crate::binary::crowd;

/// How long a node may take to be ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// A node that runs, or did.
pub(crate) struct Process {
    pub(crate) name: String,
    /// Where other nodes reach it, unless it says otherwise.
    pub(crate) cluster: SocketAddr,
    /// Where it takes commands.
    pub(crate) api: SocketAddr,
    child: Child,
    /// The node's own process, if it is started by another command.
    pid: u32,
    ended: Option<ExitStatus>,
    log: PathBuf,
    printed: PathBuf,
}

/// What a node is started with.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) name: String,
    /// More of its environment.
    pub(crate) environment: Vec<(String, String)>,
    /// The command that starts it; nothing for none.
    pub(crate) under: Vec<&'static str>,
}

/// Why a node did not come to be ready.
#[derive(Debug)]
pub(crate) struct NotReady {
    /// How it ended; `None` if it went on, and was killed.
    pub(crate) status: Option<ExitStatus>,
    /// What it said.
    pub(crate) said: String,
}

impl Process {
    /// Starts a node and waits until it is ready.
    ///
    /// # Errors
    /// If it ends before that, or takes too long.
    pub(crate) fn start(options: &Options, folder: &Path) -> Result<Self, NotReady> {
        let mut command = under(&options.under, crowd(folder));
        command.arg("start").env("CROWD_NODE_NAME", &options.name);
        command.env("CROWD_LOG", "info");
        command.envs(options.environment.iter().map(|(name, value)| (name, value)));
        // A node may be started again under its name: one log for each time.
        let count = fs::read_dir(folder).unwrap().count();
        let log = folder.join(format!("{}-{count}.log", options.name));
        let printed = folder.join(format!("{}-{count}.out", options.name));
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(File::create(&log).unwrap());
        let mut child = command.spawn().unwrap();
        let lines = follow(child.stdout.take().unwrap(), printed.clone());
        let said = || fs::read_to_string(&log).unwrap_or_default();
        let began = Instant::now();
        let ready = loop {
            match lines.recv_timeout(PATIENCE.saturating_sub(began.elapsed())) {
                Ok(line) => {
                    if let Some(addresses) = addresses(&line, &options.name) {
                        break addresses;
                    }
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    let status = child.wait().unwrap();
                    return Err(NotReady { status: Some(status), said: said() });
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    child.kill().unwrap();
                    child.wait().unwrap();
                    return Err(NotReady { status: None, said: said() });
                }
            }
        };
        let (cluster, api) = ready;
        let (name, pid) = (options.name.clone(), node_of(child.id()));
        Ok(Self { name, cluster, api, child, pid, ended: None, log, printed })
    }

    /// The id of the process.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends it a signal by name: `-KILL`, `-STOP`, `-CONT`, `-TERM`.
    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.pid().to_string()]).status();
        assert!(status.unwrap().success(), "no {signal} for {}", self.name);
    }

    /// Kills it, as a machine that loses power would.
    pub(crate) fn kill(&mut self) {
        if self.ended.is_none() {
            // A frozen process dies of this as well.
            self.child.kill().unwrap();
            self.ended = Some(self.child.wait().unwrap());
        }
    }

    /// Waits for it to end by itself.
    #[track_caller]
    pub(crate) fn end(&mut self, patience: Duration) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.has_ended() {
                return status;
            }
            assert!(began.elapsed() < patience, "{} does not end", self.name);
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// How it ended, if it has.
    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().unwrap();
        }
        self.ended
    }

    /// What it printed.
    pub(crate) fn printed(&self) -> String {
        fs::read_to_string(&self.printed).unwrap_or_default()
    }

    /// What it logged.
    pub(crate) fn logged(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// How much memory it holds, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

/// That command, started by another one.
pub(crate) fn under(starter: &[&str], command: Command) -> Command {
    let Some((program, arguments)) = starter.split_first() else { return command };
    let mut whole = Command::new(program);
    whole.args(arguments).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => whole.env(name, value),
            None => whole.env_remove(name),
        };
    }
    whole
}

/// The starter of a node as process 1 of a namespace of its own. Where that cannot be had, it says so
/// and nothing is started.
pub(crate) fn as_process_1() -> Vec<&'static str> {
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let user = if root { &[][..] } else { &["--user", "--map-root-user"] };
    [&["unshare"], user, &["--pid", "--fork", "--kill-child"]].concat()
}

/// The node that this process is or has started.
#[track_caller]
pub(crate) fn node_of(pid: u32) -> u32 {
    let began = Instant::now();
    loop {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let children = fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let child: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let status = fs::read_to_string(format!("/proc/{child}/status")).ok()?;
            status.contains(&format!("\nPPid:\t{pid}\n")).then_some(child)
        });
        match name.trim() {
            "crowd" => return pid,
            "unshare" => {
                let crowd = children.into_iter().find(|child| {
                    let name = fs::read_to_string(format!("/proc/{child}/comm"));
                    name.is_ok_and(|name| name.trim() == "crowd")
                });
                if let Some(node) = crowd {
                    return node;
                }
            }
            _ => {}
        }
        assert!(began.elapsed() < PATIENCE, "{pid} is `{name}` and has started no node");
        thread::sleep(Duration::from_millis(10));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if thread::panicking() {
            let how = self.ended.map(|status| (status.code(), status.signal()));
            eprintln!("== {} (ended: {how:?})\n{}{}", self.name, self.printed(), self.logged());
        }
    }
}

/// Passes on what a node prints, line by line, and keeps it in a file, so that it never waits for
/// a reader.
fn follow(output: ChildStdout, kept: PathBuf) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut kept = File::create(kept).unwrap();
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = std::io::Write::write_all(&mut kept, format!("{line}\n").as_bytes());
            // Nobody listens once the node is ready.
            let _ = sender.send(line);
        }
    });
    lines
}

/// The addresses in `crowd node NAME is ready, cluster ADDRESS, api http://ADDRESS`.
fn addresses(line: &str, name: &str) -> Option<(SocketAddr, SocketAddr)> {
    let rest = line.strip_prefix(&format!("crowd node {name} is ready, cluster "))?;
    let (cluster, api) = rest.split_once(", api http://")?;
    Some((cluster.parse().ok()?, api.trim_end_matches('/').parse().ok()?))
}
