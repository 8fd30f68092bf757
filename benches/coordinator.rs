//! How many adds a second a coordinator takes, with groups of two, until the actions of all groups
//! are done. The goal is 2 million; amoc does 0.3 million.
//!
//! `cargo bench --bench coordinator [ADDS]`

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crowd::{
    coordinator::{Action, Coordinator, Coordinators, Group, Plan, Timeout},
    telemetry::Telemetry,
    user::UserId,
};
use tokio::runtime::{Builder, Runtime};

const NAME: &str = "pairs";
const RUNS: usize = 7;
const ADDERS: u64 = 2;
/// Users of the kind that do a little and then wait, so that many share a thread.
const USERS: u64 = 1_000;

fn main() {
    let adds = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(4_000_000);
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime to measure in");
    println!("adds a second, groups of two, {adds} adds, {RUNS} runs: median (slowest..fastest)");
    let never = Timeout::Never;
    let amoc = Timeout::default();
    measure(&runtime, "2 threads, event", adds, never, event, from_threads);
    measure(&runtime, "2 threads, members", adds, never, members, from_threads);
    measure(&runtime, "2 threads, pairs", adds, never, pairs, from_threads);
    measure(&runtime, "2 threads, pairs, timeout 30s", adds, amoc, pairs, from_threads);
    measure(&runtime, "the same, found by name for each", adds, amoc, pairs, found_by_name);
    measure(&runtime, "2 tasks, pairs, timeout 30s", adds, amoc, pairs, from_two_tasks);
    measure(&runtime, "1000 tasks, pairs, timeout 30s", adds, amoc, pairs, from_many_tasks);
}

/// What a user hands over in real scenarios: where to write to it.
type Data = u64;

type AddAll = fn(&Runtime, &Coordinators, &Coordinator<Data>, u64);

/// The groups whose actions were run, and the users met in them.
#[derive(Default)]
struct Seen {
    groups: AtomicU64,
    users: AtomicU64,
}

fn event(seen: Arc<Seen>) -> Action<Data> {
    Action::event(move |event| {
        seen.groups.fetch_add(1, Ordering::Relaxed);
        seen.users.fetch_add(event.count(), Ordering::Relaxed);
    })
}

fn members(seen: Arc<Seen>) -> Action<Data> {
    Action::members(move |_, members| {
        seen.groups.fetch_add(1, Ordering::Relaxed);
        seen.users.fetch_add(black_box(members).len() as u64, Ordering::Relaxed);
    })
}

fn pairs(seen: Arc<Seen>) -> Action<Data> {
    Action::pairs(move |_, newer, older| {
        black_box((newer, older));
        seen.groups.fetch_add(1, Ordering::Relaxed);
        seen.users.fetch_add(1 + u64::from(older.is_some()), Ordering::Relaxed);
    })
}

fn measure(
    runtime: &Runtime,
    what: &str,
    adds: u64,
    timeout: Timeout,
    action: fn(Arc<Seen>) -> Action<Data>,
    add_all: AddAll,
) {
    let mut rates: Vec<f64> = (0..RUNS)
        .map(|_| adds as f64 / once(runtime, adds, timeout, action, add_all).as_secs_f64())
        .collect();
    rates.sort_by(f64::total_cmp);
    let million = |rate: f64| rate / 1e6;
    println!(
        "{what:32} {:.2} M/s ({:.2}..{:.2})",
        million(rates[RUNS / 2]),
        million(rates[0]),
        million(rates[RUNS - 1])
    );
}

/// From the first add until the stop has been answered, which is after the last action.
fn once(
    runtime: &Runtime,
    adds: u64,
    timeout: Timeout,
    action: fn(Arc<Seen>) -> Action<Data>,
    add_all: AddAll,
) -> Duration {
    let seen = Arc::new(Seen::default());
    let plan = Plan::new().group(Group::size(2), [action(seen.clone())]);
    let (coordinators, coordinator) = runtime.block_on(async {
        let coordinators = Coordinators::spawn(Telemetry::default()).await.expect("coordinators");
        let coordinator = coordinators.start(NAME, plan, timeout).await.expect("a good plan");
        (coordinators, coordinator)
    });
    let began = Instant::now();
    add_all(runtime, &coordinators, &coordinator, adds);
    runtime.block_on(coordinator.stop()).expect("a coordinator that lived");
    let took = began.elapsed();
    assert_eq!(seen.users.load(Ordering::Relaxed), adds, "every user is met in its group");
    took
}

fn from_threads(_: &Runtime, _: &Coordinators, coordinator: &Coordinator<Data>, adds: u64) {
    on_threads(adds, |user| {
        coordinator.add(UserId(user), user).expect("a coordinator that lives");
    });
}

/// As users do who keep no handle.
fn found_by_name(_: &Runtime, all: &Coordinators, _: &Coordinator<Data>, adds: u64) {
    on_threads(adds, |user| {
        let coordinator = all.get::<Data>(NAME).expect("a coordinator of that name");
        coordinator.add(UserId(user), user).expect("a coordinator that lives");
    });
}

fn on_threads(adds: u64, add: impl Fn(u64) + Sync) {
    thread::scope(|scope| {
        for adder in 0..ADDERS {
            let add = &add;
            scope.spawn(move || share(adder, ADDERS, adds).for_each(add));
        }
    });
}

fn from_two_tasks(rt: &Runtime, _: &Coordinators, coordinator: &Coordinator<Data>, adds: u64) {
    from_tasks(rt, coordinator, ADDERS, adds);
}

fn from_many_tasks(rt: &Runtime, _: &Coordinators, coordinator: &Coordinator<Data>, adds: u64) {
    from_tasks(rt, coordinator, USERS, adds);
}

fn from_tasks(runtime: &Runtime, coordinator: &Coordinator<Data>, tasks: u64, adds: u64) {
    let adders: Vec<_> = (0..tasks)
        .map(|adder| {
            let coordinator = coordinator.clone();
            runtime.spawn(async move {
                for user in share(adder, tasks, adds) {
                    coordinator.add(UserId(user), user).expect("a coordinator that lives");
                    tokio::task::coop::consume_budget().await;
                }
            })
        })
        .collect();
    for adder in adders {
        runtime.block_on(adder).expect("an adder that ends");
    }
}

/// The part of all users that one of several adders adds.
fn share(adder: u64, adders: u64, adds: u64) -> std::ops::Range<u64> {
    adds * adder / adders..adds * (adder + 1) / adders
}
