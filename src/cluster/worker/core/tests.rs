use proptest::prelude::*;

use super::*;

const TIMEOUT: Duration = Duration::from_secs(30);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn key(assignment: u64) -> Key {
    of("m", assignment)
}

fn of(master: &str, assignment: u64) -> Key {
    Key { master: MemberId::new(master, 1), assignment: Assignment(assignment) }
}

fn core() -> Core {
    Core::new(MemberId::new("w", 1), TIMEOUT)
}

/// Takes part in a run of `m` of four members since time 0.
fn active() -> Core {
    let mut core = core();
    assert_eq!(core.begin(key(1), true, ms(0)).0, Begin::New { clear: false });
    assert_eq!(core.cleared(&key(1)), [Command::Fence(Deadline::Now)]);
    let lease = Command::Fence(Deadline::At(LEASE));
    assert_eq!(core.renewed(&key(1), ms(0), 4, ms(10)), [lease]);
    core
}

const AWAKE: Duration = Duration::from_secs(60);
const BLIND: Seen =
    Seen { linked: false, reached: 1, master_is_seen: false, reborn: false, awake: AWAKE };
const MAJORITY: Seen =
    Seen { linked: false, reached: 3, master_is_seen: false, reborn: false, awake: AWAKE };

/// How long its link to the master is there.
fn since(part: &Part, now: Duration) -> Option<Duration> {
    part.linked.map(|since| now - since)
}

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    /// The master answers a beat that was sent so long ago.
    Renewed(u64, u64),
    Tick(bool, u64, bool),
    Begin(u64),
    Cleared,
    Forget,
    /// Frozen for so long.
    Frozen(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..110_u64).prop_map(Step::Wait),
        3 => (0..6_000_u64, 1..6_u64).prop_map(|(ago, members)| Step::Renewed(ago, members)),
        9 => (prop::bool::weighted(0.2), 1..6_u64, prop::bool::weighted(0.2))
            .prop_map(|(linked, reached, seen)| Step::Tick(linked, reached, seen)),
        1 => (1..6_u64).prop_map(Step::Begin),
        2 => Just(Step::Cleared),
        1 => Just(Step::Forget),
        1 => (0..40_000_u64).prop_map(Step::Frozen),
    ]
}

proptest! {
    /// Users may act only under a lease, or while the master seems dead by the rule of `lease`, and
    /// then no longer than a moment beyond the last look.
    #[test]
    fn nobody_acts_without_leave(steps in prop::collection::vec(step(), 0..200)) {
        let mut core = core();
        let mut now = ms(10_000);
        let (mut fence, mut lease) = (Deadline::Never, None);
        let mut believed = None;
        for step in steps {
            let part = core.key().cloned();
            let current = part.clone().unwrap_or(key(0));
            let commands = match step {
                Step::Wait(millis) | Step::Frozen(millis) => {
                    now += ms(millis);
                    Vec::new()
                }
                Step::Renewed(ago, members) => {
                    let sent = now - ms(ago).min(now);
                    let answers = core.part.as_ref().is_some_and(|part| part.renewed <= sent);
                    if answers && core.following().is_some() {
                        lease = lease.max(Some(sent + LEASE));
                    }
                    core.renewed(&current, sent, members, now)
                }
                Step::Tick(linked, reached, master_is_seen) => {
                    let seen = Seen { linked, reached, master_is_seen, reborn: false, awake: AWAKE };
                    let before = core.stage();
                    let commands = core.tick(now, &seen);
                    let part = core.part.as_ref();
                    let held = part.map(|part| part.hold(now + AHEAD - part.renewed, since(part, now), &seen, TIMEOUT));
                    believed = matches!(held, Some(Hold::Orphaned | Hold::GiveUp)).then_some(now);
                    let looked = matches!(before, Some(Stage::Active | Stage::Orphaned));
                    let fenced = part.map(|part| part.hold(now - part.renewed, since(part, now), &seen, TIMEOUT));
                    if looked && fenced == Some(Hold::Fence) {
                        prop_assert_eq!(core.stage(), Some(Stage::CutOff));
                        let killed = commands.iter().any(|command| matches!(command, Command::Kill { .. }));
                        prop_assert!(killed);
                    }
                    commands
                }
                Step::Begin(assignment) => {
                    let (begin, commands) = core.begin(key(assignment), true, now);
                    if matches!(begin, Begin::New { .. }) {
                        lease = None;
                        believed = None;
                        prop_assert_eq!(&commands, &[Command::Fence(Deadline::Now)]);
                    }
                    commands
                }
                Step::Cleared => core.cleared(&current),
                Step::Forget => core.forget(&current),
            };
            for command in commands {
                if let Command::Fence(deadline) = command {
                    fence = deadline;
                }
            }
            match (core.stage(), fence) {
                (None, fence) => prop_assert_eq!(fence, Deadline::Never),
                (Some(Stage::Clearing | Stage::CutOff), fence) => prop_assert_eq!(fence, Deadline::Now),
                (Some(_), Deadline::Now) => {}
                (Some(_), Deadline::Never) => prop_assert!(false, "there is always an end"),
                (Some(Stage::Stopped), Deadline::At(_)) => prop_assert!(false, "nobody has said so"),
                (Some(Stage::GivingUp), Deadline::At(end)) => {
                    prop_assert!(Some(end) <= lease.map(|lease| lease - LEASE + TIMEOUT + CLEAN_END));
                }
                (Some(Stage::Active | Stage::Orphaned), Deadline::At(end)) => {
                    let under_lease = Some(end) <= lease;
                    let believing = believed.is_some_and(|at| end <= at + MARGIN);
                    prop_assert!(under_lease || believing, "until {:?}, lease {:?}", end, lease);
                }
            }
        }
    }
}

#[test]
fn the_lease_counts_from_the_sending() {
    let mut core = active();
    assert_eq!(core.tick(ms(3_000), &BLIND), [Command::Fence(Deadline::At(LEASE))]);
    let until = |end| vec![Command::Fence(Deadline::At(end))];
    assert_eq!(core.renewed(&key(1), ms(2_500), 4, ms(3_400)), until(ms(6_500)));
    // An answer that was overtaken takes nothing back.
    assert_eq!(core.renewed(&key(1), ms(2_000), 4, ms(3_500)), []);
    // Nor does one of another part, or of the future, count.
    assert_eq!(core.renewed(&key(2), ms(3_000), 4, ms(3_500)), []);
    assert_eq!(core.renewed(&key(1), ms(9_000), 4, ms(3_500)), []);
    let commands = core.tick(ms(6_500), &BLIND);
    assert_eq!(commands[0], Command::Fence(Deadline::Now));
    assert_eq!(commands[1], Command::Kill { reason: "cut off from the master".into() });
    assert_eq!(core.stage(), Some(Stage::CutOff));
    assert_eq!(core.renewed(&key(1), ms(6_000), 4, ms(6_600)), [], "dead is dead");
    assert_eq!(core.tick(ms(7_000), &BLIND), []);
}

#[test]
fn users_outlive_a_dead_master_until_the_timeout() {
    let mut core = active();
    // Said before the lease ends, since users die at its end.
    let longer = Command::Fence(Deadline::At(ms(3_800) + MARGIN));
    assert_eq!(core.tick(ms(3_800), &MAJORITY), [longer]);
    assert_eq!(core.stage(), Some(Stage::Active));
    let told = |commands: &[Command]| {
        commands.iter().filter(|command| matches!(command, Command::Tell { .. })).count()
    };
    assert_eq!(told(&core.tick(ms(4_000), &MAJORITY)), 1);
    assert_eq!(core.stage(), Some(Stage::Orphaned));
    for now in (4_100..30_000).step_by(100) {
        let commands = core.tick(ms(now), &MAJORITY);
        assert_eq!(commands, [Command::Fence(Deadline::At(ms(now) + MARGIN))], "told once");
    }
    let commands = core.tick(ms(30_000), &MAJORITY);
    assert_eq!(commands[0], Command::Fence(Deadline::At(TIMEOUT + CLEAN_END)));
    assert_eq!(commands[1], Command::End { reason: "the master was gone for 30s".into() });
    assert_eq!(told(&commands), 1);
    assert_eq!(core.tick(ms(30_100), &BLIND), []);
}

#[test]
fn a_master_that_comes_back_in_time_is_followed_again() {
    let mut core = active();
    core.tick(ms(4_000), &MAJORITY);
    assert_eq!(core.renewed(&key(1), ms(0), 4, ms(4_100)), [], "too old to help");
    assert_eq!(core.stage(), Some(Stage::Orphaned));
    let commands = core.renewed(&key(1), ms(4_200), 4, ms(4_300));
    assert_eq!(commands[0], Command::Fence(Deadline::At(ms(8_200))));
    assert_eq!(core.stage(), Some(Stage::Active));
}

/// The master answers within a moment of the new link, or not at all.
#[test]
fn an_orphan_that_is_linked_again_waits_for_an_answer() {
    let mut core = active();
    core.tick(ms(4_000), &MAJORITY);
    let linked = Seen { linked: true, master_is_seen: true, ..MAJORITY };
    for now in (4_100..5_600).step_by(100) {
        let commands = core.tick(ms(now), &linked);
        assert_eq!(commands, [Command::Fence(Deadline::At(ms(now) + MARGIN))]);
    }
    assert_eq!(core.stage(), Some(Stage::Orphaned));
    let commands = core.tick(ms(5_600), &linked);
    assert_eq!(commands[0], Command::Fence(Deadline::Now));
    let mut core = active();
    core.tick(ms(4_000), &MAJORITY);
    core.tick(ms(4_100), &linked);
    core.renewed(&key(1), ms(4_150), 4, ms(4_200));
    assert_eq!(core.stage(), Some(Stage::Active));
}

#[test]
fn a_belief_that_fades_before_the_lease_ends_gives_nothing() {
    let mut core = active();
    core.tick(ms(3_800), &MAJORITY);
    assert_eq!(core.tick(ms(3_900), &BLIND), [Command::Fence(Deadline::At(LEASE))]);
    core.tick(ms(4_000), &MAJORITY);
    let commands = core.tick(ms(4_100), &Seen { master_is_seen: true, ..MAJORITY });
    assert_eq!(commands[0], Command::Fence(Deadline::Now));
}

#[test]
fn a_master_needs_no_lease_of_itself() {
    let mut core = core();
    core.begin(of("w", 1), true, ms(0));
    assert_eq!(core.cleared(&of("w", 1)), [Command::Fence(Deadline::Never)]);
    assert_eq!(core.tick(ms(100_000), &BLIND), []);
    assert_eq!(core.leave(), None);
    assert!(core.has_left());
}

#[test]
fn a_master_that_never_answers_is_not_waited_for() {
    let mut core = core();
    core.begin(key(1), true, ms(0));
    core.cleared(&key(1));
    assert_eq!(core.tick(ms(3_900), &MAJORITY), [Command::Fence(Deadline::Now)]);
    assert!(matches!(core.tick(ms(4_000), &MAJORITY)[1], Command::Kill { .. }));
}

#[test]
fn a_part_begins_once_and_never_again() {
    let mut core = active();
    assert_eq!(core.begin(key(1), false, ms(20)).0, Begin::Again);
    assert!(matches!(core.begin(key(0), false, ms(20)).0, Begin::Refused(_)));
    let other = core.begin(of("n", 9), false, ms(20)).0;
    assert!(matches!(other, Begin::Refused(Refusal { code: Code::MasterIsAlreadySet, .. })));
    assert_eq!(core.begin(key(2), false, ms(20)).0, Begin::New { clear: true });
    assert_eq!(core.stage(), Some(Stage::Clearing));
    // The users of before are not kept alive by the master's answers to the new part.
    assert_eq!(core.renewed(&key(2), ms(20), 4, ms(30)), []);
    assert_eq!(core.cleared(&key(2)), [Command::Fence(Deadline::At(ms(20) + LEASE))]);
    assert_eq!(core.forget(&key(1)), []);
    assert_eq!(core.forget(&key(2)), [Command::Fence(Deadline::Never)]);
    assert!(core.is_forgotten(&key(2)));
    assert!(matches!(core.begin(key(2), true, ms(40)).0, Begin::Refused(_)));
    assert_eq!(core.begin(of("n", 1), true, ms(40)).0, Begin::New { clear: false });
}

#[test]
fn a_new_master_takes_over_what_is_orphaned_or_over() {
    let mut core = active();
    assert_eq!(core.begin(of("n", 1), true, ms(20)).0, Begin::New { clear: true });
    let mut core = active();
    core.tick(ms(4_000), &MAJORITY);
    assert_eq!(core.begin(of("n", 1), false, ms(4_050)).0, Begin::New { clear: true });
}

#[test]
fn a_part_that_was_refused_leaves_nothing_behind() {
    let mut core = core();
    core.begin(key(1), true, ms(0));
    core.cleared(&key(1));
    core.refused(&key(1), true);
    assert_eq!(core.begin(key(2), true, ms(10)).0, Begin::New { clear: false });
    // What could not be cleared away is to be cleared away still.
    core.refused(&key(2), false);
    assert_eq!(core.begin(key(3), true, ms(20)).0, Begin::New { clear: true });
}

#[test]
fn a_node_has_left_when_the_master_has_heard_that_it_is_empty() {
    let mut core = active();
    core.beat(ms(400), true);
    assert_eq!(core.leave(), Some(key(1)));
    core.renewed(&key(1), ms(400), 4, ms(450));
    assert!(!core.has_left(), "said before it was told");
    core.beat(ms(500), true);
    core.placed();
    core.renewed(&key(1), ms(500), 4, ms(550));
    assert!(!core.has_left(), "users were on their way");
    core.beat(ms(1_000), false);
    core.beat(ms(1_500), true);
    core.renewed(&key(1), ms(1_000), 4, ms(1_550));
    assert!(!core.has_left(), "users were there still");
    core.renewed(&key(1), ms(1_500), 4, ms(1_560));
    assert!(core.has_left());
    let refused = core.begin(key(2), false, ms(1_600)).0;
    assert!(matches!(refused, Begin::Refused(Refusal { code: Code::Unavailable, .. })));
}

#[test]
fn who_was_frozen_believes_nothing_for_a_while() {
    let mut awake = Awake::default();
    assert_eq!(awake.look(ms(100)), ms(100));
    assert_eq!(awake.look(ms(1_000)), ms(1_000));
    assert_eq!(awake.look(ms(5_000)), ms(0), "it was frozen for four seconds");
    assert_eq!(awake.look(ms(5_100)), ms(100));
    let mut core = active();
    // What it saw before it was frozen would speak for a dead master.
    let thawed = Seen { awake: ms(100), ..MAJORITY };
    let commands = core.tick(ms(5_000), &thawed);
    assert_eq!(core.stage(), Some(Stage::CutOff), "{commands:?}");
}

#[test]
fn an_orphan_whose_fellows_give_up_first_gives_up_too() {
    let mut core = active();
    for now in (100..=7_900).step_by(100) {
        core.tick(ms(now), &MAJORITY);
    }
    assert_eq!(core.stage(), Some(Stage::Orphaned));
    // One of the others was a little faster, and has left.
    core.tick(TIMEOUT - ms(100), &BLIND);
    assert_eq!(core.stage(), Some(Stage::CutOff));
    core.tick(TIMEOUT, &BLIND);
    assert_eq!(core.stage(), Some(Stage::GivingUp));
    // But who was cut off all the time waits for the master to come back.
    let mut core = active();
    core.tick(ms(4_000), &BLIND);
    core.tick(2 * TIMEOUT, &BLIND);
    assert_eq!(core.stage(), Some(Stage::CutOff));
}

/// Users end within the time that they may act anyway, and the node is free for another master.
#[test]
fn what_goes_on_without_its_master_can_be_ended() {
    let mut core = active();
    core.tick(ms(4_000), &MAJORITY);
    let commands = core.abandon(ms(10_000)).unwrap();
    let reason = "stopped while its master was away".to_owned();
    let fence = Command::Fence(Deadline::At(ms(10_000) + CLEAN_END));
    assert_eq!(commands, [fence, Command::End { reason }]);
    assert_eq!(core.tick(ms(10_100), &MAJORITY), []);
    assert_eq!(core.following(), None);
    assert_eq!(core.abandon(ms(10_200)), None);
    assert!(core.is_cut_off(true) && !core.is_cut_off(false));
    assert_eq!(core.begin(of("n", 1), false, ms(10_300)).0, Begin::New { clear: true });
    // Under the lease not a moment longer than it lasts.
    let mut core = active();
    let commands = core.abandon(ms(3_000)).unwrap();
    assert_eq!(commands[0], Command::Fence(Deadline::At(LEASE)));
}

/// Its master is there in another life: there is somebody to take part in a run of.
#[test]
fn a_node_whose_master_was_started_again_stays() {
    let mut core = active();
    let reborn = Seen { reborn: true, ..MAJORITY };
    let told = |commands: &[Command]| {
        commands.iter().filter(|command| matches!(command, Command::Tell { .. })).count()
    };
    assert_eq!(told(&core.tick(ms(3_000), &reborn)), 1);
    assert_eq!(told(&core.tick(ms(3_100), &reborn)), 0, "said once");
    core.tick(ms(4_000), &reborn);
    let commands = core.tick(ms(30_000), &reborn);
    assert!(commands.iter().any(|command| matches!(command, Command::End { .. })));
    assert_eq!(core.stage(), Some(Stage::Stopped));
    assert_eq!(core.tick(ms(60_000), &reborn), []);
}
