//! One run against one: only what needs no statistics is judged.

use super::*;

#[test]
fn a_run_is_the_same_as_itself() {
    let baseline = run("r1", &times(10_000, 10.0, 1), 30);
    let found = of(&baseline, &baseline, &Options::default());
    assert_eq!(found.rows.len(), 7);
    for row in &found.rows {
        assert!(matches!(row.verdict, Change::Same | Change::Noise), "{row:?}");
        assert_eq!(row.change, Some(0.0), "{row:?}");
    }
    assert_eq!(said(&found, Metric::ResponseP50), Change::Same);
    assert_eq!(found, of(&baseline, &baseline, &Options::default()), "always the same answer");
}

#[test]
fn a_slower_run_differs_and_nothing_is_claimed() {
    let (slow, fast) =
        (run("r1", &times(10_000, 13.0, 1), 0), run("r2", &times(10_000, 10.0, 2), 0));
    for (before, after) in [(&slow, &fast), (&fast, &slow)] {
        let found = of(before, after, &Options::default());
        assert_eq!(said(&found, Metric::ResponseP95), Change::Differs);
        assert_eq!((found.verdict, found.confidence), (Change::Differs, None));
        let text = text(&found);
        assert!(text.starts_with("DIFFERS  5 of 7 numbers differ, above all "), "{text}");
        assert!(text.contains("cannot be known from one run a side"), "{text}");
        assert!(!text.contains("95%") && !text.contains("confidence"), "{text}");
        assert!(!text.contains("WORSE") && !text.to_lowercase().contains("better"), "{text}");
    }
}

#[test]
fn a_share_of_success_that_fell_by_more_than_a_percent_is_worse() {
    let with = |id, failed| run(id, &times(10_000, 10.0, 1), failed);
    let found = |failed| of(&with("r1", 0), &with("r2", failed), &Options::default());
    assert_eq!(said(&found(200), Metric::Errors), Change::Worse);
    assert_eq!(found(200).verdict, Change::Worse);
    // Less than that could be the noise between runs.
    assert_eq!(said(&found(50), Metric::Errors), Change::Differs);
    assert_eq!(said(&found(1), Metric::Errors), Change::Same);
    let rose = of(&with("r1", 300), &with("r2", 0), &Options::default());
    assert_eq!((said(&rose, Metric::Errors), rose.verdict), (Change::Better, Change::Better));
}

#[test]
fn failures_of_one_burst_are_fewer_than_they_look() {
    let baseline = run("r1", &times(6_000, 10.0, 1), 0);
    let mut document = document("r2", json!({ "get": action(&times(6_000, 10.0, 1), 150) }));
    let found = of(&baseline, &report(&document), &Options::default());
    assert_eq!(said(&found, Metric::Errors), Change::Worse);
    // All in two seconds one after the other: two such seconds are little to go by.
    let mut failed = vec![0; 60];
    (failed[20], failed[21]) = (75, 75);
    document["series"] = json!({
        "span_ms": vec![1_000.0; 60],
        "actions": {"get": {"count": vec![100; 60], "failed": failed}},
    });
    let found = of(&baseline, &report(&document), &Options::default());
    assert_eq!(said(&found, Metric::Errors), Change::Differs);
}

#[test]
fn seconds_that_resemble_their_neighbours_widen_the_range() {
    let (a, b) = (times(60_000, 10.0, 1), times(60_000, 10.9, 2));
    let candidate = run("r2", &b, 0);
    let mut document = document("r1", json!({ "get": action(&a, 0) }));
    let narrow = of(&report(&document), &candidate, &Options::default());
    assert_eq!(said(&narrow, Metric::ResponseP50), Change::Differs);
    // Every ten minutes of the hour are as fast as they like, and stay so.
    let p50: Vec<f64> = (0..600).map(|s| if s / 100 % 2 == 0 { 8.0 } else { 12.0 }).collect();
    document["series"] = json!({ "actions": { "get": { "response": { "p50": p50 } } } });
    let wide = of(&report(&document), &candidate, &Options::default());
    assert_eq!(said(&wide, Metric::ResponseP50), Change::Noise);
    // Other numbers are told as before.
    assert_eq!(said(&wide, Metric::ResponseP99), said(&narrow, Metric::ResponseP99));
}

#[test]
fn few_samples_tell_nothing() {
    let few = |id, median, count| run(id, &times(count, median, 1), 0);
    let found = of(&few("r1", 10.0, 40), &few("r2", 30.0, 40), &Options::default());
    assert_eq!(found.verdict, Change::TooFew);
    assert!(found.rows.iter().all(|row| row.interval.is_none()), "{found:?}");
    assert_eq!(found.sentence, "there are too few samples to tell anything");
    // Enough for some numbers.
    let found = of(&few("r1", 10.0, 300), &few("r2", 30.0, 300), &Options::default());
    assert_eq!(said(&found, Metric::ResponseP99), Change::TooFew);
    assert_eq!(said(&found, Metric::ResponseP95), Change::Differs);
    assert_eq!(found.compared, 6);
}

#[test]
fn an_action_that_vanished_is_worse_however_few_there_were() {
    for count in [1, 40, 10_000] {
        let many = times(count, 10.0, 1);
        let both = json!({ "connect": action(&many, 0), "request": action(&many, 0) });
        let baseline = report(&document("r1", both));
        let gone = report(&document("r2", json!({ "connect": action(&times(count, 5.0, 2), 0) })));
        let found = of(&baseline, &gone, &Options::default());
        assert_eq!(found.verdict, Change::Worse, "{count}");
        assert!(text(&found).starts_with(
            "WORSE  `request` vanished: it is only in the baseline\n  WORSE      `request` vanished"
        ));
        // All of it, too; and an action that was never begun is as one that is not there.
        let nothing = report(&document("r2", json!({})));
        assert_eq!(of(&baseline, &nothing, &Options::default()).verdict, Change::Worse);
        let empty = report(&document("r2", json!({ "request": action(&Timing::default(), 0) })));
        assert_eq!(of(&baseline, &empty, &Options::default()).actions.len(), 2);
        // The other way round it appeared: neither good nor bad.
        let found = of(&gone, &baseline, &Options::default());
        assert_ne!(found.verdict, Change::Worse);
        assert_eq!(found.actions[0].event, Event::Appeared);
    }
}

#[test]
fn an_action_that_never_succeeded_is_worse_and_its_quick_failures_no_gain() {
    for count in [3, 10_000] {
        let (slow, quick) = (times(count, 10.0, 1), times(count, 1.0, 2));
        let (good, bad) = (run("r1", &slow, 0), run("r2", &quick, count as u64));
        let found = of(&good, &bad, &Options::default());
        assert_eq!(found.verdict, Change::Worse);
        assert_eq!(found.actions[0].sentence, "`get` never succeeded in the candidate");
        for row in found.rows.iter().filter(|row| row.metric != Metric::Errors) {
            assert!(matches!(row.verdict, Change::Unknown | Change::TooFew), "{row:?}");
        }
        // Broken before and after: times of failures are no times of the target.
        let found = of(&bad, &run("r3", &slow, count as u64), &Options::default());
        assert_eq!(found.actions[0].event, Event::NeverSucceeded);
        assert!(matches!(found.verdict, Change::Noise | Change::TooFew), "{found:?}");
    }
}

#[test]
fn an_empty_distribution_is_no_number() {
    let mut fast = Timing::default();
    (0..1_000).for_each(|_| fast.record(std::time::Duration::from_nanos(100)));
    let found = of(&run("r1", &fast, 0), &run("r2", &fast, 0), &Options::default());
    assert_eq!(said(&found, Metric::ResponseP50), Change::Noise);
    let nothing = run("r1", &Timing::default(), 0);
    let faults =
        compare(&[Side::new("a", &nothing)], &[Side::new("b", &nothing)], &Options::default());
    assert_eq!(
        faults.unwrap_err().to_string(),
        "no action was begun in the baseline: there is nothing to compare with"
    );
}

#[test]
fn names_of_actions_do_not_reach_a_terminal_as_they_are() {
    let named = |id, action: Value| report(&document(id, action));
    let both = json!({ "a\u{1b}[31m\nb": action(&times(100, 1.0, 1), 0) });
    let found = of(&named("r1", both), &named("r2", json!({})), &Options::default());
    let text = text(&found);
    assert!(text.contains("vanished") && !text.contains('\u{1b}'), "{text}");
    assert!(!text.contains("\nb"), "{text}");
}

#[test]
fn a_person_reads_this() {
    let actions = |median: f64, failed: u64, extra: &str, seed: u64| {
        json!({
            "get": action(&times(20_000, median, seed), failed),
            "log in\u{1b}[31m": action(&times(150, 100.0, seed + 10), 0),
            extra: action(&times(60, 1.0, seed), 0),
        })
    };
    let baseline = report(&document("r1", actions(10.0, 20, "search", 1)));
    let mut other = document("r2", actions(12.0, 120, "browse", 2));
    other["run"]["settings"]["url"] = json!("http://127.0.0.1:2/");
    other["run"]["settings"]["profile"] = json!("1m: 100");
    other["users"]["asked"] = json!(200);
    other["generator"]["verdict"] = json!("INVALID");
    other["generator"]["reasons"] = json!(["the event loop was 730 ms late for 1% of the time"]);
    let found = of(&baseline, &report(&other), &Options::default());
    insta::assert_snapshot!(text(&found), @r#"
    INVALID  the generator of b.json is INVALID: the event loop was 730 ms late for 1% of the time
    WORSE  `search` vanished: it is only in the baseline
      WORSE      `search` vanished: it is only in the baseline
      note       `browse` is only in the candidate
      baseline   a.json: http run r1, from 2026-11-18T11:06:40Z, generator VALID
      candidate  b.json: http run r2, from 2026-11-18T11:06:40Z, generator INVALID
      -  not the same load: 100 users before, 200 users now
      -  not the same load profile: not there before, `1m: 100` now
      -  not the same setting `url`: `http://127.0.0.1:1/` before, `http://127.0.0.1:2/` now

    get               baseline  candidate    change                 range
    failures              0.1%       0.6%  +0.50 pp  +0.34 pp to +0.68 pp  differs
    response mean ms      11.3       13.6    +20.4%      +18.6% to +22.2%  differs
    response p50 ms       10.0       12.1    +20.6%      +18.6% to +22.6%  differs
    response p95 ms       22.5       27.2    +21.0%      +17.5% to +24.7%  differs
    response p99 ms       31.3       38.2    +22.0%      +16.5% to +27.7%  differs
    service p95 ms        22.5       27.2    +21.0%      +17.5% to +24.7%  differs
    rate/s                 333        333      0.0%        -2.8% to +2.9%  same

    log in [31m       baseline  candidate   change                 range
    failures                0%         0%  0.00 pp  -5.09 pp to +5.09 pp  noise
    response mean ms       117        114    -2.6%      -19.9% to +18.3%  noise
    response p50 ms       94.8        100    +5.9%      -11.1% to +26.1%  noise
    response p95 ms        263        260    -0.8%                     -  too few to tell
    response p99 ms        367        329   -10.4%                     -  too few to tell
    service p95 ms         263        260    -0.8%                     -  too few to tell
    rate/s                2.50       2.50     0.0%      -27.9% to +38.8%  noise

    One run a side: how much two runs of one target differ by themselves is not known. The ranges are
    what the samples within these two runs leave open. A number differs if all of its range lies beyond
    5%. To tell a change from noise, give several runs a side: crowd compare A1.json A2.json A3.json --
    B1.json B2.json B3.json
    "#);
}

#[test]
fn a_candidate_that_failed_is_worse_whatever_its_answers_took() {
    let times = times(10_000, 10.0, 1);
    let (baseline, mut candidate) = (run("r1", &times, 0), run("r2", &times, 0));
    candidate.verdict = crate::report::Verdict::Failed;
    candidate.reasons = vec!["`get` did not succeed any more".to_owned()];
    let found = of(&baseline, &candidate, &Options::default());
    assert_eq!(found.verdict, Change::Worse);
    assert!(found.sentence.contains("failed, and no run of the baseline did: `get`"), "{found:?}");
    // Where the baseline failed as well, that says nothing.
    let mut failed = baseline;
    failed.verdict = crate::report::Verdict::Failed;
    assert!(of(&failed, &candidate, &Options::default()).broken.is_empty());
}
