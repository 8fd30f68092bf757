//! What a node sends makes the handler of another one panic.

use std::time::Duration;

use serde_json::json;

use super::peer::{Config, PATIENCE};

#[test]
fn a_handler_that_panics_takes_its_link_and_no_more() {
    let mut a = Config::new("a").start();
    let mut b = Config::new("b").seed(&a).start();
    let mut c = Config::new("c").seed(&a).start();
    a.reaches(vec!["b", "c"], PATIENCE);
    b.reaches(vec!["a", "c"], PATIENCE);
    c.reaches(vec!["a", "b"], PATIENCE);
    for _ in 0..2 {
        let (at_a, at_b) = (a.so_far(), b.so_far());
        assert_eq!(b.ask(&json!({"poison": true, "to": "a"}), "poisoned"), true);
        let why = a.since(at_a, PATIENCE, "that it stumbled", |said| {
            said["stumbled"].as_str().filter(|node| node.starts_with('b'))?;
            said["why"].as_str().map(str::to_owned)
        });
        assert!(why.contains("is not to be handled"), "{why}");
        assert_eq!(a.goes_down(at_a, "b", PATIENCE), why);
        b.goes_down(at_b, "a", PATIENCE);
        // The others have not noticed, and the two link again.
        let answer = c.ask(&json!({"call": 1, "size": 1_000, "to": "a"}), "answer");
        assert_eq!(answer, json!({"Ok": 1_001}));
        a.comes_up(at_a, "b", PATIENCE);
        b.comes_up(at_b, "a", PATIENCE);
        let answer = b.ask(&json!({"call": 1, "size": 1_000, "to": "a"}), "answer");
        assert_eq!(answer, json!({"Ok": 1_001}));
        assert_eq!(a.ask(&json!("members"), "members").as_array().unwrap().len(), 2);
    }
    for peer in [&a, &c] {
        assert!(!peer.has_said("disorder"));
    }
    let lost = |name: &'static str| move |said: &serde_json::Value| said["down"] == name;
    assert!(!a.says_so_far(lost("c")) && !c.says_so_far(lost("a")));
    a.reaches(vec!["b", "c"], Duration::ZERO);
}
