//! How fast, how exact and how late throttles are, as the tasks that wait on them see it.
//!
//! `cargo bench --bench throttle` runs all of it; one of `unlimited`, `paced` and `frozen` as an
//! argument runs that part. `frozen` starts this program once more for each rate and stops it for
//! half a second with SIGSTOP.
//!
//! Beside `paced`, a bare thread that sleeps a millisecond at a time tells how much time this
//! machine took away in stalls longer than the tolerance: what no throttle in user space can make
//! up for without exceeding its bound.

use std::{
    env,
    error::Error,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crowd::{
    telemetry::Telemetry,
    throttle::{Lateness, Rate, Throttle, ThrottleOptions, Throttles},
};
use tokio::runtime::Runtime;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const RATES: [u64; 3] = [1_000, 10_000, 100_000];
const WAITING_USERS: usize = 1_000;
const ASKING_USERS: usize = 10_000;
const REPEATS: usize = 5;
const PACED_FOR: Duration = Duration::from_secs(5);
const FROZEN_FOR: Duration = Duration::from_millis(500);

fn main() -> Outcome {
    let args: Vec<_> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        [] => {
            unlimited()?;
            paced()?;
            frozen()
        }
        ["unlimited"] => unlimited(),
        ["paced"] => paced(),
        ["frozen"] => frozen(),
        ["to-be-frozen", rate] => to_be_frozen(rate.parse()?),
        other => Err(format!("unlimited, paced or frozen, not {other:?}").into()),
    }
}

fn runtime() -> Outcome<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

async fn started(rate: Rate) -> Outcome<(Throttles, Throttle)> {
    let throttles = Throttles::spawn(Telemetry::default()).await.map_err(|f| f.to_string())?;
    throttles.start("bench", rate).await?;
    let throttle = throttles.get("bench")?;
    Ok((throttles, throttle))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// 10,000 users that do nothing but ask.
fn unlimited() -> Outcome {
    let mut rates = Vec::new();
    for _ in 0..REPEATS {
        let per_second = runtime()?.block_on(async {
            let (_throttles, throttle) = started(Rate::UNLIMITED).await?;
            let begin = Instant::now();
            let end = begin + Duration::from_secs(2);
            let users: Vec<_> = (0..ASKING_USERS)
                .map(|_| {
                    let throttle = throttle.clone();
                    tokio::spawn(async move {
                        let mut granted = 0_u64;
                        while Instant::now() < end && throttle.wait().await.is_ok() {
                            granted += 1;
                        }
                        granted
                    })
                })
                .collect();
            let (mut granted, mut least) = (0, u64::MAX);
            for user in users {
                let mine = user.await?;
                granted += mine;
                least = least.min(mine);
            }
            let per_second = granted as f64 / begin.elapsed().as_secs_f64();
            println!("unlimited: {per_second:.0} grants per second, at least {least} to each user");
            Outcome::Ok(per_second)
        })?;
        rates.push(per_second);
    }
    println!("unlimited: median {:.0} grants per second, {ASKING_USERS} users\n", median(rates));
    Ok(())
}

/// What waiting users saw.
struct Seen {
    /// When the throttle let them through, in nanoseconds, in order.
    released: Vec<u64>,
    /// When they ran, in nanoseconds, in order.
    woken: Vec<u64>,
    lateness: Lateness,
    forfeited: u64,
}

/// 1,000 users wait on a throttle, over and over.
async fn wait_for(rate: u64, time: Duration) -> Outcome<Seen> {
    let (_throttles, throttle) = started(Rate::per_second(rate)).await?;
    let origin = tokio::time::Instant::now();
    let end = origin + time;
    let users: Vec<_> = (0..WAITING_USERS)
        .map(|_| {
            let throttle = throttle.clone();
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while let Ok(Ok(permit)) = tokio::time::timeout_at(end, throttle.wait()).await {
                    let woken = origin.elapsed().as_nanos() as u64;
                    seen.push(((permit.released() - origin).as_nanos() as u64, woken));
                }
                seen
            })
        })
        .collect();
    let (mut released, mut woken) = (Vec::new(), Vec::new());
    for user in users {
        for (at, then) in user.await? {
            released.push(at);
            woken.push(then);
        }
    }
    released.sort_unstable();
    woken.sort_unstable();
    let info = throttle.info();
    Ok(Seen { released, woken, lateness: info.lateness, forfeited: info.forfeited })
}

/// By how many the worst window is above `rate × (window + tolerance) + 1`; below zero: under it.
fn above_bound(stamps: &[u64], rate: u64) -> f64 {
    let tolerance = ThrottleOptions::default().tolerance.as_nanos() as f64;
    let per_nano = rate as f64 / 1e9;
    let (mut lowest, mut worst) = (f64::INFINITY, f64::NEG_INFINITY);
    for (index, &at) in stamps.iter().enumerate() {
        let level = index as f64 - per_nano * at as f64;
        lowest = lowest.min(level);
        worst = worst.max(level - lowest - per_nano * tolerance);
    }
    worst
}

fn print(rate: u64, seen: &Seen) -> f64 {
    let span = seen.released.last().zip(seen.released.first()).map_or(0, |(b, a)| b - a);
    let achieved = seen.released.len().saturating_sub(1) as f64 / (span as f64 / 1e9);
    let late = seen.lateness;
    println!(
        "{rate}/s: achieved {achieved:.1}/s ({:+.3} %), forfeited {}, late by p50 {} p90 {} p99 {} \
         max {} us; above the bound: {:+.1} as released, {:+.1} as woken",
        (achieved / rate as f64 - 1.0) * 100.0,
        seen.forfeited,
        late.p50_us,
        late.p90_us,
        late.p99_us,
        late.max_us,
        above_bound(&seen.released, rate),
        above_bound(&seen.woken, rate),
    );
    achieved
}

/// The share of time lost to stalls, until it is told to end.
fn stalls(end: Arc<AtomicBool>) -> thread::JoinHandle<f64> {
    thread::spawn(move || {
        let tolerated = ThrottleOptions::default().tolerance;
        let nap = Duration::from_millis(1);
        let begin = Instant::now();
        let mut lost = Duration::ZERO;
        while !end.load(Ordering::Relaxed) {
            let before = Instant::now();
            thread::sleep(nap);
            lost += before.elapsed().saturating_sub(nap + tolerated);
        }
        lost.as_secs_f64() / begin.elapsed().as_secs_f64()
    })
}

fn paced() -> Outcome {
    println!(
        "{WAITING_USERS} waiting users, {PACED_FOR:?} each; the bound is rate x (window + tolerance) + 1"
    );
    for rate in RATES {
        let mut achieved = Vec::new();
        for _ in 0..REPEATS {
            let over = Arc::new(AtomicBool::new(false));
            let stalls = stalls(over.clone());
            let seen = runtime()?.block_on(wait_for(rate, PACED_FOR))?;
            over.store(true, Ordering::Relaxed);
            let lost = stalls.join().map_err(|_| "the thread beside panicked")?;
            achieved.push(print(rate, &seen));
            println!("    meanwhile a bare thread lost {:.3} % to stalls", lost * 100.0);
        }
        let median = median(achieved);
        println!("{rate}/s: median {:+.3} %\n", (median / rate as f64 - 1.0) * 100.0);
    }
    Ok(())
}

fn frozen() -> Outcome {
    println!("stopped for {FROZEN_FOR:?} with SIGSTOP");
    for rate in RATES {
        for _ in 0..REPEATS {
            let mut child = Command::new(env::current_exe()?)
                .args(["to-be-frozen", &rate.to_string()])
                .stdout(Stdio::piped())
                .spawn()?;
            let out = child.stdout.take().ok_or("no output")?;
            let mut lines = BufReader::new(out).lines();
            lines.next().ok_or("the child said nothing")??;
            thread::sleep(Duration::from_secs(1));
            signal("-STOP", child.id())?;
            thread::sleep(FROZEN_FOR);
            signal("-CONT", child.id())?;
            for line in lines {
                println!("{}", line?);
            }
            child.wait()?;
        }
    }
    Ok(())
}

fn signal(signal: &str, process: u32) -> Outcome {
    let sent = Command::new("kill").args([signal, &process.to_string()]).status()?;
    if sent.success() { Ok(()) } else { Err(format!("kill {signal} failed").into()) }
}

fn to_be_frozen(rate: u64) -> Outcome {
    println!("ready");
    let seen = runtime()?.block_on(wait_for(rate, Duration::from_secs(3)))?;
    let gap = seen.released.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
    if Duration::from_nanos(gap) < FROZEN_FOR / 2 {
        return Err(format!("it was not stopped: the longest gap is {gap} ns").into());
    }
    print(rate, &seen);
    Ok(())
}
