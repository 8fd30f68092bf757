//! What a run on several nodes tells more: who had which part in it, and what a lost node left open.

use std::time::{Duration, SystemTime};

use crowd::{
    measure::{
        Measure, Sample,
        health::{HealthSummary, Trust},
        window::Window,
    },
    report::{
        Colour, ReportInput, RunReport, Verdict,
        input::{Endings, GapRow, NodeLost, NodeRow, Outcome, RunFacts, UserTotals},
        json,
        text::summary,
    },
};
use serde_json::{Value, json};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn healthy(cpu: f64) -> HealthSummary {
    HealthSummary {
        samples: 60,
        cores: 4.0,
        cpu_mean: cpu / 2.0,
        cpu_max: cpu,
        memory_max: 48 << 20,
        memory_limit: 8 << 30,
        descriptors_max: 1_034,
        descriptors_limit: 65_536,
        loop_lag_p99: Duration::from_micros(2_100),
        loop_lag_max: Duration::from_micros(9_300),
        ..HealthSummary::default()
    }
}

fn users(count: u64, peak: u64) -> UserTotals {
    UserTotals {
        asked: count,
        started: count,
        finished: count,
        peak,
        endings: Endings { finished: count, ..Endings::default() },
        ..UserTotals::default()
    }
}

fn node(name: &str, count: u64, cpu: f64) -> NodeRow {
    NodeRow {
        name: name.to_owned(),
        users: users(count, count),
        state: "finished".to_owned(),
        lost: None,
        health: Some(healthy(cpu)),
    }
}

fn measured() -> Window {
    let measure = Measure::default();
    for n in 0..9_000 {
        let time = Duration::from_micros(1_000 + n);
        measure.record("echo", Sample { service: time, response: time, failure: None });
    }
    measure.snapshot().total
}

fn cluster() -> ReportInput {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000);
    let names = ["master", "worker-1", "worker-2", "worker-3"];
    ReportInput {
        run: RunFacts {
            id: "master-1795000000000-1".to_owned(),
            scenario: "echo".to_owned(),
            settings: Vec::new(),
            nodes: names.map(str::to_owned).to_vec(),
            user_rate: None,
            start,
            end: start + ms(30_000),
            duration: ms(30_000),
            profile: None,
        },
        outcome: Outcome::Ended,
        users: users(9_000, 9_000),
        measured: measured(),
        thresholds: vec![],
        series: Default::default(),
        throttles: Vec::new(),
        coordinators: Vec::new(),
        health: HealthSummary::default(),
        nodes: vec![
            NodeRow {
                name: "master".to_owned(),
                state: "disabled".to_owned(),
                ..NodeRow::default()
            },
            node("worker-1", 3_000, 0.31),
            node("worker-2", 3_000, 0.28),
            node("worker-3", 3_000, 0.42),
        ],
        gaps: Vec::new(),
    }
}

/// The same, but worker-2 is lost after 12.3 s.
fn with_a_lost_node() -> ReportInput {
    let mut input = cluster();
    input.nodes[1].users = users(4_450, 4_450);
    input.nodes[2] = NodeRow {
        users: UserTotals { started: 3_000, finished: 100, peak: 3_000, ..UserTotals::default() },
        state: "running".to_owned(),
        lost: Some(NodeLost { at: ms(12_300), reason: "it was not heard of for 3s".to_owned() }),
        ..node("worker-2", 0, 0.28)
    };
    input.nodes[3].users = users(4_450, 4_450);
    input.gaps = vec![GapRow {
        node: "worker-2".to_owned(),
        at: ms(12_300),
        users: 2_900,
        went: vec![("worker-1".to_owned(), 1_450), ("worker-3".to_owned(), 1_450)],
        measured_until: Some(ms(11_900)),
        missing: Some((ms(11_900), ms(13_800))),
    }];
    input
}

fn show(input: ReportInput) -> String {
    let text = summary(&RunReport::build(input), Colour::Plain);
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "too wide: {line}");
        assert_eq!(line, line.trim_end(), "trailing blanks");
    }
    text
}

/// The part of the text that begins with that word.
fn block<'a>(text: &'a str, title: &str) -> &'a str {
    text.split("\n\n").find(|block| block.starts_with(title)).unwrap_or("nothing")
}

#[test]
fn the_nodes_and_their_part_are_told() {
    insta::assert_snapshot!(show(cluster()), @r"
    PASSED  echo: 9,000 users in 30.0 s
      run master-1795000000000-1, from 2026-11-18T11:06:40Z on master, worker-1, worker-2, worker-3

    users   asked 9,000, started 9,000, finished 9,000, peak 9,000

    nodes     started  finished  failed  removed   peak  CPU  state
    master          0         0       0        0      0    -  disabled
    worker-1    3,000     3,000       0        0  3,000  31%  finished
    worker-2    3,000     3,000       0        0  3,000  28%  finished
    worker-3    3,000     3,000       0        0  3,000  42%  finished

                                            service ms               response ms
    actions  count  failed  rate/s     p50   p95   p99     p50   p95   p99   max
    echo     9,000       0     300    5.50  9.55  9.91    5.50  9.55  9.91  10.0

    generator  VALID
      the worst of 3 nodes: CPU 21% of 4 cores (at most 42%), memory 48.0 MiB, 1,034 of 65,536
      descriptors, event loop late by 2.10 ms (p99), 9.30 ms (max)
    ");
}

#[test]
fn a_lost_node_and_what_it_left_open_are_told() {
    insta::assert_snapshot!(show(with_a_lost_node()), @r"
    PASSED  echo: 9,000 users in 30.0 s
      run master-1795000000000-1, from 2026-11-18T11:06:40Z on master, worker-1, worker-2, worker-3

    users   asked 9,000, started 9,000, finished 9,000, peak 9,000

    nodes     started  finished  failed  removed   peak  CPU  state
    master          0         0       0        0      0    -  disabled
    worker-1    4,450     4,450       0        0  4,450  31%  finished
    worker-2    3,000       100       0        0  3,000  28%  lost at 12.3 s
    worker-3    4,450     4,450       0        0  4,450  42%  finished

    gaps
      - worker-2 was lost at 12.3 s: 2,900 users went on, 1,450 on worker-1 and
        1,450 on worker-3; what it measured, from 11.9 s to 13.8 s, is missing

                                            service ms               response ms
    actions  count  failed  rate/s     p50   p95   p99     p50   p95   p99   max
    echo     9,000       0     300    5.50  9.55  9.91    5.50  9.55  9.91  10.0

    generator  DEGRADED
      the worst of 3 nodes: CPU 21% of 4 cores (at most 42%), memory 48.0 MiB, 1,034 of 65,536
      descriptors, event loop late by 2.10 ms (p99), 9.30 ms (max)
      - worker-2: silent from 11.9 s to 12.3 s, and lost at 12.3 s, with 2,900 users: it was not heard
        of for 3s
    ");
}

#[test]
fn what_is_read_when_something_is_wrong_fits_a_narrow_terminal() {
    let mut input = with_a_lost_node();
    input.nodes[1].name = "a-node-with-a-name-that-is-longer-than-most.example.com".to_owned();
    let text = show(input);
    for title in ["nodes", "gaps"] {
        let block = block(&text, title);
        assert!(block.lines().count() > 1, "{block}");
        assert!(block.lines().all(|line| line.chars().count() <= 80), "{block}");
    }
}

#[test]
fn each_gap_says_where_its_users_went_and_what_is_missing() {
    let gap = |users, went: &[(&str, u64)], until: Option<u64>, missing: Option<(u64, u64)>| {
        let mut input = with_a_lost_node();
        let went = went.iter().map(|(node, users)| ((*node).to_owned(), *users)).collect();
        let measured_until = until.map(ms);
        let missing = missing.map(|(from, to)| (ms(from), ms(to)));
        input.gaps[0] = GapRow { users, went, measured_until, missing, ..input.gaps[0].clone() };
        let text = show(input);
        let lines = block(&text, "gaps").lines().skip(1);
        lines.map(str::trim).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        gap(5, &[("worker-1", 5)], Some(13_400), None),
        "- worker-2 was lost at 12.3 s: 5 users went on, 5 on worker-1; all that it measured is known"
    );
    assert_eq!(
        gap(5, &[("worker-1", 2), ("worker-3", 1)], None, Some((3_000, 13_800))),
        "- worker-2 was lost at 12.3 s: of 5 users, 2 on worker-1 and 1 on worker-3 went on, and 2 \
         did not; all that it measured, from 3.0 s to 13.8 s, is missing"
    );
    assert_eq!(
        gap(1, &[], Some(11_000), Some((11_000, 13_800))),
        "- worker-2 was lost at 12.3 s: 1 user did not go on; what it measured, from 11.0 s to 13.8 s, \
         is missing"
    );
    assert_eq!(
        gap(0, &[], Some(13_000), None),
        "- worker-2 was lost at 12.3 s: no users were there; all that it measured is known"
    );
}

#[test]
fn a_lost_node_degrades_but_does_not_invalidate() {
    let report = RunReport::build(with_a_lost_node());
    assert_eq!((report.verdict, report.exit_code), (Verdict::Passed, 0));
    assert_eq!(report.generator.verdict, Trust::Degraded);
    assert_eq!(
        report.generator.reasons,
        [
            "worker-2: silent from 11.9 s to 12.3 s, and lost at 12.3 s, with 2,900 users: it was not \
          heard of for 3s"
        ]
    );
    // Where a loss is to end the run, the run says so.
    let mut stopped = with_a_lost_node();
    stopped.outcome = Outcome::Failed("node worker-2 was lost".to_owned());
    let report = RunReport::build(stopped);
    assert_eq!((report.verdict, report.exit_code), (Verdict::Failed, 1));
    assert_eq!(report.reasons, ["node worker-2 was lost"]);
}

#[test]
fn each_node_is_judged_and_the_worst_decides() {
    let mut input = cluster();
    let late = HealthSummary { loop_lag_p99: ms(730), ..healthy(0.97) };
    input.nodes[3].health = Some(late);
    let report = RunReport::build(input);
    assert_eq!((report.verdict, report.exit_code), (Verdict::Invalid, 3));
    assert!(report.generator.reasons[0].starts_with("worker-3: the event loop was 730 ms late"));
    assert_eq!((report.generator.cpu_max, report.generator.samples), (0.97, 180));
    let verdicts: Vec<_> = report
        .nodes
        .iter()
        .map(|node| node.generator.as_ref().map(|generator| generator.verdict))
        .collect();
    assert_eq!(verdicts, [None, Some(Trust::Valid), Some(Trust::Valid), Some(Trust::Invalid)]);
    let text = summary(&report, Colour::Plain);
    assert!(block(&text, "nodes").contains("97%  finished, INVALID"), "{text}");
}

/// No node knows of the slots that the master was too late to deal to any of them.
#[test]
fn slots_that_were_never_dealt_are_the_masters() {
    let mut input = cluster();
    input.nodes[1].health =
        Some(HealthSummary { slots_granted: 940, slots_forfeited: 1, ..healthy(0.3) });
    let undealt = HealthSummary { slots_granted: 940, slots_forfeited: 60, ..Default::default() };
    let report = RunReport::build(ReportInput { health: undealt, ..input });
    assert_eq!(report.generator.verdict, Trust::Invalid);
    assert_eq!(report.generator.reasons.len(), 1, "{:?}", report.generator.reasons);
    let reason = &report.generator.reasons[0];
    assert!(reason.starts_with("the master: 60 of 1000 throttle slots (6%) were"), "{reason}");
    assert_eq!((report.generator.slots_granted, report.generator.slots_forfeited), (940, 61));
    assert_eq!(RunReport::build(cluster()).generator.verdict, Trust::Valid);
}

#[test]
fn a_quota_of_half_a_core_is_told_as_such() {
    let mut input = cluster();
    for node in &mut input.nodes {
        if let Some(health) = &mut node.health {
            health.cores = 0.5;
        }
    }
    let report = RunReport::build(input);
    let document = serde_json::to_value(&report).unwrap();
    assert_eq!(document["generator"]["cores"], json!(0.5));
    assert_eq!(document["nodes"][2]["generator"]["cores"], json!(0.5));
    let text = summary(&report, Colour::Plain);
    assert!(text.contains("CPU 21% of 0.5 cores (at most 42%)"), "{text}");
    // A document of before has whole ones.
    let mut before = document.clone();
    before["generator"]["cores"] = json!(2);
    let before: RunReport = serde_json::from_value(before).unwrap();
    assert_eq!(before.generator.cores, 2.0);
}

#[test]
fn the_document_names_nodes_and_gaps() {
    let report = RunReport::build(with_a_lost_node());
    let text = json::render(&report).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["schema"], "crowd.run/1");
    let lost = &document["nodes"][2];
    assert_eq!(lost["name"], "worker-2");
    assert_eq!(lost["state"], "running");
    assert_eq!(lost["users"]["started"], 3_000);
    assert_eq!(lost["lost"], json!({"at_ms": 12_300.0, "reason": "it was not heard of for 3s"}));
    assert_eq!(lost["generator"]["verdict"], "VALID");
    assert_eq!(document["nodes"][0]["generator"], Value::Null);
    assert_eq!(document["nodes"][0]["lost"], Value::Null);
    assert_eq!(
        document["gaps"],
        json!([{
            "node": "worker-2",
            "at_ms": 12_300.0,
            "users": 2_900,
            "went": [
                {"node": "worker-1", "users": 1_450},
                {"node": "worker-3", "users": 1_450},
            ],
            "measured_until_ms": 11_900.0,
            "missing": {"from_ms": 11_900.0, "to_ms": 13_800.0},
        }])
    );
    assert_eq!(serde_json::from_str::<RunReport>(&text).unwrap(), report);
}

#[test]
fn a_lone_run_has_neither_and_an_older_document_is_still_read() {
    let mut input = cluster();
    input.nodes = Vec::new();
    input.health = healthy(0.5);
    let report = RunReport::build(input);
    let text = summary(&report, Colour::Plain);
    assert_eq!((block(&text, "nodes"), block(&text, "gaps")), ("nothing", "nothing"));
    let mut document: Value = serde_json::to_value(&report).unwrap();
    assert_eq!((&document["nodes"], &document["gaps"]), (&json!([]), &json!([])));
    let fields = document.as_object_mut().unwrap();
    fields.remove("nodes");
    fields.remove("gaps");
    assert_eq!(serde_json::from_value::<RunReport>(document).unwrap(), report);
}
