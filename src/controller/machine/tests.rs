use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Do,
    InitDone(bool),
    Add(u64),
    Admit(u64),
    Remove(u64, bool),
    Stop,
    /// The n-th of the running users ends.
    End(usize),
    Broke(u64),
    Terminated,
    Reset,
    Cleared,
    /// Ids that the master places: from there, so many.
    Place(u64, u64),
    Release(u64),
    Retire(u64),
    /// Everybody who was told to stop does.
    Obey,
    /// The n-th of the timers that are set rings.
    Ring(usize),
    EndRun(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Do),
        2 => prop::bool::weighted(0.9).prop_map(Step::InitDone),
        4 => (0..30u64).prop_map(Step::Add),
        6 => (0..30u64).prop_map(Step::Admit),
        3 => (0..30u64, any::<bool>()).prop_map(|(n, force)| Step::Remove(n, force)),
        1 => Just(Step::Stop),
        12 => (0..30usize).prop_map(Step::End),
        1 => (0..2u64).prop_map(Step::Broke),
        2 => Just(Step::Terminated),
        1 => Just(Step::Reset),
        2 => Just(Step::Cleared),
        2 => (1..60u64, 0..30u64).prop_map(|(first, size)| Step::Place(first, size)),
        2 => (0..30u64).prop_map(Step::Release),
        2 => (0..30u64).prop_map(Step::Retire),
        3 => (0..30usize).prop_map(Step::Ring),
        1 => Just(Step::Obey),
        1 => any::<bool>().prop_map(Step::EndRun),
    ]
}

/// Steps, and now and then all it takes for users to be given back and come again.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let there_and_back = (1..30u64, 1..60u64).prop_map(|(count, first)| {
        vec![Step::Release(count), Step::Obey, Step::Place(first, 30), Step::Admit(30)]
    });
    let some = prop_oneof![9 => step().prop_map(|step| vec![step]), 1 => there_and_back];
    prop::collection::vec(some, 0..150).prop_map(|steps| steps.concat())
}

/// What an outside observer of the commands has seen of the current run.
#[derive(Default)]
struct Seen {
    started: BTreeSet<UserId>,
    stopped: BTreeSet<UserId>,
    /// How many lives users have had here.
    lives: BTreeMap<UserId, u32>,
    /// Timers that are set, and for whose lives.
    timers: Vec<(Timer, Meant, BTreeMap<UserId, u32>)>,
    terminated: u32,
    /// What was left of the run before is being ended.
    clearing: bool,
}

/// What a timer is set for.
#[derive(Clone, Copy, PartialEq)]
enum Meant {
    Stop,
    Kill,
}

impl Seen {
    fn note(&mut self, commands: &[Command], machine: &Machine) -> Result<(), TestCaseError> {
        for command in commands {
            match command {
                Command::Init => {
                    prop_assert!(!self.clearing, "nothing begins before a reset is done");
                    *self = Self::default();
                }
                Command::Start(ids) => {
                    prop_assert_eq!(self.terminated, 0, "nobody starts after `terminate`");
                    for id in ids.iter() {
                        prop_assert!(self.started.insert(id), "user {} started twice", id);
                        *self.lives.entry(id).or_default() += 1;
                    }
                }
                Command::Stop(ids) => {
                    for id in ids.iter() {
                        prop_assert!(self.started.contains(&id), "user {} never started", id);
                        prop_assert!(self.stopped.insert(id), "user {} told twice", id);
                    }
                }
                Command::KillAfterGrace(timer) => {
                    let told = self.set(*timer, Meant::Kill, machine);
                    prop_assert!(told.iter().all(|id| self.stopped.contains(id)));
                }
                Command::Kill(ids) => {
                    prop_assert!(ids.iter().all(|id| self.started.contains(&id)));
                    self.stopped.extend(ids.iter());
                }
                Command::Retire(ids, timer) => {
                    let told = self.set(*timer, Meant::Stop, machine);
                    prop_assert!(told.iter().all(|id| self.started.contains(id)));
                    prop_assert_eq!(told, ids.iter().collect::<Vec<_>>());
                }
                Command::Terminate => self.terminated += 1,
                Command::AbortInit | Command::Demand(_) => {}
                Command::Clear => {
                    prop_assert!(!self.clearing, "one reset at a time");
                    self.clearing = true;
                }
                Command::Forget => {
                    prop_assert!(self.clearing, "nothing is forgotten before it has ended");
                    self.clearing = false;
                }
            }
        }
        Ok(())
    }

    fn set(&mut self, timer: Timer, meant: Meant, machine: &Machine) -> Vec<UserId> {
        let users: Vec<_> = machine.timers.users[&timer].iter().collect();
        let lives = users.iter().map(|id| (*id, self.lives[id])).collect();
        self.timers.push((timer, meant, lives));
        users
    }

    /// Those of these lives that go on.
    fn live(&self, lives: &BTreeMap<UserId, u32>, machine: &Machine) -> BTreeSet<UserId> {
        let running = machine.population().running_ids();
        running.filter(|id| lives.get(id) == self.lives.get(id)).collect()
    }
}

/// Whom it is about, of these commands.
fn hit(commands: &[Command], which: impl Fn(&Command) -> Option<&IdSet>) -> BTreeSet<UserId> {
    commands.iter().filter_map(which).flat_map(IdSet::iter).collect()
}

proptest! {
    #[test]
    fn a_run_keeps_its_promises(steps in steps()) {
        let mut machine = Machine::default();
        let mut seen = Seen::default();
        let mut over = IdSet::default();
        for step in steps {
            let mut may_kill = matches!(step, Step::EndRun(true));
            let (state, counts) = (machine.state(), machine.population().counts());
            let mut refused = false;
            let mut take = |result: Result<Vec<Command>, Refusal>| {
                refused = result.is_err();
                result.unwrap_or_default()
            };
            let commands = match step {
                Step::Do => {
                    let started = machine.start();
                    if started.is_ok() {
                        machine.keep_gone();
                        over = IdSet::default();
                    }
                    take(started)
                }
                Step::InitDone(true) => { machine.initialised(); Vec::new() }
                Step::InitDone(false) => { machine.init_failed("no".into()); Vec::new() }
                Step::Add(n) => take(machine.add(n).map(|(_, _, commands)| commands)),
                Step::Admit(n) => machine.admit(n),
                Step::Remove(n, force) => take(machine.remove(n, force).map(|(_, commands)| commands)),
                Step::Stop => take(machine.stop()),
                Step::End(n) => {
                    let id = machine.population().running_ids().nth(n);
                    if let Some(id) = id {
                        let count = if n % 2 == 0 { Count::Finished } else { Count::Removed };
                        machine.ended(id, count);
                    }
                    machine.terminate_when_empty()
                }
                Step::Obey => {
                    for id in machine.population().leaving().clone().iter() {
                        machine.ended(id, Count::Removed);
                    }
                    machine.terminate_when_empty()
                }
                Step::Broke(share) => machine.broke("broke".into(), |id| id.0 % 2 == share),
                Step::Terminated => { machine.terminated(); Vec::new() }
                Step::Reset => take(machine.reset()),
                Step::Cleared => machine.cleared(),
                Step::Place(first, size) => {
                    // Users that were given back may come again; those that ended never do.
                    let gone = machine.take_gone();
                    over = over.without(&gone.ended);
                    gone.ended.ranges().for_each(|range| over.insert(range));
                    for id in gone.released.iter() {
                        seen.started.remove(&id);
                        seen.stopped.remove(&id);
                    }
                    let users = IdSet::from(vec![(first, first + size)]).without(&over);
                    take(machine.place(&users).map(|(_, commands)| commands))
                }
                Step::Release(count) => machine.release(count),
                Step::Retire(count) => machine.retire(count).1,
                Step::Ring(_) if seen.timers.is_empty() => Vec::new(),
                Step::Ring(n) => {
                    let (timer, meant, lives) = seen.timers.swap_remove(n % seen.timers.len());
                    let live = seen.live(&lives, &machine);
                    if meant == Meant::Kill {
                        may_kill = true;
                        let commands = machine.grace_is_over(timer);
                        let killed = hit(&commands, |command| match command {
                            Command::Kill(ids) => Some(ids),
                            _ => None,
                        });
                        prop_assert_eq!(killed, live, "who was told is killed, in that life");
                        commands
                    } else {
                        let commands = machine.overdue(timer);
                        let stopped = hit(&commands, |command| match command {
                            Command::Stop(ids) => Some(ids),
                            _ => None,
                        });
                        let not_yet: BTreeSet<_> = live.difference(&seen.stopped).copied().collect();
                        prop_assert_eq!(stopped, not_yet, "who was retired is stopped, in that life");
                        commands
                    }
                }
                Step::EndRun(at_once) => machine.end("the end".into(), at_once),
            };
            let kills = commands.iter().any(|command| matches!(command, Command::Kill(_)));
            prop_assert!(may_kill || !kills, "nobody is killed at once but by a cut-off");
            if refused {
                prop_assert!(commands.is_empty());
                prop_assert_eq!(machine.state(), state, "a refused verb changes nothing");
                prop_assert_eq!(machine.population().counts(), counts);
            }
            seen.note(&commands, &machine)?;
            let counts = machine.population().counts();
            let sum = counts.waiting + counts.running + counts.finished + counts.failed + counts.removed;
            prop_assert_eq!(counts.asked, sum, "{:?}", counts);
            // `terminate` runs exactly once for every run that began, after the last user.
            prop_assert!(seen.terminated <= 1);
            match machine.state() {
                RunState::Finished => prop_assert_eq!(seen.terminated, 1),
                RunState::Running | RunState::Starting => prop_assert_eq!(seen.terminated, 0),
                RunState::Terminating => {
                    prop_assert_eq!(counts.waiting, 0, "nobody waits on after a stop");
                    prop_assert_eq!(seen.terminated == 1, counts.running == 0);
                }
                _ => {}
            }
            if seen.terminated == 1 {
                prop_assert_eq!(counts.running, 0);
            }
        }
    }
}

fn running(users: u64) -> Machine {
    let mut machine = Machine::default();
    machine.start().unwrap();
    machine.initialised();
    if users > 0 {
        machine.add(users).unwrap();
        machine.admit(users);
    }
    machine
}

fn code<T: std::fmt::Debug>(result: Result<T, Refusal>) -> Code {
    result.unwrap_err().code
}

#[test]
fn verbs_in_the_wrong_state_are_refused() {
    let mut idle = Machine::default();
    assert_eq!(code(idle.add(1)), Code::InvalidStatus);
    assert_eq!(code(idle.add_range(1, 2)), Code::InvalidStatus);
    assert_eq!(code(idle.remove(1, false)), Code::InvalidStatus);
    assert_eq!(code(idle.stop()), Code::InvalidStatus);
    let mut machine = running(1);
    assert_eq!(code(machine.start()), Code::InvalidStatus);
    assert_eq!(code(machine.reset()), Code::InvalidStatus);
    assert_eq!(code(machine.disable()), Code::InvalidStatus);
    let mut disabled = Machine::default();
    disabled.disable().unwrap();
    assert_eq!(disabled.state(), RunState::Disabled);
    assert_eq!(code(disabled.start()), Code::InvalidStatus);
}

#[test]
fn a_run_without_users_goes_on_until_it_is_stopped() {
    let mut machine = running(3);
    for id in 1..=3 {
        machine.ended(UserId(id), Count::Finished);
        assert_eq!(machine.terminate_when_empty(), []);
    }
    assert_eq!(machine.state(), RunState::Running);
    assert!(machine.add(1).is_ok());
}

#[test]
fn stop_with_nobody_up_terminates_at_once() {
    let mut machine = running(0);
    assert_eq!(machine.stop().unwrap(), [Command::Demand(0), Command::Terminate]);
    assert_eq!(code(machine.stop()), Code::InvalidStatus);
    machine.terminated();
    assert_eq!(machine.state(), RunState::Finished);
    assert!(machine.reset().is_ok());
    machine.cleared();
    assert!(machine.start().is_ok(), "a new run can begin on the same node");
}

/// What a `reset` ends must not be that of the next run.
#[test]
fn nothing_begins_before_a_reset_is_done() {
    let mut machine = running(0);
    assert_eq!(machine.cleared(), [], "there is nothing to be forgotten");
    machine.stop().unwrap();
    machine.terminated();
    assert_eq!(machine.reset().unwrap(), [Command::Clear]);
    assert_eq!(machine.state(), RunState::Finished, "not idle before it is done");
    assert_eq!(code(machine.start()), Code::InvalidStatus);
    assert_eq!(machine.reset().unwrap(), [], "the same once more");
    assert_eq!(machine.cleared(), [Command::Forget]);
    assert_eq!(machine.state(), RunState::Idle);
    // Also of an idle node, whose throttles are ended.
    assert_eq!(machine.reset().unwrap(), [Command::Clear]);
    assert_eq!(machine.state(), RunState::Idle);
    let refusal = machine.start().unwrap_err();
    assert_eq!(refusal.code, Code::InvalidStatus);
    assert_eq!(refusal.message, "`do` needs the run to be idle, and it is being reset");
    assert_eq!(code(machine.disable()), Code::InvalidStatus);
    assert_eq!(machine.cleared(), [Command::Forget]);
    assert!(machine.start().is_ok());
}

/// How many are killed when the time is up that this command begins.
fn killed_by(machine: &mut Machine, command: &Command) -> u64 {
    let Command::KillAfterGrace(timer) = command else { panic!("{command:?}") };
    match &machine.grace_is_over(*timer)[..] {
        [Command::Kill(ids)] => ids.len(),
        others => panic!("{others:?}"),
    }
}

/// Two nodes that join at once: a user is moved away, and back.
#[test]
fn who_comes_back_within_the_grace_is_not_killed_for_its_earlier_life() {
    let mut machine = running(3);
    let commands = machine.release(2);
    let [Command::Stop(_), Command::KillAfterGrace(first)] = commands[..] else {
        panic!("{commands:?}")
    };
    // The other one does not act on it.
    assert_eq!(machine.ended(UserId(3), Count::Removed), Departure::Released);
    let third = IdSet::from(vec![(3, 3)]);
    machine.place(&third).unwrap();
    machine.admit(1);
    // Away once more: it has all of its time again.
    let commands = machine.release(1);
    let [Command::Stop(_), Command::KillAfterGrace(second)] = commands[..] else {
        panic!("{commands:?}")
    };
    assert_eq!(machine.grace_is_over(first), [Command::Kill(IdSet::from(vec![(2, 2)]))]);
    assert_eq!(machine.grace_is_over(second), [Command::Kill(third)]);
}

/// W1 and W2: waiting users are cancelled by `stop`, and the count stays right.
#[test]
fn stop_cancels_those_who_wait() {
    let mut machine = running(8);
    machine.add(32).unwrap();
    let commands = machine.stop().unwrap();
    assert_eq!(commands[0], Command::Demand(0));
    assert!(matches!(&commands[1], Command::Stop(ids) if ids.len() == 8));
    assert_eq!(killed_by(&mut machine, &commands[2]), 8);
    assert!(machine.admit(32).is_empty());
    let counts = machine.population().counts();
    assert_eq!((counts.running, counts.waiting, counts.removed), (8, 0, 32));
}

/// W21: a second `remove` chooses others, and never counts anybody twice.
#[test]
fn removed_users_are_not_chosen_again() {
    let mut machine = running(10);
    assert_eq!(machine.remove(6, false).unwrap().0, 6);
    assert_eq!(machine.remove(6, true).unwrap().0, 4);
    assert_eq!(machine.remove(6, true).unwrap().0, 0);
}

/// Those told softly before are killed with the rest when the run is stopped.
#[test]
fn stop_kills_those_who_ignored_a_soft_removal() {
    let mut machine = running(2);
    machine.remove(2, false).unwrap();
    let commands = machine.stop().unwrap();
    assert_eq!(killed_by(&mut machine, &commands[1]), 2);
}

#[test]
fn a_broken_supervisor_fails_the_run_and_the_rest_leaves_in_order() {
    let mut machine = running(10);
    let commands = machine.broke("supervisor 0 broke".into(), |id| id.0 % 2 == 0);
    assert!(commands.iter().any(|command| matches!(command, Command::Stop(ids) if ids.len() == 5)));
    for id in [1, 3, 5, 7, 9] {
        machine.ended(UserId(id), Count::Removed);
    }
    assert_eq!(machine.terminate_when_empty(), [Command::Terminate]);
    machine.terminated();
    assert_eq!(machine.state(), RunState::Failed);
    assert_eq!(machine.reason(), Some("supervisor 0 broke"));
    assert!(machine.reset().is_ok());
}

#[test]
fn a_run_that_is_cut_off_kills_everybody_and_fails() {
    let mut machine = running(4);
    machine.add(3).unwrap();
    machine.remove(4, false).unwrap();
    machine.add(2).unwrap();
    let commands = machine.end("cut off".into(), true);
    assert_eq!(commands[0], Command::Demand(0));
    assert!(matches!(&commands[1..], [Command::Kill(ids)] if ids.len() == 4));
    for id in 1..=4 {
        machine.ended(UserId(id), Count::Removed);
    }
    assert_eq!(machine.terminate_when_empty(), [Command::Terminate]);
    machine.terminated();
    assert_eq!((machine.state(), machine.reason()), (RunState::Failed, Some("cut off")));
    assert_eq!(machine.end("again".into(), true), []);
    assert_eq!(machine.reason(), Some("cut off"));
}

/// A clean end that takes too long can still be cut short.
#[test]
fn a_run_that_ends_cleanly_can_be_cut_off_still() {
    let mut machine = running(2);
    let commands = machine.end("the master is gone".into(), false);
    assert!(matches!(&commands[1..], [Command::Stop(_), Command::KillAfterGrace(_)]));
    assert_eq!(machine.end("again".into(), false), []);
    let commands = machine.end("cut off".into(), true);
    assert!(matches!(&commands[1..], [Command::Kill(ids)] if ids.len() == 2));
    assert_eq!(machine.reason(), Some("the master is gone"));
}

#[test]
fn an_init_is_given_up_when_the_run_is_cut_off() {
    let mut machine = Machine::default();
    machine.start().unwrap();
    assert_eq!(machine.end("cut off".into(), true), [Command::AbortInit]);
    assert_eq!((machine.state(), machine.reason()), (RunState::Failed, Some("cut off")));
}
