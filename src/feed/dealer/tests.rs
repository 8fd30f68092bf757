//! A cluster of dealer and stocks, in which everything may happen at any time.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::feed::stock::{Stock, Taken};

const MS: u64 = 1_000_000;

#[derive(Debug, Clone)]
enum Step {
    /// A user of a node wants a ticket.
    Want(usize),
    /// A user that waits there gives up.
    GiveUp(usize),
    /// What a node has to ask is asked, and the answer comes.
    Talk(usize),
    /// The same, but the answer is lost.
    TalkInVain(usize),
    /// Time passes, in milliseconds.
    Pass(u64),
    /// A node comes.
    Join,
    /// A node goes in peace: it gives back what it has.
    Leave(usize),
    /// A node is lost.
    Lose(usize),
}

struct Node {
    name: u64,
    stock: Stock,
    waiting: u64,
}

struct World {
    now: u64,
    dealer: Dealer<u64>,
    nodes: Vec<Node>,
    names: u64,
    end: Option<u64>,
    /// Tickets that users have got, in order.
    got: Vec<u64>,
    lost: u64,
}

impl World {
    fn new(end: Option<u64>, nodes: usize) -> Self {
        let dealer = Dealer::new(end);
        let mut world = Self { now: 0, dealer, nodes: vec![], names: 0, end, got: vec![], lost: 0 };
        (0..nodes).for_each(|_| world.join());
        world
    }

    fn join(&mut self) {
        self.names += 1;
        let name = self.names;
        self.dealer.join(name, 100 + name);
        let stock = Stock::new(100 + name, self.end.is_some());
        self.nodes.push(Node { name, stock, waiting: 0 });
    }

    /// Whether there are no more tickets for a user of that node.
    fn take(&mut self, at: usize) -> bool {
        let node = &mut self.nodes[at];
        match node.stock.take(self.now) {
            Taken::Ticket(ticket) => self.got.push(ticket),
            Taken::Nothing => return true,
            Taken::Empty => {
                node.stock.wait();
                node.waiting += 1;
            }
            Taken::Broken(why) => panic!("{why}"),
        }
        false
    }

    fn serve_those_who_wait(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        for _ in 0..node.waiting {
            match node.stock.take(self.now) {
                Taken::Ticket(ticket) => self.got.push(ticket),
                Taken::Nothing => {}
                _ => break,
            }
            node.stock.waited();
            node.waiting -= 1;
        }
    }

    fn talk(&mut self, at: usize, ask: Option<Ask>) {
        let Some(ask) = ask else { return };
        let given = self.dealer.ask(&ask).unwrap();
        self.nodes[at].stock.answer(given, self.now);
        self.serve_those_who_wait(at);
    }

    fn step(&mut self, step: &Step) {
        let count = self.nodes.len();
        let at = |node: usize| node % count.max(1);
        match *step {
            Step::Pass(ms) => self.now += ms * MS,
            Step::Join if count < 16 => self.join(),
            Step::Join => {}
            _ if count == 0 => {}
            Step::Want(node) => {
                self.take(at(node));
            }
            Step::GiveUp(node) => {
                let node = &mut self.nodes[at(node)];
                if node.waiting > 0 {
                    node.waiting -= 1;
                    node.stock.waited();
                }
            }
            Step::Talk(node) => {
                let ask = self.nodes[at(node)].stock.ask(self.now);
                self.talk(at(node), ask);
            }
            Step::TalkInVain(node) => {
                let ask = self.nodes[at(node)].stock.ask(self.now);
                if let Some(ask) = &ask {
                    self.dealer.ask(ask).unwrap();
                }
                // And again.
                self.talk(at(node), ask);
            }
            Step::Leave(node) => {
                let node = at(node);
                while let Some(ask) = self.nodes[node].stock.last_ask(self.now) {
                    let given = self.dealer.ask(&ask).unwrap();
                    self.nodes[node].stock.answer(given, self.now);
                }
                assert_eq!(self.dealer.leave(&self.nodes[node].name), 0, "all was given back");
                self.nodes.remove(node);
            }
            Step::Lose(node) => {
                let node = self.nodes.remove(at(node));
                self.lost += self.dealer.leave(&node.name);
            }
        }
    }

    /// Users want on everywhere until there are no more tickets.
    fn use_up(&mut self) {
        if self.nodes.is_empty() {
            self.join();
        }
        let mut done = BTreeSet::new();
        for _ in 0..20_000 {
            for at in 0..self.nodes.len() {
                if self.nodes[at].waiting == 0 && self.take(at) {
                    done.insert(self.nodes[at].name);
                }
                let ask = self.nodes[at].stock.ask(self.now);
                self.talk(at, ask);
            }
            if done.len() == self.nodes.len() {
                return;
            }
            self.now += 10 * MS;
        }
        panic!("somebody waits for ever");
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0..16_usize).prop_map(Step::Want),
        1 => (0..16_usize).prop_map(Step::GiveUp),
        6 => (0..16_usize).prop_map(Step::Talk),
        2 => (0..16_usize).prop_map(Step::TalkInVain),
        6 => (1..300_u64).prop_map(Step::Pass),
        1 => Just(Step::Join),
        1 => (0..16_usize).prop_map(Step::Leave),
        1 => (0..16_usize).prop_map(Step::Lose),
    ];
    prop::collection::vec(step, 0..300)
}

proptest! {
    /// Invariant: **every row is given once**. Whatever happens, none is given twice; those that
    /// were not given are those that were lost with a node; without a loss there are none.
    #[test]
    fn every_row_is_given_once(rows in 1..400_u64, nodes in 1..=16_usize, steps in steps()) {
        let mut world = World::new(Some(rows), nodes);
        steps.iter().for_each(|step| world.step(step));
        world.use_up();
        let distinct: BTreeSet<_> = world.got.iter().copied().collect();
        prop_assert_eq!(distinct.len(), world.got.len(), "a row was given twice");
        prop_assert!(distinct.iter().all(|&row| row < rows));
        let given = world.got.len() as u64;
        prop_assert!(given <= rows && given + world.lost >= rows, "{given} of {rows}");
        if !steps.iter().any(|step| matches!(step, Step::Lose(_))) {
            prop_assert_eq!(given, rows);
        }
    }

    /// A circular feeder gives no turn twice, skips none but those a node holds or has lost, and so
    /// gives every row as often as any other, but for those.
    #[test]
    fn turns_are_given_in_turn(nodes in 1..=16_usize, steps in steps()) {
        let mut world = World::new(None, nodes);
        steps.iter().for_each(|step| world.step(step));
        let distinct: BTreeSet<_> = world.got.iter().copied().collect();
        prop_assert_eq!(distinct.len(), world.got.len(), "a turn was given twice");
        prop_assert!(distinct.last().is_none_or(|&last| last < world.dealer.next));
    }

    /// On one node turns come strictly one after the other.
    #[test]
    fn one_node_gets_all_turns_in_order(
        steps in steps().prop_map(|mut steps| {
            steps.retain(|step| !matches!(step, Step::Join | Step::Leave(_) | Step::Lose(_)));
            steps
        })
    ) {
        let mut world = World::new(None, 1);
        steps.iter().for_each(|step| world.step(step));
        let count = world.got.len() as u64;
        prop_assert_eq!(world.got, (0..count).collect::<Vec<_>>());
    }
}

/// A node that uses many is given some ahead; when few are left, only what is waited for.
#[test]
fn blocks_shrink_when_few_rows_are_left() {
    let mut dealer = Dealer::new(Some(1_000));
    dealer.join("a", 1);
    dealer.join("b", 2);
    let mut number = 0;
    let mut ask = |dealer: &mut Dealer<_>, waiting| {
        number += 1;
        let ask = Ask { lease: 1, number, waiting, expected: 300, ..Ask::default() };
        let given = dealer.ask(&ask).unwrap();
        (given.tickets.iter().map(|tickets| tickets.count).sum::<u64>(), given.left)
    };
    assert_eq!(ask(&mut dealer, 10), (10 + 247, Left::More));
    assert_eq!(ask(&mut dealer, 700), (700 + 10, Left::More));
    assert_eq!(ask(&mut dealer, 30), (30, Left::More));
    assert_eq!(ask(&mut dealer, 30), (3, Left::Later));
}

/// Nobody is told that rows have run out while a node may still give some back.
#[test]
fn who_comes_late_waits_for_what_may_come_back() {
    let mut dealer = Dealer::new(Some(10));
    dealer.join("a", 1);
    dealer.join("b", 2);
    let first = Ask { lease: 1, number: 1, waiting: 10, ..Ask::default() };
    assert_eq!(dealer.ask(&first).unwrap().tickets, [Tickets { first: 0, count: 10 }]);
    let late = |number| Ask { lease: 2, number, waiting: 1, ..Ask::default() };
    assert_eq!(dealer.ask(&late(1)).unwrap(), Given { tickets: vec![], left: Left::Later });
    let back = vec![Tickets { first: 8, count: 2 }];
    let second = Ask { lease: 1, number: 2, used: 8, back, ..Ask::default() };
    dealer.ask(&second).unwrap();
    let given = dealer.ask(&late(2)).unwrap();
    assert_eq!(given.tickets, [Tickets { first: 8, count: 1 }]);
    assert_eq!(dealer.leave(&"b"), 1);
    assert_eq!(dealer.leave(&"a"), 0);
}
