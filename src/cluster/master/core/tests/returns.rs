//! A worker that was lost goes on with its users if it is heard again before they are dead.

use std::time::Duration;

use crowd_plan::run_settings::{Arrive, LoadSettings, Saturation, Spacing};

use super::{
    super::*,
    hold_all,
    planned::Profiled,
    policy,
    world::{Cut, World},
};
use crate::settings::OnNodeLoss;

fn running(workers: usize, users: u64) -> World {
    let mut world = World::new(workers, policy(OnNodeLoss::Replace, false), 7);
    world.start(users);
    world.run_for(Duration::from_secs(2));
    world
}

fn living(world: &World) -> Vec<usize> {
    world.nodes.iter().map(|node| node.living()).collect()
}

fn joined(world: &World) -> usize {
    let joined = |told: &&Command| matches!(told, Command::Joined(id, _) if *id.name != *"master");
    world.told.iter().filter(joined).count()
}

#[test]
fn a_worker_that_is_back_at_once_keeps_its_users() {
    let mut world = running(2, 20);
    world.cut(1, false, Cut::Alone);
    world.run_for(Duration::from_millis(100));
    world.come_back(1);
    for _ in 0..200 {
        world.step();
        hold_all(&world);
        assert_eq!(living(&world), [10, 10]);
    }
    assert_eq!(joined(&world), 2, "nobody has begun anew");
    let worker = MemberId::new("worker-1", 1);
    assert!(world.told.contains(&Command::Back { worker: worker.clone(), users: 10 }));
    assert!(!world.told.contains(&Command::Gone(worker)), "it would lose what it has now");
    let status = world.core.status(world.now);
    let gap = &status.gaps[0];
    assert_eq!((gap.users, gap.waiting, &gap.placed[..]), (10, 0, &[("worker-1".into(), 10)][..]));
    world.everybody_is_somewhere();
}

/// The workers have taken it for dead and kept their users; so does it when it is there again.
#[test]
fn a_master_that_was_frozen_takes_all_parts_back() {
    let mut world = running(4, 400);
    world.freeze();
    world.run_for(Duration::from_secs(6));
    world.thaw();
    (0..4).for_each(|node| world.come_back(node));
    for _ in 0..400 {
        world.step();
        hold_all(&world);
    }
    assert_eq!(living(&world), [100; 4]);
    assert_eq!(joined(&world), 4, "nobody has begun anew");
    world.everybody_is_somewhere();
    let verb = world.verb();
    world.core.add(world.now, verb, 4, &[]);
    world.run_for(Duration::from_secs(1));
    assert_eq!(living(&world), [101; 4]);
}

#[test]
fn who_is_back_too_late_begins_anew() {
    let mut world = running(3, 30);
    world.cut(2, false, Cut::Alone);
    world.run_for(Duration::from_secs(8));
    world.come_back(2);
    world.run_for(Duration::from_secs(3));
    hold_all(&world);
    assert_eq!(living(&world), [15, 15, 0]);
    assert_eq!(joined(&world), 4);
}

/// What ends while the worker is away, and what was on its way when the link broke, is counted once.
#[test]
fn what_happened_meanwhile_is_told() {
    let mut world = running(3, 30);
    world.cut(1, false, Cut::Island);
    world.cut(2, false, Cut::Island);
    for _ in 0..40 {
        world.step();
        world.end_one(1);
        hold_all(&world);
    }
    world.come_back(1);
    world.come_back(2);
    world.run_for(Duration::from_secs(2));
    hold_all(&world);
    world.everybody_is_somewhere();
    let users = world.core.run().unwrap().totals().users;
    assert_eq!((users.running, users.finished), (20, 10));
}

/// A worker that is away while settings are changed hears of those, and of no others, which may not
/// be changed any more.
#[test]
fn who_is_back_hears_of_settings_that_were_changed() {
    let mut world = running(2, 20);
    world.cut(1, false, Cut::Alone);
    world.run_for(Duration::from_millis(200));
    let changed = vec![("pace".to_owned(), "2s".to_owned())];
    let verb = world.verb();
    let (settings, nodes) = (changed.clone(), Vec::new());
    let set = settings::Set { verb, settings, changed: vec!["pace".into()], hooks: 0, nodes };
    world.core.set(world.now, set);
    world.perform();
    world.run_for(Duration::from_millis(500));
    assert!(matches!(world.outcomes.get(&verb), Some(Ok(Outcome::Set(_)))));
    assert!(world.nodes[1].applied.is_empty());
    world.come_back(1);
    world.run_for(Duration::from_secs(2));
    assert_eq!(living(&world), [10, 10]);
    assert_eq!(world.nodes[1].applied, changed);
}

/// A worker that is away while the run is stopped hears of it.
#[test]
fn who_is_back_hears_what_it_has_missed() {
    let mut world = running(2, 20);
    world.cut(1, false, Cut::Alone);
    world.run_for(Duration::from_millis(500));
    let verb = world.verb();
    world.core.stop(world.now, verb);
    world.perform();
    world.come_back(1);
    world.run_for(Duration::from_secs(4));
    assert_eq!(living(&world), [0, 0]);
    let run = world.core.run().unwrap();
    assert_eq!((run.stage, run.totals().users.removed), (Stage::Over, 20));
}

/// Arrivals that were dealt in messages that did not come are lost, and counted as that.
#[test]
fn a_profile_goes_on_after_a_freeze_of_the_master() {
    let mut world = World::new(3, policy(OnNodeLoss::Replace, false), 5);
    let settings = LoadSettings {
        profile: Some("20s: 40/s".parse().unwrap()),
        arrivals: Arrive::Users,
        spacing: Spacing::Even,
        saturation: Saturation::Drop,
        seed: 3,
        graceful_stop: Duration::from_secs(20),
    };
    world.follow(Profiled::new(settings));
    world.run_for(Duration::from_secs(5));
    world.freeze();
    world.run_for(Duration::from_secs(6));
    world.thaw();
    (0..3).for_each(|node| world.come_back(node));
    world.run_for(Duration::from_secs(40));
    let run = world.core.run().unwrap();
    assert_eq!(run.stage, Stage::Over, "{run:?}");
    let tally = run.tally();
    assert_eq!(tally.scheduled, 800);
    assert_eq!(tally.started + tally.dropped(), 800, "{tally:?}");
    assert_eq!(tally.started, world.begun.len() as u64);
    assert!(tally.started > 500, "{tally:?}");
    assert_eq!(joined(&world), 3, "nobody has begun anew");
}
