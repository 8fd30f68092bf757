use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Wire {
    Ask(u64),
    Answer(u64, OperateAnswer),
    Cast(Operate),
}

#[derive(Debug, Clone)]
enum Step {
    Claim(usize),
    Deliver(usize, usize),
    Resign(usize),
    Tick(usize),
    Cut(usize, usize),
    Mend(usize, usize),
}

/// Nodes with an ordered queue from each to each.
struct World {
    nodes: Vec<Leadership>,
    queues: Vec<Vec<VecDeque<Wire>>>,
    /// By pair, the smaller index first.
    cut: BTreeSet<(usize, usize)>,
    now: Duration,
    claims: Vec<u64>,
    outcomes: Vec<Vec<Result<(), Refusal>>>,
}

fn id(index: usize) -> MemberId {
    MemberId::new(format!("node-{index}"), 7)
}

fn index(id: &MemberId) -> usize {
    id.name.trim_start_matches("node-").parse().unwrap()
}

impl World {
    fn new(count: usize) -> Self {
        let node = |index| Leadership::new(id(index), Duration::from_secs(30));
        let mut world = Self {
            nodes: (0..count).map(node).collect(),
            queues: vec![vec![VecDeque::new(); count]; count],
            cut: BTreeSet::new(),
            now: Duration::ZERO,
            claims: vec![0; count],
            outcomes: vec![Vec::new(); count],
        };
        for (one, other) in world.pairs() {
            world.meet(one, other);
        }
        world
    }

    fn pairs(&self) -> Vec<(usize, usize)> {
        let count = self.nodes.len();
        (0..count).flat_map(|one| (one + 1..count).map(move |other| (one, other))).collect()
    }

    fn meet(&mut self, one: usize, other: usize) {
        self.nodes[one].up(&id(other));
        self.nodes[other].up(&id(one));
        self.obey(one);
        self.obey(other);
    }

    fn obey(&mut self, node: usize) {
        for order in self.nodes[node].orders() {
            match order {
                Order::Ask { to, claim } => self.send(node, index(&to), Wire::Ask(claim)),
                Order::Cast { to, message } => self.send(node, index(&to), Wire::Cast(message)),
                Order::Claimed(outcome) => self.outcomes[node].push(outcome),
                Order::Master(_) | Order::Conflict(_) => {}
            }
        }
    }

    fn send(&mut self, from: usize, to: usize, wire: Wire) {
        if !self.cut.contains(&(from.min(to), from.max(to))) {
            self.queues[from][to].push_back(wire);
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Claim(node) => {
                self.claims[node] += 1;
                self.nodes[node].claim(self.now);
                self.obey(node);
            }
            Step::Deliver(from, to) => {
                let Some(wire) = self.queues[from][to].pop_front() else { return };
                let sender = id(from);
                match wire {
                    Wire::Ask(claim) => {
                        let answer = self.nodes[to].asked(&sender, claim);
                        self.obey(to);
                        self.send(to, from, Wire::Answer(claim, answer));
                    }
                    Wire::Answer(claim, answer) => {
                        self.nodes[to].answered(&sender, claim, Some(answer));
                    }
                    Wire::Cast(Operate::Release { claim }) => {
                        self.nodes[to].released(&sender, claim);
                    }
                    Wire::Cast(Operate::Known { master }) => self.nodes[to].told(&sender, master),
                    Wire::Cast(other) => unreachable!("{other:?}"),
                }
                self.obey(to);
            }
            Step::Resign(node) => {
                self.nodes[node].resign();
                self.obey(node);
            }
            Step::Tick(node) => {
                self.now += Duration::from_millis(10);
                self.nodes[node].tick(self.now);
                self.obey(node);
            }
            Step::Cut(one, other) => {
                let pair = (one.min(other), one.max(other));
                if one != other && self.cut.insert(pair) {
                    self.queues[one][other].clear();
                    self.queues[other][one].clear();
                    let now = self.now;
                    self.nodes[one].down(now, &id(other));
                    self.nodes[other].down(now, &id(one));
                    self.obey(one);
                    self.obey(other);
                }
            }
            Step::Mend(one, other) => {
                // Two that lead already would each keep its run: that is another story.
                let lead = self.nodes[one].leads() || self.nodes[other].leads();
                if !lead && self.cut.remove(&(one.min(other), one.max(other))) {
                    self.meet(one, other);
                }
            }
        }
    }

    /// Never two masters among nodes that reach each other.
    fn one_master(&self) -> Result<(), TestCaseError> {
        for (one, other) in self.pairs() {
            let both = self.nodes[one].leads() && self.nodes[other].leads();
            prop_assert!(!both || self.cut.contains(&(one, other)), "{one} and {other} lead");
        }
        Ok(())
    }

    /// Delivers all there is, and lets time pass until nobody waits for a claim.
    fn settle(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..2_000 {
            let count = self.nodes.len();
            for from in 0..count {
                for to in 0..count {
                    while !self.queues[from][to].is_empty() {
                        self.step(&Step::Deliver(from, to));
                        self.one_master()?;
                    }
                }
                self.step(&Step::Tick(from));
                self.one_master()?;
            }
        }
        Ok(())
    }
}

fn steps(count: usize, cuts: bool) -> impl Strategy<Value = Vec<Step>> {
    let node = 0..count;
    let pair = (0..count, 0..count);
    let quiet = prop_oneof![
        2 => node.clone().prop_map(Step::Claim),
        20 => pair.clone().prop_map(|(from, to)| Step::Deliver(from, to)),
        1 => node.clone().prop_map(Step::Resign),
        4 => node.prop_map(Step::Tick),
    ];
    let steps = match cuts {
        false => quiet.boxed(),
        true => prop_oneof![
            12 => quiet,
            1 => pair.clone().prop_map(|(one, other)| Step::Cut(one, other)),
            1 => pair.prop_map(|(one, other)| Step::Mend(one, other)),
        ]
        .boxed(),
    };
    prop::collection::vec(steps, 0..200)
}

proptest! {
    #[test]
    fn never_two_masters(
        (count, cuts, steps) in (2..5_usize, any::<bool>())
            .prop_flat_map(|(count, cuts)| (Just(count), Just(cuts), steps(count, cuts)))
    ) {
        let mut world = World::new(count);
        for step in &steps {
            world.step(step);
            world.one_master()?;
        }
        world.settle()?;
        if !cuts {
            let leaders = world.nodes.iter().filter(|node| node.leads()).count();
            prop_assert!(leaders <= 1);
            // All that reach the master know it.
            if let Some(leader) = world.nodes.iter().find(|node| node.leads()) {
                for node in &world.nodes {
                    prop_assert_eq!(node.master(), Some(&leader.me));
                }
            }
            // Whoever claimed has heard of it; claims under way answer for those that join them.
            for node in 0..count {
                prop_assert!(world.claims[node] == 0 || !world.outcomes[node].is_empty());
                let waits = matches!(world.nodes[node].seat, Seat::Claiming { .. });
                prop_assert!(!waits);
            }
        }
    }
}

#[test]
fn of_two_that_claim_at_once_the_smaller_wins_and_the_larger_hears_of_it() {
    let mut world = World::new(3);
    world.settle().unwrap();
    world.step(&Step::Claim(1));
    world.step(&Step::Claim(0));
    // The third has granted the larger one first.
    world.step(&Step::Deliver(1, 2));
    world.settle().unwrap();
    assert!(world.nodes[0].leads());
    assert_eq!(world.outcomes[0], [Ok(())]);
    let refusal = world.outcomes[1][0].clone().unwrap_err();
    assert_eq!(refusal.code, Code::MasterIsAlreadySet);
    assert_eq!(refusal.message, "node `node-0` is master already");
    assert_eq!(world.nodes[2].master(), Some(&id(0)));
}

#[test]
fn whoever_comes_later_learns_the_master_and_may_claim_when_it_has_resigned() {
    let mut world = World::new(3);
    world.step(&Step::Cut(0, 2));
    world.step(&Step::Cut(1, 2));
    world.step(&Step::Claim(1));
    world.settle().unwrap();
    assert!(world.nodes[1].leads());
    world.cut.clear();
    world.meet(0, 2);
    world.meet(1, 2);
    world.settle().unwrap();
    assert_eq!(world.nodes[2].master(), Some(&id(1)));
    assert!(world.nodes[1].is_free(&id(2)));
    world.step(&Step::Resign(1));
    world.settle().unwrap();
    assert_eq!(world.nodes[2].master(), None);
    world.step(&Step::Claim(2));
    world.settle().unwrap();
    assert!(world.nodes[2].leads());
    assert!(!world.nodes[1].is_free(&id(0)));
}

#[test]
fn a_master_that_is_gone_is_known_until_it_is_given_up() {
    let mut world = World::new(2);
    world.step(&Step::Claim(0));
    world.settle().unwrap();
    let gone = world.now;
    world.step(&Step::Cut(0, 1));
    world.step(&Step::Claim(1));
    assert!(world.outcomes[1][0].is_err());
    world.nodes[1].tick(gone + Duration::from_millis(29_990));
    assert_eq!(world.nodes[1].master(), Some(&id(0)));
    world.nodes[1].tick(gone + Duration::from_secs(30));
    assert_eq!(world.nodes[1].master(), None);
}

#[test]
fn a_node_that_does_not_answer_fails_the_claim() {
    let mut world = World::new(2);
    world.settle().unwrap();
    let now = world.now;
    world.nodes[0].claim(now);
    world.nodes[0].tick(now + CLAIM);
    world.obey(0);
    let refusal = world.outcomes[0][0].clone().unwrap_err();
    assert_eq!(refusal.code, Code::Unavailable);
    assert_eq!(refusal.message, "no answer who is master from `node-1`");
}
