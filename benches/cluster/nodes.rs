//! Nodes as processes: this program once more, with another catalog than the shipped one.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::Outcome;

/// Tells this program that it is to be a node.
pub(crate) const NODE: &str = "BENCH_NODE";

/// A master and its workers.
pub(crate) struct Nodes {
    nodes: Vec<Node>,
}

struct Node {
    process: Child,
    api: String,
}

impl Drop for Node {
    fn drop(&mut self) {
        // Gone already, perhaps.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Nodes {
    /// Starts a master and so many workers, and waits until they know each other.
    pub(crate) fn start(workers: usize, directory: &Path) -> Outcome<Self> {
        let (master, seed) = Node::start("master", None, directory)?;
        let mut nodes = vec![master];
        for worker in 1..=workers {
            let name = format!("worker-{worker}");
            nodes.push(Node::start(&name, Some(&seed), directory)?.0);
        }
        let nodes = Self { nodes };
        let patience = Instant::now() + Duration::from_secs(20);
        loop {
            let known = nodes.command("nodes")?;
            let up = known
                .as_array()
                .map_or(0, |all| all.iter().filter(|node| node["state"] == "up").count());
            if up == workers + 1 {
                return Ok(nodes);
            }
            if Instant::now() > patience {
                return Err(format!("the nodes do not find each other: {known}").into());
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Has the master carry out a command; what it answers programs.
    pub(crate) fn command(&self, line: &str) -> Outcome<Value> {
        let answer = post(&self.nodes[0].api, line)?;
        if answer["ok"] == true {
            Ok(answer["reply"]["data"].clone())
        } else {
            Err(format!("{line}: {answer}").into())
        }
    }

    /// Ends the run and forgets it.
    pub(crate) fn finish(&self) -> Outcome {
        self.command("stop")?;
        let patience = Instant::now() + Duration::from_secs(30);
        while self.command("status")?["state"] != "finished" {
            if Instant::now() > patience {
                return Err("the run does not end".into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        self.command("reset")?;
        Ok(())
    }

    /// Processor time that the master has used so far.
    pub(crate) fn master_cpu(&self) -> Outcome<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.nodes[0].process.id()))?;
        let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
        let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok());
        let ticks = ticks(12).zip(ticks(13)).map(|(user, system)| user + system);
        // A hundred ticks a second, on every Linux there is.
        Ok(Duration::from_millis(10 * ticks.ok_or("no processor time in /proc")?))
    }
}

impl Node {
    fn start(name: &str, seed: Option<&str>, directory: &Path) -> Outcome<(Self, String)> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("start")
            .env(NODE, "1")
            .env("CROWD_NODE_NAME", name)
            .env("CROWD_COOKIE", "only for this benchmark")
            .env("CROWD_LISTEN", "127.0.0.1:0")
            .env("CROWD_API_LISTEN", "127.0.0.1:0")
            .env("CROWD_LOG", "warn")
            .env("BENCH_DIRECTORY", directory)
            .stdout(Stdio::piped());
        if let Some(seed) = seed {
            command.env("CROWD_NODES", seed);
        }
        let mut process = command.spawn()?;
        let output = process.stdout.take().ok_or("the node has no output")?;
        let mut line = String::new();
        let mut output = BufReader::new(output);
        output.read_line(&mut line)?;
        let after = |word: &str| {
            let rest = line.split_once(word)?.1;
            Some(rest.split([',', ' ', '\n']).next()?.to_owned())
        };
        let addresses = after("cluster ").zip(after("api http://"));
        let mut node = Self { process, api: String::new() };
        let (cluster, api) = addresses.ok_or_else(|| format!("a node said {line:?}"))?;
        node.api = api;
        // Whatever else it says goes nowhere, but must not block it.
        thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        Ok((node, cluster))
    }
}

fn post(api: &str, line: &str) -> Outcome<Value> {
    let mut stream = TcpStream::connect(api)?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    write!(
        stream,
        "POST /api/v1/command HTTP/1.1\r\nHost: {api}\r\nContent-Type: text/plain\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{line}",
        line.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").ok_or("no body")?.1;
    Ok(serde_json::from_str(body)?)
}
