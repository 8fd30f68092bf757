//! Ten thousand histories, each made of a number. One that fails says how it is repeated.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::Duration,
};

use super::{
    Step, hold_all, policy, take,
    world::{Cut, World},
};
use crate::settings::OnNodeLoss;

/// The variable that has one history repeated.
const SEED: &str = "CROWD_TEST_SEED";

const NODES: usize = 4;

fn step(world: &mut World) -> Step {
    let node = world.random(NODES as u64) as usize;
    match world.random(32) {
        0..10 => Step::Wait(1 + world.random(40)),
        10..13 => Step::Add(1 + world.random(12)),
        13..15 => Step::Remove(1 + world.random(8)),
        15..17 => Step::End(node),
        17..21 => {
            let cut = [Cut::Alone, Cut::Island, Cut::Masterless][world.random(3) as usize];
            Step::Cut(node, world.random(2) == 0, cut)
        }
        21 => Step::Kill(node),
        22..26 => Step::Back(node),
        26 => Step::Drain(node),
        27 => Step::Leave(node),
        28 => Step::Depart(node),
        29 => Step::Freeze(1 + world.random(160)),
        30 => Step::Restart(world.random(200)),
        _ => {
            let (forth, back) = (world.random(800), world.random(800));
            Step::Slow(node, 89 + world.random(23) as u8, forth, back)
        }
    }
}

fn history(seed: u64) {
    let losses = [OnNodeLoss::Replace, OnNodeLoss::Replace, OnNodeLoss::Ignore, OnNodeLoss::Stop];
    let loss = losses[(seed % 4) as usize];
    // Numbers that follow each other are to make histories that do not.
    let scattered = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut world = World::new(NODES, policy(loss, seed.is_multiple_of(3)), scattered);
    world.start(12);
    world.run_for(Duration::from_millis(500));
    for _ in 0..14 {
        let step = step(&mut world);
        if std::env::var(SEED).is_ok() {
            eprintln!("{:?} {step:?}", world.now);
        }
        take(&mut world, step);
    }
    // Whoever is cut off is known to be.
    world.run_for(Duration::from_secs(4));
    (0..NODES).for_each(|node| world.come_back(node));
    // Beyond the master timeout, the clean end, and doubts.
    for _ in 0..40 {
        world.run_for(Duration::from_millis(500));
        hold_all(&world);
    }
    world.everybody_is_somewhere();
}

fn histories(seeds: std::ops::Range<u64>) {
    if let Ok(seed) = std::env::var(SEED) {
        return history(seed.parse().unwrap());
    }
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| history(seed))) {
            eprintln!("repeat it: {SEED}={seed} cargo nextest run -p crowd --lib histories_0");
            resume_unwind(panic);
        }
    }
}

// In parts, which run beside each other.
#[test]
fn histories_0() {
    histories(0..1250);
}

#[test]
fn histories_1() {
    histories(1250..2500);
}

#[test]
fn histories_2() {
    histories(2500..3750);
}

#[test]
fn histories_3() {
    histories(3750..5000);
}

#[test]
fn histories_4() {
    histories(5000..6250);
}

#[test]
fn histories_5() {
    histories(6250..7500);
}

#[test]
fn histories_6() {
    histories(7500..8750);
}

#[test]
fn histories_7() {
    histories(8750..10000);
}
