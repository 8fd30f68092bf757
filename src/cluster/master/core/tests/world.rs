//! Workers in simulated time, with leases, on links that are slow and break.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    super::*,
    planned::{Planned, Profiled},
};
use crate::{
    cluster::{
        lease::{BEAT, Hold, SILENCE, Sight, hold},
        protocol::run::Beat,
        run::Part,
    },
    controller::{endings::EndingCounts, machine::RunState, population::UserCounts},
    user::UserId,
};

pub(super) const STEP: Duration = Duration::from_millis(50);
pub(super) const MASTER_TIMEOUT: Duration = Duration::from_secs(8);

/// One node that may be a worker.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: MemberId,
    process: bool,
    link: Link,
    /// Whether it reaches the others that are cut off, but nobody that sees the master.
    island: bool,
    assignment: Option<Assignment>,
    state: RunState,
    living: BTreeSet<u64>,
    users: UserCounts,
    endings: EndingCounts,
    ended: IdSet,
    released: IdSet,
    renewed: Duration,
    members: u64,
    next_beat: Duration,
    /// What the master has sent, and when it arrives.
    inbox: VecDeque<(Duration, Option<u64>, ToWorker)>,
    /// What it has sent.
    outbox: VecDeque<(Duration, Sent)>,
    pub(super) fails_init: bool,
    /// Reads nothing.
    pub(super) silent: bool,
    profiled: Option<Profiled>,
    planned: Option<Planned>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Link {
    Up,
    /// Cut; nobody knows until then.
    Cut(Duration),
    Down,
}

#[derive(Debug)]
enum Sent {
    Answer(u64, WorkerAnswer),
    Beat(Beat),
    Leaving(Assignment),
}

pub(super) struct World {
    pub(super) core: Core,
    pub(super) now: Duration,
    pub(super) nodes: Vec<Node>,
    pub(super) outcomes: BTreeMap<u64, Result<Outcome, Refusal>>,
    pub(super) told: Vec<Command>,
    calls: BTreeMap<u64, (MemberId, Duration)>,
    random: u64,
    incarnations: u64,
    next_verb: u64,
    profiled: Option<Profiled>,
    /// Arrivals that were begun, by stage and when they were due.
    pub(super) begun: BTreeSet<(usize, Duration)>,
}

impl World {
    pub(super) fn new(count: usize, policy: Policy, seed: u64) -> Self {
        let mut world = Self {
            core: Core::new(policy, 0),
            now: Duration::ZERO,
            nodes: Vec::new(),
            outcomes: BTreeMap::new(),
            told: Vec::new(),
            calls: BTreeMap::new(),
            random: seed | 1,
            incarnations: 1,
            next_verb: 0,
            profiled: None,
            begun: BTreeSet::new(),
        };
        for index in 0..count {
            let id = MemberId::new(format!("worker-{index}"), 1);
            world.nodes.push(Node::new(id));
            world.connect(index);
        }
        world
    }

    /// A number below `most`.
    pub(super) fn random(&mut self, most: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % most
    }

    pub(super) fn verb(&mut self) -> u64 {
        self.next_verb += 1;
        self.next_verb
    }

    /// Starts a run that follows a profile.
    pub(super) fn follow(&mut self, profiled: Profiled) {
        for node in &mut self.nodes {
            node.profiled = Some(profiled.clone());
        }
        self.profiled = Some(profiled);
        self.start(0);
    }

    /// How many users each node keeps running.
    pub(super) fn kept(&self) -> Vec<u64> {
        let kept =
            |node: &Node| node.planned.as_ref().map_or(0, |planned| planned.kept.len() as u64);
        self.nodes.iter().map(kept).collect()
    }

    fn advance(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        if !node.process || node.assignment.is_none() || node.state != RunState::Running {
            return;
        }
        let Some(planned) = &mut node.planned else { return };
        for arrival in planned.advance(self.now) {
            // With a Poisson process two may be due in the same nanosecond, but hardly in a test.
            let new = self.begun.insert((arrival.stage, arrival.due));
            assert!(new, "{arrival:?} is begun twice");
        }
    }

    pub(super) fn start(&mut self, users: u64) -> u64 {
        let verb = self.verb();
        let plan = Plan {
            id: "run".into(),
            scenario: "idle".into(),
            users,
            settings: Vec::new(),
            load: self.profiled.as_ref().map(Profiled::load),
        };
        self.core.start(self.now, verb, plan);
        self.perform();
        verb
    }

    pub(super) fn connect(&mut self, index: usize) {
        let id = self.nodes[index].id.clone();
        self.nodes[index].link = Link::Up;
        self.nodes[index].profiled = self.profiled.clone();
        self.core.up(self.now, &id);
        self.core.free(self.now, &id, true);
        self.perform();
    }

    /// Breaks the link; `silent`: nobody notices for a while.
    pub(super) fn cut(&mut self, index: usize, silent: bool, island: bool) {
        let node = &mut self.nodes[index];
        if node.link != Link::Up {
            return;
        }
        node.island = island;
        node.inbox.clear();
        node.outbox.clear();
        node.link = Link::Cut(self.now + if silent { SILENCE } else { Duration::ZERO });
    }

    pub(super) fn kill(&mut self, index: usize) {
        self.cut(index, false, false);
        let id = self.nodes[index].id.clone();
        let link = self.nodes[index].link;
        self.nodes[index] = Node { process: false, link, ..Node::new(id) };
    }

    /// Has a node that is away come back, as a new process if it was killed.
    pub(super) fn come_back(&mut self, index: usize) {
        if self.nodes[index].link != Link::Down {
            return;
        }
        if !self.nodes[index].process {
            self.incarnations += 1;
            let id = MemberId::new(self.nodes[index].id.name.clone(), self.incarnations);
            self.nodes[index] = Node::new(id);
        }
        self.connect(index);
    }

    pub(super) fn leave(&mut self, index: usize) {
        let at = self.now + STEP;
        let node = &mut self.nodes[index];
        if let (Some(assignment), Link::Up) = (node.assignment, node.link) {
            node.outbox.push_back((at, Sent::Leaving(assignment)));
        }
    }

    /// Some user of that node ends by itself.
    pub(super) fn end_one(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        if let Some(id) = node.living.pop_first() {
            node.end(id, |users, endings| {
                users.finished += 1;
                endings.finished += 1;
            });
        }
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.step();
        }
    }

    pub(super) fn step(&mut self) {
        self.now += STEP;
        for index in 0..self.nodes.len() {
            self.links(index);
            self.deliver(index);
            self.advance(index);
            self.beat(index);
            self.hold(index);
        }
        let late: Vec<_> = self
            .calls
            .iter()
            .filter(|(_, (_, until))| self.now >= *until)
            .map(|(call, _)| *call)
            .collect();
        for call in late {
            self.answered(call, Err("it did not answer".into()));
        }
        self.core.tick(self.now);
        self.perform();
    }

    fn links(&mut self, index: usize) {
        if let Link::Cut(noticed) = self.nodes[index].link
            && self.now >= noticed
        {
            self.nodes[index].link = Link::Down;
            let id = self.nodes[index].id.clone();
            let gone: Vec<_> =
                self.calls.iter().filter(|(_, (to, _))| *to == id).map(|(call, _)| *call).collect();
            self.core.down(self.now, &id, "the connection was closed");
            self.perform();
            for call in gone {
                self.answered(call, Err("it went away".into()));
            }
        }
    }

    fn answered(&mut self, call: u64, answer: Answered) {
        if self.calls.remove(&call).is_some() {
            self.core.answered(self.now, call, answer);
            self.perform();
        }
    }

    fn deliver(&mut self, index: usize) {
        if self.nodes[index].link != Link::Up {
            return;
        }
        let now = self.now;
        while let Some((at, ..)) = self.nodes[index].inbox.front()
            && *at <= now
            && !self.nodes[index].silent
        {
            let node = &mut self.nodes[index];
            let Some((_, call, message)) = node.inbox.pop_front() else { break };
            node.hear(now, call, message);
        }
        while let Some((at, _)) = self.nodes[index].outbox.front()
            && *at <= now
        {
            let from = self.nodes[index].id.clone();
            match self.nodes[index].outbox.pop_front() {
                Some((_, Sent::Answer(call, answer))) => self.answered(call, Ok(answer)),
                Some((_, Sent::Beat(beat))) => self.core.beat(now, &from, beat),
                Some((_, Sent::Leaving(assignment))) => self.core.leaving(now, &from, assignment),
                None => {}
            }
            self.perform();
        }
    }

    fn beat(&mut self, index: usize) {
        let delay = STEP * u32::try_from(self.random(5)).unwrap();
        let now = self.now;
        let node = &mut self.nodes[index];
        let Some(assignment) = node.assignment else { return };
        if !node.process || node.silent || now < node.next_beat {
            return;
        }
        node.next_beat = now + BEAT;
        if let Some(planned) = &node.planned {
            node.users = planned.users;
        }
        let planned = node.planned.as_ref().map_or(0, Planned::running);
        let living = node.living.len() as u64 + planned;
        node.users.running = living;
        node.users.waiting = 0;
        if node.state == RunState::Terminating && living == 0 {
            node.state = RunState::Finished;
        }
        if node.link == Link::Up {
            let beat = Beat {
                assignment,
                sent: now.as_nanos() as u64,
                state: node.state,
                reason: None,
                users: node.users,
                endings: node.endings,
                ended: std::mem::take(&mut node.ended),
                released: std::mem::take(&mut node.released),
                plan: node.planned.as_mut().map(Planned::beat).unwrap_or_default(),
            };
            let at = node.after(delay + now);
            node.outbox.push_back((at, Sent::Beat(beat)));
        }
    }

    fn hold(&mut self, index: usize) {
        let sees = |node: &Node| matches!(node.link, Link::Up | Link::Cut(_));
        let cut_off = |node: &Node| node.process && node.island && node.link != Link::Up;
        let island: Vec<_> = self.nodes.iter().filter(|node| cut_off(node)).collect();
        let node = &self.nodes[index];
        let (reached, seen) = match cut_off(node) {
            true => (island.len() as u64, island.iter().any(|node| sees(node))),
            false => (1, sees(node)),
        };
        let sight = Sight {
            since_renewed: self.now - node.renewed.min(self.now),
            members: node.members,
            reached,
            master_is_seen: seen,
            master_refuses: false,
            awake: Duration::from_secs(60),
            master_timeout: MASTER_TIMEOUT,
        };
        let node = &mut self.nodes[index];
        if node.assignment.is_some() && matches!(hold(&sight), Hold::Fence | Hold::GiveUp) {
            node.living.clear();
            node.planned = None;
            node.assignment = None;
        }
    }

    pub(super) fn perform(&mut self) {
        for command in self.core.commands() {
            match command {
                Command::Call { call, to, message, within } => {
                    self.calls.insert(call, (to.clone(), self.now + within));
                    self.send(&to, Some(call), message);
                }
                Command::Cast { to, message } => self.send(&to, None, message),
                Command::Answer { verb, outcome } => {
                    let twice = self.outcomes.insert(verb, outcome);
                    assert_eq!(twice, None, "verb {verb} is answered twice");
                }
                Command::End => {
                    self.core.ended(self.now);
                    self.told.push(Command::End);
                }
                other => self.told.push(other),
            }
        }
        if !self.core.commands.is_empty() {
            self.perform();
        }
    }

    fn send(&mut self, to: &MemberId, call: Option<u64>, message: ToWorker) {
        let delay = STEP * u32::try_from(self.random(5)).unwrap();
        let now = self.now;
        let Some(node) = self.nodes.iter_mut().find(|node| node.id == *to) else { return };
        if node.link == Link::Up {
            let last = node.inbox.back().map_or(Duration::ZERO, |(at, ..)| *at);
            node.inbox.push_back(((now + delay).max(last), call, message));
        }
    }

    /// An id lives on one node at most.
    pub(super) fn no_id_lives_twice(&self) {
        let mut living = BTreeMap::new();
        for node in &self.nodes {
            for id in &node.living {
                let other = living.insert(*id, &node.id.name);
                assert_eq!(other, None, "{id} lives on {} too at {:?}", node.id.name, self.now);
            }
        }
    }

    pub(super) fn accounts_add_up(&self) {
        let Some(run) = self.core.run() else { return };
        let users = run.totals().users;
        let sum = users.waiting + users.running + users.finished + users.failed + users.removed;
        assert_eq!(users.asked, sum, "{users:?}");
        assert_eq!(users.asked, run.highest);
        let endings = run.totals().endings;
        let ended = endings.finished + endings.stopped + endings.failed + endings.killed;
        assert!(ended <= users.finished + users.failed + users.removed, "{endings:?} {users:?}");
        assert!(users.started >= users.running, "{users:?}");
    }

    /// Every id given out is in one place at most, and all that have not ended are in one.
    pub(super) fn ids_are_dense(&self) {
        let Some(run) = self.core.run() else { return };
        let mut all: Vec<u64> = run.unplaced.iter().map(|id| id.0).collect();
        for part in run.parts.values() {
            all.extend(part.placed.iter().map(|id| id.0));
        }
        let count = all.len();
        let places: BTreeSet<_> = all.into_iter().collect();
        assert_eq!(places.len(), count, "an id is in two places");
        assert!(places.iter().all(|id| (1..=run.highest).contains(id)));
        let users = run.totals().users;
        let ended = users.finished + users.failed + users.removed;
        assert_eq!(places.len() as u64 + ended, run.highest, "{users:?}");
    }

    /// When nothing happens any more, everybody lives where the master believes.
    pub(super) fn everybody_is_somewhere(&self) {
        let Some(run) = self.core.run() else { return };
        let mut believed: BTreeMap<&MemberId, BTreeSet<u64>> = BTreeMap::new();
        for part in run.parts.values().filter(|part: &&Part| !part.placed.is_empty()) {
            assert!(part.stands(), "{part:?}");
            let ids = part.placed.iter().map(|id: UserId| id.0);
            believed.entry(&part.worker).or_default().extend(ids);
        }
        for node in &self.nodes {
            let believed = believed.remove(&node.id).unwrap_or_default();
            assert_eq!(believed, node.living, "{}", node.id.name);
        }
        let users = run.totals().users;
        let living: usize = self.nodes.iter().map(|node| node.living.len()).sum();
        assert_eq!(users.running, living as u64);
        assert_eq!(users.waiting, run.unplaced.len());
    }
}

impl Node {
    fn new(id: MemberId) -> Self {
        Self {
            id,
            process: true,
            link: Link::Down,
            island: false,
            assignment: None,
            state: RunState::Idle,
            living: BTreeSet::new(),
            users: UserCounts::default(),
            endings: EndingCounts::default(),
            ended: IdSet::default(),
            released: IdSet::default(),
            renewed: Duration::ZERO,
            // Nobody has told it yet.
            members: u64::MAX,
            next_beat: Duration::ZERO,
            inbox: VecDeque::new(),
            outbox: VecDeque::new(),
            fails_init: false,
            silent: false,
            profiled: None,
            planned: None,
        }
    }

    pub(super) fn living(&self) -> usize {
        self.living.len()
    }

    fn after(&self, at: Duration) -> Duration {
        at.max(self.outbox.back().map_or(Duration::ZERO, |(at, _)| *at))
    }

    fn end(&mut self, id: u64, count: impl Fn(&mut UserCounts, &mut EndingCounts)) {
        count(&mut self.users, &mut self.endings);
        self.ended.insert(id..=id);
    }

    fn hear(&mut self, now: Duration, call: Option<u64>, message: ToWorker) {
        let answer = self.carry_out(now, message);
        if let (Some(call), Some(answer)) = (call, answer) {
            self.outbox.push_back((self.after(now), Sent::Answer(call, answer)));
        }
    }

    fn carry_out(&mut self, now: Duration, message: ToWorker) -> Option<WorkerAnswer> {
        let mine = |assignment: &Assignment| self.assignment == Some(*assignment);
        match message {
            ToWorker::Begin { assignment, .. } => {
                self.living.clear();
                (self.users, self.endings) = Default::default();
                (self.ended, self.released) = Default::default();
                (self.renewed, self.next_beat) = (now, now);
                self.assignment = Some(assignment);
                self.state = RunState::Running;
                let planned = |profiled| Planned::new(profiled, assignment.0 + 7);
                self.planned = self.profiled.as_ref().map(planned);
                if self.fails_init {
                    self.state = RunState::Failed;
                    let refusal = Refusal::new(Code::InitFailed, "`init` failed: no target");
                    return Some(WorkerAnswer::Refused(refusal));
                }
                Some(WorkerAnswer::Done)
            }
            ToWorker::Place { assignment, users } if mine(&assignment) => {
                self.users.asked += users.len();
                self.users.started += users.len();
                if self.state == RunState::Running {
                    self.living.extend(users.iter().map(|id| id.0));
                } else {
                    for id in users.iter() {
                        self.end(id.0, |users, _| {
                            users.started -= 1;
                            users.removed += 1;
                        });
                    }
                }
                None
            }
            ToWorker::Remove { assignment, count, .. } if mine(&assignment) => {
                let chosen = count.min(self.living.len() as u64);
                for _ in 0..chosen {
                    if let Some(id) = self.living.pop_last() {
                        self.end(id, |users, endings| {
                            users.removed += 1;
                            endings.stopped += 1;
                        });
                    }
                }
                Some(WorkerAnswer::Chosen(chosen))
            }
            ToWorker::Release { assignment, count } if mine(&assignment) => {
                for _ in 0..count {
                    if let Some(id) = self.living.pop_last() {
                        self.users.asked -= 1;
                        self.users.started -= 1;
                        self.released.insert(id..=id);
                    }
                }
                None
            }
            ToWorker::Stop { assignment } if mine(&assignment) => {
                self.state = RunState::Terminating;
                self.planned.as_mut().map(Planned::stop);
                while let Some(id) = self.living.pop_first() {
                    self.end(id, |users, endings| {
                        users.removed += 1;
                        endings.stopped += 1;
                    });
                }
                Some(WorkerAnswer::Done)
            }
            ToWorker::Plan { assignment, began, words, .. } if mine(&assignment) => {
                if let Some(planned) = &mut self.planned {
                    planned.hear(Duration::from_nanos(began), words);
                }
                None
            }
            ToWorker::Reset { assignment } if mine(&assignment) => {
                self.living.clear();
                self.planned = None;
                self.assignment = None;
                Some(WorkerAnswer::Done)
            }
            ToWorker::Reset { .. } => Some(WorkerAnswer::Done),
            ToWorker::Renewed { assignment, sent, members } if mine(&assignment) => {
                self.renewed = self.renewed.max(Duration::from_nanos(sent));
                self.members = members;
                None
            }
            ToWorker::CheckSettings { .. } => Some(WorkerAnswer::Done),
            ToWorker::ApplySettings { .. } => Some(WorkerAnswer::Applied(Default::default())),
            ToWorker::Stop { .. } | ToWorker::Remove { .. } => {
                let refusal = Refusal::new(Code::InvalidStatus, "not mine");
                Some(WorkerAnswer::Refused(refusal))
            }
            _ => None,
        }
    }
}
