//! How searches end before they have an answer, and what they tell then.

use super::*;

#[test]
fn the_loop_ends_at_the_maximum_when_nothing_alerts() {
    let mut scene = Scene::new(&[("strategy", "equilibrium"), ("max", "20"), ("at_max", "1m")]);
    let result = scene.run(1e9, 100);
    assert_eq!(
        (result.outcome, result.up_to, result.seconds),
        (Outcome::NotLimited, Some(20.0), 63.0)
    );
    assert_eq!(
        result.answer().lines().next().unwrap(),
        "Not limited up to 20 users: nothing alerted \
        there. The search took 1m 3s and 1224 user-seconds."
    );
}

#[test]
fn an_alert_at_the_maximum_begins_the_wait_anew() {
    let mut scene = Scene::new(&[("strategy", "equilibrium"), ("max", "20"), ("at_max", "1m")]);
    for _ in 0..30 {
        scene.show(&scene.observation(Some(true)));
    }
    scene.show(&scene.observation(Some(false)));
    let result = scene.run(1e9, 200);
    assert!(result.seconds > 91.0, "{}", result.seconds);
}

#[test]
fn nobody_grows_blindly() {
    for strategy in ["equilibrium", "stress", "bisect"] {
        let pairs = [("strategy", strategy), ("patience", "1m"), ("start", "8")];
        let mut scene = Scene::new(&pairs);
        let result = loop {
            if let Some(result) = scene.show(&scene.observation(None)) {
                break result;
            }
        };
        assert_eq!(scene.active, 8, "{strategy}");
        assert_eq!(result.outcome, Outcome::Undecided);
        assert_eq!(result.notes, ["for 1m there was no value of `latency`"]);
        let ignoring = [("strategy", strategy), ("missing", "ignore"), ("start", "8")];
        let mut scene = Scene::new(&ignoring);
        for _ in 0..60 {
            scene.show(&scene.observation(None));
        }
        assert!(scene.active > 8, "{strategy}");
    }
}

#[test]
fn a_load_that_cannot_be_reached_is_told() {
    for strategy in ["stress", "bisect"] {
        let mut scene = Scene::new(&[("strategy", strategy), ("patience", "1m")]);
        let result = loop {
            let waiting = Observation { waiting: 8, ..scene.observation(Some(true)) };
            if let Some(result) = scene.show(&waiting) {
                break result;
            }
        };
        assert_eq!((result.outcome, result.supported), (Outcome::Undecided, None));
        assert!(result.notes[0].contains("a load of 8 was not reached within 1m"), "{result:?}");
    }
}

#[test]
fn stopping_by_hand_keeps_what_is_known() {
    let mut scene = Scene::new(&[("strategy", "equilibrium")]);
    let nothing = scene.search.clone().stop(Duration::from_secs(3));
    assert_eq!((nothing.outcome, nothing.supported), (Outcome::Stopped, None));
    assert_eq!(nothing.notes, ["stopped by hand after 3s: nothing was known by then"]);
    for _ in 0..600 {
        let healthy = scene.active <= 50;
        scene.show(&scene.observation(Some(healthy)));
    }
    let result = scene.search.stop(scene.now);
    assert_eq!(result.outcome, Outcome::Stopped);
    let supported = result.supported.unwrap();
    assert!((40.0..60.0).contains(&supported), "{supported}");
    assert_eq!(result.notes, ["stopped by hand after 10m: what is told is what was known by then"]);
    assert!(result.curve.len() > 5 && result.interval.is_some());
    // It is over.
    assert!(scene.search.step(&scene.observation(Some(true)), scene.now).is_empty());
    for strategy in ["stress", "bisect"] {
        let mut scene = Scene::new(&[("strategy", strategy)]);
        for _ in 0..100 {
            let healthy = scene.active <= 50;
            scene.show(&scene.observation(Some(healthy)));
        }
        assert!(scene.search.stop(scene.now).supported.unwrap() > 0.0, "{strategy}");
    }
}

#[test]
fn an_answer_as_people_read_it() {
    let mut scene = Scene::new(&[("precision", "5%")]);
    let result = scene.run(60.5, 5_000);
    insta::assert_snapshot!(result.answer(), @"It supports 60 users. With 95% confidence the capacity is between 57.3 users and 63.2 users. `latency` limits it. The search took 4m 8s and 13296 user-seconds.");
    let json = serde_json::to_value(&result).unwrap();
    assert_eq!((&json["schema"], &json["outcome"]), (&"crowd-capacity/1".into(), &"found".into()));
    assert_eq!((&json["unit"], &json["strategy"]), (&"users".into(), &"bisect".into()));
    assert!(json["curve"][0]["p95_ms"].is_number() && json["interval"]["low"].is_number());
}
