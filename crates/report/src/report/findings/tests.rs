use crowd_measure::series::Activity;

use super::*;

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
    whatever_was_asked(&total, &series, now, (true, 6, 6), asked)
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
    insta::assert_snapshot!(found(&run, STRICT).join("\n"), @"`get` did not succeed any more in the last 6.00 s of the run at least, though it was tried: 0 failed, 5 without an end");
    // Who accepts errors accepts these.
    assert!(found(&run, Asked { allow_errors: true, judged: false }).is_empty());
}

#[test]
fn users_that_hang_at_the_end_are_found_though_few_requests_do() {
    // Every now and then one of nine hundred hangs, until most of the six users do.
    let run = [second(450, 0, &[]), second(450, 0, &[2, 2, 1, 1])];
    insta::assert_snapshot!(found(&run, STRICT).join("\n"), @"`get` hung: 4 of 904 attempts got no answer for 1.00 s or longer, with 6 users at the most");
    let few = [second(450, 0, &[]), second(450, 0, &[2, 2])];
    assert!(found(&few, STRICT).is_empty());
}

#[test]
fn attempts_that_hang_are_found_whatever_a_threshold_says_of_those_that_fail() {
    let judged = Asked { allow_errors: false, judged: true };
    let half = second(53, 0, &[3; 47]);
    assert_eq!(found(std::slice::from_ref(&half), judged).len(), 1);
    // What is given up as soon as it is begun has not hung.
    assert!(found(&[second(53, 0, &[0; 47])], judged).is_empty());
    assert!(found(&[half], Asked { allow_errors: true, judged: true }).is_empty());
}

#[test]
fn one_slow_request_at_the_end_of_the_load_is_not_the_death_of_a_target() {
    // Two hundred arrivals, of which one hung and failed half a minute after the others were done.
    let mut run = vec![second(20, 0, &[]); 10];
    run.extend((0..29).map(|_| second(0, 0, &[])));
    let mut late = second(0, 0, &[]);
    let action = late.action(&"get".into());
    action.service.record(Duration::from_secs(30));
    action.response.record(Duration::from_secs(30));
    action.failed = 1;
    run.push(late);
    assert_eq!(found(&run, STRICT), Vec::<String>::new());
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
    assert!(!asked("thresholds", "error_rate < 1% in stage 1").judged);
    assert!(too_many_errors(&most, asked("allow_errors", "true")).is_empty());
    assert_eq!(asked("allow_errors", "false"), STRICT);
}
