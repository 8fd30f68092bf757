use std::sync::Arc;

use crowd_measure::window::{ActionNumbers, CheckNumbers};
use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn seconds(count: f64) -> Duration {
    Duration::from_secs_f64(count)
}

/// A window in which an action took so long, each.
fn measured(action: &str, millis: &[u64]) -> Window {
    let mut window = Window { span: SECOND, ..Window::default() };
    add(&mut window, action, millis, 0);
    window
}

fn add(window: &mut Window, action: &str, millis: &[u64], failed: u64) {
    let numbers: &mut ActionNumbers = window.action(&Arc::from(action));
    for millis in millis {
        numbers.response.record(Duration::from_millis(*millis));
        numbers.service.record(Duration::from_millis(*millis) / 2);
    }
    numbers.failed += failed;
}

/// A judge and the run it judges, a second at a time.
struct Bench {
    judge: Judge,
    second: u64,
}

impl Bench {
    fn new(thresholds: &str) -> Self {
        Self::with(thresholds, None)
    }

    fn with(thresholds: &str, profile: Option<&str>) -> Self {
        let thresholds: Thresholds = thresholds.parse().unwrap_or_else(|fault| panic!("{fault}"));
        let profile = profile.map(|text| text.parse().unwrap());
        Self { judge: Judge::new(&thresholds, profile), second: 0 }
    }

    fn next(&mut self, measured: &Window) -> Option<String> {
        self.stands(measured, Standing::default())
    }

    fn stands(&mut self, measured: &Window, standing: Standing) -> Option<String> {
        self.second += 1;
        let until = Duration::from_secs(self.second);
        self.judge.observe(&Interval { until, measured, standing, on: true })
    }

    /// `p` or `f`, what it was, and when.
    fn told(&self) -> Vec<String> {
        let told = self.judge.judged().into_iter();
        told.map(|Judged { text, passed, at, .. }| {
            let at = at.map_or(String::new(), |at| format!(" at {}", at.as_secs()));
            format!("{} {text}{at}", if passed { "passed" } else { "failed" })
        })
        .collect()
    }
}

#[test]
fn a_whole_run_is_judged_by_the_sum_of_all() {
    let mut bench = Bench::new(
        "p60(a) < 30ms; p95(a, service) <= 50ms; max < 0.1s; min(a) > 9ms; mean(a) <= 32ms; \
         count(a) >= 10; rate(a) > 5/s; rate(a) >= 300/min; count(b) <= 3; rate(b) <= 90/min",
    );
    let mut first = measured("a", &[10, 10, 10, 10, 10]);
    first.counters.insert("b".into(), 2);
    bench.next(&first);
    let mut second = measured("a", &[20, 40, 50, 60, 90]);
    second.counters.insert("b".into(), 1);
    bench.next(&second);
    assert_eq!(
        bench.told(),
        [
            "passed 20 ms",
            "passed 45 ms",
            "passed 0.09 s",
            "passed 10 ms",
            "passed 31 ms",
            "passed 10",
            "failed 5/s",
            "passed 300/min",
            "passed 3",
            "passed 90/min"
        ]
    );
}

#[test]
fn a_grace_beyond_any_clock_is_never_over() {
    let endless = "584000000000y";
    let thresholds = format!(
        "max(a) < 1ms abort after {endless}; max(a) < 1ms in stage 1 abort after {endless}"
    );
    let mut bench = Bench::with(&thresholds, Some("9s: 1"));
    for _ in 0..3 {
        assert_eq!(bench.next(&measured("a", &[50])), None);
    }
}

#[test]
fn shares_are_of_what_there_was() {
    let mut bench = Bench::new(
        "error_rate < 5%; error_rate(a) < 0.1; dropped_rate < 1%; check_rate(ok) > 90%; \
         check_rate >= 75%; failed_users <= 0; users >= 9",
    );
    let mut window = measured("a", &[1; 10]);
    add(&mut window, "a", &[], 1);
    add(&mut window, "b", &[1; 10], 0);
    window.checks.insert("ok".into(), CheckNumbers { passed: 9, failed: 1 });
    window.checks.insert("good".into(), CheckNumbers { passed: 6, failed: 4 });
    let standing = Standing { running: 4, peak: 9, failed: 1, scheduled: 1_000, dropped: 9 };
    bench.stands(&window, standing);
    assert_eq!(
        bench.told(),
        [
            "failed 5%",
            "failed 0.1",
            "passed 0.9%",
            "failed 90%",
            "passed 75%",
            "failed 1",
            "passed 9"
        ]
    );
}

#[test]
fn what_was_never_measured_fails_unless_it_is_nothing() {
    let mut bench = Bench::new(
        "p95(a) < 1ms; max > 1ms; check_rate > 1%; error_rate < 1%; count(a) < 1; rate(a) < 1/s; \
         dropped_rate <= 0%; rate(a) >= 1/s; p99(a) < 1s over 10s abort; failed_users <= 0",
    );
    for _ in 0..20 {
        assert_eq!(bench.next(&Window { span: SECOND, ..Window::default() }), None);
    }
    assert_eq!(
        bench.told(),
        [
            "failed nothing was measured",
            "failed nothing was measured",
            "failed nothing was measured",
            "failed nothing was measured",
            "passed 0",
            "passed 0/s",
            "passed 0%",
            "failed 0/s",
            "failed nothing was measured",
            "passed 0"
        ]
    );
    let unmeasured = bench.judge.judged().remove(0);
    assert_eq!((unmeasured.actual, unmeasured.passed), (None, false));
}

#[test]
fn a_window_is_judged_by_its_worst_second() {
    let mut bench = Bench::new("max(a) < 50ms over 3s; rate(a) >= 2/s over 3s; max(a) < 50ms");
    // The first two seconds are no window yet.
    for millis in [&[][..], &[70], &[1, 1], &[2, 2, 2, 2], &[60], &[1, 1], &[1, 1], &[1, 1]] {
        bench.next(&measured("a", millis));
    }
    assert_eq!(
        bench.told(),
        [
            // The second with 70 ms is in the windows that end at 3 and 4.
            "failed 70 ms at 3",
            "failed 1/s at 3",
            "failed 70 ms"
        ]
    );
    let mut calm = Bench::new("max(a) < 50ms over 3s");
    for millis in [40, 30, 20, 45, 10, 10, 10] {
        calm.next(&measured("a", &[millis]));
    }
    assert_eq!(calm.told(), ["passed 45 ms at 4"]);
}

#[test]
fn a_run_shorter_than_the_window_is_judged_whole() {
    let mut bench = Bench::new("max(a) < 50ms over 1m abort");
    assert_eq!(bench.next(&measured("a", &[70])), None);
    assert_eq!(bench.told(), ["failed 70 ms"]);
}

#[test]
fn a_run_that_is_not_on_neither_fails_windows_nor_aborts() {
    let thresholds = "rate(a) >= 5/s over 2s abort; rate(a) >= 5/s abort after 3s".parse();
    let mut judge = Judge::new(&thresholds.unwrap(), None);
    let mut at = 0;
    let mut observe = |measured: &Window, on| {
        at += 1;
        let until = Duration::from_secs(at);
        judge.observe(&Interval { until, measured, standing: Standing::default(), on })
    };
    // While `init` runs, nothing is done.
    assert_eq!(observe(&measured("a", &[]), false), None);
    for _ in 0..3 {
        assert_eq!(observe(&measured("a", &[1; 9]), true), None);
    }
    for _ in 0..5 {
        assert_eq!(observe(&measured("a", &[]), false), None);
    }
    let judged = judge.judged();
    assert!(judged[0].passed && !judged[1].passed, "{judged:?}");
}

#[test]
fn an_abort_waits_for_its_grace_and_comes_once() {
    let mut bench = Bench::new("max(a) < 50ms abort after 3s; error_rate < 1% abort");
    assert_eq!(bench.next(&measured("a", &[70])), None);
    assert_eq!(bench.next(&measured("a", &[10])), None);
    let reason = bench.next(&measured("a", &[10])).unwrap();
    insta::assert_snapshot!(reason, @"threshold `max(a) < 50ms abort after 3s` failed: it was 70 ms at 3.00 s");
    let mut worse = measured("a", &[90]);
    add(&mut worse, "a", &[], 1);
    assert_eq!(bench.next(&worse), None);
    let judged = bench.judge.judged();
    // What ended the run stays what it was then.
    assert_eq!((judged[0].text.as_str(), judged[0].aborted), ("70 ms", true));
    assert_eq!((judged[1].passed, judged[1].aborted), (false, false));
}

#[test]
fn a_window_aborts_by_what_it_is_after_the_grace() {
    let mut bench = Bench::new("max(a) < 50ms over 2s abort after 5s");
    for millis in [10, 70, 10, 10, 10, 10] {
        assert_eq!(bench.next(&measured("a", &[millis])), None);
    }
    // It failed within the grace: no abort, and no pass.
    assert_eq!(bench.told(), ["failed 70 ms at 2"]);
    assert!(bench.next(&measured("a", &[60])).is_some());
    assert_eq!(bench.told(), ["failed 60 ms at 7"]);
}

#[test]
fn what_may_still_be_reached_does_not_abort() {
    let mut bench = Bench::new(
        "count(a) >= 5 abort; users >= 5 abort; max(a) > 9ms abort; min(a) < 2ms abort; \
         count(a) <= 6 abort",
    );
    for _ in 0..6 {
        assert_eq!(bench.next(&measured("a", &[3])), None);
        assert!(bench.judge.failing().is_empty());
    }
    let reason = bench.next(&measured("a", &[3])).unwrap();
    assert!(reason.contains("count(a) <= 6 abort"), "{reason}");
    assert_eq!(bench.judge.failing().len(), 1);
    let told = bench.told();
    assert_eq!(told[..4], ["passed 7", "failed 0", "failed 3 ms", "failed 3 ms"]);
}

#[test]
fn a_stage_has_its_own_intervals_and_its_own_grace() {
    let profile = Some("3s: 1, 2s: pause, 3s: 1");
    let mut bench = Bench::with(
        "max(a) < 50ms in stage 1; count(a) <= 2 in stage 2; count(a) >= 4 in stage 3 abort; \
         max(a) < 50ms in stage 3 abort after 1s",
        profile,
    );
    for millis in [10, 20, 30] {
        assert_eq!(bench.next(&measured("a", &[millis])), None);
    }
    for _ in 0..2 {
        assert_eq!(bench.next(&measured("a", &[60])), None);
    }
    // Within the grace of the third stage, that has not failed before either.
    assert_eq!(
        bench.told(),
        ["passed 30 ms", "passed 2", "failed 0", "failed nothing was measured"]
    );
    let reason = bench.next(&measured("a", &[60])).unwrap();
    assert!(reason.contains("in stage 3 abort after 1s") && reason.contains("60 ms"), "{reason}");
}

#[test]
fn a_count_that_was_not_reached_aborts_at_the_end_of_its_stage() {
    let mut bench = Bench::with("count(a) >= 4 in stage 1 abort", Some("2s: 1, 9s: 1"));
    assert_eq!(bench.next(&measured("a", &[1])), None);
    assert!(bench.next(&measured("a", &[1])).is_some());
}

#[test]
fn stages_count_from_when_the_profile_began() {
    let mut bench = Bench::with("count(a) <= 2 in stage 1", Some("2s: 1"));
    bench.judge.begin_profile(seconds(1.4));
    for _ in 0..9 {
        bench.next(&measured("a", &[1]));
    }
    // From 1.4 s to 3.4 s: of the intervals, those that end at 2 and 3 have their middle in it.
    assert_eq!(bench.told(), ["passed 2"]);
}

#[test]
fn a_name_is_an_action_if_it_ever_was_one() {
    let mut bench = Bench::new("count(a) < 100 over 2s; count(a) < 100");
    let mut both = measured("a", &[]);
    both.counters.insert("a".into(), 7);
    bench.next(&both);
    assert_eq!(bench.told(), ["passed 7", "passed 7"]);
    bench.next(&measured("a", &[1, 1, 1]));
    bench.next(&both);
    assert_eq!(bench.told()[1], "passed 3");
}

/// What was measured: microseconds, and which failed.
type Samples = Vec<(u64, bool)>;

/// An interval of a run: how many milliseconds long it was, and what was measured.
type Spell = (u64, Samples);

fn spells() -> impl Strategy<Value = Vec<Spell>> {
    let sample = (prop_oneof![0..2_000_u64, 0..5_000_000_u64], any::<bool>());
    prop::collection::vec((600..1_400_u64, prop::collection::vec(sample, 0..12)), 1..24)
}

fn window_of(samples: &[(u64, bool)], span: Duration) -> Window {
    let mut window = Window { span, ..Window::default() };
    let numbers = window.action(&Arc::from("a"));
    for (micros, failed) in samples {
        numbers.response.record(Duration::from_micros(*micros));
        numbers.service.record(Duration::from_micros(*micros));
        numbers.failed += u64::from(*failed);
    }
    window
}

/// What the metrics are of one window, asked of a judge that sees only that.
fn alone(samples: &[(u64, bool)], span: Duration) -> Vec<Option<f64>> {
    let mut judge = Judge::new(&all_metrics("<", "").parse().unwrap(), None);
    let measured = window_of(samples, span);
    let standing = Standing::default();
    judge.observe(&Interval { until: span, measured: &measured, standing, on: true });
    judge.judged().into_iter().map(|judged| judged.actual).collect()
}

const METRICS: [(&str, &str); 7] = [
    ("p50(a)", "1ms"),
    ("p99.9(a)", "1ms"),
    ("min(a)", "1ms"),
    ("max(a)", "1ms"),
    ("mean(a, service)", "1ms"),
    ("error_rate(a)", "1%"),
    ("rate(a)", "1/s"),
];

fn all_metrics(comparator: &str, scope: &str) -> String {
    METRICS.map(|(metric, bound)| format!("{metric} {comparator} {bound} {scope}")).join(";")
}

fn close(one: Option<f64>, other: Option<f64>) -> bool {
    match (one, other) {
        // Spans in seconds are not whole numbers.
        (Some(one), Some(other)) => (one - other).abs() <= 1e-9 * one.abs(),
        (one, other) => one == other,
    }
}

fn observe(judge: &mut Judge, until: Duration, measured: &Window) {
    judge.observe(&Interval { until, measured, standing: Standing::default(), on: true });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However a run is cut into intervals, and an interval into nodes, the whole of it is judged as
    /// one recorder would have seen it.
    #[test]
    fn the_whole_run_is_what_one_recorder_would_have_seen(
        spells in spells(), dealt in prop::collection::vec(0..4_usize, 1..300),
    ) {
        let mut judge = Judge::new(&all_metrics("<", "").parse().unwrap(), None);
        let (mut until, mut all) = (Duration::ZERO, Vec::new());
        let mut dealt = dealt.into_iter().cycle();
        for (millis, samples) in &spells {
            let span = Duration::from_millis(*millis);
            until += span;
            let mut nodes: [Samples; 4] = Default::default();
            samples.iter().for_each(|sample| nodes[dealt.next().unwrap_or(0)].push(*sample));
            let mut measured = Window::default();
            nodes.iter().for_each(|node| measured.merge(&window_of(node, span)).unwrap());
            observe(&mut judge, until, &measured);
            all.extend_from_slice(samples);
        }
        for (wanted, judged) in alone(&all, until).into_iter().zip(judge.judged()) {
            prop_assert!(close(judged.actual, wanted), "{judged:?} {wanted:?}");
        }
    }

    /// The worst of a sliding window is the worst of all full windows that are added up afresh.
    #[test]
    fn a_sliding_window_is_worth_what_it_holds(spells in spells(), over in 1..12_u64, upper: bool) {
        let comparator = if upper { "<" } else { ">" };
        let mut judge =
            Judge::new(&all_metrics(comparator, &format!("over {over}s")).parse().unwrap(), None);
        let over = Duration::from_secs(over);
        let mut worst = [None; METRICS.len()];
        let mut intervals: Vec<(Duration, Duration, Samples)> = Vec::new();
        for (millis, samples) in &spells {
            let span = Duration::from_millis(*millis);
            let until = intervals.last().map_or(Duration::ZERO, |(until, ..)| *until) + span;
            intervals.push((until, span, samples.clone()));
            observe(&mut judge, until, &window_of(samples, span));
            if until + span / 2 < over {
                continue;
            }
            let held = intervals.iter().filter(|(end, span, _)| *end - *span / 2 + over >= until);
            let all: Vec<_> = held.clone().flat_map(|(.., samples)| samples.clone()).collect();
            let span = held.map(|(_, span, _)| *span).sum();
            for (value, worst) in alone(&all, span).into_iter().zip(&mut worst) {
                let Some(value) = value else { continue };
                let worse = |worst| if upper { value > worst } else { value < worst };
                if worst.is_none_or(worse) {
                    *worst = Some(value);
                }
            }
        }
        for (worst, judged) in worst.into_iter().zip(judge.judged()) {
            // Without a full window it is judged by all there was.
            if worst.is_some() {
                prop_assert!(close(judged.actual, worst), "{judged:?} {worst:?}");
            }
        }
    }
}
