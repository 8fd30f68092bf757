//! Searches by `stress`.

use super::*;

const QUICK: [(&str, &str); 4] =
    [("strategy", "stress"), ("settle", "0s"), ("window", "2s"), ("tick", "1s")];

fn scene(pairs: &[(&str, &str)]) -> Scene {
    let mut all = QUICK.to_vec();
    all.extend(pairs);
    Scene::new(&all)
}

#[test]
fn users_rise_step_by_step_until_the_breach() {
    let mut scene = scene(&[("start", "5"), ("step", "10"), ("max", "100")]);
    let result = scene.run(30.0, 100);
    let breach = result.breach.unwrap();
    assert_eq!((breach.last_healthy, breach.failed_at), (25.0, 35.0));
    assert_eq!(breach.reason, "latency");
    assert_eq!((result.outcome, result.supported), (Outcome::Found, Some(25.0)));
    let interval = result.interval.unwrap();
    assert_eq!((interval.low, interval.high, interval.confidence), (25.0, 35.0, None));
}

#[test]
fn a_rate_rises_step_by_step_until_the_breach() {
    let by_rate = [("unit", "rate"), ("start", "0.2"), ("step", "2.5"), ("max", "100")];
    let mut scene = scene(&[&by_rate[..], &[("users", "1")]].concat());
    let result = scene.run(7.0, 100);
    // From 1, which is the least: 1, 3.5, 6, 8.5.
    let breach = result.breach.unwrap();
    assert_eq!((breach.last_healthy, breach.failed_at), (6.0, 9.0));
    assert_eq!(scene.active, 1);
}

#[test]
fn without_a_breach_there_is_no_limit() {
    let result = scene(&[("start", "5"), ("max", "20"), ("sustained", "3")]).run(1e9, 100);
    assert_eq!((result.outcome, result.up_to), (Outcome::NotLimited, Some(20.0)));
    assert_eq!((result.limiting, result.supported), (None, None));
}

#[test]
fn a_single_bad_window_is_forgiven_when_two_are_asked_for() {
    let mut scene = scene(&[("start", "5"), ("step", "10"), ("sustained", "2")]);
    let mut bad = 0;
    let result = loop {
        // One bad window at 15; from 35 on all are bad.
        let once = scene.active == 15 && bad < 2;
        bad += u32::from(once);
        let healthy = !once && scene.active < 35;
        if let Some(result) = scene.show(&scene.observation(Some(healthy))) {
            break result;
        }
    };
    let breach = result.breach.unwrap();
    assert_eq!((breach.last_healthy, breach.failed_at, bad), (25.0, 35.0, 2));
}

#[test]
fn windows_with_few_requests_and_without_values_say_nothing() {
    let mut scene = scene(&[("start", "5"), ("min_requests", "150")]);
    for _ in 0..20 {
        let mut quiet = scene.observation(Some(false));
        quiet.measured.count = 50;
        assert_eq!(scene.show(&quiet), None);
    }
    for _ in 0..20 {
        assert_eq!(scene.show(&scene.observation(None)), None);
    }
    assert_eq!(scene.active, 5);
    let result = scene.run(0.0, 10);
    assert_eq!((result.supported, result.breach.unwrap().failed_at), (Some(0.0), 5.0));
}

#[test]
fn failures_are_the_reason_when_all_is_wrong_at_once() {
    let mut scene = scene(&[("start", "5")]);
    let result = loop {
        let mut seen = scene.observation(Some(false));
        seen.signals.push(signal("error_rate", SignalKind::Errors, Some(false)));
        if let Some(result) = scene.show(&seen) {
            break result;
        }
    };
    assert_eq!(result.breach.unwrap().reason, "error_rate");
    assert_eq!(result.limiting.unwrap().signal, "error_rate");
}

#[test]
fn a_lost_node_begins_the_window_anew() {
    let mut scene = scene(&[("start", "5"), ("window", "5s")]);
    for _ in 0..5 {
        scene.show(&scene.observation(Some(true)));
    }
    let mut lost = scene.observation(Some(true));
    lost.disturbed = Some("node w2 was lost".to_owned());
    scene.show(&lost);
    for _ in 0..5 {
        scene.show(&scene.observation(Some(true)));
        assert_eq!(scene.active, 5);
    }
    scene.show(&scene.observation(Some(true)));
    assert_eq!(scene.active, 15);
}
