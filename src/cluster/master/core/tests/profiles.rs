//! A load profile over a cluster is one plan, whatever becomes of nodes.

use std::time::Duration;

use crowd_plan::run_settings::{Arrive, LoadSettings, Saturation, Spacing};
use proptest::prelude::*;

use super::{
    super::*,
    planned::Profiled,
    world::{Cut, MASTER_TIMEOUT, World},
};
use crate::settings::OnNodeLoss;

fn settings(profile: &str, spacing: Spacing, saturation: Saturation) -> LoadSettings {
    LoadSettings {
        profile: Some(profile.parse().unwrap()),
        arrivals: Arrive::Users,
        spacing,
        saturation,
        seed: 3,
        graceful_stop: Duration::from_secs(20),
    }
}

fn world(count: usize, seed: u64) -> World {
    let policy = Policy {
        me: MemberId::new("master", 1),
        on_node_loss: OnNodeLoss::Replace,
        rebalance: true,
        master_timeout: MASTER_TIMEOUT,
        init_timeout: Duration::from_secs(30),
        terminate_timeout: Duration::from_secs(30),
    };
    World::new(count, policy, seed)
}

fn over(world: &World) -> bool {
    world.core.run().is_some_and(|run| run.stage == Stage::Over)
}

#[test]
fn arrivals_of_a_calm_cluster_are_all_begun_each_once() {
    let mut world = world(3, 1);
    world.follow(Profiled::new(settings(
        "5s: 10/s -> 50/s, 1s: pause, 4s: 37/s",
        Spacing::Even,
        Saturation::Drop,
    )));
    world.run_for(Duration::from_secs(25));
    assert!(over(&world), "{:?}", world.core.run());
    let tally = world.core.run().unwrap().tally();
    assert_eq!((tally.scheduled, tally.started, tally.dropped()), (298, 298, 0));
    assert_eq!(world.begun.len(), 298);
    let users = world.core.run().unwrap().totals().users;
    assert_eq!((users.asked, users.finished, users.running), (298, 298, 0));
}

/// Stages of less than an arrival each: together they have nine, over whichever nodes.
#[test]
fn what_stages_leave_over_is_carried_on_over_all_nodes() {
    let mut world = world(3, 4);
    let profile = ["1s: 0.9/s"; 10].join(", ");
    world.follow(Profiled::new(settings(&profile, Spacing::Even, Saturation::Drop)));
    world.run_for(Duration::from_secs(25));
    assert!(over(&world), "{:?}", world.core.run());
    let tally = world.core.run().unwrap().tally();
    assert_eq!((tally.scheduled, tally.started, tally.dropped()), (9, 9, 0));
}

#[test]
fn users_are_kept_at_the_number_that_is_asked_for_over_all_nodes() {
    let mut world = world(4, 2);
    world.follow(Profiled::new(settings(
        "4s: 0 -> 30, 6s: 30, 2s: 30 -> 7, 8s: 7",
        Spacing::Even,
        Saturation::Drop,
    )));
    let kept = |world: &World| world.kept().iter().sum::<u64>();
    world.run_for(Duration::from_secs(8));
    assert_eq!(kept(&world), 30);
    assert!(world.kept().iter().all(|kept| (7..=8).contains(kept)), "{:?}", world.kept());
    world.run_for(Duration::from_secs(9));
    assert_eq!(kept(&world), 7);
    world.run_for(Duration::from_secs(25));
    assert!(over(&world));
}

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Kill(usize),
    Cut(usize),
    Back(usize),
    Leave(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1..40_u64).prop_map(Step::Wait),
        1 => any::<usize>().prop_map(Step::Kill),
        1 => any::<usize>().prop_map(Step::Cut),
        2 => any::<usize>().prop_map(Step::Back),
        1 => any::<usize>().prop_map(Step::Leave),
    ];
    prop::collection::vec(step, 1..40)
}

/// Stages of a profile, each with the integral of its rate in 140ths of an arrival.
fn stages() -> impl Strategy<Value = Vec<(String, u64)>> {
    let unit = prop_oneof![Just(1_u64), Just(7), Just(10)];
    let rate = (1..4_u64, 0..60_u64, 0..60_u64, unit, 0..20_u32);
    let stage = prop_oneof![
        3 => rate.prop_map(|(seconds, from, to, unit, most)| {
            let stage = format!("{seconds}s: {from}/{unit}s -> {to}/{unit}s max {most}");
            (stage, seconds * (from + to) * 70 / unit)
        }),
        1 => (1..3_u64).prop_map(|seconds| (format!("{seconds}s: pause"), 0)),
        2 => (1..4_u64, 0..30_u32, 0..30_u32).prop_map(|(seconds, from, to)| {
            (format!("{seconds}s: {from} -> {to}"), 0)
        }),
    ];
    prop::collection::vec(stage, 1..8)
}

/// A profile, and how many arrivals it has: the whole part of the integral over all of it.
fn profiles() -> impl Strategy<Value = (String, u64)> {
    stages().prop_map(|mut stages| {
        stages.insert(0, ("1s: 20/s".to_owned(), 20 * 140));
        let integral: u64 = stages.iter().map(|(_, integral)| integral).sum();
        let lines: Vec<_> = stages.into_iter().map(|(line, _)| line).collect();
        (lines.join(", "), integral / 140)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// For any profile on 1 to 16 nodes that are killed, cut off, come back and leave: no arrival is
    /// begun twice; in the end scheduled = started + dropped, and with even spacing scheduled is the
    /// whole part of the integral of the rate over the whole profile; there are never more users than the profile asks for.
    #[test]
    fn arrivals_equal_the_integral_whatever_becomes_of_nodes(
        (profile, arrivals) in profiles(), count in 1..17_usize, steps in steps(), seed: u64,
        poisson: bool, blocks: bool,
    ) {
        let spacing = if poisson { Spacing::Poisson } else { Spacing::Even };
        let saturation = if blocks { Saturation::Block } else { Saturation::Drop };
        let profiled = Profiled::new(settings(&profile, spacing, saturation));
        let plan = profiled.plan.clone();
        let peak = plan.profile().peak_target_users();
        let mut world = world(count, seed);
        world.follow(profiled);
        // A node that is lost before the run takes users fails the `do`.
        world.run_for(Duration::from_secs(2));
        prop_assert_eq!(world.core.run().map(|run| run.stage), Some(Stage::Running));
        for step in steps {
            match step {
                Step::Wait(steps) => {
                    for _ in 0..steps {
                        world.run_for(Duration::from_millis(50));
                        let kept: u64 = world.kept().iter().sum();
                        prop_assert!(kept <= peak, "{kept} users, {peak} at most");
                    }
                }
                Step::Kill(node) => world.kill(node % count),
                Step::Cut(node) => world.cut(node % count, true, Cut::Alone),
                Step::Back(node) => world.come_back(node % count),
                Step::Leave(node) => world.leave(node % count),
            }
        }
        world.run_for(Duration::from_secs(200));
        prop_assert!(over(&world), "{:?}", world.core.run());
        let tally = world.core.run().map(Run::tally).unwrap_or_default();
        prop_assert_eq!(tally.scheduled, tally.started + tally.dropped(), "{:?}", tally);
        prop_assert!(tally.started <= world.begun.len() as u64);
        if !poisson {
            prop_assert_eq!(tally.scheduled, arrivals);
        }
    }
}
