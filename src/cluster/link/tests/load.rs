//! Many messages: in order, and without members being taken for gone.

use std::time::{Duration, Instant};

use serde_json::json;

use super::peer::{Config, PATIENCE};

#[test]
fn a_hundred_thousand_casts_arrive_in_order() {
    let mut a = Config::new("a").start();
    let mut b = Config::new("b").seed(&a).start();
    b.reaches(vec!["a"], PATIENCE);
    a.reaches(vec!["b"], PATIENCE);
    let began = Instant::now();
    b.tell(&json!({"casts": 100_000, "size": 16, "to": "a"}));
    a.since(0, 3 * PATIENCE, "all", |said| (said["got"] == 100_000).then_some(()));
    eprintln!("100000 casts took {:?}", began.elapsed());
    assert!(!a.has_said("disorder") && !a.has_said("down"));
}

#[test]
fn a_flood_does_not_silence_a_member() {
    let mut a = Config::new("a").start();
    let mut b = Config::new("b").seed(&a).start();
    b.reaches(vec!["a"], PATIENCE);
    a.reaches(vec!["b"], PATIENCE);
    // Longer than the silence that ends a link, on any machine of today.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(8) {
        let (from, to) = (a.so_far(), b.so_far());
        b.tell(&json!({"casts": 10_000, "size": 400, "to": "a"}));
        b.since(to, PATIENCE, "all", |said| (said["sent"] == 10_000).then_some(()));
        a.since(from, 3 * PATIENCE, "all", |said| (said["got"] == 10_000).then_some(()));
    }
    assert!(!a.has_said("down") && !b.has_said("down"));
    // The largest message passes, and the link survives it.
    let size = crowd_core::codec::MOST_BYTES - 100;
    let answer = b.ask(&json!({"call": 0, "size": size, "to": "a"}), "answer");
    assert_eq!(answer, json!({"Ok": size}));
}
