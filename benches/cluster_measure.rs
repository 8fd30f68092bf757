//! What it costs the master of a run to add up what its workers measure: three nodes with fifty
//! actions each, once a second, as a share of one core. Once as it is sent, and once as
//! HdrHistogram's deflated V2 form, in which reports keep distributions. Prints medians; run with
//! `cargo bench --bench cluster_measure`.

use std::time::{Duration, Instant};

use crowd::measure::{
    Measure, Sample,
    gather::{Arrival, Gathered},
    series::Activity,
    timing::Timing,
    window::{ActionNumbers, Window},
    wire::{self, Part},
};

const NODES: u32 = 3;
const ACTIONS: u32 = 50;
/// How often each action is done on each node in a second.
const EACH: u32 = 400;
const SECONDS: u32 = 30;
const LIMIT: f64 = 2.0;

fn main() {
    println!(
        "{NODES} nodes with {ACTIONS} actions, each done {EACH} times a second; median of \
         {SECONDS} seconds:"
    );
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (mut sending, mut bytes, mut deflated) = (Vec::new(), 0, 0);
    let mut gathered = Gathered::default();
    let nodes: Vec<_> = (0..NODES).map(|_| gathered.join()).collect();
    let measures: Vec<_> = (0..NODES).map(|_| Measure::default()).collect();
    let (mut total, mut last) = (Window::default(), Window::default());
    for second in 1..=SECONDS {
        let until = Duration::from_secs(second.into());
        let windows: Vec<_> = measures.iter().zip(0..).map(|(m, n)| window(m, n, second)).collect();

        let began = Instant::now();
        let sent: Vec<Vec<Vec<u8>>> = windows.iter().map(encode).collect();
        sending.push(share(began.elapsed()) / f64::from(NODES));
        bytes += sent.iter().flatten().map(Vec::len).sum::<usize>();

        let began = Instant::now();
        for (node, parts) in nodes.iter().zip(&sent) {
            for (at, part) in parts.iter().enumerate() {
                let arrival = Arrival {
                    node: *node,
                    number: second.into(),
                    until,
                    later: Duration::ZERO,
                    activity: Activity::default(),
                    complete: at + 1 == parts.len(),
                    part: decode(part),
                };
                gathered.add(&arrival, until);
            }
        }
        ours.push(share(began.elapsed()));

        let sent: Vec<_> = windows.iter().map(deflate).collect();
        deflated +=
            sent.iter().flatten().map(|(_, one, other)| one.len() + other.len()).sum::<usize>();
        let began = Instant::now();
        last = Window::default();
        for window in &sent {
            let window = inflate(window);
            // Into the total and the current second, as above.
            merge(&mut total, &window);
            merge(&mut last, &window);
        }
        theirs.push(share(began.elapsed()));
    }
    let counted: u64 = total.actions.values().map(|action| action.count()).sum();
    let gathered = gathered.snapshot(Duration::ZERO).total;
    assert_eq!(counted, u64::from(NODES * ACTIONS * EACH * SECONDS));
    assert!(gathered.actions == total.actions, "both ways hold the same");
    assert_eq!(last.actions.len(), ACTIONS as usize);

    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    let kib = |bytes: usize| bytes as f64 / 1024.0 / f64::from(SECONDS);
    println!(
        "  {:<40} {ours:>6.2} % of one core, {:>6.1} KiB/s",
        "added up as it is sent",
        kib(bytes)
    );
    println!(
        "  {:<40} {theirs:>6.2} % of one core, {:>6.1} KiB/s",
        "added up from deflated V2",
        kib(deflated)
    );
    println!(
        "  {:<40} {:>6.2} % of one core",
        "a worker's part in sending it",
        median(&mut sending)
    );
    let verdict = match (cfg!(debug_assertions), ours < LIMIT) {
        (true, _) => "not judged, as this build is not optimised",
        (false, true) => "kept",
        (false, false) => "BROKEN",
    };
    println!("  the limit for the master, {LIMIT} %: {verdict}");
}

/// What a node measures in a second.
fn window(measure: &Measure, node: u32, second: u32) -> Window {
    for action in 0..ACTIONS {
        let name = format!("action {action}");
        for n in 0..EACH {
            let service = spread(n + EACH * (action + ACTIONS * (node + NODES * second)));
            let sample = Sample { service, response: service * 2, failure: None };
            measure.record(&name, sample);
        }
    }
    measure.take_unsent(tokio::time::Instant::now(), Activity::default()).window
}

/// A duration that looks random, around ten milliseconds with a long tail.
fn spread(n: u32) -> Duration {
    let hash = n.wrapping_mul(0x9E37_79B9);
    let hash = (hash ^ hash >> 15).wrapping_mul(0x85EB_CA6B);
    let (low, high) = (u64::from(hash & 0xffff), u64::from(hash >> 16));
    Duration::from_micros(1_000 + low * high / 200_000 + low / 10)
}

fn encode(window: &Window) -> Vec<Vec<u8>> {
    let parts = wire::parts(window);
    parts
        .iter()
        .map(|part| bincode::serde::encode_to_vec(part, config()).expect("encodes"))
        .collect()
}

fn decode(bytes: &[u8]) -> wire::Checked {
    let (part, _): (Part, _) = bincode::serde::decode_from_slice(bytes, config()).expect("decodes");
    part.check().expect("it was made here")
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard()
}

fn deflate(window: &Window) -> Vec<(String, String, String)> {
    let actions = window.actions.iter();
    actions
        .map(|(name, action)| {
            let one = action.service.encode().expect("encodes");
            (name.to_string(), one, action.response.encode().expect("encodes"))
        })
        .collect()
}

fn inflate(actions: &[(String, String, String)]) -> Window {
    let mut window = Window::default();
    for (name, service, response) in actions {
        let numbers = ActionNumbers {
            failed: 0,
            service: Timing::decode(service).expect("decodes"),
            response: Timing::decode(response).expect("decodes"),
            ..ActionNumbers::default()
        };
        window.actions.insert(name.as_str().into(), numbers.into());
    }
    window
}

fn merge(window: &mut Window, other: &Window) {
    window.merge(other).expect("the bounds are the same");
}

/// As a share of a second of one core, in percent.
fn share(took: Duration) -> f64 {
    took.as_secs_f64() * 100.0
}

fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
