//! Users that keep a target.

use std::collections::BTreeMap;

use super::*;

type Held = Vec<Target<&'static str>>;

fn hold(targets: &Targets<&'static str>, users: usize) -> Held {
    (0..users).map(|_| targets.pick().unwrap()).collect()
}

/// Every user asks; how many went over.
fn renew(targets: &Targets<&'static str>, held: &mut Held) -> usize {
    held.iter_mut().map(|held| targets.renew(held).unwrap()).filter(|moved| *moved).count()
}

fn shares(held: &Held) -> BTreeMap<&'static str, usize> {
    let mut shares = BTreeMap::new();
    for held in held {
        *shares.entry(**held).or_default() += 1;
    }
    shares
}

#[tokio::test]
async fn while_nothing_changes_everybody_stays() {
    let targets = unchecked(&["a", "b"]);
    let mut held = hold(&targets, 10);
    targets.downs("a", 1);
    assert_eq!(renew(&targets, &mut held), 0);
}

#[tokio::test]
async fn users_of_a_target_that_is_out_go_over_and_no_others() {
    let targets = unchecked(&["a", "b", "c"]);
    let mut held = hold(&targets, 30);
    targets.downs("b", 2);
    assert_eq!(renew(&targets, &mut held), 10);
    assert_eq!(shares(&held), [("a", 15), ("c", 15)].into());
}

#[tokio::test]
async fn a_target_that_comes_back_gets_its_share_and_no_more() {
    let targets = unchecked(&["a", "b", "c"]);
    let mut held = hold(&targets, 30);
    targets.downs("b", 2);
    renew(&targets, &mut held);
    targets.ups("b", 1);
    // Only those move that make its share.
    assert_eq!(renew(&targets, &mut held), 10);
    assert_eq!(shares(&held)["b"], 10);
    // And only once.
    assert_eq!(renew(&targets, &mut held), 0);
}

#[tokio::test]
async fn of_two_the_load_comes_back_evenly() {
    let targets = unchecked(&["a", "b"]);
    let mut held = hold(&targets, 20);
    for name in ["a", "b", "a"] {
        targets.downs(name, 6);
        assert_eq!(renew(&targets, &mut held), 10);
        targets.ups(name, 6);
        assert_eq!(renew(&targets, &mut held), 10);
        assert_eq!(shares(&held), [("a", 10), ("b", 10)].into());
    }
}

#[tokio::test]
async fn users_spread_over_targets_that_are_new() {
    let targets = unchecked(&["a"]);
    let mut held = hold(&targets, 40);
    targets.reconcile(["a", "b", "c", "d"]).unwrap();
    assert_eq!(renew(&targets, &mut held), 30);
    assert_eq!(shares(&held), [("a", 10), ("b", 10), ("c", 10), ("d", 10)].into());
    targets.reconcile(["b", "c"]).unwrap();
    assert_eq!(renew(&targets, &mut held), 20);
    assert_eq!(shares(&held), [("b", 20), ("c", 20)].into());
}

#[tokio::test]
async fn when_nobody_is_left_a_user_keeps_what_it_holds() {
    let targets = unchecked(&["a", "b"]);
    let mut held = targets.pick().unwrap();
    targets.downs("a", 2);
    targets.downs("b", 2);
    assert!(targets.renew(&mut held).is_err());
    assert_eq!(held.name(), "a");
    targets.ups("b", 1);
    assert!(targets.renew(&mut held).unwrap());
    assert_eq!(held.name(), "b");
}

#[tokio::test]
async fn who_found_a_target_by_name_asks_before_it_goes_on() {
    let targets = unchecked(&["a", "b"]);
    targets.downs("a", 2);
    let mut held = targets.find("a").unwrap();
    assert!(targets.renew(&mut held).unwrap());
    assert_eq!(held.name(), "b");
    let mut held = targets.find("b").unwrap();
    assert!(!targets.renew(&mut held).unwrap());
}
