//! The cluster of `docker/compose.yml` in real containers: brought up as its README says, run,
//! one killed, one cut off, one added.
//!
//! Where no engine answers, the test with containers says so and passes: `tests/node/cluster`
//! proves all but the image with plain processes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::{
    fmt::Debug,
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

#[expect(dead_code, reason = "the tests with processes read more of it")]
#[path = "cluster/shapes.rs"]
mod shapes;
#[expect(dead_code, reason = "the tests with processes ask more of it")]
#[path = "cluster/target.rs"]
mod target;

use shapes::{Answer, Member, Status};
use target::Target;

/// How long anything may take, unless it says otherwise.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a loss may keep a user from acting, and a moment for the engine to make it one.
const BACK: Duration = Duration::from_secs(15);
/// Several times the interval of a user.
const SOON: Duration = Duration::from_millis(800);
const IMAGE: &str = "crowd:test";

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

/// Whether it can be run, and ends well.
fn works(program: &str, arguments: &[&str]) -> bool {
    let quiet = || Stdio::null();
    let status = Command::new(program)
        .args(arguments)
        .stdin(quiet())
        .stdout(quiet())
        .stderr(quiet())
        .status();
    status.is_ok_and(|status| status.success())
}

/// The program that reads compose files: the plugin, or the older one.
fn compose_program() -> Option<&'static [&'static str]> {
    if works("docker", &["compose", "version"]) {
        Some(&["docker", "compose"])
    } else if works("docker-compose", &["version"]) {
        Some(&["docker-compose"])
    } else {
        None
    }
}

/// The cluster in its containers. It is torn down with this, also when a test fails.
struct Containers {
    compose: &'static [&'static str],
    project: String,
    secrets: TempDir,
    target: Target,
}

impl Containers {
    /// Builds the image and brings the cluster up with the one documented command.
    fn up(compose: &'static [&'static str]) -> Self {
        let containers = Self {
            compose,
            project: format!("crowd-test-{}", std::process::id()),
            secrets: TempDir::new().unwrap(),
            target: Target::listen("0.0.0.0:0", Duration::ZERO),
        };
        let mut up = Command::new(root().join("docker/up"));
        containers.environment(&mut up);
        // The script sets flags of its own.
        up.env_remove("RUSTFLAGS").env_remove("CARGO_TARGET_DIR");
        finished(&mut up);
        containers
    }

    fn environment(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CROWD_") {
                command.env_remove(name);
            }
        }
        command
            .current_dir(root())
            .env("CROWD_IMAGE", IMAGE)
            .env("CROWD_SECRETS", self.secrets.path().join("made"))
            // Any free one: the tests ask through `exec`.
            .env("CROWD_API_PORT", "0")
            .env("COMPOSE_PROJECT_NAME", &self.project);
    }

    /// `docker compose` on the compose file.
    fn compose(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.compose[0]);
        command.args(&self.compose[1..]).args(["-f", "docker/compose.yml"]).args(arguments);
        self.environment(&mut command);
        command
    }

    /// The id of a service's container.
    fn container(&self, service: &str) -> String {
        let id = finished(&mut self.compose(&["ps", "-q", service]));
        id.trim().to_owned()
    }

    fn network(&self) -> String {
        format!("{}_cluster", self.project)
    }

    /// Where containers reach the target, which is on this host.
    fn target_address(&self) -> String {
        let network = self.network();
        let gateway = docker(&[
            "network",
            "inspect",
            "--format",
            "{{(index .IPAM.Config 0).Gateway}}",
            &network,
        ]);
        format!("{}:{}", gateway.trim(), self.target.address.port())
    }

    /// What the master answers to a line.
    fn ask(&self, line: &str) -> Answer {
        let master = self.container("master");
        let output = Command::new("docker")
            .args(["exec", &master, "/crowd", "eval", "--json", line])
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        let json: Value = serde_json::from_str(&told)
            .unwrap_or_else(|fault| panic!("`{line}`: {fault}: {output:?}"));
        Answer::of(&json)
    }

    /// What the master answers to a line that it carries out.
    #[track_caller]
    fn done(&self, line: &str) -> Value {
        match self.ask(line) {
            Answer::Done { data, .. } => data,
            refused => panic!("`{line}`: {refused:?}"),
        }
    }

    fn status(&self) -> Box<Status> {
        Box::new(Status::of(&self.done("status")))
    }

    /// Waits until exactly so many members are up, and these are among them.
    #[track_caller]
    fn until_up(&self, count: usize, names: &[&str]) -> Vec<Member> {
        eventually(&format!("{count} are up, {names:?} among them"), PATIENCE, || {
            let members = shapes::members(&self.done("nodes"));
            let up: Vec<_> = members.iter().filter(|node| node.state == shapes::UP).collect();
            let there = names.iter().all(|name| up.iter().any(|node| node.name == *name));
            if up.len() == count && there { Ok(members) } else { Err(members) }
        })
    }

    /// Waits until these users act, and nobody on those nodes.
    #[track_caller]
    fn until_acting_without(&self, users: u64, lost: &[&str], patience: Duration) {
        eventually(&format!("{users} act, nobody on {lost:?}"), patience, || {
            let acting = self.target.acting(SOON);
            let all = acting.keys().copied().eq(1..=users);
            if all && acting.values().all(|node| !lost.contains(&&**node)) {
                Ok(())
            } else {
                Err(acting)
            }
        });
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        if thread::panicking() {
            let told = self.compose(&["logs", "--tail", "60"]).output();
            eprintln!("{}", told.map(|told| text(&told.stdout)).unwrap_or_default());
        }
        let downs = self.compose(&["down", "--volumes", "--remove-orphans", "-t", "1"]).output();
        let failed = downs.as_ref().map_or(true, |output| !output.status.success());
        if failed {
            eprintln!("the containers of {} are still there: {downs:?}", self.project);
        }
        let _ = Command::new("docker").args(["image", "rm", IMAGE]).output();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs it to its end, which must be a good one; answers with what it printed.
#[track_caller]
fn finished(command: &mut Command) -> String {
    let output: Output = command.output().unwrap();
    let (told, complaint) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{told}{complaint}", output.status);
    told
}

#[track_caller]
fn docker(arguments: &[&str]) -> String {
    finished(Command::new("docker").args(arguments))
}

#[track_caller]
fn eventually<T, E: Debug>(
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
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// Invariants: one life; counts add up; losses are told.
#[test]
fn a_cluster_of_containers_survives_what_processes_survive() {
    if !works("docker", &["info"]) {
        eprintln!("SKIPPED: no Docker engine answers here; nothing was proven about the image");
        return;
    }
    let Some(compose) = compose_program() else {
        eprintln!("SKIPPED: neither `docker compose` nor `docker-compose` is installed here");
        return;
    };
    let containers = Containers::up(compose);
    containers.until_up(4, &["master", "worker-1", "worker-2", "worker-3"]);
    runs_as_nobody(&containers);

    let target = containers.target_address();
    let line = format!("do echo 30 target={target} interval=100ms user_rate=unlimited");
    let given = shapes::given(&containers.done(&line));
    assert_eq!((given.first, given.last, given.shares.len()), (1, 30, 3), "{given:?}");
    containers.until_acting_without(30, &["master"], PATIENCE);
    console(&containers);

    docker(&["kill", &containers.container("worker-2")]);
    containers.until_acting_without(30, &["worker-2"], BACK);
    // The target sees them before the next heartbeat tells the master.
    let status = eventually("30 run", PATIENCE, || {
        let status = containers.status();
        if status.users.running == 30 { Ok(status) } else { Err(status) }
    });
    assert_eq!(status.gaps.len(), 1, "{status:?}");
    assert_eq!((&*status.gaps[0].node, status.gaps[0].users), ("worker-2", 10), "{status:?}");

    let third = containers.container("worker-3");
    docker(&["network", "disconnect", &containers.network(), &third]);
    containers.until_acting_without(30, &["worker-2", "worker-3"], BACK);
    assert_eq!(containers.status().gaps.len(), 2);
    containers.target.assert_one_life();

    // A fourth service, named after its container; the others stay as they are.
    let more = ["up", "-d", "--no-recreate", "--no-deps", "--scale", "worker=1", "worker"];
    finished(&mut containers.compose(&more));
    let added = containers.container("worker")[..12].to_owned();
    containers.until_up(3, &["master", "worker-1", &added]);
    eventually("the new one takes users", PATIENCE, || {
        let status = containers.status();
        let takes_part = status.states.get(&added).is_some_and(|state| state == "running");
        if takes_part { Ok(()) } else { Err(status) }
    });
    let given = shapes::given(&containers.done("add 10"));
    assert_eq!((given.first, given.last), (31, 40));
    assert_eq!(given.shares.get(&added), Some(&10), "{given:?}");

    // Back on the network, back in the cluster.
    let network = containers.network();
    docker(&["network", "connect", "--alias", "worker-3", &network, &third]);
    containers.until_up(4, &["master", "worker-1", "worker-3", &added]);

    // Told to end, a worker hands its users over and ends well.
    let first = containers.container("worker-1");
    docker(&["stop", "--time", "40", &first]);
    let code = docker(&["inspect", "--format", "{{.State.ExitCode}}", &first]);
    assert_eq!(code.trim(), "0");
    containers.until_acting_without(40, &["worker-1", "worker-2"], PATIENCE);
    let status = containers.status();
    assert_eq!((status.users.running, status.gaps.len()), (40, 2), "{status:?}");
    assert_eq!(status.users.told_of(), status.users.asked, "{status:?}");
    containers.done("stop");
    eventually("it is over", PATIENCE, || {
        let status = containers.status();
        if status.state == "finished" { Ok(()) } else { Err(status) }
    });
    containers.target.assert_one_life();
}

/// Nothing in the container belongs to root, and no secret stands in what can be looked up.
fn runs_as_nobody(containers: &Containers) {
    let master = containers.container("master");
    assert_eq!(docker(&["inspect", "--format", "{{.Config.User}}", &master]).trim(), "10001:10001");
    assert_eq!(
        docker(&["inspect", "--format", "{{.State.Health.Status}}", &master]).trim(),
        "healthy"
    );
    let inspected = docker(&["inspect", &master]);
    for name in ["cookie", "api_token"] {
        let secret = fs::read_to_string(containers.secrets.path().join("made").join(name)).unwrap();
        assert!(secret.len() >= 32, "{name}");
        assert!(!inspected.contains(&secret), "{name} can be looked up");
    }
}

/// The console of the running master, as the README has it.
fn console(containers: &Containers) {
    let mut child = containers
        .compose(&["exec", "-T", "master", "/crowd", "attach"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"status\nnodes\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let told = text(&output.stdout);
    assert!(output.status.success(), "{told}{}", text(&output.stderr));
    assert!(told.contains("30") && told.contains("worker-3"), "{told}");
    // Leaving the console leaves the run alone.
    assert_eq!(containers.status().state, "running");
}

/// Whatever runs in a container takes no more of the machine than it is given.
#[test]
fn every_container_has_limits() {
    let file = fs::read_to_string(root().join("docker/compose.yml")).unwrap();
    let (anchor, services) = file.split_once("\nservices:\n").unwrap();
    for limit in ["\n  mem_limit: ", "\n  memswap_limit: ", "\n  pids_limit: ", "\n    nofile: "] {
        assert!(anchor.contains(limit), "{limit}");
    }
    let (services, _) = services.split_once("\nnetworks:\n").unwrap();
    let names = services
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   ") && line.ends_with(':'));
    assert_eq!(names.count(), services.matches("    <<: *node\n").count());
}

/// What the file promises can be read in it, with or without an engine.
#[test]
fn the_compose_file_holds_no_secrets_and_opens_nothing() {
    let file = fs::read_to_string(root().join("docker/compose.yml")).unwrap();
    for line in file.lines().map(str::trim) {
        for secret in ["CROWD_COOKIE:", "CROWD_API_TOKEN:"] {
            assert!(!line.starts_with(secret), "{line}");
        }
        if line.starts_with("ports:") {
            assert!(line.contains("\"127.0.0.1:"), "{line}");
        }
    }
    let recipe = fs::read_to_string(root().join("docker/Dockerfile")).unwrap();
    assert!(recipe.contains("\nFROM scratch\n") && recipe.contains("\nUSER 10001:10001\n"));
}
