//! Nodes that do not fit say why, on both sides.

use serde_json::json;

use super::peer::{Config, Peer};

fn both_say(one: &mut Peer, other: &Config, words: &str) -> Peer {
    let mut other = other.start();
    other.refuses(0, words);
    one.refuses(0, words);
    one.reaches(vec![], super::peer::PATIENCE);
    let views = other.ask(&json!("views"), "views");
    assert_eq!(views[0]["state"], "refused", "{views}");
    assert!(views[0]["why"].as_str().unwrap().contains(words), "{views}");
    let joined = other.ask(&json!({"join": one.address}), "joined");
    assert!(joined["Err"].as_str().unwrap().contains(words), "{joined}");
    other
}

#[test]
fn another_cookie() {
    let mut a = Config::new("a").start();
    let mut b = Config::new("b").seed(&a);
    b.cookie = "catfish".into();
    both_say(&mut a, &b, "the cookies of the two nodes differ");
}

#[test]
fn other_scenarios() {
    let mut a = Config::new("a").start();
    let mut b = Config::new("b").seed(&a);
    b.scenarios.insert("idle".into(), "1".into());
    both_say(&mut a, &b, "scenario `idle` is on node `b`, but not on node `a`");
    b.scenarios = [("chat".into(), "2".into())].into();
    both_say(&mut a, &b, "scenario `chat` differs between nodes `a` and `b`");
}

#[test]
fn two_masters() {
    let mut a = Config::new("a");
    a.master = Some("a".into());
    let a = a.start();
    let mut b = Config::new("b");
    b.master = Some("b".into());
    let mut b = b.start();
    let joined = b.ask(&json!({"join": a.address}), "joined");
    let words = "two masters: node `a` follows `a`, node `b` follows `b`";
    assert!(joined["Err"].as_str().unwrap().ends_with(words), "{joined}");
    a.refuses(0, words);
    b.refuses(0, words);
}

#[test]
fn a_name_that_is_taken() {
    let mut a = Config::new("a").start();
    let w = Config::new("w").seed(&a);
    let first = w.start();
    a.reaches(vec!["w"], super::peer::PATIENCE);
    let second = w.start();
    let words = "the name `w` is taken by another living node";
    second.refuses(0, words);
    a.refuses(0, words);
    a.reaches(vec!["w"], super::peer::PATIENCE);
    // Once the name is free it is the other's.
    let from = second.so_far();
    drop(first);
    second.comes_up(from, "a", super::peer::PATIENCE);
}

#[test]
fn the_same_refusal_is_said_once() {
    let a = Config::new("a").start();
    let mut b = Config::new("b").seed(&a);
    b.cookie = "catfish".into();
    let b = b.start();
    b.refuses(0, "cookies");
    a.refuses(0, "cookies");
    let from = (a.so_far(), b.so_far());
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!((a.so_far(), b.so_far()), from);
}
