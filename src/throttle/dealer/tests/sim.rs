//! The simulation: a dealer, some nodes, and a network that takes its time.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;

use super::super::*;
use crate::{
    cluster::{
        clock::{ClockFilter, ClockReading},
        protocol::throttle::{Terms, ThrottleId},
    },
    throttle::holdings::{Holdings, Want},
};

pub(super) const MS: u64 = MILLISECOND;
pub(super) const SECOND: u64 = 1_000 * MS;
pub(super) const STEP: u64 = 500_000;
/// The setting; what nodes use of it is an eighth less.
pub(super) const TOLERANCE: u64 = 5 * MS;
pub(super) const USED: u64 = TOLERANCE - TOLERANCE / 8;
pub(super) const ENDLESS: u64 = 1 << 40;
/// When a simulation begins.
const BEGIN: u64 = 10 * SECOND;
/// How far the speed of a clock wanders in either direction, in parts in a million.
const WANDER: u64 = 40;

/// A repeatable sort of chance.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % end.max(1)
    }
}

pub(super) struct Node {
    pub(super) id: MemberId,
    pub(super) holdings: Option<Holdings>,
    /// What is known here of the master's clock, whose time is the true one.
    pub(super) filter: ClockFilter,
    /// As it was known when the holdings heard of it last.
    known: ClockReading,
    /// What this node's own clock shows, in millionths of a nanosecond.
    shows: u128,
    /// How much faster than the true time, in parts in a million, and by how much it wanders.
    pub(super) ppm: i64,
    wander: i64,
    /// How long messages take to it and from it, if not as to all others.
    pub(super) delay: Option<[(u64, u64); 2]>,
    pub(super) waiting: u64,
    pub(super) asked: u64,
    /// When what is in flight ends.
    pub(super) flying: Vec<u64>,
    pub(super) cut: bool,
    pub(super) frozen_until: u64,
}

impl Node {
    pub(super) fn here(&self) -> u64 {
        (self.shows / 1_000_000) as u64
    }

    fn pass(&mut self, time: u64) {
        let speed = 1_000_000 + self.ppm + self.wander;
        self.shows += u128::from(time) * u128::from(speed.unsigned_abs());
    }

    fn looks(&mut self) -> (u64, ClockReading) {
        self.known = self.filter.reading(self.here()).unwrap();
        (self.here(), self.known)
    }
}

pub(super) enum Message {
    Terms(Terms),
    Grant(Grant, u64),
    Demand(Demand),
    /// When it was sent by the node's clock.
    Probe(u64),
    /// And when that had arrived.
    Echo(u64, u64),
}

/// How fast the schedule releases, as the definitions of rates and ramps have it.
#[derive(Clone)]
pub(super) enum Force {
    Nothing,
    Flat(f64),
    Ramp(Ramp),
}

impl Force {
    pub(super) fn area(&self, time: u64) -> f64 {
        match self {
            Self::Nothing => 0.0,
            Self::Flat(rate) => rate * time as f64,
            Self::Ramp(ramp) => {
                let over = ramp.over().as_nanos() as u64;
                let within = ramp.line().area(time.min(over)).to_f64();
                within + per_nano(ramp.to()) * time.saturating_sub(over) as f64
            }
        }
    }
}

pub(super) fn per_nano(rate: Rate) -> f64 {
    match rate.pace() {
        Pace::Timed { count, interval } => count as f64 / interval as f64,
        Pace::Unlimited | Pace::AtOnce(_) => 0.0,
    }
}

pub(super) struct Sim {
    pub(super) now: u64,
    pub(super) chance: Chance,
    pub(super) dealer: Dealer,
    pub(super) nodes: Vec<Node>,
    /// By arrival: to or from which node.
    pub(super) mail: BTreeMap<(u64, u64), (MemberId, Message)>,
    pub(super) sent: u64,
    /// In order with what was sent before.
    pub(super) last: BTreeMap<(MemberId, bool), u64>,
    pub(super) delay: (u64, u64),
    /// How much faster or slower the clocks of those that join may be, in parts in a million.
    pub(super) skew: u64,
    pub(super) leaving: Vec<(u64, MemberId)>,
    /// From when on, what had been released by then, and what counts.
    pub(super) history: Vec<(u64, f64, Force)>,
    /// What counts once the barrier is gone.
    pub(super) soon: Option<Force>,
    pub(super) paused: bool,
    /// When slots were let through, and in which time without anything unlimited.
    pub(super) releases: Vec<(u64, u64)>,
    pub(super) epoch: u64,
    /// When dealt slots are due.
    pub(super) dealt: Vec<(u64, u64)>,
    pub(super) most_in_flight: u64,
    pub(super) flight: u64,
    pub(super) joined: u64,
    /// The greatest doubt about the time with which anything was let through.
    pub(super) doubt: u64,
}

impl Sim {
    pub(super) fn new(rate: Rate, seed: u64, delay: (u64, u64)) -> Self {
        let force = Force::Flat(per_nano(rate));
        Self {
            now: BEGIN,
            chance: Chance(seed),
            dealer: Dealer::new(rate, USED, BEGIN),
            nodes: Vec::new(),
            mail: BTreeMap::new(),
            sent: 0,
            last: BTreeMap::new(),
            delay,
            skew: 0,
            leaving: Vec::new(),
            history: vec![(BEGIN, 0.0, force)],
            soon: None,
            paused: false,
            releases: Vec::new(),
            epoch: 0,
            dealt: Vec::new(),
            most_in_flight: 0,
            flight: 30 * MS,
            joined: 0,
            doubt: 0,
        }
    }

    pub(super) fn join(&mut self, waiting: u64) {
        let ppm = self.chance.below(2 * self.skew + 1) as i64 - self.skew as i64;
        self.join_at(waiting, ppm);
    }

    /// A node joins whose clock has been so much faster than the master's, and has been watched
    /// for some seconds over a short way.
    pub(super) fn join_at(&mut self, waiting: u64, ppm: i64) {
        self.joined += 1;
        let id = MemberId::new(format!("n{}", self.joined), 1);
        let mut node = Node {
            id: id.clone(),
            holdings: None,
            filter: ClockFilter::default(),
            known: ClockReading::alike(0),
            shows: u128::from(10 * SECOND + self.chance.below(10 * SECOND)) * 1_000_000,
            ppm,
            wander: 0,
            delay: None,
            waiting,
            asked: waiting.min(1_000),
            flying: Vec::new(),
            cut: false,
            frozen_until: 0,
        };
        let mut time = self.now - 8 * SECOND;
        while time < self.now {
            let (forth, home) = (1 + self.chance.below(300_000), 1 + self.chance.below(300_000));
            let sent = node.here();
            node.pass(forth + home);
            node.filter.sample(sent, time + forth, time + forth, node.here());
            let rest = (SECOND / 2).min(self.now - time) - forth - home;
            node.pass(rest);
            time += forth + home + rest;
        }
        self.nodes.push(node);
        self.dealer.join(&id);
        self.tell_terms();
    }

    pub(super) fn post(&mut self, node: &MemberId, down: bool, message: Message) {
        let mut delay = self.delay;
        if let Some(other) = self.nodes.iter().find(|other| other.id == *node) {
            if other.cut {
                return;
            }
            delay = other.delay.map_or(delay, |ways| ways[usize::from(!down)]);
        }
        let way = delay.0 + self.chance.below(delay.1 - delay.0 + 1);
        let last = self.last.entry((node.clone(), down)).or_default();
        let at = (self.now + way).max(*last);
        *last = at;
        self.sent += 1;
        self.mail.insert((at, self.sent), (node.clone(), message));
    }

    pub(super) fn tell_terms(&mut self) {
        let until = self.dealer.renew(self.now);
        self.dealer.repeat_permits();
        let nodes: Vec<MemberId> = self.nodes.iter().map(|node| node.id.clone()).collect();
        for node in nodes {
            let Some(era) = self.dealer.era(&node) else { continue };
            let terms = Terms {
                id: ThrottleId(1),
                name: "calls".into(),
                era,
                revision: self.dealer.revision(),
                kind: self.dealer.kind(),
                paused: self.dealer.is_paused(),
                until,
                tolerance: USED,
                rate: self.dealer.rate_at(self.now),
                ramp: None,
            };
            self.post(&node, true, Message::Terms(terms));
        }
    }

    pub(super) fn deal(&mut self) {
        let now = self.now;
        let was_closed = self.dealer.barrier.is_some();
        let from = now.max(self.dealer.dealt.1);
        self.dealer.advance(now);
        let grants = self.dealer.deal(now);
        if was_closed && self.dealer.barrier.is_none() {
            self.epoch += 1;
            let force = self.soon.take();
            self.set_force(force, from);
        }
        for (node, grant) in grants {
            for block in &grant.blocks {
                let epoch = self.epoch;
                self.dealt.extend((0..block.count.min(5_000)).map(|k| (block.due(k), epoch)));
            }
            self.post(&node, true, Message::Grant(grant, now));
        }
    }

    pub(super) fn set_force(&mut self, force: Option<Force>, from: u64) {
        let due = self.due_by(from);
        self.history.push((from, due, force.unwrap_or(Force::Nothing)));
    }

    pub(super) fn due_by(&self, time: u64) -> f64 {
        let at = self.history.partition_point(|(since, ..)| *since <= time);
        match self.history[..at].last() {
            Some((since, base, force)) => base + force.area(time - since),
            None => 0.0,
        }
    }

    pub(super) fn step(&mut self) {
        self.now += STEP;
        let now = self.now;
        self.nodes.iter_mut().for_each(|node| node.pass(STEP));
        while let Some(entry) = self.mail.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let (id, message) = entry.remove();
            let node = self.nodes.iter_mut().find(|node| node.id == id);
            match (message, node) {
                (Message::Demand(demand), _) => {
                    self.dealer.demand(&id, &demand, now);
                    self.deal();
                }
                (Message::Probe(sent), _) => self.post(&id, true, Message::Echo(sent, now)),
                (Message::Echo(sent, arrived), Some(node)) => {
                    node.filter.sample(sent, arrived, arrived, node.here());
                }
                (Message::Terms(terms), Some(node)) => {
                    let (here, clock) = node.looks();
                    match &mut node.holdings {
                        Some(holdings) => _ = holdings.accept(&terms, clock, here),
                        none => *none = Some(Holdings::new(&terms, clock, here)),
                    }
                }
                (Message::Grant(grant, sent), Some(node)) => {
                    let (here, clock) = node.looks();
                    if let Some(holdings) = &mut node.holdings {
                        holdings.receive(&grant, sent, clock, here);
                    }
                }
                (_, None) => {}
            }
        }
        let (gone, leaving) = std::mem::take(&mut self.leaving)
            .into_iter()
            .partition::<Vec<_>, _>(|(at, _)| *at <= now);
        self.leaving = leaving;
        for (_, id) in gone {
            self.nodes.retain(|node| node.id != id);
            self.dealer.leave(&id);
        }
        if now.is_multiple_of(SECOND) {
            self.tell_terms();
        }
        if now.is_multiple_of(TICK) && (self.dealer.is_wanted(now) || now.is_multiple_of(SECOND)) {
            self.deal();
        }
        let mut said = Vec::new();
        for node in &mut self.nodes {
            node.flying.retain(|end| *end > now);
            let here = node.here();
            let beat = now.is_multiple_of(SECOND / 2);
            if beat {
                node.wander = self.chance.below(2 * WANDER + 1) as i64 - WANDER as i64;
            }
            if beat || now.is_multiple_of(50 * MS) && node.filter.is_stale(here) {
                said.push((node.id.clone(), Message::Probe(here)));
            }
            let Some(holdings) = &mut node.holdings else { continue };
            if node.frozen_until > now {
                continue;
            }
            holdings.advance(here);
            if node.waiting > 0 {
                holdings.forfeit(here);
                let free = holdings.available(here, node.flying.len() as u64).min(node.waiting);
                let free = if holdings.is_open() { free.min(50) } else { free };
                if free > 0 {
                    assert!(holdings.give(here, free) <= here);
                }
                let ruled = self.dealer.barrier.is_none();
                let stale = match self.dealer.kind() {
                    Kind::Timed => !holdings.is_timed(),
                    Kind::Permits => holdings.is_open(),
                    Kind::Open => false,
                };
                assert!(free == 0 || !ruled || !stale, "let through by a word that is taken back");
                node.waiting -= free;
                for _ in 0..free {
                    if holdings.is_timed() {
                        self.doubt = self.doubt.max(node.known.doubt(here));
                        self.releases.push((now, self.epoch));
                    }
                    if holdings.limits_flight() {
                        node.flying.push(now + self.flight);
                    }
                }
                // Whoever was let through comes again.
                node.waiting += if node.waiting > ENDLESS / 2 { free } else { 0 };
                node.asked += free;
            } else {
                holdings.first_comes(here);
            }
            let in_flight = node.flying.len() as u64;
            let want = Want { slots: node.waiting, in_flight, asked: node.asked };
            if let (Some(demand), _) = holdings.demand(here, want) {
                said.push((node.id.clone(), Message::Demand(demand)));
            }
        }
        for (node, message) in said {
            self.post(&node, false, message);
        }
        let in_flight = self.nodes.iter().map(|node| node.flying.len() as u64).sum();
        self.most_in_flight = self.most_in_flight.max(in_flight);
    }

    pub(super) fn run(&mut self, time: u64) {
        for _ in 0..time / STEP {
            self.step();
        }
    }

    pub(super) fn apply(&mut self, op: &Op) {
        let now = self.now;
        let some = |chance: &mut Chance, all: usize| chance.below(all as u64) as usize;
        match op {
            Op::Ask(count) => {
                let at = some(&mut self.chance, self.nodes.len());
                if let Some(node) = self.nodes.get_mut(at)
                    && node.waiting < ENDLESS / 2
                {
                    node.waiting += count;
                    node.asked += count;
                }
            }
            Op::Rate(rate) => {
                let before = self.dealer.kind();
                let from = self.dealer.set_rate(*rate, now);
                self.changed(before, Force::Flat(per_nano(*rate)), from);
            }
            Op::Ramp(ramp) => {
                let before = self.dealer.kind();
                let from = self.dealer.set_ramp(*ramp, now);
                self.changed(before, Force::Ramp(*ramp), from);
            }
            Op::Pause if self.dealer.kind() == Kind::Timed && self.dealer.barrier.is_none() => {
                let from = now.max(self.dealer.dealt.1);
                if self.dealer.pause(now) {
                    self.soon = self.history.last().map(|(.., force)| force.clone());
                    self.paused = true;
                    let force = self.soon.clone();
                    if let Some(Force::Ramp(_)) = force {
                        // A pause does not stop a ramp: too much for this book.
                        self.dealer.resume(now);
                        self.paused = false;
                    } else {
                        self.set_force(None, from);
                    }
                }
            }
            Op::Resume if self.paused => {
                let from = now.max(self.dealer.dealt.1);
                self.dealer.resume(now);
                self.paused = false;
                let force = self.soon.take();
                self.set_force(force, from);
            }
            Op::Pause | Op::Resume => {}
            Op::Join => self.join(ENDLESS),
            Op::Kill => {
                let at = some(&mut self.chance, self.nodes.len());
                if self.nodes.len() > 1
                    && let Some(node) = self.nodes.get_mut(at)
                {
                    node.cut = true;
                    node.waiting = 0;
                    self.dealer.lose_sight(&node.id);
                    self.leaving.push((now + 200 * MS, node.id.clone()));
                }
            }
            Op::Cut | Op::Mend => {
                let at = some(&mut self.chance, self.nodes.len());
                let cut = matches!(op, Op::Cut);
                if let Some(node) = self.nodes.get_mut(at) {
                    node.cut = cut;
                }
            }
            Op::Delay(ways) => {
                let at = some(&mut self.chance, self.nodes.len());
                if let Some(node) = self.nodes.get_mut(at) {
                    node.delay = Some(*ways);
                }
            }
            Op::Freeze(time) => {
                let at = some(&mut self.chance, self.nodes.len());
                if let Some(node) = self.nodes.get_mut(at) {
                    node.frozen_until = now + time;
                }
            }
        }
    }

    /// Another rate counts: from then on, or once the barrier is gone.
    pub(super) fn changed(&mut self, before: Kind, force: Force, from: u64) {
        if self.paused {
            self.dealer.resume(self.now);
            self.paused = false;
        }
        match (before, self.dealer.kind()) {
            (Kind::Timed, Kind::Timed) if self.dealer.barrier.is_none() => {
                self.set_force(Some(force), from);
            }
            (_, Kind::Timed) if self.dealer.barrier.is_some() => self.soon = Some(force),
            (_, Kind::Timed) => {
                self.epoch += 1;
                self.set_force(Some(force), from);
            }
            _ => {
                self.soon = None;
                self.set_force(None, self.now.max(from));
            }
        }
        self.tell_terms();
        self.deal();
    }

    /// How late anything may be, counting what was not known of the master's clock.
    pub(super) fn tolerance(&self) -> u64 {
        // A node uses a slot for a millisecond at least, whatever it knows.
        if self.doubt <= USED - MS { TOLERANCE } else { self.doubt + MS + TOLERANCE }
    }

    /// In no time from a release to a later one were more released than were due from the
    /// tolerance before the first, and one.
    pub(super) fn assert_bound(&self, releases: &[(u64, u64)], tolerance: u64) {
        let mut worst = (u64::MAX, f64::NEG_INFINITY);
        for (index, &(time, epoch)) in releases.iter().enumerate().rev() {
            let index = index as f64;
            if worst.0 != epoch {
                worst = (epoch, f64::NEG_INFINITY);
            }
            worst.1 = worst.1.max(index - self.due_by(time));
            let since = self.due_by(time.saturating_sub(tolerance));
            let over = worst.1 - index + since;
            assert!(over <= 1e-3, "{over} more than the bound from {time} on");
        }
    }
}

#[derive(Debug, Clone)]
pub(super) enum Op {
    Ask(u64),
    Rate(Rate),
    Ramp(Ramp),
    Pause,
    Resume,
    Join,
    Kill,
    Cut,
    Mend,
    Freeze(u64),
    /// How long messages take to a node, and from it, from now on.
    Delay([(u64, u64); 2]),
}

pub(super) fn timed_rate() -> impl Strategy<Value = Rate> {
    prop_oneof![
        1 => (0..50_u64).prop_map(Rate::per_second),
        3 => (1..3_000_u64).prop_map(Rate::per_second),
        1 => (1..60_000_u64).prop_map(Rate::per_second),
        1 => (1..400_u64).prop_map(|ms| Rate::every(Duration::from_millis(ms))),
    ]
}

pub(super) fn timed_change() -> impl Strategy<Value = Op> {
    let steps = prop_oneof![Just(None), (1..20_u32).prop_map(Some)];
    let ramp =
        (timed_rate(), timed_rate(), 1..1_000_u64, steps).prop_map(|(from, to, ms, steps)| {
            Op::Ramp(Ramp::new(from, to, Duration::from_millis(ms), steps).unwrap())
        });
    prop_oneof![2 => timed_rate().prop_map(Op::Rate), 1 => ramp]
}

pub(super) fn anything() -> impl Strategy<Value = Op> {
    let other = prop_oneof![Just(Rate::UNLIMITED), (1..20_u64).prop_map(Rate::at_once)];
    prop_oneof![
        5 => (1..400_u64).prop_map(Op::Ask),
        4 => timed_change(),
        1 => other.prop_map(Op::Rate),
        1 => Just(Op::Pause),
        2 => Just(Op::Resume),
        1 => Just(Op::Join),
        1 => Just(Op::Kill),
        1 => Just(Op::Cut),
        2 => Just(Op::Mend),
        1 => (0..300 * MS).prop_map(Op::Freeze),
        2 => [way(), way()].prop_map(Op::Delay),
    ]
}

/// How long messages take one way, at least and at most.
fn way() -> impl Strategy<Value = (u64, u64)> {
    let longest = prop_oneof![Just(MS), Just(50 * MS), Just(700 * MS)];
    (longest, 0..=100_u64).prop_map(|(most, percent)| (most * percent / 100, most))
}

pub(super) fn script(op: impl Strategy<Value = Op>) -> impl Strategy<Value = Vec<(u64, Op)>> {
    let gap = prop_oneof![0..2 * MS, 0..50 * MS, 0..400 * MS];
    prop::collection::vec((gap, op), 1..20)
}
