use std::collections::HashSet;

use proptest::prelude::*;
use rand::SeedableRng;

use super::*;
use crate::coordinator::{Group, shared::ItemShape};

type Asked = u32;

fn seeded() -> SmallRng {
    SmallRng::seed_from_u64(7)
}

fn shape(groups: &[Group]) -> Shape {
    let items = (1..).zip(groups);
    Shape {
        items: items
            .map(|(number, group)| ItemShape { number, group: *group, keeps: true })
            .collect(),
        timeout: Some(Duration::from_secs(10)),
        data: "u64".into(),
    }
}

#[derive(Debug, Clone)]
enum Step {
    Add(usize),
    /// The n-th batch that is out is done.
    Done(usize),
    /// The n-th worker dies, and comes again at once as another.
    Die(usize),
    /// The n-th worker leaves the coordinator; its users stay.
    Leave(usize),
    Reset,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..3_usize).prop_map(Step::Add),
        4 => (0..5_usize).prop_map(Step::Done),
        1 => (0..3_usize).prop_map(Step::Die),
        1 => (0..3_usize).prop_map(Step::Leave),
        1 => Just(Step::Reset),
        1 => (0..12_u64).prop_map(Step::Wait),
    ]
}

/// A cluster of three workers around a hub with one coordinator.
struct Model {
    hub: Hub<Asked>,
    id: u64,
    workers: [Turn; 3],
    next_turn: Turn,
    next_add: u64,
    asked: Asked,
    now: Duration,
    /// Adds by the worker they were made on.
    adds: BTreeMap<u64, Turn>,
    dead: HashSet<Turn>,
    /// Who is in a batch: decided when it was first sent to a worker.
    batches: BTreeMap<u64, (usize, Event, Vec<u64>)>,
    /// What is out, by number, and with whom.
    out: BTreeMap<u64, Turn>,
    done: HashSet<u64>,
    answered: HashSet<Asked>,
    ended: HashSet<Turn>,
}

impl Model {
    fn new(groups: &[Group]) -> Self {
        let mut hub = Hub::new(seeded);
        let workers = [1, 2, 3];
        let mut commands = Vec::new();
        let mut id = 0;
        for turn in workers {
            id = hub.start(turn, "chat", shape(groups), &mut commands).unwrap();
        }
        assert!(commands.is_empty());
        Self {
            hub,
            id,
            workers,
            next_turn: 4,
            next_add: 1,
            asked: 0,
            now: Duration::ZERO,
            adds: BTreeMap::new(),
            dead: HashSet::new(),
            batches: BTreeMap::new(),
            out: BTreeMap::new(),
            done: HashSet::new(),
            answered: HashSet::new(),
            ended: HashSet::new(),
        }
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        let mut commands = Vec::new();
        match step {
            Step::Add(worker) => {
                let turn = self.workers[worker];
                let number = self.next_add;
                self.next_add += 1;
                self.adds.insert(number, turn);
                let add = (UserId(number), Bytes::default());
                self.hub.add(self.now, turn, self.id, add, &mut commands);
            }
            Step::Done(nth) => {
                if let Some((number, turn)) = self.out.iter().nth(nth).map(|(n, t)| (*n, *t)) {
                    self.out.remove(&number);
                    self.done.insert(number);
                    // One that is not meant changes nothing.
                    self.hub.done(turn + 1_000, self.id, number, &mut commands);
                    assert!(commands.is_empty());
                    self.hub.done(turn, self.id, number, &mut commands);
                }
            }
            Step::Die(worker) => {
                let turn = self.workers[worker];
                self.dead.insert(turn);
                self.out.retain(|_, by| *by != turn);
                self.hub.gone(turn, &mut commands);
                self.workers[worker] = self.next_turn;
                self.next_turn += 1;
                let shape = self.hub.rows[&self.id].shape.clone();
                self.hub.start(self.workers[worker], "chat", shape, &mut commands).unwrap();
            }
            Step::Leave(worker) => {
                let turn = self.workers[worker];
                self.out.retain(|_, by| *by != turn);
                self.hub.left(turn, self.id, &mut commands);
            }
            Step::Reset => {
                self.asked += 1;
                self.hub.reset(self.id, self.asked, &mut commands);
            }
            Step::Wait(seconds) => {
                self.now += Duration::from_secs(seconds);
                self.hub.tick(self.now, &mut commands);
            }
        }
        self.hear(commands)
    }

    fn hear(&mut self, commands: Vec<Command<Asked>>) -> Result<(), TestCaseError> {
        for command in commands {
            match command {
                Command::Run { to, coordinator, number, batch } => {
                    prop_assert_eq!(coordinator, self.id);
                    prop_assert!(!self.dead.contains(&to), "a dead worker is given work");
                    let members = batch.members.iter().map(|member| member.user.0).collect();
                    let told = (batch.item, batch.event, members);
                    match self.batches.get(&number) {
                        Some(before) => prop_assert_eq!(before, &told, "a batch has changed"),
                        None => {
                            if let Some((last, _)) = self.batches.last_key_value() {
                                prop_assert!(*last < number, "a batch overtook another");
                            }
                            self.batches.insert(number, told);
                        }
                    }
                    // A reset or a stop waits for all before, and all after wait for it.
                    for other in self.out.keys() {
                        let (low, high) = (number.min(*other), number.max(*other));
                        for at in low..high {
                            let kind = |number: &u64| {
                                let event = self.batches[number].1;
                                match event {
                                    Event::Reset(_) | Event::Stop(_) => event.name(),
                                    _ => "",
                                }
                            };
                            prop_assert_eq!(kind(&at), kind(&(at + 1)), "{} and {}", low, high);
                        }
                    }
                    prop_assert!(self.out.insert(number, to).is_none(), "it is out already");
                }
                Command::Answer(asked, outcome) => {
                    prop_assert_eq!(outcome, Ok(()));
                    prop_assert!(self.answered.insert(asked), "answered twice");
                }
                Command::End { to, .. } => {
                    prop_assert!(self.ended.insert(to), "ended twice");
                }
                Command::Tell(Happened::Late | Happened::Lost, _) => {
                    return Err(TestCaseError::fail("something was lost"));
                }
                Command::Tell(..) => {}
            }
        }
        Ok(())
    }
}

proptest! {
    /// Whatever dies, in each item every add of a worker that lived is in exactly one batch, and
    /// one of a worker that died in one at most; a batch never changes and is carried out; resets and stops come
    /// between what was before and what came after; all that is asked is answered.
    #[test]
    fn each_add_is_in_one_batch(steps in prop::collection::vec(step(), 0..150)) {
        let groups = [Group::size(2), Group::range(2, 5), Group::All];
        let mut model = Model::new(&groups);
        for step in steps {
            model.step(step)?;
        }
        // At least one takes part at the end.
        model.step(Step::Die(0))?;
        let mut commands = Vec::new();
        model.asked += 1;
        model.hub.stop(model.id, model.asked, &mut commands);
        model.hear(commands)?;
        while !model.out.is_empty() {
            model.step(Step::Done(0))?;
        }
        for number in model.batches.keys() {
            prop_assert!(model.done.contains(number), "batch {} was never carried out", number);
        }
        prop_assert!(model.hub.is_empty());
        prop_assert_eq!(model.hub.backlog(), 0);
        prop_assert_eq!(model.answered.len(), model.asked as usize);
        prop_assert!(model.ended.contains(&model.workers[0]));
        for item in 0..groups.len() {
            let mut seen = HashSet::new();
            for (_, event, members) in model.batches.values().filter(|(n, ..)| *n == item) {
                prop_assert_eq!(event.count(), members.len() as u64);
                for add in members {
                    prop_assert!(seen.insert(*add), "{} is in two batches of item {}", add, item);
                }
            }
            for (add, turn) in &model.adds {
                let lived = !model.dead.contains(turn);
                prop_assert!(!lived || seen.contains(add), "{} is in no batch of item {}", add, item);
            }
        }
    }
}

fn runs(commands: &[Command<Asked>]) -> Vec<(Turn, Event, usize)> {
    let run = |command: &Command<Asked>| match command {
        Command::Run { to, batch, .. } => Some((*to, batch.event, batch.members.len())),
        _ => None,
    };
    commands.iter().filter_map(run).collect()
}

#[test]
fn the_worker_of_the_newest_member_runs_the_actions() {
    let mut hub = Hub::<Asked>::new(seeded);
    let mut commands = Vec::new();
    let two = shape(&[Group::size(2)]);
    for turn in [1, 2] {
        hub.start(turn, "chat", two.clone(), &mut commands).unwrap();
    }
    for (turn, user) in [(1, 1), (2, 2), (2, 3), (1, 4)] {
        hub.add(Duration::ZERO, turn, 1, (UserId(user), Bytes::default()), &mut commands);
    }
    let full = Event::Coordinate(2);
    assert_eq!(runs(&commands), [(2, full, 2), (1, full, 2)]);
    commands.clear();
    hub.gone(2, &mut commands);
    assert_eq!(runs(&commands), [(1, full, 2)], "what was not done is done again");
}

#[test]
fn another_plan_is_refused() {
    let mut hub = Hub::<Asked>::new(seeded);
    let mut commands = Vec::new();
    let two = shape(&[Group::size(2)]);
    assert_eq!(hub.start(1, "chat", two.clone(), &mut commands), Ok(1));
    assert_eq!(hub.start(2, "chat", two.clone(), &mut commands), Ok(1));
    assert_eq!(hub.start(2, "other", two.clone(), &mut commands), Ok(2));
    let three = hub.start(2, "chat", shape(&[Group::size(3)]), &mut commands).unwrap_err();
    assert_eq!(three.code, Code::InvalidPlan);
    let mut words = two;
    words.data = "String".into();
    assert_eq!(hub.start(3, "chat", words, &mut commands).unwrap_err().code, Code::InvalidPlan);
}

#[test]
fn what_nobody_can_run_is_told() {
    let mut hub = Hub::<Asked>::new(seeded);
    let mut commands = Vec::new();
    hub.start(1, "chat", shape(&[Group::size(2)]), &mut commands).unwrap();
    for user in [1, 2, 3] {
        hub.add(Duration::ZERO, 1, 1, (UserId(user), Bytes::default()), &mut commands);
    }
    hub.gone(1, &mut commands);
    commands.clear();
    hub.stop(1, 5, &mut commands);
    let lost = Command::Tell(Happened::Lost, "chat".into());
    assert_eq!(commands.iter().filter(|command| **command == lost).count(), 2);
    assert_eq!(commands.last(), Some(&Command::Answer(5, Ok(()))));
    assert!(hub.is_empty());
    commands.clear();
    hub.stop(1, 6, &mut commands);
    assert!(matches!(&commands[..], [Command::Answer(6, Err(refusal))]
        if refusal.to_string() == "coordinator `chat` has been stopped [no-coordinator]"));
    commands.clear();
    hub.add(Duration::ZERO, 1, 1, (UserId(4), Bytes::default()), &mut commands);
    assert_eq!(commands, [Command::Tell(Happened::Late, "chat".into())]);
}

#[test]
fn workers_are_given_only_so_much_at_once() {
    let mut hub = Hub::<Asked>::new(seeded);
    let mut commands = Vec::new();
    hub.start(1, "chat", shape(&[Group::size(1)]), &mut commands).unwrap();
    let data = Bytes(vec![0; 1_000_000].into());
    for user in 0..10 {
        hub.add(Duration::ZERO, 1, 1, (UserId(user), data.clone()), &mut commands);
    }
    assert_eq!(runs(&commands).len(), 4);
    assert!(hub.backlog() > 10_000_000);
    assert_eq!(hub.list()[0].queued, 10);
    for number in 1..=10 {
        hub.done(1, 1, number, &mut commands);
    }
    assert_eq!(runs(&commands).len(), 10);
    assert_eq!(hub.backlog(), 0);
}
