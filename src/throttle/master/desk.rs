//! Pure but for events: all throttles of a cluster, and who takes part. Messages and a time go in,
//! messages come out.

use std::collections::{BTreeMap, BTreeSet};

use crowd_core::{
    rate::Rate,
    refusal::{Code, Refusal},
    telemetry::{
        Telemetry,
        event::{ThrottleForfeit, ThrottleInit, ThrottleRate, ThrottleStop},
    },
};
use crowd_plan::run_settings::RATES;

use super::entry::Entry;
use crate::{
    cluster::{
        member::MemberId,
        protocol::throttle::{
            Change, Grant, Tally, Terms, ThrottleAnswer, ThrottleId, ToNode, ToThrottles, Which,
        },
    },
    throttle::{
        Ramp, Started, ThrottleInfo, ThrottleOptions,
        actor::on_a_ramp,
        dealer::TICK,
        registry::{already, unknown},
    },
};

/// How often the master says that its word still holds.
const RENEWAL: u64 = 1_000_000_000;

/// Not more throttles in one message.
const MOST_TERMS: usize = 500;

#[derive(Debug)]
pub(super) struct Desk {
    me: MemberId,
    telemetry: Telemetry,
    /// How late a slot may be given.
    tolerance: u64,
    throttles: BTreeMap<String, Entry>,
    nodes: BTreeSet<MemberId>,
    last_id: u64,
    renewed_at: u64,
}

/// What is to be sent.
#[derive(Debug, Default)]
pub(super) struct Post {
    terms: BTreeMap<MemberId, Vec<Terms>>,
    grants: BTreeMap<MemberId, Vec<Grant>>,
    stopped: Vec<(MemberId, ThrottleId)>,
}

impl Post {
    /// The messages, few for each node.
    pub(super) fn into_messages(self, sent: u64) -> Vec<(MemberId, ToNode)> {
        let mut messages = Vec::new();
        for (node, id) in self.stopped {
            messages.push((node, ToNode::Stopped(id)));
        }
        for (node, terms) in self.terms {
            for terms in terms.chunks(MOST_TERMS) {
                messages.push((node.clone(), ToNode::Terms(terms.to_vec())));
            }
        }
        for (node, grants) in self.grants {
            for grants in grants.chunks(MOST_TERMS) {
                messages.push((node.clone(), ToNode::Grants { sent, grants: grants.to_vec() }));
            }
        }
        messages
    }
}

impl Desk {
    pub(super) fn new(me: MemberId, options: ThrottleOptions, telemetry: Telemetry) -> Self {
        let tolerance = u64::try_from(options.tolerance.as_nanos()).unwrap_or(u64::MAX);
        Self {
            me,
            telemetry,
            // As on a lone node: the rest is for the way from the throttle to the user's own code.
            tolerance: tolerance - tolerance / 8,
            throttles: BTreeMap::new(),
            nodes: BTreeSet::new(),
            last_id: 0,
            renewed_at: 0,
        }
    }

    /// A run begins: its own rates count, whatever was started meanwhile.
    pub(super) fn begin(&mut self, post: &mut Post) {
        for name in RATES {
            if let Some(entry) = self.throttles.remove(name) {
                self.tell_stopped(&entry, post);
            }
        }
    }

    pub(super) fn join(&mut self, node: &MemberId, now: u64, post: &mut Post) {
        self.nodes.insert(node.clone());
        for entry in self.throttles.values_mut() {
            entry.dealer.join(node);
            post.terms.entry(node.clone()).or_default().extend(entry.terms(
                node,
                self.tolerance,
                now,
            ));
        }
    }

    pub(super) fn leave(&mut self, node: &MemberId, now: u64, post: &mut Post) {
        self.nodes.remove(node);
        for entry in self.throttles.values_mut() {
            entry.leave(node);
            // What it held is free.
            deal(entry, now, post);
        }
    }

    pub(super) fn lose_sight(&mut self, node: &MemberId) {
        for entry in self.throttles.values_mut() {
            entry.dealer.lose_sight(node);
        }
    }

    /// Stops all; what they were like.
    pub(super) fn end(&mut self, now: u64, post: &mut Post) -> Vec<ThrottleInfo> {
        let all = std::mem::take(&mut self.throttles);
        all.values()
            .map(|entry| {
                self.tell_stopped(entry, post);
                entry.info(self.tolerance, true, now)
            })
            .collect()
    }

    /// Deals, moves ramps on, renews terms.
    pub(super) fn tick(&mut self, now: u64, post: &mut Post) {
        let renew = now >= self.renewed_at.saturating_add(RENEWAL);
        if renew {
            self.renewed_at = now;
        }
        for entry in self.throttles.values_mut() {
            if let Some(rate) = entry.dealer.advance(now)
                && !self.nodes.contains(&self.me)
            {
                let (name, rate) = (entry.name.as_str().into(), rate.to_string());
                self.telemetry.emit(&ThrottleRate { name, rate });
            }
            let before = entry.dealer.forfeited();
            if renew {
                entry.dealer.repeat_permits();
                for node in &self.nodes {
                    let terms = entry.terms(node, self.tolerance, now);
                    post.terms.entry(node.clone()).or_default().extend(terms);
                }
            }
            if renew || entry.dealer.is_wanted(now) {
                deal(entry, now, post);
            }
            let slots = entry.dealer.forfeited() - before;
            if slots > 0 {
                self.telemetry.emit(&ThrottleForfeit { name: entry.name.as_str().into(), slots });
            }
        }
    }

    /// When it is to tick again.
    pub(super) fn next_tick(&self, now: u64) -> u64 {
        let wanted = self.throttles.values().any(|entry| entry.dealer.is_wanted(now));
        let renewal = self.renewed_at.saturating_add(RENEWAL);
        if wanted { renewal.min(now - now % TICK + TICK) } else { renewal }
    }

    /// A node says or asks something, or the master's own operators do.
    pub(super) fn hear(
        &mut self,
        from: Option<&MemberId>,
        message: ToThrottles,
        now: u64,
        post: &mut Post,
    ) -> Option<ThrottleAnswer> {
        if from.is_some_and(|from| !self.nodes.contains(from)) {
            return Some(ThrottleAnswer::Refused(Refusal::new(
                Code::Unavailable,
                "the master does not count this node among its workers",
            )));
        }
        let outcome = match (message, from) {
            (ToThrottles::Hello, Some(from)) => {
                self.join(&from.clone(), now, post);
                Ok(ThrottleAnswer::Done)
            }
            (ToThrottles::Demand(demands), Some(from)) => {
                for demand in demands {
                    let mut all = self.throttles.values_mut();
                    if let Some(entry) = all.find(|entry| entry.id == demand.id) {
                        entry.dealer.demand(from, &demand, now);
                        deal(entry, now, post);
                    }
                }
                Ok(ThrottleAnswer::Done)
            }
            (ToThrottles::Tally(tallies) | ToThrottles::LastTally(tallies), Some(from)) => {
                self.tally(from, tallies);
                Ok(ThrottleAnswer::Done)
            }
            (ToThrottles::Start { name, rate }, from) => self.start(from, name, rate, now, post),
            (ToThrottles::Change { which, change }, _) => self.change(&which, change, now, post),
            (ToThrottles::Info { name }, _) => self
                .named(&name)
                .map(|entry| ThrottleAnswer::Infos(vec![entry.info(self.tolerance, false, now)])),
            (ToThrottles::List, _) => {
                let infos = self.throttles.values();
                let infos = infos.map(|entry| entry.info(self.tolerance, false, now)).collect();
                Ok(ThrottleAnswer::Infos(infos))
            }
            // The master's own node says these as a worker.
            (_, None) => Ok(ThrottleAnswer::Done),
        };
        Some(outcome.unwrap_or_else(ThrottleAnswer::Refused))
    }

    fn tally(&mut self, from: &MemberId, tallies: Vec<Tally>) {
        for tally in tallies {
            if let Some(entry) = self.throttles.values_mut().find(|entry| entry.id == tally.id) {
                entry.tally(from, tally);
            }
        }
    }

    fn start(
        &mut self,
        from: Option<&MemberId>,
        name: String,
        rate: Rate,
        now: u64,
        post: &mut Post,
    ) -> Result<ThrottleAnswer, Refusal> {
        if name.is_empty() {
            return Err(Refusal::new(Code::InvalidThrottle, "a throttle needs a name"));
        }
        let tolerance = self.tolerance;
        let started = match self.throttles.get(&name) {
            // A late joiner's `init` must not fail because an operator has changed the rate since.
            Some(entry) if entry.started == rate => Started::Already,
            Some(entry) => already(&entry.info(tolerance, false, now), rate)?,
            None => {
                self.last_id += 1;
                let mut entry =
                    Entry::new(ThrottleId(self.last_id), name.clone(), rate, tolerance, now);
                for node in &self.nodes {
                    entry.dealer.join(node);
                    let terms = entry.terms(node, tolerance, now);
                    post.terms.entry(node.clone()).or_default().extend(terms);
                }
                if !self.nodes.contains(&self.me) {
                    let name: std::sync::Arc<str> = name.as_str().into();
                    self.telemetry.emit(&ThrottleInit { name: name.clone() });
                    self.telemetry.emit(&ThrottleRate { name, rate: rate.to_string() });
                }
                self.throttles.insert(name.clone(), entry);
                Started::New
            }
        };
        let entry = self.throttles.get_mut(&name);
        let terms = entry.zip(from).and_then(|(entry, from)| entry.terms(from, tolerance, now));
        Ok(ThrottleAnswer::Started(started, terms.map(Box::new)))
    }

    fn named(&self, name: &str) -> Result<&Entry, Refusal> {
        let names = || self.throttles.keys().map(String::as_str);
        self.throttles.get(name).ok_or_else(|| unknown(name, names()))
    }

    fn which(&mut self, which: &Which) -> Result<&mut Entry, Refusal> {
        let name = match which {
            Which::Named(name) => {
                self.named(name)?;
                name
            }
            Which::This(id, name) => {
                if self.throttles.get(name).is_none_or(|entry| entry.id != *id) {
                    let gone = format!("throttle `{name}` was stopped");
                    return Err(Refusal::new(Code::NoThrottle, gone));
                }
                name
            }
        };
        let gone = || Refusal::new(Code::NoThrottle, format!("throttle `{name}` was stopped"));
        self.throttles.get_mut(name).ok_or_else(gone)
    }

    fn change(
        &mut self,
        which: &Which,
        change: Change,
        now: u64,
        post: &mut Post,
    ) -> Result<ThrottleAnswer, Refusal> {
        let entry = self.which(which)?;
        let name = entry.name.clone();
        let dealer = &mut entry.dealer;
        let on_ramp = dealer.ramp_at(now).map(|ramp| on_a_ramp(&name, ramp));
        let rate = match change {
            Change::Rate(rate) if dealer.rate_at(now) == rate => return Ok(ThrottleAnswer::Done),
            Change::Rate(_) | Change::Ramp(_) if on_ramp.is_some() => {
                return Err(on_ramp.unwrap_or_else(|| unreachable!("there is one")));
            }
            Change::Rate(rate) => {
                dealer.set_rate(rate, now);
                Some(rate)
            }
            Change::Ramp(ramp) => {
                let ramp = Ramp::new(ramp.from, ramp.to, ramp.over, ramp.steps)?;
                dealer.set_ramp(ramp, now);
                Some(ramp.from())
            }
            Change::Pause => {
                dealer.pause(now);
                None
            }
            Change::Resume => {
                dealer.resume(now);
                None
            }
            Change::Stop => {
                if let Some(entry) = self.throttles.remove(&name) {
                    self.tell_stopped(&entry, post);
                }
                return Ok(ThrottleAnswer::Done);
            }
        };
        let tolerance = self.tolerance;
        let nodes = self.nodes.clone();
        let entry = self.which(which)?;
        for node in &nodes {
            let terms = entry.terms(node, tolerance, now);
            post.terms.entry(node.clone()).or_default().extend(terms);
        }
        deal(entry, now, post);
        if let Some(rate) = rate
            && !nodes.contains(&self.me)
        {
            let (name, rate) = (name.as_str().into(), rate.to_string());
            self.telemetry.emit(&ThrottleRate { name, rate });
        }
        Ok(ThrottleAnswer::Done)
    }

    fn tell_stopped(&self, entry: &Entry, post: &mut Post) {
        post.stopped.extend(self.nodes.iter().map(|node| (node.clone(), entry.id)));
        if !self.nodes.contains(&self.me) {
            let waiting = entry.info(self.tolerance, true, 0).waiting;
            self.telemetry.emit(&ThrottleStop { name: entry.name.as_str().into(), waiting });
        }
    }
}

fn deal(entry: &mut Entry, now: u64, post: &mut Post) {
    let id = entry.id;
    for (node, grant) in entry.dealer.deal(now) {
        post.grants.entry(node).or_default().push(Grant { id, ..grant });
    }
}
