//! The targets against a plain model: a list that is walked from the last one picked.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

#[derive(Debug, Clone)]
enum Step {
    Pick,
    Up(usize),
    Down(usize),
    Tier(usize, u8),
    Reconcile(Vec<usize>),
}

fn step() -> impl Strategy<Value = Step> {
    let name = 0..NAMES.len();
    let list = proptest::sample::subsequence((0..NAMES.len()).collect::<Vec<_>>(), 0..=6);
    prop_oneof![
        6 => Just(Step::Pick),
        3 => name.clone().prop_map(Step::Up),
        5 => name.clone().prop_map(Step::Down),
        1 => (name, 0..3u8).prop_map(|(name, tier)| Step::Tier(name, tier)),
        1 => list.prop_shuffle().prop_map(Step::Reconcile),
    ]
}

/// As one would write it down: no ids, no versions, no rotation.
#[derive(Default)]
struct Model {
    /// Name, score, tier.
    nodes: Vec<(&'static str, i32, u8)>,
    /// Where the next search begins.
    next: usize,
}

impl Model {
    fn pick(&mut self) -> Option<&'static str> {
        for tier in 0..=4 {
            for turn in 0..self.nodes.len() {
                let at = (self.next + turn) % self.nodes.len();
                let (name, score, its) = self.nodes[at];
                if score >= 0 && its == tier {
                    self.next = at + 1;
                    return Some(name);
                }
            }
        }
        None
    }

    fn node(&mut self, name: &str) -> Option<&mut (&'static str, i32, u8)> {
        self.nodes.iter_mut().find(|node| node.0 == name)
    }

    fn reconcile(&mut self, names: &[&'static str]) {
        let before = self.nodes[..self.next.min(self.nodes.len())].to_vec();
        self.next = before.iter().filter(|node| names.contains(&node.0)).count();
        self.nodes.retain(|node| names.contains(&node.0));
        for name in names {
            if self.node(name).is_none() {
                self.nodes.push((name, 1, 0));
            }
        }
    }
}

proptest! {
    /// Whatever happens: the same picks as the model's, in the same order; every score within its
    /// bounds; nobody is picked whose score is below 0; survivors keep score and place.
    #[test]
    fn picks_and_scores_are_those_of_the_model(
        first in proptest::sample::subsequence(NAMES.to_vec(), 0..=6),
        steps in proptest::collection::vec(step(), 0..120),
    ) {
        let targets = unchecked(&first);
        let mut model = Model::default();
        model.reconcile(&first);
        for step in steps {
            match step {
                Step::Pick => {
                    let picked = targets.pick();
                    if let Ok(picked) = &picked {
                        prop_assert!(picked.score() >= 0.0);
                    }
                    prop_assert_eq!(picked.ok().map(|picked| *picked), model.pick());
                }
                Step::Up(name) => {
                    if let Some(target) = targets.find(NAMES[name]) {
                        targets.up(&target);
                    }
                    if let Some((_, score, _)) = model.node(NAMES[name]) {
                        *score = (*score + 1).min(3);
                    }
                }
                Step::Down(name) => {
                    if let Some(target) = targets.find(NAMES[name]) {
                        targets.down(&target, &refused());
                    }
                    if let Some((_, score, _)) = model.node(NAMES[name]) {
                        *score = (*score - 1).max(-3);
                    }
                }
                Step::Tier(name, tier) => {
                    if let Some(target) = targets.find(NAMES[name]) {
                        targets.inner.shared.passed(&target.slot, Some(tier));
                    }
                    if let Some(node) = model.node(NAMES[name]) {
                        (node.1, node.2) = ((node.1 + 1).min(3), tier);
                    }
                }
                Step::Reconcile(names) => {
                    let names: Vec<_> = names.into_iter().map(|name| NAMES[name]).collect();
                    targets.reconcile(names.iter().copied()).unwrap();
                    model.reconcile(&names);
                }
            }
            let wanted: Vec<_> =
                model.nodes.iter().map(|(name, score, _)| (*name, f64::from(*score))).collect();
            prop_assert_eq!(targets.scores(), wanted);
            prop_assert!(targets.all().iter().all(|t| (-3.0..=3.0).contains(&t.score())));
        }
    }

    /// In any row of picks without a change between them no target is picked two times more often
    /// than another that is in.
    #[test]
    fn round_robin_is_fair_among_the_healthy(
        out in proptest::collection::btree_set(0..NAMES.len(), 0..NAMES.len()),
        warm_up in 0..20usize,
        rounds in 1..5usize,
    ) {
        let targets = unchecked(&NAMES);
        (0..warm_up).for_each(|_| drop(targets.pick()));
        out.iter().for_each(|name| targets.downs(NAMES[*name], 2));
        let healthy: BTreeSet<_> =
            (0..NAMES.len()).filter(|at| !out.contains(at)).map(|at| NAMES[at]).collect();
        for _ in 0..rounds {
            let round: Vec<_> = healthy.iter().map(|_| targets.next()).collect();
            prop_assert_eq!(round.into_iter().collect::<BTreeSet<_>>(), healthy.clone());
        }
    }

    /// Users that ask before each use hold only targets that are in, and what comes back gets a
    /// fair share of them, give or take one.
    #[test]
    fn users_that_renew_hold_what_is_in_and_share_what_comes_back(
        users in 1..60usize,
        steps in proptest::collection::vec((0..4usize, any::<bool>()), 1..30),
    ) {
        let names = &NAMES[..4];
        let targets = unchecked(names);
        let mut held: Vec<_> = (0..users).map(|_| targets.pick().unwrap()).collect();
        for (name, comes) in steps {
            let before = targets.score(names[name]) >= 0.0;
            if comes {
                targets.ups(names[name], 6);
            } else {
                targets.downs(names[name], 6);
            }
            for held in &mut held {
                let kept = targets.renew(held);
                prop_assert_eq!(kept.is_ok(), held.score() >= 0.0);
            }
            let healthy = targets.scores().iter().filter(|(_, score)| *score >= 0.0).count();
            if comes && !before {
                let share = held.iter().filter(|held| held.name() == names[name]).count();
                let fair = users / healthy;
                prop_assert!((fair..=fair + 1).contains(&share), "{share} of {users} on {healthy}");
            }
        }
    }
}
