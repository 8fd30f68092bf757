//! Runs a block in a folder of its own.

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::parse::{Block, Step, shortened};

/// What is rewritten: targets that the documentation names, by the server of this test,
const TARGETS: [&str; 2] = ["localhost:8080", "shop:8080"];

/// and the ports of nodes, by free ones.
const PORTS: [&str; 4] = ["4000", "4001", "4370", "4371"];

/// What a run may say of a busy machine: a threshold that failed, a generator that could not keep
/// up, a run that a threshold ended.
const BUSY: [i32; 3] = [2, 3, 4];

/// The binary under test: the one that was built with the test, unless `CROWD_BIN` names another.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("CROWD_BIN").map_or_else(|| env!("CARGO_BIN_EXE_crowd").into(), PathBuf::from)
}

/// A place to run blocks in.
pub(crate) struct Place {
    folder: TempDir,
    ports: HashMap<&'static str, u16>,
    target: SocketAddr,
    pub(crate) patience: Duration,
}

impl Place {
    pub(crate) fn new(target: SocketAddr) -> Self {
        let folder = TempDir::new().unwrap();
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(fs::canonicalize(binary()).unwrap(), bin.join("crowd")).unwrap();
        // All are held until all are chosen, so that no two are one.
        let held = PORTS.map(|port| (port, TcpListener::bind("127.0.0.1:0").unwrap()));
        let free =
            |(port, held): &(&'static str, TcpListener)| (*port, held.local_addr().unwrap().port());
        let ports = held.iter().map(free).collect();
        Self { folder, ports, target, patience: Duration::from_secs(40) }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A command as it is run here.
    pub(crate) fn here(&self, command: &str) -> String {
        let mut here = shortened(command);
        for target in TARGETS {
            here = here.replace(target, &self.target.to_string());
        }
        for (port, free) in &self.ports {
            here = here.replace(&format!(":{port}"), &format!(":{free}"));
        }
        here
    }

    /// Runs a block; what went wrong, if anything did.
    pub(crate) fn run(&self, block: &Block) -> Result<(), String> {
        let (mut script, mut text) = (String::new(), String::new());
        for (at, step) in block.steps.iter().enumerate() {
            let command = self.here(&step.command);
            let _ = writeln!(text, "{command}");
            let typed: String = step.console.iter().map(|line| self.here(line) + "\n").collect();
            text.push_str(&typed);
            fs::write(self.path().join(format!("in.{at}")), typed).unwrap();
            // Braces and no subshell: what is exported and where one is stays for the next.
            let _ = writeln!(
                script,
                "{{ {command}\n}} <in.{at} >out.{at} 2>err.{at}; echo $? >\"$PLACE/code.{at}\""
            );
        }
        let node = needs_node(&text).then(|| self.node());
        let mut shell = self.command("bash");
        shell
            .arg("-c")
            .arg(&script)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut shell = Group(shell.process_group(0).spawn().unwrap());
        let ended = shell.ended(self.patience);
        drop((shell, node));
        for (at, step) in block.steps.iter().enumerate() {
            let read = |what: &str| {
                fs::read_to_string(self.path().join(format!("{what}.{at}"))).unwrap_or_default()
            };
            let wrong = if read("code").is_empty() {
                Some(format!("it did not end within {:?}", self.patience))
            } else {
                wrong(step, read("code").trim().parse().unwrap(), &read("out"))
            };
            if let Some(wrong) = wrong {
                let (command, out, err) = (self.here(&step.command), read("out"), read("err"));
                return Err(format!("{}: `{command}`: {wrong}\n{out}{err}", block.at));
            }
        }
        assert!(ended, "{}: all steps ended, and the shell did not", block.at);
        Ok(())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CROWD_") {
                command.env_remove(name);
            }
        }
        let path = std::env::var("PATH").unwrap();
        command
            .current_dir(self.path())
            .env("PATH", format!("{}:{path}", self.path().join("bin").display()))
            .env("PLACE", self.path())
            .env("XDG_STATE_HOME", self.path())
            .env("CROWD_LOG", "warn")
            .env("CROWD_API_LISTEN", format!("127.0.0.1:{}", self.ports["4000"]))
            .env_remove("RUST_LOG");
        command
    }

    /// A node in the background, as for a block that talks to one.
    fn node(&self) -> Group {
        let mut node = self.command("crowd");
        node.arg("start").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let node = Group(node.process_group(0).spawn().unwrap());
        let began = Instant::now();
        let up = || self.command("crowd").arg("status").output().unwrap().status.success();
        while !up() {
            assert!(began.elapsed() < self.patience, "the node does not come up");
            thread::sleep(Duration::from_millis(20));
        }
        node
    }
}

/// Whether a block talks to a node that it does not start.
fn needs_node(text: &str) -> bool {
    let asks = ["crowd eval", "crowd status", "crowd attach", "/api/v1/", "--api "];
    asks.iter().any(|ask| text.contains(ask)) && !text.contains("crowd start")
}

/// What is wrong with what a step did.
fn wrong(step: &Step, code: i32, out: &str) -> Option<String> {
    let busy =
        step.code().is_none() && BUSY.contains(&code) && !out.contains("nothing was measured");
    let wanted = step.code().unwrap_or(0);
    if code != wanted && !busy {
        return Some(format!("it ended with exit code {code}, and not {wanted}"));
    }
    let mut lines = out.lines().map(str::trim_end);
    let printed = step.printed.iter().map(|line| line.trim_end());
    let mut told = printed.filter(|line| !line.is_empty() && *line != "…");
    told.find(|wanted| !lines.any(|line| line == *wanted))
        .map(|missing| format!("it did not print `{missing}`"))
}

/// A process and all that it started, which end with it.
struct Group(Child);

impl Group {
    /// Waits for its end; whether it came.
    fn ended(&mut self, patience: Duration) -> bool {
        let began = Instant::now();
        while self.0.try_wait().unwrap().is_none() {
            if began.elapsed() > patience {
                return false;
            }
            thread::sleep(Duration::from_millis(5));
        }
        true
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        // What has ended already is no fault.
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.0.wait();
    }
}

/// A target: a server that answers every request with a few bytes, for as long as the test lasts.
pub(crate) fn target() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            thread::spawn(move || {
                let requests = BufReader::new(stream.try_clone().unwrap());
                // A head ends with an empty line, and no request here has a body.
                for line in requests.lines() {
                    let Ok(line) = line else { return };
                    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n";
                    if line.is_empty() && stream.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}
