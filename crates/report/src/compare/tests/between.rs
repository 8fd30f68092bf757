//! Several runs a side: a change is what the noise between runs does not explain.

use super::*;

/// Runs of one target, which is as slow in each as this.
fn runs(prefix: &str, medians: &[f64]) -> Vec<RunReport> {
    let of = |(at, median): (usize, &f64)| {
        run(&format!("{prefix}{at}"), &times(10_000, *median, at as u64), 0)
    };
    medians.iter().enumerate().map(of).collect()
}

#[test]
fn a_change_beyond_the_noise_between_runs_is_told() {
    let baseline = runs("a", &[10.0, 10.05, 9.95]);
    let found = sides(&baseline, &runs("b", &[11.0, 11.1, 11.05])).unwrap();
    assert_eq!(said(&found, Metric::ResponseP50), Change::Worse);
    assert_eq!(found.verdict, Change::Worse);
    assert_eq!(found.confidence, Some(0.95));
    let better = sides(&runs("b", &[11.0, 11.1, 11.05]), &baseline).unwrap();
    assert_eq!(better.verdict, Change::Better);
    let same = sides(&baseline, &runs("b", &[10.02, 9.97, 10.0])).unwrap();
    assert_eq!(said(&same, Metric::ResponseP50), Change::Same);
    assert!(matches!(same.verdict, Change::Same | Change::Noise), "{same:?}");
}

#[test]
fn the_same_change_within_the_noise_between_runs_is_none() {
    // Each run has ten thousand samples, and one against one would differ.
    let (baseline, candidate) = (runs("a", &[10.0, 11.5, 9.0]), runs("b", &[11.0, 12.2, 10.0]));
    let found = sides(&baseline, &candidate).unwrap();
    assert_eq!(said(&found, Metric::ResponseP50), Change::Noise);
    assert_eq!(found.verdict, Change::Noise);
    let one = of(&baseline[0], &candidate[0], &Options::default());
    assert_eq!(said(&one, Metric::ResponseP50), Change::Differs);
}

#[test]
fn what_is_tolerated_is_no_change_however_certain() {
    let found = sides(&runs("a", &[10.0, 10.01, 9.99]), &runs("b", &[10.2, 10.21, 10.19])).unwrap();
    assert_eq!(said(&found, Metric::ResponseP50), Change::Same);
}

#[test]
fn one_new_run_is_held_against_several() {
    let baseline = runs("a", &[10.0, 10.05, 9.95, 10.02, 9.97]);
    let found = sides(&baseline, &runs("b", &[13.0])).unwrap();
    assert_eq!((said(&found, Metric::ResponseP50), found.verdict), (Change::Worse, Change::Worse));
    let same = sides(&baseline, &runs("b", &[10.05])).unwrap();
    assert_eq!(said(&same, Metric::ResponseP50), Change::Same);
}

#[test]
fn failures_are_told_by_how_runs_differ() {
    let failing = |prefix: &str, failed: [u64; 3]| -> Vec<RunReport> {
        let of = |(at, failed): (usize, u64)| {
            run(&format!("{prefix}{at}"), &times(10_000, 10.0, at as u64), failed)
        };
        failed.into_iter().enumerate().map(of).collect()
    };
    let none = failing("a", [0, 0, 0]);
    let found = sides(&none, &failing("b", [150, 180, 160])).unwrap();
    assert_eq!(said(&found, Metric::Errors), Change::Worse);
    // One of three runs with all of the failures.
    let found = sides(&none, &failing("b", [0, 480, 0])).unwrap();
    assert_eq!(said(&found, Metric::Errors), Change::Noise);
    assert_eq!(
        said(&sides(&none, &failing("b", [0, 1, 0])).unwrap(), Metric::Errors),
        Change::Same
    );
    assert_eq!(said(&sides(&none, &failing("b", [0; 3])).unwrap(), Metric::Errors), Change::Same);
}

#[test]
fn an_action_that_vanished_from_a_run_is_worse() {
    let baseline = runs("a", &[10.0, 10.05, 9.95]);
    let mut candidate = runs("b", &[9.0, 9.05, 8.95]);
    candidate[1].actions.clear();
    let found = sides(&baseline, &candidate).unwrap();
    assert_eq!((found.verdict, found.rows.len()), (Change::Worse, 0));
    assert_eq!(found.sentence, "`get` vanished from b2.json");
    // Something rare may be missing by chance.
    let rare = |prefix: &str, counts: &[usize]| -> Vec<RunReport> {
        let of = |(at, count): (usize, &usize)| {
            let id = format!("{prefix}{at}");
            let often = action(&times(1_000, 10.0, at as u64), 0);
            let seldom = action(&times(*count, 10.0, 1), 0);
            report(&document(&id, json!({ "often": often, "seldom": seldom })))
        };
        counts.iter().enumerate().map(of).collect()
    };
    let found = sides(&rare("a", &[2, 1, 3]), &rare("b", &[1, 0, 2])).unwrap();
    assert_eq!(
        (found.actions[0].event, found.actions[0].verdict),
        (Event::Seldom, Change::Unknown)
    );
    assert_ne!(found.verdict, Change::Worse);
    let found = sides(&rare("a", &[2, 1, 3]), &rare("b", &[0, 0, 0])).unwrap();
    assert_eq!(found.verdict, Change::Worse);
}

#[test]
fn an_action_that_never_succeeded_in_a_run_is_worse() {
    let baseline = runs("a", &[10.0, 10.05, 9.95]);
    let mut candidate = runs("b", &[10.0, 10.05, 9.95]);
    candidate[2].actions.get_mut("get").unwrap().failed = 10_000;
    let found = sides(&baseline, &candidate).unwrap();
    assert_eq!(
        (found.verdict, &found.sentence[..]),
        (Change::Worse, "`get` never succeeded in b3.json")
    );
}

#[test]
fn users_and_arrivals_are_compared_where_there_are_any() {
    let baseline = runs("a", &[10.0, 10.0, 10.0]);
    let failing = |at: u64| {
        let get = json!({ "get": action(&times(10_000, 10.0, at), 0) });
        let mut failing = document(&format!("b{at}"), get);
        failing["users"]["failed"] = json!(60 + at);
        failing["arrivals"] = json!({"scheduled": 5_000, "started": 4_000, "dropped": 1_000});
        report(&failing)
    };
    let found = sides(&baseline, &[failing(0), failing(1), failing(2)]).unwrap();
    assert_eq!(said(&found, Metric::FailedUsers), Change::Worse);
    // The baseline had no arrivals at all.
    assert_eq!(said(&found, Metric::Dropped), Change::TooFew);
    assert_eq!(found.rows[0].action, None);
}

#[test]
fn a_program_reads_this() {
    let found = sides(&runs("a", &[10.0, 10.1]), &runs("b", &[10.0, 10.1])).unwrap();
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["schema"], "crowd.comparison/2");
    assert_eq!(json["baseline"][1]["id"], "a1");
    assert_eq!((&json["confidence"], &json["verdict"]), (&json!(0.95), &json!("noise")));
    let row = &json["rows"][0];
    assert_eq!((&row["action"], &row["metric"]), (&json!("get"), &json!("errors")));
    let row = &json["rows"][2];
    assert_eq!((&row["metric"], &row["unit"]), (&json!("response-p50"), &json!("ms")));
    assert!(row["interval"]["low"].as_f64() < row["interval"]["high"].as_f64(), "{row}");
    assert_eq!(row["baseline_runs"].as_array().unwrap().len(), 2);
    assert_eq!(row["at_least"], json!([false, false]));
}

#[test]
fn what_cannot_be_compared_is_refused_with_every_fault() {
    let baseline = run("r1", &times(100, 10.0, 1), 0);
    let faults = |before: &[&RunReport], after: &[&RunReport], options: &Options| {
        let named = |letter: &str, runs: &[&RunReport]| -> Vec<(String, RunReport)> {
            let of = |(at, run): (usize, &&RunReport)| {
                (format!("{letter}{}.json", at + 1), (*run).clone())
            };
            runs.iter().enumerate().map(of).collect()
        };
        let (before, after) = (named("a", before), named("b", after));
        let sides = [&before, &after]
            .map(|side| side.iter().map(|(name, run)| Side::new(name, run)).collect::<Vec<_>>());
        compare(&sides[0], &sides[1], options).unwrap_err().to_string()
    };
    let wanted = Options { actions: vec!["gett".into(), "put".into()], ..Options::default() };
    assert_eq!(
        faults(&[&baseline], &[&baseline], &wanted),
        "there is no action `gett` in any of the runs; did you mean `get`?\n\
         there is no action `put` in any of the runs"
    );
    let mut broken = baseline.clone();
    broken.schema = "crowd.run/9".to_owned();
    let mut emptied = baseline.clone();
    emptied.run.id = "r2".to_owned();
    emptied.actions.get_mut("get").unwrap().service.histogram = None;
    let wild = Options { confidence: 1.0, tolerance: -0.5, ..Options::default() };
    assert_eq!(
        faults(&[&broken, &baseline], &[&emptied], &wild),
        "the confidence is 100%: it must be at least 50% and less than 100%\n\
         the tolerance is -50%: it must be at least 0% and less than 1000%\n\
         a1.json and a2.json are the same run r1: several runs are needed to know how they differ\n\
         a1.json: its schema is `crowd.run/9`, and this crowd compares `crowd.run/1`\n\
         b1.json: action `get`: its service times have no `histogram`"
    );
    assert_eq!(faults(&[&baseline], &[], &Options::default()), "the candidate has no run");
}

#[test]
fn a_person_reads_this() {
    let baseline = runs("a", &[10.0, 10.05, 9.95]);
    let mut candidate = runs("b", &[11.0, 11.1, 11.05]);
    candidate[1].users.asked = 200;
    let found = sides(&baseline, &candidate).unwrap();
    insta::assert_snapshot!(text(&found), @r#"
    WORSE  5 of 7 numbers are worse, above all response p99 of `get` +10.6% (+5.8% to +15.5%)
      baseline   a1.json: http run a0, from 2026-11-18T11:06:40Z, generator VALID
      baseline   a2.json: http run a1, from 2026-11-18T11:06:40Z, generator VALID
      baseline   a3.json: http run a2, from 2026-11-18T11:06:40Z, generator VALID
      candidate  b1.json: http run b0, from 2026-11-18T11:06:40Z, generator VALID
      candidate  b2.json: http run b1, from 2026-11-18T11:06:40Z, generator VALID
      candidate  b3.json: http run b2, from 2026-11-18T11:06:40Z, generator VALID
      -  not the same load: 100 users in b1.json, 200 users in b2.json

    get               baseline  candidate   change  runs differ              interval
    failures                0%         0%  0.00 pp            -  -0.03 pp to +0.03 pp  same
    response mean ms      11.3       12.5   +10.5%        ±0.5%       +8.8% to +12.2%  WORSE
    response p50 ms       10.0       11.1   +10.5%        ±0.7%       +8.3% to +12.7%  WORSE
    response p95 ms       22.6       25.0   +10.5%        ±1.0%       +7.5% to +13.5%  WORSE
    response p99 ms       31.5       34.8   +10.6%        ±1.5%       +5.8% to +15.5%  WORSE
    service p95 ms        22.6       25.0   +10.5%        ±1.0%       +7.5% to +13.5%  WORSE
    rate/s                 167        167     0.0%        ±1.0%        -2.2% to +2.3%  same

    With 95% confidence nothing here is called worse or better that is not: an interval without 0 is
    more than the noise between runs explains, all 7 numbers taken together. Changes up to 5% are none.
    "#);
}
