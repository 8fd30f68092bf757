//! Links that become slow and fast again, and clocks that run at other speeds.

use super::{sim::*, *};

/// Nodes whose clocks are so much faster, in parts in a million, on which everybody waits.
fn crowd(rate: u64, seed: u64, speeds: [i64; 3]) -> Sim {
    let mut sim = Sim::new(Rate::per_second(rate), seed, (100_000, 300_000));
    speeds.iter().for_each(|ppm| sim.join_at(ENDLESS, *ppm));
    sim.run(SECOND);
    sim
}

/// What is let through from now on for so long, in parts of the rate.
fn reached(sim: &mut Sim, rate: u64, time: u64) -> f64 {
    let before = sim.releases.len();
    sim.run(time);
    (sim.releases.len() - before) as f64 / (rate as f64 * time as f64 / SECOND as f64)
}

fn delay(sim: &mut Sim, node: usize, [down, up]: [u64; 2]) {
    sim.nodes[node].delay = Some([(down, down + MS / 2), (up, up + MS / 2)]);
}

/// Three hundred milliseconds for twenty seconds, then none.
#[test]
fn a_delay_that_comes_and_goes_exceeds_nothing() {
    for (seed, ways) in [[300, 300], [600, 0], [0, 600], [20, 450]].into_iter().enumerate() {
        for slow in [vec![0], vec![0, 1, 2]] {
            let mut sim = crowd(300, seed as u64, [0, 70_000, -70_000]);
            for turn in 0..2 {
                slow.iter().for_each(|at| delay(&mut sim, *at, ways.map(|way| way * MS)));
                sim.run((20 - 15 * turn) * SECOND);
                slow.iter().for_each(|at| sim.nodes[*at].delay = None);
                sim.run(2 * SECOND);
            }
            sim.assert_bound(&sim.releases, TOLERANCE);
        }
    }
}

#[test]
fn a_clock_of_another_speed_exceeds_nothing_and_loses_nothing() {
    for ppm in [-110_000, -100_000, -300, 300, 100_000, 120_000] {
        let mut sim = crowd(300, 3, [ppm, 0, ppm / 2]);
        let reached = reached(&mut sim, 300, 10 * SECOND);
        assert!(reached > 0.999, "{reached} at {ppm}");
        sim.assert_bound(&sim.releases, TOLERANCE);
    }
}

#[test]
fn one_slow_node_does_not_take_the_rate_of_all() {
    for ways in [[150, 150], [300, 300], [450, 450], [2_000, 2_000]] {
        let mut sim = crowd(200, 1, [0, 0, 0]);
        delay(&mut sim, 0, ways.map(|way| way * MS));
        let at_first = reached(&mut sim, 200, 2 * SECOND);
        assert!(at_first > 0.95, "{at_first} with {ways:?}");
        let later = reached(&mut sim, 200, 10 * SECOND);
        assert!(later > 0.97, "{later} with {ways:?}");
        // And when it is near again it takes its part again.
        sim.nodes[0].delay = None;
        sim.run(4 * SECOND);
        let asked = sim.nodes[0].asked;
        let last = reached(&mut sim, 200, 3 * SECOND);
        let part = sim.nodes[0].asked - asked;
        assert!(last > 0.99 && part > 120, "{last} after {ways:?}, and {part}");
        sim.assert_bound(&sim.releases, TOLERANCE);
    }
}

/// A way that is never alike.
#[test]
fn a_node_with_a_restless_link_does_not_either() {
    let mut sim = crowd(200, 5, [0, 0, 0]);
    sim.nodes[0].delay = Some([(0, 200 * MS), (0, 200 * MS)]);
    sim.run(SECOND);
    let reached = reached(&mut sim, 200, 20 * SECOND);
    assert!(reached > 0.97, "{reached}");
    sim.assert_bound(&sim.releases, TOLERANCE);
}

/// Where the way is long in both directions, its slots are used.
#[test]
fn a_node_with_a_long_way_gets_its_part() {
    let mut sim = crowd(200, 5, [0, 0, 0]);
    delay(&mut sim, 0, [300 * MS, 300 * MS]);
    sim.run(3 * SECOND);
    let asked = sim.nodes[0].asked;
    sim.run(10 * SECOND);
    let part = sim.nodes[0].asked - asked;
    assert!(part > 500, "{part}");
}
