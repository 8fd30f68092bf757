//! A master and three workers as processes on this machine: how fast users start, how exact a
//! throttle is over all of them, what a message between nodes takes, what merging costs.
//!
//! `cargo bench --bench cluster` runs all of it; one of `users`, `throttle`, `calm`, `mail` and
//! `merge` as an argument runs that part.

use std::{
    error::Error,
    fs,
    path::Path,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

mod nodes;
mod scenarios;

use nodes::{NODE, Nodes};

type Part = fn(&Nodes, &Path) -> Outcome;
type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const WORKERS: usize = 3;
const USERS: u64 = 300_000;
const RATES: [u64; 3] = [1_000, 10_000, 100_000];
const TOLERANCE: f64 = 0.005;
const PACED_FOR: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    if std::env::var_os(NODE).is_some() {
        return crowd::control::cli::main(scenarios::catalog());
    }
    match bench() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn bench() -> Outcome {
    let directory = tempfile::tempdir()?;
    let args: Vec<_> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let parts: [(&str, Part); 5] = [
        ("users", users),
        ("throttle", throttle),
        ("calm", calm),
        ("mail", mail),
        ("merge", merge),
    ];
    for (name, part) in parts {
        if args.is_empty() || args.iter().any(|arg| arg == name) {
            let nodes = Nodes::start(WORKERS, directory.path())?;
            part(&nodes, directory.path())?;
        }
    }
    Ok(())
}

fn number(value: &serde_json::Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

/// From `do` until all run.
fn users(nodes: &Nodes, _: &Path) -> Outcome {
    for _ in 0..3 {
        let began = Instant::now();
        nodes.command(&format!("do idle {USERS} user_rate=unlimited"))?;
        while nodes.command("status")?["users"]["running"] != USERS {
            if began.elapsed() > Duration::from_secs(60) {
                return Err("the users do not all run".into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        println!("users: {USERS} on {WORKERS} workers all run after {:?}", began.elapsed());
        nodes.finish()?;
    }
    Ok(())
}

/// The rate that users on all workers get together, and whether it is ever exceeded.
fn throttle(nodes: &Nodes, directory: &Path) -> Outcome {
    for rate in RATES {
        nodes.command(&format!("do pace 3000 rate={rate}/s user_rate=unlimited"))?;
        thread::sleep(PACED_FOR + Duration::from_secs(2));
        nodes.finish()?;
        let mut times = times(directory)?;
        times.sort_unstable();
        let Some(&first) = times.first() else { return Err("nobody was let through".into()) };
        // The first second is that of starting, the last that of stopping.
        let window = first + 1_000_000_000..first + 1_000_000_000 + PACED_FOR.as_nanos() as u64;
        let within = times.iter().filter(|time| window.contains(time)).count() as f64;
        let reached = within / PACED_FOR.as_secs_f64();
        println!(
            "throttle: {rate}/s over {WORKERS} workers: {reached:.1}/s ({:+.2} %), at most {:.1} \
             slots above the bound",
            (reached / rate as f64 - 1.0) * 100.0,
            excess(&times, rate as f64)
        );
    }
    Ok(())
}

/// By how many slots the releases exceed rate × (window + tolerance) + 1, in the worst window.
fn excess(times: &[u64], rate: f64) -> f64 {
    let Some(&origin) = times.first() else { return 0.0 };
    let (mut least, mut worst) = (f64::INFINITY, 0.0_f64);
    for (count, time) in times.iter().enumerate() {
        let schedule = rate * (time - origin) as f64 / 1e9;
        least = least.min(count as f64 - schedule);
        worst = worst.max(count as f64 - schedule - least);
    }
    (worst - rate * TOLERANCE).max(0.0)
}

fn times(directory: &Path) -> Outcome<Vec<u64>> {
    let mut times = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "times") {
            let bytes = fs::read(&path)?;
            let (chunks, _) = bytes.as_chunks::<8>();
            times.extend(chunks.iter().map(|chunk| u64::from_le_bytes(*chunk)));
            fs::remove_file(path)?;
        }
    }
    Ok(times)
}

/// What a wait adds when the throttle is hardly used.
fn calm(nodes: &Nodes, _: &Path) -> Outcome {
    for rate in RATES {
        // 300 users that each ask about once a second: at most a third of the rate.
        nodes.command(&format!("do pace 300 rate={rate}/s rest=1s user_rate=unlimited"))?;
        thread::sleep(PACED_FOR);
        let wait = nodes.command("metrics wait")?["actions"]["wait"]["service"].clone();
        println!(
            "calm: {rate}/s, 300 asked for: a wait takes p50 {:.2} ms, p99 {:.2} ms",
            number(&wait["p50"]),
            number(&wait["p99"])
        );
        nodes.finish()?;
    }
    Ok(())
}

/// Messages from users of one node to users of another.
fn mail(nodes: &Nodes, _: &Path) -> Outcome {
    let measured = |users: u64, answers: bool, action: &str| -> Outcome {
        nodes.command("do talk 0 apart=1 user_rate=unlimited").ok();
        nodes.finish()?;
        let settings = format!("apart={users} answers={answers} user_rate=unlimited");
        nodes.command(&format!("do talk 0 {settings}"))?;
        nodes.command(&format!("add {users} on worker-1"))?;
        nodes.command(&format!("add {users} on worker-2"))?;
        thread::sleep(Duration::from_secs(12));
        let told = nodes.command(&format!("metrics {}", action.replace(' ', "\\ ")))?;
        let done = &told["actions"][action];
        println!(
            "mail: {users} users, {action}: {:.0} in 10 s, p50 {:.2} ms, p99 {:.2} ms",
            number(&done["count"]),
            number(&done["service"]["p50"]),
            number(&done["service"]["p99"])
        );
        nodes.finish()
    };
    measured(1, true, "round trip")?;
    measured(1_000, true, "round trip")?;
    measured(1_000, false, "send")
}

/// Processor time of the master, with nothing to merge and with three nodes' fifty actions.
fn merge(nodes: &Nodes, _: &Path) -> Outcome {
    let used = |line: &str| -> Outcome<f64> {
        nodes.command(line)?;
        thread::sleep(Duration::from_secs(3));
        let (before, began) = (nodes.master_cpu()?, Instant::now());
        thread::sleep(Duration::from_secs(20));
        let used = (nodes.master_cpu()? - before).as_secs_f64() / began.elapsed().as_secs_f64();
        nodes.finish()?;
        Ok(used * 100.0)
    };
    let idle = used("do idle 150 user_rate=unlimited")?;
    let busy = used("do many 150 user_rate=unlimited")?;
    println!("merge: the master uses {busy:.2} % of a core, {idle:.2} % with nothing to merge");
    Ok(())
}
