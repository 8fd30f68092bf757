//! What had not ended when a run did: it has not succeeded, and times that rest on it are lower
//! bounds.

use super::*;

/// A run of so many, of which some more did not end, so that these times are lower bounds.
fn hanging(id: &str, median: f64, unfinished: u64, at_least: &[&str]) -> RunReport {
    let mut document = document(id, json!({ "get": action(&times(10_000, median, 1), 0) }));
    let get = &mut document["actions"]["get"];
    get["count"] = json!(10_000 - unfinished);
    get["unfinished"] = json!(unfinished);
    get["response"]["at_least"] = json!(at_least);
    report(&document)
}

#[test]
fn what_did_not_end_has_not_succeeded() {
    let good = hanging("r1", 10.0, 0, &[]);
    let found = of(&good, &hanging("r2", 10.0, 300, &["p99"]), &Options::default());
    assert_eq!((said(&found, Metric::Errors), found.verdict), (Change::Worse, Change::Worse));
    assert_eq!(found.rows[0].candidate, 0.03);
    // None ended at all.
    let found = of(&good, &hanging("r2", 10.0, 10_000, &[]), &Options::default());
    assert_eq!(found.actions[0].sentence, "`get` never succeeded in the candidate");
}

#[test]
fn a_lower_bound_is_never_better_or_the_same_only_worse() {
    let three = |prefix: &str, medians: [f64; 3], at_least: &[&str]| -> Vec<RunReport> {
        let of = |(at, median)| hanging(&format!("{prefix}{at}"), median, 5, at_least);
        medians.into_iter().enumerate().map(of).collect()
    };
    let slow = [20.0, 20.1, 19.9];
    let quick = [10.0, 10.05, 9.95];
    let p95 = |before: ([f64; 3], &[&str]), after: ([f64; 3], &[&str])| {
        let found = sides(&three("a", before.0, before.1), &three("b", after.0, after.1)).unwrap();
        said(&found, Metric::ResponseP95)
    };
    let (known, open): (&[&str], &[&str]) = (&[], &["p95", "max"]);
    assert_eq!(p95((quick, known), (slow, open)), Change::Worse);
    assert_eq!(p95((slow, known), (quick, open)), Change::Unknown);
    assert_eq!(p95((quick, known), (quick, open)), Change::Unknown);
    // The baseline was at least so slow.
    assert_eq!(p95((quick, open), (slow, known)), Change::Unknown);
    assert_eq!(p95((slow, open), (quick, known)), Change::Better);
    assert_eq!(p95((quick, open), (quick, known)), Change::Unknown);
    assert_eq!(p95((quick, open), (slow, open)), Change::Unknown);
    // Only the number that is named.
    assert_eq!(p95((slow, known), (quick, &["p99"])), Change::Better);
}

#[test]
fn a_lower_bound_is_marked() {
    let found =
        of(&hanging("r1", 10.0, 0, &[]), &hanging("r2", 20.0, 5, &["p99"]), &Options::default());
    let row = found.rows.iter().find(|row| row.metric == Metric::ResponseP99).unwrap();
    assert_eq!((row.at_least, row.verdict), ([false, true], Change::Differs));
    let text = text(&found);
    let line = text.lines().find(|line| line.starts_with("response p99")).unwrap();
    assert!(line.contains("≥ "), "{line}");
    assert!(line.contains(" to any"), "{line}");
}
