use super::*;
use crate::measure::series::Activity;

const STRICT: Asked = Asked { allow_errors: false, judged: false };

/// A second in which `good` attempts succeeded, `bad` failed and `stuck` were given up after so many
/// seconds.
fn second(good: u64, bad: u64, stuck: &[u64]) -> Window {
    let mut window = Window { span: Duration::from_secs(1), ..Window::default() };
    let action = window.action(&"get".into());
    for _ in 0..good + bad {
        action.service.record(Duration::from_millis(5));
        action.response.record(Duration::from_millis(5));
    }
    action.failed = bad;
    for seconds in stuck {
        action.unfinished.record(Duration::from_secs(*seconds), Duration::from_secs(*seconds));
    }
    window
}

fn found(seconds: &[Window], asked: Asked) -> Vec<String> {
    let (mut series, mut total, mut now) = (Series::default(), Window::default(), Duration::ZERO);
    for second in seconds {
        now += second.span;
        series.push(now, Activity::default(), second);
        total.merge(second).unwrap();
    }
    whatever_was_asked(&total, &series, now, 3, asked)
}

#[test]
fn a_target_that_answers_is_not_blamed() {
    assert_eq!(found(&[second(100, 0, &[]), second(90, 1, &[1])], STRICT), Vec::<String>::new());
}

#[test]
fn a_target_that_freezes_is_found_though_few_requests_hang() {
    let mut run = vec![second(400, 0, &[]), second(400, 0, &[])];
    run.extend((0..5).map(|_| second(0, 0, &[])));
    run.push(second(0, 0, &[6, 6, 6, 6, 6]));
    insta::assert_snapshot!(found(&run, STRICT).join("\n"), @"`get` did not succeed any more in the last 6.00 s of the run, though it was tried: 0 failed, 5 without an end");
    // Who accepts errors accepts these.
    assert!(found(&run, Asked { allow_errors: true, judged: false }).is_empty());
}

#[test]
fn a_target_that_dies_is_found_though_few_requests_fail() {
    let mut run = vec![second(4_000, 0, &[]); 4];
    run.extend((0..12).map(|_| second(0, 1, &[])));
    assert_eq!(found(&run, STRICT).len(), 1, "{:?}", found(&run, STRICT));
}

#[test]
fn who_asks_rarely_is_not_taken_for_dead() {
    // One request every thirty seconds, of which the last one failed.
    let mut run: Vec<_> = (0..300).map(|at| second(u64::from(at % 30 == 0), 0, &[])).collect();
    run.push(second(0, 1, &[]));
    assert!(found(&run, STRICT).is_empty());
}

#[test]
fn what_never_succeeded_is_said_whatever_was_asked() {
    let lenient = Asked { allow_errors: true, judged: true };
    insta::assert_snapshot!(found(&[second(0, 3, &[])], lenient).join("\n"), @"`get` never succeeded: 3 attempts, 3 failed");
    insta::assert_snapshot!(found(&[second(0, 0, &[3, 2])], lenient).join("\n"), @"`get` never succeeded: 2 attempts, 2 without an end after 3.00 s at the most");
}

#[test]
fn a_run_that_measures_nothing_proves_nothing() {
    let nothing = Window { span: Duration::from_secs(1), ..Window::default() };
    assert_eq!(found(std::slice::from_ref(&nothing), STRICT).len(), 1);
    let mut counted = nothing;
    *counted.counter(&"messages".into()) = 1;
    assert!(found(&[counted], STRICT).is_empty());
}

#[test]
fn one_in_a_hundred_is_too_many_unless_somebody_says_otherwise() {
    let (most, fewer) = (second(99, 1, &[]), second(100, 1, &[]));
    let failing = too_many_errors(&most, STRICT);
    assert_eq!(failing.len(), 1);
    assert_eq!(failing[0].sentence(), "threshold `error_rate(get) < 1%` failed: it was 1.0%");
    assert!(too_many_errors(&fewer, STRICT).is_empty());
    let asked = |name: &str, text: &str| Asked::of_settings(&[(name.into(), Some(text.into()))]);
    let judged = asked("thresholds", "p95 < 3ms; error_rate(put) < 5%");
    assert!(judged.judged && too_many_errors(&most, judged).is_empty());
    assert!(!asked("thresholds", "p95 < 3ms; check_rate > 99%").judged);
    assert!(too_many_errors(&most, asked("allow_errors", "true")).is_empty());
    assert_eq!(asked("allow_errors", "false"), STRICT);
}
