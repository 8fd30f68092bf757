//! What it costs to be dealt a target, to keep it, and to report on it, on one thread and on two at
//! once. Each of them counts, too: see `measure` for what that alone costs. Prints medians; run with
//! `cargo bench --bench targets`.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    thread,
    time::Instant,
};

use crowd::{
    node::Node,
    prelude::*,
    scenario::catalog::Catalog,
    settings::NodeSettings,
    targets::{Target, TargetOptions, Targets},
};

/// Slices are shorter than a turn on a busy machine's processor, so the median is of slices that
/// nobody interrupted.
const SLICES: usize = 500;
const CALLS: u32 = 2_000;

const HOSTS: [&str; 3] = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"];

static TARGETS: OnceLock<Targets<&'static str>> = OnceLock::new();

/// A run that only holds the targets.
struct Holder;

impl Scenario for Holder {
    const NAME: &'static str = "holder";
    type Settings = ();
    type Message = ();

    async fn init(run: &Run<Self>) -> Result<Self, Failure> {
        let check = |_| async { Ok::<_, Failure>(()) };
        let targets = Targets::start(run, TargetOptions::default(), HOSTS, check)?;
        // So that all are at their highest score, as healthy targets are.
        for target in targets.all() {
            (0..5).for_each(|_| targets.up(&target));
        }
        // There is one run only.
        let _ = TARGETS.set(targets);
        Ok(Self)
    }

    async fn start(&self, _: User<Self>) -> Result<(), Failure> {
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Refusal> {
    let environment = Arc::new(BTreeMap::<String, String>::new());
    let node =
        Node::start(NodeSettings::default(), Catalog::new().with::<Holder>(), environment).await?;
    node.start_run("holder", 0, Vec::new()).await?;
    if let Some(targets) = TARGETS.get() {
        println!("median of {SLICES} slices of {CALLS} calls on each thread, ns for one:");
        for threads in [1, 2] {
            line("pick", threads, targets, |targets, _| drop(targets.pick()));
            line("renew, nothing changed", threads, targets, |targets, held| {
                let _ = targets.renew(held);
            });
            line("up, at the highest score", threads, targets, |targets, held| targets.up(held));
        }
    }
    node.shutdown().await;
    Ok(())
}

type Hosts = Targets<&'static str>;

fn line(
    what: &str,
    threads: usize,
    targets: &Hosts,
    act: impl Fn(&Hosts, &mut Target<&'static str>) + Sync,
) {
    let mut slices: Vec<f64> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| run(targets, &act))).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    });
    slices.sort_by(f64::total_cmp);
    let median = slices.get(slices.len() / 2).copied().unwrap_or_default();
    println!("  {what:<34} {threads} thread(s) {median:>7.1}");
}

/// Nanoseconds for one call, by slice.
fn run(targets: &Hosts, act: impl Fn(&Hosts, &mut Target<&'static str>)) -> Vec<f64> {
    let Ok(mut held) = targets.pick() else { return Vec::new() };
    (0..SLICES)
        .map(|_| {
            let began = Instant::now();
            for _ in 0..CALLS {
                act(std::hint::black_box(targets), &mut held);
            }
            began.elapsed().as_nanos() as f64 / f64::from(CALLS)
        })
        .collect()
}
