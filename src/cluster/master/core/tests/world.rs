//! Workers in simulated time, with leases, on links that are slow and break.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crowd_core::user_id::UserId;

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
};

pub(super) const STEP: Duration = Duration::from_millis(50);
pub(super) const MASTER_TIMEOUT: Duration = Duration::from_secs(8);

/// One node that may be a worker.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: MemberId,
    process: bool,
    link: Link,
    /// Whom it reaches while its link to the master is cut.
    cut: Cut,
    /// How fast its clock runs.
    speed: f64,
    /// What the way to it, and that from it, takes beside the usual.
    delay: (Duration, Duration),
    /// In which of the master's lives it was asked to take part.
    master: u64,
    /// Which of them it was linked to last.
    knows: u64,
    assignment: Option<Assignment>,
    state: RunState,
    living: BTreeSet<u64>,
    /// Those of them that are told to go.
    chosen: BTreeSet<u64>,
    users: UserCounts,
    endings: EndingCounts,
    ended: IdSet,
    released: IdSet,
    /// What it told in beats that were not answered: when, who ended, who was given back.
    told: VecDeque<(Duration, IdSet, IdSet)>,
    /// How it was seen by others, since when.
    views: VecDeque<(Duration, View)>,
    /// Since when it is linked to the master.
    linked: Duration,
    /// It believes the master dead.
    orphaned: bool,
    /// Its users were killed because its lease was over.
    cut_off: bool,
    /// The next beat says who lives there.
    relinked: bool,
    /// A beat goes out over the new link before the one that says it.
    early: bool,
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
    /// Settings that it applied.
    pub(super) applied: Vec<(String, String)>,
    /// Its users do not go when they are told to.
    pub(super) stubborn: bool,
    profiled: Option<Profiled>,
    planned: Option<Planned>,
}

/// Whom a node reaches whose link to the master is cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cut {
    /// Nobody.
    Alone,
    /// The others that are cut off like that.
    Island,
    /// All but the master: a firewall between the two, which may as well say that nobody listens.
    Masterless,
}

/// How a node fares, as others know it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct View {
    process: bool,
    linked: bool,
    /// Whether it hears the master.
    sees: bool,
    /// Which of the master's lives it was linked to last.
    knows: u64,
    cut: Cut,
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
    Beat(Box<Beat>),
    Leaving(Assignment),
}

pub(super) struct World {
    pub(super) core: Core,
    pub(super) now: Duration,
    pub(super) nodes: Vec<Node>,
    pub(super) outcomes: BTreeMap<u64, Result<Outcome, Refusal>>,
    pub(super) told: Vec<Command>,
    calls: BTreeMap<u64, (MemberId, Duration)>,
    /// How long it takes until one node knows how another fares.
    pub(super) gossip: Duration,
    policy: Policy,
    /// How many times the master was started again.
    master: u64,
    /// Since when the master stands still.
    frozen: Option<Duration>,
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
            core: Core::new(policy.clone(), 0),
            policy,
            master: 0,
            now: Duration::ZERO,
            nodes: Vec::new(),
            outcomes: BTreeMap::new(),
            told: Vec::new(),
            calls: BTreeMap::new(),
            // Longer than usual, shorter than silence.
            gossip: Duration::from_millis(seed % 2_900),
            frozen: None,
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
            id: format!("run {}", self.master),
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
        self.nodes[index].relink(self.now);
        self.nodes[index].knows = self.master;
        self.nodes[index].profiled = self.profiled.clone();
        self.core.up(self.now, &id);
        self.core.free(self.now, &id, true);
        self.perform();
    }

    /// Breaks the link; `silent`: nobody notices for a while.
    pub(super) fn cut(&mut self, index: usize, silent: bool, cut: Cut) {
        let node = &mut self.nodes[index];
        if node.link != Link::Up {
            return;
        }
        node.cut = cut;
        node.inbox.clear();
        node.outbox.clear();
        node.link = Link::Cut(self.now + if silent { SILENCE } else { Duration::ZERO });
    }

    pub(super) fn kill(&mut self, index: usize) {
        self.cut(index, false, Cut::Alone);
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

    /// Its process ends in good order: whoever is left there is killed, and the master is told.
    pub(super) fn depart(&mut self, index: usize) {
        if self.nodes[index].link != Link::Up || self.frozen.is_some() {
            return;
        }
        let id = self.nodes[index].id.clone();
        self.nodes[index] = Node { process: false, ..Node::new(id.clone()) };
        self.core.left(self.now, &id);
        self.perform();
        self.go_down(&id, "it left");
    }

    /// The master dies and is started again: it knows nothing, and its workers make new links.
    pub(super) fn restart(&mut self) {
        self.frozen = None;
        self.master += 1;
        let since = u64::try_from(self.now.as_micros()).unwrap();
        self.core = Core::new(self.policy.clone(), since);
        self.calls.clear();
        for index in 0..self.nodes.len() {
            let node = &mut self.nodes[index];
            let up = node.link == Link::Up;
            node.inbox.clear();
            node.outbox.clear();
            node.link = Link::Down;
            if up {
                self.connect(index);
            }
        }
    }

    /// The master stands still until [`Self::thaw`].
    pub(super) fn freeze(&mut self) {
        self.frozen.get_or_insert(self.now);
    }

    /// It goes on. Who has missed it for too long has closed its link, and makes a new one.
    pub(super) fn thaw(&mut self) {
        let Some(since) = self.frozen.take() else { return };
        if self.now - since < SILENCE {
            return;
        }
        for index in 0..self.nodes.len() {
            let node = &mut self.nodes[index];
            if node.link == Link::Up {
                node.inbox.clear();
                node.outbox.clear();
                node.link = Link::Down;
                let id = node.id.clone();
                self.go_down(&id, "the connection was closed");
            }
        }
    }

    fn frozen_for(&self) -> Duration {
        self.frozen.map_or(Duration::ZERO, |since| self.now - since)
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
        self.look();
        for index in 0..self.nodes.len() {
            if self.frozen.is_none() {
                self.links(index);
                self.deliver(index);
            }
            self.advance(index);
            self.beat(index);
            self.hold(index);
        }
        if self.frozen.is_some() {
            return;
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
            self.go_down(&id, "the connection was closed");
        }
    }

    fn go_down(&mut self, id: &MemberId, why: &str) {
        let gone: Vec<_> =
            self.calls.iter().filter(|(_, (to, _))| to == id).map(|(call, _)| *call).collect();
        self.core.down(self.now, id, why);
        self.perform();
        for call in gone {
            self.answered(call, Err("it went away".into()));
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
                Some((_, Sent::Beat(beat))) => self.core.beat(now, &from, *beat),
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
            // One that was made before may go out first, and is not heeded.
            let early = std::mem::take(&mut node.early);
            if node.relinked && !early {
                node.tell_again();
            }
            let says = node.relinked && !early;
            node.relinked &= early;
            let living = says.then(|| node.living.iter().map(|id| UserId(*id)).collect());
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
                living,
                cut_off: node.cut_off,
            };
            node.told.push_back((now, beat.ended.clone(), beat.released.clone()));
            let at = node.after(delay + node.delay.1 + now);
            node.outbox.push_back((at, Sent::Beat(Box::new(beat))));
        }
    }

    /// How nodes fare, as others will come to know.
    fn look(&mut self) {
        let now = self.now;
        let frozen = self.frozen_for() >= SILENCE;
        let master = self.master;
        for node in &mut self.nodes {
            let view = View {
                process: node.process,
                linked: matches!(node.link, Link::Up | Link::Cut(_)),
                // Its own one, in that life.
                sees: matches!(node.link, Link::Up | Link::Cut(_))
                    && !frozen
                    && node.master == master,
                knows: node.knows,
                cut: node.cut,
            };
            if node.views.back().is_none_or(|(_, last)| *last != view) {
                node.views.push_back((now, view));
            }
            while node.views.get(1).is_some_and(|(since, _)| *since + self.gossip <= now) {
                node.views.pop_front();
            }
        }
    }

    fn hold(&mut self, index: usize) {
        let now = self.now;
        let node = &self.nodes[index];
        let Some((_, own)) = node.views.back() else { return };
        // The others as they were when this one heard of them last.
        let others: Vec<View> = self
            .nodes
            .iter()
            .filter(|other| other.id != node.id)
            .filter_map(|other| Some(other.views.front()?.1))
            .filter(|other| {
                let island = !other.linked && other.cut == Cut::Island;
                let main = other.linked || other.cut == Cut::Masterless;
                // Who has not met its master is none of those that agree.
                other.process
                    && other.knows == node.master
                    && match (own.linked, own.cut) {
                        (true, _) | (false, Cut::Masterless) => main,
                        (false, Cut::Island) => island,
                        (false, Cut::Alone) => false,
                    }
            })
            .collect();
        let sight = Sight {
            since_renewed: (now - node.renewed.min(now)).mul_f64(node.speed),
            members: node.members,
            reached: 1 + others.len() as u64,
            master_is_seen: others.iter().any(|other| other.sees),
            linked: own.sees.then(|| now - node.linked),
            orphaned: node.orphaned,
            awake: Duration::from_secs(60),
            master_timeout: MASTER_TIMEOUT,
        };
        let node = &mut self.nodes[index];
        if node.assignment.is_none() || node.cut_off {
            return;
        }
        node.orphaned = match hold(&sight) {
            Hold::Keep => false,
            Hold::Orphaned => true,
            Hold::Fence | Hold::GiveUp => {
                let killed = std::mem::take(&mut node.living);
                killed.into_iter().for_each(|id| node.ended.insert(id..=id));
                node.planned = None;
                (node.state, node.cut_off) = (RunState::Failed, true);
                false
            }
        };
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
            node.inbox.push_back(((now + delay + node.delay.0).max(last), call, message));
        }
    }

    /// An id lives on one node at most.
    pub(super) fn no_id_lives_twice(&self) {
        let mut living = BTreeMap::new();
        for node in &self.nodes {
            for id in &node.living {
                // Ids of a run that was another's are others.
                let other = living.insert((node.master, *id), &node.id.name);
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
            let parts = run.parts.iter().filter(|(_, part)| part.worker == node.id);
            let parts: Vec<_> = parts.map(|(number, part)| (number, &part.standing)).collect();
            assert_eq!(believed, node.living, "{parts:?} {node:?}");
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
            cut: Cut::Alone,
            speed: 1.0,
            delay: (Duration::ZERO, Duration::ZERO),
            master: 0,
            knows: 0,
            assignment: None,
            state: RunState::Idle,
            living: BTreeSet::new(),
            users: UserCounts::default(),
            endings: EndingCounts::default(),
            ended: IdSet::default(),
            released: IdSet::default(),
            told: VecDeque::new(),
            views: VecDeque::new(),
            linked: Duration::ZERO,
            orphaned: false,
            cut_off: false,
            relinked: false,
            early: false,
            renewed: Duration::ZERO,
            // Nobody has told it yet.
            members: u64::MAX,
            next_beat: Duration::ZERO,
            inbox: VecDeque::new(),
            outbox: VecDeque::new(),
            fails_init: false,
            silent: false,
            applied: Vec::new(),
            stubborn: false,
            chosen: BTreeSet::new(),
            profiled: None,
            planned: None,
        }
    }

    pub(super) fn living(&self) -> usize {
        self.living.len()
    }

    /// A new link to the master: what it has not answered is told again.
    fn relink(&mut self, now: Duration) {
        self.linked = now;
        self.relinked = true;
        self.early = now.as_millis().is_multiple_of(3);
    }

    /// What was told and not answered.
    fn tell_again(&mut self) {
        for (_, ended, released) in std::mem::take(&mut self.told) {
            ids::put(&mut self.ended, &ended);
            ids::put(&mut self.released, &released);
        }
    }

    /// Those that are told to go do.
    pub(super) fn give_in(&mut self) {
        for id in std::mem::take(&mut self.chosen) {
            if self.living.remove(&id) {
                self.end(id, |users, endings| {
                    users.removed += 1;
                    endings.stopped += 1;
                });
            }
        }
    }

    pub(super) fn make_slow(&mut self, speed: f64, delay: (Duration, Duration)) {
        (self.speed, self.delay) = (speed, delay);
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
            ToWorker::Begin { assignment, run } => {
                let master = run.id.trim_start_matches("run ").parse().unwrap();
                let holds_on = self.assignment.is_some()
                    && self.state == RunState::Running
                    && !self.orphaned
                    && !self.cut_off;
                if self.master != master && holds_on {
                    let refusal = Refusal::new(Code::MasterIsAlreadySet, "another is followed");
                    return Some(WorkerAnswer::Refused(refusal));
                }
                self.master = master;
                self.living.clear();
                (self.users, self.endings) = Default::default();
                (self.ended, self.released) = Default::default();
                (self.told, self.relinked, self.chosen) = Default::default();
                (self.renewed, self.next_beat) = (now, now);
                (self.orphaned, self.cut_off) = (false, false);
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
                let stay = self.living.iter().rev().filter(|id| !self.chosen.contains(id));
                let chosen: BTreeSet<_> = stay.take(count as usize).copied().collect();
                let count = chosen.len() as u64;
                self.chosen.extend(chosen);
                if !self.stubborn {
                    self.give_in();
                }
                Some(WorkerAnswer::Chosen(count))
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
                let renewed = self.renewed;
                while self.told.pop_front_if(|(told, ..)| *told <= renewed).is_some() {}
                None
            }
            ToWorker::CheckSettings { .. } => Some(WorkerAnswer::Done),
            ToWorker::ApplySettings { settings, .. } => {
                self.applied.extend(settings);
                Some(WorkerAnswer::Applied(Default::default()))
            }
            ToWorker::Stop { .. } | ToWorker::Remove { .. } => {
                let refusal = Refusal::new(Code::InvalidStatus, "not mine");
                Some(WorkerAnswer::Refused(refusal))
            }
            _ => None,
        }
    }
}
