//! Comparisons of a simulated target: how often nothing is called something, and something nothing.
//!
//! Each run has a level of its own, each second of it resembles the one before, and the times of a
//! second scatter around its level.

use super::*;

/// A target that is simulated.
#[derive(Clone, Copy)]
struct Target {
    median: f64,
    /// How many times there are in a second.
    rate: u64,
    /// By how much runs differ.
    between: f64,
    /// By how much seconds of a run do, and how much of a second's level remains in the next.
    seconds: f64,
    remains: f64,
}

/// A run's level is open by 1.7 % in all.
const CALM: Target =
    Target { median: 10.0, rate: 150, between: 0.01, seconds: 0.015, remains: 0.8 };
const WILD: Target = Target { median: 10.0, rate: 40, between: 0.15, seconds: 0.05, remains: 0.9 };

/// One run of half a minute with a document as a real one has.
fn simulate(target: Target, draws: &mut Draws) -> RunReport {
    const SECONDS: usize = 30;
    let id = format!("{}", draws.uniform());
    let level = target.median.ln() + target.between * draws.normal();
    let mut second = 0.0;
    let (mut all, mut counts, mut failed) = (Timing::default(), Vec::new(), Vec::new());
    let (mut p50, mut p95, mut p99) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..SECONDS {
        second = target.remains * second + target.seconds * draws.normal();
        let count = target.rate + (4.0 * draws.uniform()) as u64;
        let mut times: Vec<f64> =
            (0..count).map(|_| (level + second + 0.3 * draws.normal()).exp()).collect();
        for time in &times {
            all.record(std::time::Duration::from_secs_f64(time / 1e3));
        }
        times.sort_by(f64::total_cmp);
        let rank = |share: f64| times[(share * (count - 1) as f64) as usize];
        p50.push(rank(0.5));
        p95.push(rank(0.95));
        p99.push(rank(0.99));
        counts.push(count);
        failed.push(u64::from(draws.uniform() < 0.3));
    }
    let lost = failed.iter().sum();
    let mut document = document(&id, json!({ "get": action(&all, lost) }));
    let times = json!({ "p50": p50, "p95": p95, "p99": p99 });
    document["run"]["duration_ms"] = json!(SECONDS as f64 * 1e3);
    document["series"] = json!({
        "span_ms": vec![1_000.0; SECONDS],
        "actions": {"get": {
            "count": counts, "failed": failed, "service": times, "response": times,
        }},
    });
    report(&document)
}

/// How many of so many comparisons of three runs each say worse or better.
fn told(count: u64, before: Target, after: Target) -> u64 {
    let alarm = |seed| {
        let mut draws = Draws::seeded(seed);
        let [a, b] = [before, after]
            .map(|target| (0..3).map(|_| simulate(target, &mut draws)).collect::<Vec<_>>());
        matches!(sides(&a, &b).unwrap().verdict, Change::Worse | Change::Better)
    };
    (0..count).map(|seed| u64::from(alarm(seed))).sum()
}

#[test]
fn an_unchanged_target_raises_an_alarm_in_one_of_twenty_comparisons_at_most() {
    // 5 % of 400 are 20; 29 is two deviations more.
    let wild = told(400, WILD, WILD);
    assert!(wild <= 29, "{wild} of 400");
    // Where runs hardly differ, what is tolerated is never exceeded.
    let calm = told(30, CALM, CALM);
    assert!(calm <= 1, "{calm} of 30");
}

#[test]
fn a_target_that_is_a_tenth_slower_is_found_by_three_runs_a_side() {
    let found = told(40, CALM, Target { median: 11.0, ..CALM });
    assert!(found >= 36, "{found} of 40");
}

#[test]
fn one_run_a_side_never_says_that_an_unchanged_target_changed() {
    let mut draws = Draws::seeded(1);
    let mut differs = 0;
    for _ in 0..60 {
        let [a, b] = [simulate(WILD, &mut draws), simulate(WILD, &mut draws)];
        let found = of(&a, &b, &Options::default());
        assert!(!matches!(found.verdict, Change::Worse | Change::Better), "{found:?}");
        differs += u64::from(found.verdict == Change::Differs);
    }
    // And they do differ: that is why nothing may be claimed.
    assert!(differs > 20, "{differs}");
}
