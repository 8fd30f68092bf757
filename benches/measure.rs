//! What it costs to time one action: two readings of the clock and one record. Also what it costs
//! the node to bring measurements together. Prints medians; run with
//! `cargo bench --bench measure`.

use std::{
    thread,
    time::{Duration, Instant},
};

use crowd::{
    failure::Failure,
    measure::{Measure, Sample, series::Activity},
};

/// Slices are shorter than a turn on a busy machine's processor, so the median is of slices that
/// nobody interrupted.
const SLICES: usize = 500;
const ACTIONS: u32 = 2_000;
const ROUNDS: usize = 25;
const NAMES: [&str; 5] = ["connect", "login", "send_message", "receive_message", "disconnect"];

fn main() {
    println!("median of {SLICES} slices of {ACTIONS} actions on each thread, ns for one:");
    let failure = Failure::target("connection refused (os error 111)");
    for threads in [1, 2] {
        line("two readings of the clock alone", threads, |_, _, _| {});
        line("timed action", threads, |measure, n, took| {
            record(measure, n, took, None);
        });
        line("timed action that failed", threads, |measure, n, took| {
            record(measure, n, took, Some(&failure));
        });
        // The same with its account: under way between two readings of the clock of its own.
        attempts(threads);
        // Times over six powers of ten touch more memory.
        line("made-up times alone", threads, |_, n, took| {
            std::hint::black_box(took + spread(n));
        });
        line("timed action of made-up times", threads, |measure, n, took| {
            record(measure, n, took + spread(n), None);
        });
        line("counter", threads, |measure, _, _| measure.count("messages", 1));
    }
    collecting();
}

fn record(measure: &Measure, n: u32, took: Duration, failure: Option<&Failure>) {
    let name = NAMES[n as usize % NAMES.len()];
    measure.record(name, Sample { service: took, response: took * 2, failure });
}

/// A duration that looks random, from a microsecond to a second.
fn spread(n: u32) -> Duration {
    let hash = n.wrapping_mul(0x9E37_79B9);
    Duration::from_micros(u64::from(hash) % 10u64.pow(1 + hash.rotate_left(7) % 6))
}

/// Attempts, each from its beginning to its end: two readings of the clock, under way in between, and
/// one record.
fn attempts(threads: usize) {
    let slices = |measure: &Measure, _: bool| {
        let due = tokio::time::Instant::now();
        let slice = |_| {
            let began = Instant::now();
            for n in 0..ACTIONS {
                measure.begin(NAMES[n as usize % NAMES.len()], due, None).end(None);
            }
            began.elapsed().as_nanos() as f64 / f64::from(ACTIONS)
        };
        (0..SLICES).map(slice).collect()
    };
    told("attempt begun and ended", threads, slices);
}

fn line(what: &str, threads: usize, act: impl Fn(&Measure, u32, Duration) + Sync) {
    told(what, threads, |measure, ticks| run(measure, ticks, &act));
}

fn told(what: &str, threads: usize, slices: impl Fn(&Measure, bool) -> Vec<f64> + Sync) {
    let measure = Measure::default();
    let mut slices: Vec<f64> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|number| {
                scope.spawn({
                    let (measure, slices) = (&measure, &slices);
                    move || slices(measure, number == 0)
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    });
    println!("  {what:<34} {threads} thread(s) {:>7.1}", median(&mut slices));
}

/// Nanoseconds for one action, by slice.
fn run(measure: &Measure, ticks: bool, act: impl Fn(&Measure, u32, Duration)) -> Vec<f64> {
    (0..SLICES)
        .map(|slice| {
            // As a node does each second.
            if ticks && slice % 100 == 0 {
                measure.tick(tokio::time::Instant::now(), Activity::default());
            }
            let began = Instant::now();
            for n in 0..ACTIONS {
                let sent = Instant::now();
                let took = Instant::now() - sent;
                act(measure, n, std::hint::black_box(took));
            }
            began.elapsed().as_nanos() as f64 / f64::from(ACTIONS)
        })
        .collect()
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
