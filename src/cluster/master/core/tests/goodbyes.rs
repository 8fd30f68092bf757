//! Who leaves in good order, and who was chosen to be removed, is not waited for and not started
//! again.

use std::time::Duration;

use super::{
    super::*,
    hold_all, policy,
    world::{Cut, World},
};
use crate::{controller::machine::RunState, settings::OnNodeLoss};

#[test]
fn leavers_do_not_make_a_majority_of_a_lost_one() {
    let mut world = World::new(4, policy(OnNodeLoss::Replace, false), 7);
    world.depart(0);
    world.depart(1);
    world.run_for(Duration::from_secs(2));
    world.start(20);
    world.run_for(Duration::from_secs(1));
    world.kill(2);
    world.run_for(Duration::from_secs(6));
    hold_all(&world);
    assert_eq!(world.nodes[3].living(), 20);
}

#[test]
fn a_run_is_over_as_soon_as_all_have_taken_their_leave() {
    let mut world = World::new(3, policy(OnNodeLoss::Replace, false), 7);
    world.start(30);
    world.run_for(Duration::from_secs(1));
    let verb = world.verb();
    world.core.stop(world.now, verb);
    (0..3).for_each(|node| world.depart(node));
    world.run_for(Duration::from_millis(200));
    hold_all(&world);
    let run = world.core.run().unwrap();
    assert_eq!((run.stage, run.state()), (Stage::Over, RunState::Finished));
    assert_eq!(run.totals().users.removed, 30);
}

/// Its users died with it, so they start elsewhere at once.
#[test]
fn users_that_a_leaver_could_not_hand_over_start_again_at_once() {
    let mut world = World::new(2, policy(OnNodeLoss::Replace, false), 7);
    world.start(20);
    world.run_for(Duration::from_secs(1));
    world.depart(1);
    world.run_for(Duration::from_millis(500));
    hold_all(&world);
    assert_eq!(world.nodes[0].living(), 20);
}

/// The worker was lost before those that it had chosen had ended.
#[test]
fn whom_remove_chose_on_a_lost_node_is_not_started_again() {
    let mut world = World::new(2, policy(OnNodeLoss::Replace, false), 7);
    world.nodes.iter_mut().for_each(|node| node.stubborn = true);
    world.start(100);
    world.run_for(Duration::from_secs(2));
    let verb = world.verb();
    world.core.remove(world.now, verb, 40, false, &[]);
    world.run_for(Duration::from_millis(1_000));
    let Some(Ok(Outcome::Removed(removed))) = world.outcomes.get(&verb) else { panic!() };
    assert_eq!(removed.chosen, 40);
    world.kill(1);
    world.nodes[0].give_in();
    world.run_for(Duration::from_secs(8));
    hold_all(&world);
    let users = world.core.run().unwrap().totals().users;
    assert_eq!((users.running, users.removed), (60, 40));
    assert_eq!(world.nodes[0].living(), 60);
}

/// A firewall that cuts one worker off from the master alone, and whatever it answers: the others
/// see the master, so it ends its users, and they start elsewhere after that.
#[test]
fn a_worker_without_its_master_among_others_that_have_one_ends_its_users() {
    let mut world = World::new(3, policy(OnNodeLoss::Replace, false), 7);
    world.start(30);
    world.run_for(Duration::from_secs(2));
    world.cut(2, false, Cut::Masterless);
    for _ in 0..200 {
        world.step();
        hold_all(&world);
    }
    assert_eq!(world.nodes.iter().map(|node| node.living()).collect::<Vec<_>>(), [15, 15, 0]);
}
