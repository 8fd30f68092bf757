//! The loop of `equilibrium` against a trace written by hand from its rules.

use super::*;

const TRACE: &str = include_str!("loop.trace");

#[test]
fn every_tick_of_the_trace_has_the_action_it_should() {
    let mut scene = Scene::new(&[
        ("strategy", "equilibrium"),
        ("increase", "3"),
        ("decrease", "2"),
        ("max", "20"),
        ("start", "1"),
        ("steady", "10s"),
        ("slope", "0.04"),
        ("missing", "ignore"),
    ]);
    let lines = TRACE.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let mut ticks = 0;
    for line in lines {
        let words: Vec<_> = line.split_whitespace().collect();
        let [second, alert, active, expected, ..] = words[..] else { panic!("{line}") };
        scene.now = Duration::from_secs(second.parse().unwrap());
        let seen = Observation {
            active: active.parse().ok(),
            signals: vec![signal("latency", SignalKind::Latency, Some(alert != "!"))],
            ..Observation::default()
        };
        let commands = scene.search.step(&seen, scene.now);
        let done = match &commands[..] {
            [] => ".".to_owned(),
            [Command::Add(users)] => format!("+{users}"),
            [Command::Remove(users)] => format!("-{users}"),
            [Command::Finish(result)] => format!("={}", result.supported.unwrap()),
            more => panic!("{more:?}"),
        };
        assert_eq!(done, expected, "{line}");
        if words.get(4) == Some(&"refused") {
            scene.search.refused();
        }
        ticks += 1;
    }
    assert!(scene.search.is_over() && ticks > 30, "{ticks} ticks");
}

#[test]
fn the_seed_ends_half_an_hour_and_a_tick_after_the_first_alert_at_the_earliest() {
    let mut scene = Scene::new(&[("strategy", "equilibrium")]);
    // It alerts for ever, at no users at all: nothing changes, so nothing rises.
    for second in 0..=1_800 {
        assert_eq!(scene.show(&scene.observation(Some(false))), None, "{second}");
    }
    let result = scene.show(&scene.observation(Some(false))).unwrap();
    assert_eq!((result.seconds, result.supported), (1_801.0, Some(0.0)));
}

#[test]
fn a_long_search_keeps_bounded_samples() {
    let mut scene = Scene::new(&[("strategy", "equilibrium"), ("slope", "0.000000001")]);
    for second in 0..20_000_u64 {
        // It drifts for ever.
        scene.active = second / 10;
        let alert = second % 7 == 0;
        let commands = scene.search.step(&scene.observation(Some(!alert)), scene.now);
        assert!(!matches!(commands[..], [Command::Finish(_)]), "{second}");
        scene.now += Duration::from_secs(1);
        assert!(scene.search.kept() <= 2 * 1_801, "{}", scene.search.kept());
    }
}

#[test]
fn a_disturbance_is_rested_out_and_told() {
    let mut scene = Scene::new(&[("strategy", "equilibrium")]);
    scene.show(&scene.observation(Some(true)));
    scene.show(&scene.observation(Some(false)));
    scene.now += Duration::from_secs(5);
    let mut lost = scene.observation(Some(true));
    lost.disturbed = Some("node w2 was lost and its 3 users moved".to_owned());
    let before = scene.active;
    scene.show(&lost);
    scene.show(&scene.observation(Some(false)));
    assert_eq!(scene.active, before, "it acts while it should rest");
    let result = scene.search.stop(scene.now);
    assert_eq!(result.notes[0], "after 7s: node w2 was lost and its 3 users moved");
    assert_eq!(result.outcome, Outcome::Stopped);
}
