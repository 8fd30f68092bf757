//! Searches by `bisect`.

use super::*;

#[test]
fn a_sharp_border_is_found_within_the_precision() {
    for capacity in [1, 2, 7, 33, 137, 500, 900] {
        let mut scene = Scene::new(&[("precision", "5%")]);
        let border = f64::from(capacity) + 0.5;
        let result = scene.run(border, 5_000);
        let Interval { low, high, .. } = result.interval.unwrap();
        assert!(low <= border + 0.5 && border - 0.5 <= high, "{capacity}: {low} to {high}");
        assert!(high - low <= (0.1 * border).max(1.0) * 1.01, "{capacity}: {low} to {high}");
        let supported = result.supported.unwrap();
        assert!((supported / border - 1.0).abs() < 0.06 || (supported - border).abs() <= 1.0);
    }
}

#[test]
fn nothing_beyond_twice_the_healthy_is_ever_asked_for() {
    let mut scene = Scene::new(&[("max", "100000"), ("start", "4")]);
    let (mut healthy, mut highest) = (2, 0);
    loop {
        let seen = scene.observation(Some(scene.active <= 3_000));
        if scene.active <= 3_000 {
            healthy = healthy.max(scene.active);
        }
        if scene.show(&seen).is_some() {
            break;
        }
        highest = highest.max(scene.active);
        assert!(scene.active <= 2 * healthy, "{} after {healthy}", scene.active);
    }
    assert!(highest > 3_000);
}

#[test]
fn where_nothing_alerts_there_is_no_limit() {
    let result = Scene::new(&[("max", "300")]).run(1e9, 2_000);
    assert_eq!((result.outcome, result.up_to), (Outcome::NotLimited, Some(300.0)));
    assert_eq!(result.interval, None);
}

#[test]
fn where_everything_alerts_nothing_is_supported() {
    let result = Scene::new(&[("max", "300")]).run(0.0, 2_000);
    assert_eq!((result.outcome, result.supported), (Outcome::Found, Some(0.0)));
}

#[test]
fn a_rate_is_bisected_as_users_are() {
    let mut scene = Scene::new(&[("unit", "rate"), ("start", "1"), ("max", "50"), ("users", "1")]);
    let result = scene.run(7.3, 5_000);
    let Interval { low, high, .. } = result.interval.unwrap();
    assert!(low <= 7.3 && 7.3 <= high && high - low <= 0.8, "{low} to {high}");
    assert_eq!(scene.active, 1);
}

#[test]
fn clear_evidence_needs_no_whole_window() {
    let seconds = |value: f64| {
        let mut scene = Scene::new(&[("start", "8"), ("settle", "5s"), ("window", "60s")]);
        while scene.active != 16 {
            scene.show(&scene.observation(Some(true)));
        }
        let began = scene.now;
        loop {
            let mut seen = scene.observation(Some(false));
            seen.signals[0].value = Some(value);
            scene.show(&seen);
            if scene.active != 16 {
                return (scene.now - began).as_secs();
            }
        }
    };
    assert!(seconds(201.0) < 10, "{}", seconds(201.0));
    assert!(seconds(150.0) > 60, "{}", seconds(150.0));
}

#[test]
fn it_waits_for_values_and_for_users() {
    let mut scene = Scene::new(&[("start", "8"), ("patience", "2m")]);
    for _ in 0..60 {
        assert_eq!(scene.show(&scene.observation(None)), None);
        assert_eq!(scene.active, 8);
    }
    for _ in 0..60 {
        let waiting = Observation { waiting: 5, ..scene.observation(Some(true)) };
        assert_eq!(scene.show(&waiting), None);
    }
    assert_eq!(scene.active, 16, "one window at 8 was good, and 16 are not all there");
}
