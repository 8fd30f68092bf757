//! A dealer and the holdings of some nodes in simulated time: messages take their time or get
//! lost, clocks are off, nodes come and go.

use proptest::prelude::*;

use self::sim::*;
use super::*;
use crate::throttle::holdings::Holdings;

mod links;
mod sim;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    /// Whatever is asked and changed, whoever comes, goes, freezes or is cut off, however long
    /// messages take, now this and now that, in either direction, and at whatever speed the clocks
    /// run within one part in nine.
    #[test]
    fn never_exceeds_over_the_cluster(
        rate in timed_rate(), seed: u64, nodes in 1..4_usize, most in 0..40 * MS, skew in 0..110_000_u64,
        script in script(anything()),
    ) {
        let mut sim = Sim::new(rate, seed, (0, most));
        sim.skew = skew;
        for node in 0..nodes {
            sim.join(if node == 0 { 0 } else { ENDLESS });
        }
        for (gap, op) in &script {
            sim.run(*gap);
            sim.apply(op);
        }
        sim.run(200 * MS);
        let releases = sim.releases.clone();
        sim.assert_bound(&releases, sim.tolerance());
    }

    /// Nor is any slot dealt that is not on the schedule, to whomever: what is due is dealt once.
    #[test]
    fn no_slot_twice(
        rate in timed_rate(), seed: u64, nodes in 1..5_usize, most in 0..10 * MS, script in script(timed_change()),
    ) {
        let mut sim = Sim::new(rate, seed, (0, most));
        (0..nodes).for_each(|_| sim.join(ENDLESS));
        for (gap, op) in &script {
            sim.run(*gap);
            sim.apply(op);
        }
        sim.run(100 * MS);
        let mut dealt = sim.dealt.clone();
        dealt.sort_unstable();
        // A block's slots are told at even distances, on a steep ramp a little late.
        sim.assert_bound(&dealt, MS / 2);
    }

    /// As long as everybody waits and messages are not slow, all that is due is given: changes of
    /// the rate, however frequent, lose nothing.
    #[test]
    fn never_starves(
        rate in timed_rate(), seed: u64, nodes in 1..4_usize, script in script(timed_change()),
    ) {
        let mut sim = Sim::new(rate, seed, (100_000, 1_000_000));
        (0..nodes).for_each(|_| sim.join(ENDLESS));
        sim.run(100 * MS);
        let (given, due) = (sim.releases.len() as f64, sim.due_by(sim.now));
        // What is due in the last moment before a change may be told of too late to be given.
        let mut slack = 2.0;
        for (gap, op) in &script {
            sim.run(*gap);
            slack += sim.due_by(sim.now) - sim.due_by(sim.now - STEP);
            sim.apply(op);
        }
        sim.run(100 * MS);
        let given = sim.releases.len() as f64 - given;
        let due = sim.due_by(sim.now) - due;
        prop_assert!(given >= due * 0.999 - sim.due_by(sim.now) + sim.due_by(sim.now - STEP * 3) - slack, "{} given of {}", given, due);
        let late: u64 = sim.nodes.iter().filter_map(|node| node.holdings.as_ref()).map(Holdings::forfeited).sum();
        prop_assert_eq!((sim.dealer.forfeited(), late), (0, 0));
    }

    /// Never more in flight than permits, whatever happens to nodes; and when all is quiet again,
    /// all permits are there for whoever comes.
    #[test]
    fn permits_return(
        limit in 1..30_u64, seed: u64, most in 0..10 * MS, script in script(prop_oneof![
            4 => (1..60_u64).prop_map(Op::Ask), 1 => Just(Op::Kill), 1 => Just(Op::Join), 1 => Just(Op::Cut), 2 => Just(Op::Mend),
        ]),
    ) {
        let mut sim = Sim::new(Rate::at_once(limit), seed, (0, most));
        (0..3).for_each(|_| sim.join(0));
        for (gap, op) in &script {
            sim.run(*gap);
            sim.apply(op);
        }
        prop_assert!(sim.most_in_flight <= limit, "{} of {limit}", sim.most_in_flight);
        for node in &mut sim.nodes {
            (node.cut, node.waiting) = (false, 0);
        }
        sim.join(0);
        sim.run(SECOND);
        prop_assert!(sim.nodes.iter().all(|node| node.flying.is_empty()));
        sim.most_in_flight = 0;
        let last = sim.nodes.len() - 1;
        sim.nodes[last].waiting = 10 * limit;
        sim.run(SECOND);
        prop_assert_eq!(sim.most_in_flight, limit);
    }
}

#[test]
fn the_first_one_on_an_idle_throttle_gets_through_at_once() {
    let mut sim = Sim::new(Rate::per_second(10), 1, (300_000, 300_000));
    (0..3).for_each(|_| sim.join(0));
    sim.run(SECOND);
    for at in [0, 1, 2, 0] {
        let asked = sim.now;
        sim.nodes[at].waiting = 1;
        sim.nodes[at].asked += 1;
        sim.run(500 * MS);
        let (let_through, _) = *sim.releases.last().unwrap();
        assert!(let_through > asked && let_through - asked <= 3 * MS, "{}", let_through - asked);
    }
}

#[test]
fn slots_go_where_somebody_waits_by_how_many_wait() {
    let mut sim = Sim::new(Rate::per_second(1_000), 1, (300_000, 300_000));
    for waiting in [3_000, 1_000, 0] {
        sim.join(waiting);
    }
    let before: Vec<u64> = sim.nodes.iter().map(|node| node.waiting).collect();
    sim.run(2 * SECOND);
    let given: Vec<u64> =
        sim.nodes.iter().zip(before).map(|(n, before)| before - n.waiting).collect();
    assert!((1_990..=2_001).contains(&given.iter().sum::<u64>()), "{given:?}");
    assert!((1_400..1_600).contains(&given[0]) && given[2] == 0, "{given:?}");
}

#[test]
fn a_node_that_is_cut_off_runs_dry() {
    for (rate, most) in [(Rate::per_second(5_000), 60 * MS), (Rate::UNLIMITED, 4 * SECOND)] {
        let mut sim = Sim::new(rate, 1, (300_000, 300_000));
        sim.join(ENDLESS);
        sim.run(500 * MS);
        sim.nodes[0].cut = true;
        sim.run(most + 10 * MS);
        let asked = sim.nodes[0].asked;
        sim.run(SECOND);
        assert_eq!(sim.nodes[0].asked, asked, "{rate}");
        sim.nodes[0].cut = false;
        sim.run(SECOND + 200 * MS);
        assert!(sim.nodes[0].asked > asked, "{rate}");
    }
}

#[test]
fn permits_move_to_whoever_waits_for_them() {
    let mut sim = Sim::new(Rate::at_once(1), 1, (300_000, 300_000));
    (0..2).for_each(|_| sim.join(ENDLESS));
    let before: Vec<u64> = sim.nodes.iter().map(|node| node.asked).collect();
    sim.run(4 * SECOND);
    let given: Vec<u64> = sim.nodes.iter().zip(before).map(|(node, b)| node.asked - b).collect();
    assert_eq!(sim.most_in_flight, 1);
    assert!(given.iter().all(|given| *given > 25), "{given:?}");
}

#[test]
fn a_lower_limit_drains() {
    let mut sim = Sim::new(Rate::at_once(20), 1, (300_000, 300_000));
    (0..3).for_each(|_| sim.join(ENDLESS));
    sim.run(SECOND);
    assert_eq!(sim.most_in_flight, 20);
    sim.apply(&Op::Rate(Rate::at_once(4)));
    sim.run(100 * MS);
    sim.most_in_flight = 0;
    sim.run(SECOND);
    assert_eq!(sim.most_in_flight, 4);
}
