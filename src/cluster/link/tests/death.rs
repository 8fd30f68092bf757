//! Nodes that die, stop, leave, and come back.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::peer::{Config, PATIENCE, Peer};

/// Soon `w` is seen like that.
fn until_seen(peer: &mut Peer, wanted: &Value) {
    let deadline = Instant::now() + Duration::from_secs(3);
    loop {
        let seen = peer.ask(&json!({"seen": "w"}), "seen");
        if seen == *wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{seen}, not {wanted}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_killed_node_is_noticed_at_once_and_comes_back_under_its_name() {
    let mut a = Config::new("a").start();
    let mut b = Config::new("b").seed(&a).start();
    let mut w = Config::new("w").seed(&a).start();
    for _ in 0..20 {
        a.reaches(vec!["b", "w"], PATIENCE);
        b.reaches(vec!["a", "w"], PATIENCE);
        w.reaches(vec!["a", "b"], PATIENCE);
        let from = (a.so_far(), b.so_far());
        let config = w.kill();
        a.goes_down(from.0, "w", Duration::from_secs(1));
        b.goes_down(from.1, "w", Duration::from_secs(1));
        w = config.start();
        let back = Duration::from_secs(5);
        a.comes_up(from.0, "w", back);
        b.comes_up(from.1, "w", back);
    }
}

#[test]
fn a_stopped_node_is_evicted_and_comes_back() {
    let mut a = Config::new("a").start();
    let mut b = Config::new("b").seed(&a).start();
    let w = Config::new("w").seed(&a).start();
    a.reaches(vec!["b", "w"], PATIENCE);
    b.reaches(vec!["a", "w"], PATIENCE);
    for _ in 0..3 {
        let from = (a.so_far(), b.so_far(), w.so_far());
        w.signal("-STOP");
        let why = a.goes_down(from.0, "w", Duration::from_secs(5));
        assert!(why.contains("nothing was heard of it for 3s"), "{why}");
        b.goes_down(from.1, "w", Duration::from_secs(5));
        until_seen(&mut a, &json!({"by_others": false}));
        let (a_from, b_from) = (a.so_far(), b.so_far());
        w.signal("-CONT");
        a.comes_up(a_from, "w", Duration::from_secs(10));
        b.comes_up(b_from, "w", Duration::from_secs(10));
        w.comes_up(from.2, "a", Duration::from_secs(10));
        w.comes_up(from.2, "b", Duration::from_secs(10));
        let answer = a.ask(&json!({"call": 1, "size": 1, "to": "w"}), "answer");
        assert_eq!(answer, json!({"Ok": 2}));
    }
}

#[test]
fn a_node_that_leaves_says_so() {
    let mut a = Config::new("a").start();
    let mut w = Config::new("w").seed(&a).start();
    let mut b = Config::new("b").seed(&a).start();
    a.reaches(vec!["b", "w"], PATIENCE);
    b.reaches(vec!["a", "w"], PATIENCE);
    let began = Instant::now();
    w.ask(&json!("shutdown"), "shut");
    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!(a.goes_down(0, "w", PATIENCE), "it left");
    assert_eq!(b.goes_down(0, "w", PATIENCE), "it left");
    // Nobody looks for it, and news of others do not change that.
    std::thread::sleep(Duration::from_secs(1));
    for peer in [&mut a, &mut b] {
        let views = peer.ask(&json!("views"), "views");
        assert_eq!(views.as_array().unwrap().len(), 1, "{views}");
    }
    // It may come back all the same.
    let config = w.kill();
    let mut w = config.start();
    w.reaches(vec!["a", "b"], PATIENCE);
}

#[test]
fn the_name_of_a_stopped_node_is_given_to_its_successor_within_seconds() {
    let mut a = Config::new("a").start();
    let w = Config::new("w").seed(&a).start();
    a.reaches(vec!["w"], PATIENCE);
    w.signal("-STOP");
    let from = a.so_far();
    let successor = w.config.start();
    successor.comes_up(0, "a", Duration::from_secs(6));
    a.goes_down(from, "w", PATIENCE);
    a.reaches(vec!["w"], PATIENCE);
    // The old one has to find out that it is too late.
    w.signal("-CONT");
    w.refuses(0, "the name `w` is taken by another living node");
    a.reaches(vec!["w"], PATIENCE);
}
