//! What it costs to time one action: two readings of the clock and one record. Also what it costs
//! the node to bring measurements together. Prints medians; run with
//! `cargo bench --bench measure`.

use std::{
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use crowd::{
    failure::Failure,
    measure::{Measure, Sample, series::Activity},
};

const ROUNDS: usize = 25;
const ACTIONS: u32 = 200_000;
const NAMES: [&str; 5] = ["connect", "login", "send_message", "receive_message", "disconnect"];

fn main() {
    println!("median of {ROUNDS} rounds of {ACTIONS} actions, ns for one:");
    line("clock alone (two readings)", 1, |_| Duration::ZERO, |_, _, _| {});
    for threads in [1, 2] {
        line(
            "timed action",
            threads,
            |_| Duration::ZERO,
            |measure, n, took| {
                let sample = Sample { service: took, response: took, failure: None };
                measure.record(NAMES[n as usize % NAMES.len()], sample);
            },
        );
        // Times spread over six powers of ten touch more memory.
        line("timed action, times spread", threads, spread, |measure, n, took| {
            let sample = Sample { service: took, response: took * 2, failure: None };
            measure.record(NAMES[n as usize % NAMES.len()], sample);
        });
        let failure = Failure::target("connection refused (os error 111)");
        line(
            "timed action that failed",
            threads,
            |_| Duration::ZERO,
            |measure, n, took| {
                let sample = Sample { service: took, response: took, failure: Some(&failure) };
                measure.record(NAMES[n as usize % NAMES.len()], sample);
            },
        );
        line(
            "clock and counter",
            threads,
            |_| Duration::ZERO,
            |measure, _, _| {
                measure.count("messages", 1);
            },
        );
    }
    collecting();
}

/// A duration that looks random, from a microsecond to a second.
fn spread(n: u32) -> Duration {
    let hash = n.wrapping_mul(0x9E37_79B9);
    Duration::from_micros(u64::from(hash) % 10u64.pow(1 + hash.rotate_left(7) % 6))
}

fn line(
    what: &str,
    threads: usize,
    extra: impl Fn(u32) -> Duration + Sync,
    act: impl Fn(&Measure, u32, Duration) + Sync,
) {
    let measure = Measure::default();
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            // Shards are swapped between rounds, as a node does each second.
            measure.tick(tokio::time::Instant::now(), Activity::default());
            round(&measure, threads, &extra, &act)
        })
        .collect();
    println!("  {what:<34} {threads} thread(s) {:>7.1}", median(&mut rounds));
}

/// Nanoseconds for one action on each of so many threads at once.
fn round(
    measure: &Measure,
    threads: usize,
    extra: &(impl Fn(u32) -> Duration + Sync),
    act: &(impl Fn(&Measure, u32, Duration) + Sync),
) -> f64 {
    let start = Barrier::new(threads);
    let work = || {
        start.wait();
        let began = Instant::now();
        for n in 0..ACTIONS {
            let sent = Instant::now();
            let took = Instant::now() - sent;
            act(measure, n, std::hint::black_box(took + extra(n)));
        }
        began.elapsed().as_nanos() as f64 / f64::from(ACTIONS)
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let times = workers.into_iter().filter_map(|worker| worker.join().ok());
        times.fold(0.0, f64::max)
    })
}

fn collecting() {
    println!("median of {ROUNDS} rounds, µs for one:");
    for names in [1, 10, 100] {
        let names: Vec<_> = (0..names).map(|n| format!("action {n}")).collect();
        let measure = Measure::default();
        let (mut ticks, mut snapshots) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            for n in 0..20_000 {
                let took = spread(n);
                let sample = Sample { service: took, response: took, failure: None };
                measure.record(&names[n as usize % names.len()], sample);
            }
            ticks.push(micros(|| measure.tick(tokio::time::Instant::now(), Activity::default())));
            snapshots.push(micros(|| drop(std::hint::black_box(measure.snapshot()))));
        }
        let (tick, snapshot) = (median(&mut ticks), median(&mut snapshots));
        println!("  {:>3} action(s): tick {tick:>8.1}, snapshot {snapshot:>8.1}", names.len());
    }
}

fn micros(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_nanos() as f64 / 1e3
}

fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
