use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::controller::machine::RunState;

mod chaos;
mod goodbyes;
mod planned;
mod profiles;
mod returns;
mod world;

use world::{Cut, MASTER_TIMEOUT, STEP, World};

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Add(u64),
    Remove(u64),
    End(usize),
    Cut(usize, bool, Cut),
    Kill(usize),
    Back(usize),
    Drain(usize),
    Leave(usize),
    Depart(usize),
    /// The master stands still for so many ticks.
    Freeze(u64),
    /// A clock of so many percent, and ways forth and back that take so many milliseconds longer.
    Slow(usize, u8, u64, u64),
    /// The master is started again, and after so many ticks there is another run.
    Restart(u64),
}

fn policy(on_node_loss: OnNodeLoss, rebalance: bool) -> Policy {
    Policy {
        me: MemberId::new("master", 1),
        on_node_loss,
        rebalance,
        master_timeout: MASTER_TIMEOUT,
        init_timeout: Duration::from_secs(5),
        terminate_timeout: Duration::from_secs(2),
    }
}

fn cut() -> impl Strategy<Value = Cut> {
    prop_oneof![Just(Cut::Alone), Just(Cut::Island), Just(Cut::Masterless)]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let node = 0..4_usize;
    let step = prop_oneof![
        8 => (1..80_u64).prop_map(Step::Wait),
        3 => (1..30_u64).prop_map(Step::Add),
        2 => (1..20_u64).prop_map(Step::Remove),
        3 => node.clone().prop_map(Step::End),
        3 => (node.clone(), any::<bool>(), cut())
            .prop_map(|(node, silent, cut)| Step::Cut(node, silent, cut)),
        1 => node.clone().prop_map(Step::Depart),
        1 => (1..200_u64).prop_map(Step::Freeze),
        1 => (node.clone(), 89..112_u8, 0..1_000_u64, 0..1_000_u64)
            .prop_map(|(node, speed, forth, back)| Step::Slow(node, speed, forth, back)),
        1 => node.clone().prop_map(Step::Kill),
        4 => node.clone().prop_map(Step::Back),
        1 => node.clone().prop_map(Step::Drain),
        1 => node.prop_map(Step::Leave),
    ];
    prop::collection::vec(step, 1..40)
}

fn take(world: &mut World, step: Step) {
    match step {
        Step::Wait(ticks) => {
            for _ in 0..ticks {
                world.step();
                hold_all(world);
            }
        }
        Step::Add(count) => {
            let verb = world.verb();
            world.core.add(world.now, verb, count, &[]);
        }
        Step::Remove(count) => {
            let verb = world.verb();
            world.core.remove(world.now, verb, count, false, &[]);
        }
        Step::End(node) => world.end_one(node),
        Step::Cut(node, silent, cut) => world.cut(node, silent, cut),
        Step::Kill(node) => world.kill(node),
        Step::Back(node) => world.come_back(node),
        Step::Drain(node) => {
            let verb = world.verb();
            world.core.drain(world.now, verb, &format!("worker-{node}"));
        }
        Step::Leave(node) => world.leave(node),
        Step::Depart(node) => world.depart(node),
        Step::Slow(node, speed, forth, back) => {
            let delay = (Duration::from_millis(forth), Duration::from_millis(back));
            world.nodes[node].make_slow(f64::from(speed) / 100.0, delay);
        }
        Step::Restart(ticks) => {
            world.restart();
            for _ in 0..ticks {
                world.step();
                world.no_id_lives_twice();
            }
            world.start(12);
            world.run_for(Duration::from_secs(2));
        }
        Step::Freeze(ticks) => {
            world.freeze();
            for _ in 0..ticks {
                world.step();
                world.no_id_lives_twice();
            }
            world.thaw();
            (0..4).for_each(|node| world.come_back(node));
        }
    }
    world.perform();
    hold_all(world);
}

fn hold_all(world: &World) {
    world.no_id_lives_twice();
    world.accounts_add_up();
    world.ids_are_dense();
}

#[test]
fn a_graceful_stop_waits_for_the_last_user_or_for_the_time_it_has() {
    for end in [true, false] {
        let mut world = World::new(2, policy(OnNodeLoss::Replace, false), 7);
        world.start(20);
        world.run_for(Duration::from_secs(1));
        let verb = world.verb();
        world.core.stop_gracefully(world.now, verb);
        world.perform();
        assert!(matches!(&world.outcomes[&verb], Ok(Outcome::Done)));
        let stage = |world: &World| world.core.run().map(|run| run.stage);
        world.run_for(Duration::from_secs(5));
        assert_eq!(stage(&world), Some(Stage::Running));
        if end {
            (0..20).for_each(|_| (0..2).for_each(|node| world.end_one(node)));
            world.run_for(Duration::from_secs(3));
        } else {
            // Half a minute, as nobody has said otherwise.
            world.run_for(Duration::from_secs(20));
            assert_eq!(stage(&world), Some(Stage::Running));
            world.run_for(Duration::from_secs(7));
        }
        assert_ne!(stage(&world), Some(Stage::Running));
        hold_all(&world);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_ids_live_once_and_accounts_add_up(
        seed: u64,
        loss in prop_oneof![Just(OnNodeLoss::Replace), Just(OnNodeLoss::Ignore), Just(OnNodeLoss::Stop)],
        rebalance: bool,
        stop: bool,
        steps in steps(),
    ) {
        let mut world = World::new(4, policy(loss, rebalance), seed);
        let verb = world.start(20);
        world.run_for(Duration::from_secs(1));
        prop_assert!(matches!(&world.outcomes[&verb], Ok(Outcome::Dealt(_))));
        for step in steps {
            take(&mut world, step);
        }
        // All come back, and enough time passes.
        world.run_for(Duration::from_secs(10));
        for node in 0..4 {
            world.come_back(node);
        }
        for _ in 0..1200 {
            world.step();
            hold_all(&world);
        }
        world.everybody_is_somewhere();
        if world.core.stage() == Some(Stage::Running) {
            if !world.core.takers().is_empty() {
                prop_assert!(world.core.run().unwrap().unplaced.is_empty());
            }
            if stop {
                let verb = world.verb();
                world.core.stop(world.now, verb);
                world.perform();
                world.run_for(Duration::from_secs(5));
                prop_assert_eq!(world.outcomes.get(&verb), Some(&Ok(Outcome::Done)));
                let users = world.core.run().unwrap().totals().users;
                prop_assert_eq!(world.core.run().unwrap().state(), RunState::Finished);
                prop_assert_eq!(users.waiting + users.running, 0);
                hold_all(&world);
            }
        } else {
            prop_assert_eq!(world.core.run().unwrap().state(), RunState::Failed);
        }
    }

    /// Whoever replays the changes has the same run.
    #[test]
    fn a_run_can_be_carried_over_as_it_is(seed: u64) {
        let mut world = World::new(3, policy(OnNodeLoss::Replace, false), seed);
        world.start(100);
        world.run_for(Duration::from_secs(1));
        world.kill(1);
        world.run_for(Duration::from_secs(6));
        let run = world.core.run().unwrap();
        let bytes = crowd_core::codec::encode(run).unwrap();
        prop_assert_eq!(&crowd_core::codec::decode::<Run>(&bytes).unwrap(), run);
    }
}

#[test]
fn a_lost_workers_users_are_placed_again_when_its_lease_is_over_and_not_before() {
    let mut world = World::new(3, policy(OnNodeLoss::Replace, false), 7);
    world.start(30);
    world.run_for(Duration::from_secs(3));
    world.kill(2);
    world.run_for(Duration::from_millis(3500));
    let users = world.core.run().unwrap().totals().users;
    assert_eq!((users.running, users.waiting), (20, 10));
    let status = world.core.status(world.now);
    assert_eq!((status.gaps[0].users, status.gaps[0].waiting), (10, 10));
    assert_eq!(status.gaps[0].at, Duration::from_secs(3) + STEP);
    world.run_for(Duration::from_millis(2500));
    assert_eq!(world.nodes.iter().map(|node| node.living()).collect::<Vec<_>>(), [15, 15, 0]);
    let status = world.core.status(world.now);
    let placed = [("worker-0".to_owned(), 5), ("worker-1".to_owned(), 5)];
    assert_eq!(status.gaps[0].placed, placed);
    assert_eq!(status.gaps[0].waiting, 0);
    assert!(world.told.contains(&Command::Gone(MemberId::new("worker-2", 1))));
    let lost = status.nodes.iter().find(|node| node.name == "worker-2").unwrap();
    assert_eq!((lost.standing, lost.load), ("lost", 0));
}

#[test]
fn a_majority_lost_together_is_given_the_master_timeout() {
    let mut world = World::new(3, policy(OnNodeLoss::Replace, false), 7);
    world.start(30);
    world.run_for(Duration::from_secs(3));
    for node in 0..3 {
        world.cut(node, false, Cut::Island);
    }
    world.run_for(Duration::from_millis(7500));
    // They believe the master dead, and keep their users.
    assert_eq!(world.nodes.iter().map(|node| node.living()).sum::<usize>(), 30);
    assert_eq!(world.core.run().unwrap().unplaced.len(), 0);
    world.run_for(Duration::from_secs(16));
    assert_eq!(world.nodes.iter().map(|node| node.living()).sum::<usize>(), 0);
    // The master, left alone, would take them over itself; but nothing answers there in this world,
    // and a run whose workers have all broken has failed.
    let run = world.core.run().unwrap();
    assert!(run.parts.values().any(|part| *part.worker.name == *"master"));
    assert_eq!(run.state(), RunState::Failed);
}

#[test]
fn ignored_losses_are_failures() {
    let mut world = World::new(2, policy(OnNodeLoss::Ignore, false), 7);
    world.start(20);
    world.run_for(Duration::from_secs(2));
    world.kill(0);
    world.run_for(Duration::from_secs(6));
    let account = world.core.run().unwrap().totals();
    assert_eq!((account.users.running, account.users.failed), (10, 10));
    assert_eq!(account.endings.failed, 10);
    assert_eq!(world.core.status(world.now).gaps[0].failed, 10);
}

#[test]
fn a_loss_can_end_the_run() {
    let mut world = World::new(2, policy(OnNodeLoss::Stop, false), 7);
    world.start(20);
    world.run_for(Duration::from_secs(2));
    world.kill(0);
    world.run_for(Duration::from_secs(7));
    let run = world.core.run().unwrap();
    assert_eq!(run.state(), RunState::Failed);
    let reason = "node `worker-0` was lost: the connection was closed";
    assert_eq!(run.reason.as_deref(), Some(reason));
    assert_eq!(world.nodes[1].living(), 0);
}

#[test]
fn init_that_fails_anywhere_undoes_the_run_everywhere() {
    let mut world = World::new(3, policy(OnNodeLoss::Replace, false), 7);
    world.nodes[1].fails_init = true;
    let verb = world.start(20);
    world.run_for(Duration::from_secs(3));
    let refusal = world.outcomes[&verb].clone().unwrap_err();
    assert_eq!(refusal.code, Code::InitFailed);
    assert_eq!(refusal.message, "node `worker-1`: `init` failed: no target");
    assert!(world.core.is_idle());
    assert!(world.told.contains(&Command::Resign));
    world.nodes[1].fails_init = false;
    let verb = world.start(20);
    world.run_for(Duration::from_secs(1));
    assert!(world.outcomes[&verb].is_ok());
}

#[test]
fn a_node_that_never_answers_holds_nothing_up_for_ever() {
    let mut world = World::new(2, policy(OnNodeLoss::Replace, false), 7);
    world.nodes[1].silent = true;
    let verb = world.start(20);
    world.run_for(Duration::from_secs(40));
    let refusal = world.outcomes[&verb].clone().unwrap_err();
    assert_eq!(refusal.message, "node `worker-1`: it did not answer");
    assert!(world.core.is_idle());
}

#[test]
fn a_joiner_gets_its_share_of_what_comes_later_or_of_all_if_users_are_moved() {
    for (rebalance, shares) in [(false, [10, 10]), (true, [10, 10])] {
        let mut world = World::new(1, policy(OnNodeLoss::Replace, rebalance), 7);
        world.start(if rebalance { 20 } else { 10 });
        world.run_for(Duration::from_secs(2));
        let mut other = World::new(2, policy(OnNodeLoss::Replace, false), 7);
        world.nodes.push(other.nodes.remove(1));
        world.connect(1);
        world.run_for(Duration::from_secs(3));
        if !rebalance {
            assert_eq!(world.nodes[1].living(), 0);
            let verb = world.verb();
            world.core.add(world.now, verb, 10, &[]);
            world.perform();
            world.run_for(Duration::from_secs(2));
        }
        let living: Vec<_> = world.nodes.iter().map(|node| node.living()).collect();
        assert_eq!(living, shares, "{rebalance}");
        world.everybody_is_somewhere();
    }
}
