//! How fast users start and go, and what they cost.
//!
//! `cargo bench --bench users [-- USERS]`: users of a scenario that only waits, started through a
//! whole node at `user_rate=unlimited` and stopped; and, in the same process, the same number of
//! supervised `ractor` actors and of bare tasks beside it (`docs/adr/0001` says why). Each in a
//! process of its own, in turn, several times; medians at the end.

use std::{
    env,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crowd::{node::Node, prelude::*, scenario::catalog::Catalog, settings::NodeSettings};
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Idle;

impl Scenario for Idle {
    const NAME: &'static str = "idle";
    type Settings = ();
    type Message = ();

    async fn init(_: &Run<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        user.stopped().await;
        Ok(())
    }
}

const ROUNDS: usize = 5;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [kind, users] = &arguments[..]
        && let Some(kind) = kind.strip_prefix("child=")
    {
        let users = users.parse().expect("a number of users");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let (start, bytes, stop) = runtime.block_on(async {
            match kind {
                "users" => users_of_a_node(users).await,
                "actors" => actors(users).await,
                _ => tasks(users).await,
            }
        });
        println!("{} {} {}", start.as_secs_f64(), bytes, stop.as_secs_f64());
        return;
    }
    let users: u64 = arguments.first().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    println!("{users} each, {ROUNDS} rounds in turn; medians (least to most)");
    println!("{:<28}{:>26}{:>22}{:>24}", "", "started per second", "bytes each", "seconds to stop");
    let kinds = [
        ("users", "crowd users"),
        ("tasks", "bare tokio tasks"),
        ("actors", "ractor actors, linked"),
    ];
    let mut figures = vec![Vec::new(); kinds.len()];
    for _ in 0..ROUNDS {
        for (kind, figures) in kinds.iter().zip(&mut figures) {
            figures.push(child(kind.0, users));
        }
    }
    for ((_, name), figures) in kinds.iter().zip(figures) {
        let rate = spread(figures.iter().map(|figure| users as f64 / figure.0).collect());
        let bytes = spread(figures.iter().map(|figure| figure.1 / users as f64).collect());
        let stop = spread(figures.iter().map(|figure| figure.2).collect());
        println!(
            "{name:<28}{:>26}{:>22}{:>24}",
            format!("{:.0} ({:.0}–{:.0})", rate.1, rate.0, rate.2),
            format!("{:.0} ({:.0}–{:.0})", bytes.1, bytes.0, bytes.2),
            format!("{:.2} ({:.2}–{:.2})", stop.1, stop.0, stop.2),
        );
    }
}

fn child(kind: &str, users: u64) -> (f64, f64, f64) {
    let this = env::current_exe().expect("this program");
    let output = Command::new(this)
        .args([format!("child={kind}"), users.to_string()])
        .output()
        .expect("the child runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [start, bytes, stop] = numbers[..] else {
        panic!("the child failed: {text}{}", String::from_utf8_lossy(&output.stderr));
    };
    (start, bytes, stop)
}

fn spread(mut figures: Vec<f64>) -> (f64, f64, f64) {
    figures.sort_by(f64::total_cmp);
    (figures[0], figures[figures.len() / 2], figures[figures.len() - 1])
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

async fn users_of_a_node(users: u64) -> (Duration, u64, Duration) {
    let settings = NodeSettings::default();
    let environment = std::collections::BTreeMap::<String, String>::new();
    let node = Node::start(settings, Catalog::new().with::<Idle>(), Arc::new(environment))
        .await
        .expect("a node");
    let before = resident();
    let began = Instant::now();
    let given = vec![("user_rate".to_owned(), "unlimited".to_owned())];
    node.start_run("idle", users, given).await.expect("a run");
    while node.status().await.expect("a status").users.running < users {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let directory = node.account().await.map(|account| account.users.running);
    assert_eq!(directory, Some(users));
    let start = began.elapsed();
    let bytes = resident() - before;
    let began = Instant::now();
    node.stop().await.expect("a stop");
    node.ended().await;
    let stop = began.elapsed();
    node.shutdown().await;
    (start, bytes, stop)
}

async fn tasks(users: u64) -> (Duration, u64, Duration) {
    let before = resident();
    let (up, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(tokio::sync::Notify::new()));
    let began = Instant::now();
    let mut set = tokio::task::JoinSet::new();
    for _ in 0..users {
        let (up, stop) = (up.clone(), stop.clone());
        set.spawn(async move {
            up.fetch_add(1, Ordering::Relaxed);
            stop.notified().await;
        });
    }
    while up.load(Ordering::Relaxed) < users {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let start = began.elapsed();
    let bytes = resident() - before;
    let began = Instant::now();
    set.shutdown().await;
    (start, bytes, began.elapsed())
}

struct Waiting(Arc<AtomicU64>);
struct Above(Arc<AtomicU64>);

impl Actor for Waiting {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn post_start(&self, _: ActorRef<()>, (): &mut ()) -> Result<(), ActorProcessingErr> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl Actor for Above {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<()>,
        event: SupervisionEvent,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        if matches!(event, SupervisionEvent::ActorTerminated(..)) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

async fn actors(users: u64) -> (Duration, u64, Duration) {
    let (up, gone) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (above, _) = Actor::spawn(None, Above(gone.clone()), ()).await.expect("an actor");
    let before = resident();
    let began = Instant::now();
    let mut all = Vec::new();
    for _ in 0..users {
        let spawned = Actor::spawn_linked(None, Waiting(up.clone()), (), above.get_cell()).await;
        all.push(spawned.expect("an actor").0);
    }
    while up.load(Ordering::Relaxed) < users {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let start = began.elapsed();
    let bytes = resident() - before;
    let began = Instant::now();
    all.iter().for_each(|actor| actor.stop(None));
    while gone.load(Ordering::Relaxed) < users {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    (start, bytes, began.elapsed())
}
