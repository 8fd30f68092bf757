//! Nodes find each other.

use std::time::Duration;

use serde_json::json;

use super::peer::{Config, PATIENCE, Peer};

fn all_reach_all(peers: &mut [Peer]) {
    let names: Vec<String> = peers.iter().map(|peer| peer.config.name.clone()).collect();
    for (index, peer) in peers.iter_mut().enumerate() {
        let others = names.iter().enumerate().filter(|(other, _)| *other != index);
        peer.reaches(others.map(|(_, name)| name.as_str()).collect(), PATIENCE);
    }
}

#[test]
fn one_seed_makes_a_full_mesh() {
    let first = Config::new("a").start();
    let mut peers: Vec<Peer> =
        ["b", "c", "d"].map(|name| Config::new(name).seed(&first).start()).into();
    peers.push(first);
    all_reach_all(&mut peers);
    // The clocks are known soon, and in one machine to within a millisecond or so.
    let views = peers[0].ask(&json!("views"), "views");
    let views = views.as_array().unwrap();
    assert_eq!(views.len(), 3, "{views:?}");
    for view in views {
        assert_eq!(view["state"], "up");
        assert!(view["clock"][0].as_u64().unwrap() < 20_000_000, "{view}");
    }
    let seen = peers[0].ask(&json!({"seen": "a"}), "seen");
    assert_eq!(seen, json!({"by_others": true}));
}

#[test]
fn a_seed_that_comes_late_is_found() {
    // A port that nobody listens on, until somebody does.
    let late = Config::new("late").start().kill();
    let mut early = Config::new("early");
    early.seeds.push(late.listen.clone());
    let mut early = early.start();
    early.reaches(vec![], Duration::from_secs(1));
    std::thread::sleep(Duration::from_millis(500));
    let mut late = late.start();
    early.reaches(vec!["late"], PATIENCE);
    late.reaches(vec!["early"], PATIENCE);
}

#[test]
fn nodes_that_dial_each_other_at_one_moment_get_one_link() {
    let (a, b) = (Config::new("a").start().kill(), Config::new("b").start().kill());
    for _ in 0..5 {
        let (mut a, mut b) = (a.clone(), b.clone());
        a.seeds.push(b.listen.clone());
        b.seeds.push(a.listen.clone());
        let (mut a, mut b) = (a.start(), b.start());
        a.reaches(vec!["b"], PATIENCE);
        b.reaches(vec!["a"], PATIENCE);
        // It is a lasting one.
        std::thread::sleep(Duration::from_millis(500));
        for peer in [&mut a, &mut b] {
            let views = peer.ask(&json!("views"), "views");
            assert_eq!(views.as_array().unwrap().len(), 1, "{views}");
            assert_eq!(views[0]["state"], "up");
        }
        let answer = a.ask(&json!({"call": 1, "size": 1, "to": "b"}), "answer");
        assert_eq!(answer, json!({"Ok": 2}));
    }
}

#[test]
fn a_node_joins_when_told_to() {
    let mut a = Config::new("a").start();
    let mut b = Config::new("b").start();
    let joined = b.ask(&json!({"join": a.address}), "joined");
    assert_eq!(joined, json!({"Ok": "a"}));
    assert_eq!(b.ask(&json!({"join": a.address}), "joined"), json!({"Ok": "a"}));
    a.reaches(vec!["b"], PATIENCE);
    let itself = b.ask(&json!({"join": b.address.clone()}), "joined");
    assert!(itself["Err"].as_str().unwrap().ends_with("it is this node itself"), "{itself}");
    let nobody = Config::new("x").start().kill().listen;
    let none = b.ask(&json!({"join": nobody}), "joined");
    assert!(none["Err"].as_str().unwrap().ends_with("nobody listens there"), "{none}");
}
