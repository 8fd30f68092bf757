//! Pure: who is linked with whom, whom to dial and when, and who is gone.
//!
//! An *address* is dialled for ever while its node is not linked: seeds, because the settings name
//! them; others, because a member told of them or lived there. One that somebody asked for meanwhile is
//! dialled until what answers there does not prove that it is a node of this cluster. A *peer* is a member that a link is
//! made to or exists to. There is at most one link to a member, and at most one living member of a
//! name.
//!
//! Times are since the beginning of the process.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use crowd_core::settings::NodeAddress;

use super::{lease::SILENCE, member::MemberId};

mod admission;
mod target;
mod view;

pub(crate) use admission::{Newcomer, Objection};
use target::Target;
pub(crate) use target::{DialFault, Refused};
pub(crate) use view::{Dial, Standing};

/// After so long without a word a peer's name is given to whoever comes and asks for it.
const DOUBT: Duration = Duration::from_millis(1_500);

/// How long a link may take from the end of the handshake until messages pass.
const SETTLE: Duration = Duration::from_secs(5);

/// How long the end of a link is waited for before it is taken for granted.
const CLOSE: Duration = Duration::from_secs(5);

/// A link so young was made while the other side was still dialling.
const YOUNG: Duration = Duration::from_secs(1);

/// Two nodes that hear of each other at one moment do not dial each other at one moment.
const AFTER_YOU: Duration = Duration::from_millis(150);

/// Addresses that are known only by hearsay: so many at most, and for so long.
const MOST_TARGETS: usize = 1_024;
const HEARSAY: Duration = Duration::from_secs(60);

/// How many of those that left are remembered, so that old news of them are not believed.
const MOST_LEFT: usize = 256;

/// The number of a connection, never used twice in a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LinkId(pub(crate) u64);

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Dial this address; who is expected there, if we know that we have no link to them.
    Dial { address: NodeAddress, expected: Option<MemberId> },
    /// End this connection.
    Cut { link: LinkId, why: String },
    /// Messages pass from now on.
    Up { link: LinkId, id: MemberId },
    /// No messages pass any more; because it took its `leave`, or otherwise.
    Down { link: LinkId, id: MemberId, why: String, leave: bool },
    /// Tell the operator why an address is not linked: because one of the two does not want it, or
    /// because it cannot be reached.
    Say { address: NodeAddress, why: String, refused: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It dialled us and we agreed; its own yes is to come.
    Reserved,
    /// Both agreed; messages do not pass yet.
    Settling,
    Up,
}

#[derive(Debug)]
struct Peer {
    link: LinkId,
    phase: Phase,
    since: Duration,
    heard: Duration,
    address: Option<NodeAddress>,
    version: String,
    reaches: BTreeSet<MemberId>,
    told: Duration,
    master: Option<MemberId>,
    /// The last master that it said it knew: it was linked to that one once.
    followed: Option<MemberId>,
}

/// Who is there, and who is looked for.
#[derive(Debug)]
pub(crate) struct Membership {
    me: MemberId,
    targets: BTreeMap<NodeAddress, Target>,
    peers: BTreeMap<MemberId, Peer>,
    /// Links that are not quite gone; a new one to the same member would be mixed up with them.
    closing: BTreeMap<LinkId, (MemberId, Duration)>,
    left: VecDeque<MemberId>,
    last_tick: Duration,
    news: bool,
    dice: u64,
}

impl Membership {
    /// Nobody is known. `dice` makes delays differ from those of other nodes.
    pub(crate) fn new(me: MemberId, dice: u64) -> Self {
        Self {
            me,
            targets: BTreeMap::new(),
            peers: BTreeMap::new(),
            closing: BTreeMap::new(),
            left: VecDeque::new(),
            last_tick: Duration::ZERO,
            news: false,
            dice: dice | 1,
        }
    }

    /// The settings name that address: it is dialled at once, and for ever.
    pub(crate) fn seed(&mut self, address: &NodeAddress, now: Duration) {
        self.join(address, now);
        if let Some(target) = self.targets.get_mut(address) {
            target.lasting = true;
        }
    }

    /// Somebody asks for the node at that address: it is dialled at once, and until somebody is
    /// there who does not prove that it is a node of this cluster.
    pub(crate) fn join(&mut self, address: &NodeAddress, now: Duration) {
        let target = self.targets.entry(address.clone()).or_insert_with(|| Target::new(now));
        target.asked_for(now);
    }

    /// A member tells that another one lives at that address.
    pub(crate) fn told_of(&mut self, id: &MemberId, address: &NodeAddress, now: Duration) {
        let known = self.peers.contains_key(id) || self.left.contains(id);
        if known || id.name == self.me.name {
            return;
        }
        if let Some(target) = self.targets.get_mut(address) {
            (target.told, target.given_up) = (now, false);
            target.member.get_or_insert_with(|| id.clone());
            return;
        }
        if self.targets.len() >= MOST_TARGETS {
            return;
        }
        let mut target = Target::new(now);
        target.member = Some(id.clone());
        if self.me > *id {
            target.next += AFTER_YOU + self.up_to(AFTER_YOU);
        }
        self.targets.insert(address.clone(), target);
    }

    /// A dial came to nothing.
    pub(crate) fn dial_failed(
        &mut self,
        address: &NodeAddress,
        fault: &DialFault,
        now: Duration,
    ) -> Vec<Command> {
        let dice = self.roll();
        let Some(target) = self.targets.get_mut(address) else { return Vec::new() };
        match target.failed(fault, now, dice) {
            Some(why) => {
                let unreachable = matches!(fault, DialFault::Unreachable(_) | DialFault::Mute(_));
                let refused = !unreachable || target.given_up;
                vec![Command::Say { address: address.clone(), why, refused }]
            }
            None => Vec::new(),
        }
    }

    /// Messages pass on that link in both directions.
    pub(crate) fn settled(&mut self, link: LinkId, now: Duration) -> Vec<Command> {
        let Some((id, peer)) = self.peers.iter_mut().find(|(_, peer)| peer.link == link) else {
            return Vec::new();
        };
        if peer.phase != Phase::Settling {
            return Vec::new();
        }
        (peer.phase, peer.since, peer.heard) = (Phase::Up, now, now);
        self.news = true;
        for target in self.targets.values_mut().filter(|target| target.member.as_ref() == Some(id))
        {
            target.up();
        }
        vec![Command::Up { link, id: id.clone() }]
    }

    /// Something came on that link at `at`.
    pub(crate) fn heard(&mut self, link: LinkId, at: Duration) {
        if let Some(peer) = self.peers.values_mut().find(|peer| peer.link == link) {
            peer.heard = peer.heard.max(at);
        }
    }

    /// A peer tells whom it reaches, and which master it knows.
    pub(crate) fn told(
        &mut self,
        by: LinkId,
        reaches: &[(MemberId, String)],
        master: Option<MemberId>,
        now: Duration,
    ) {
        let Some(peer) = self.peers.values_mut().find(|peer| peer.link == by) else { return };
        peer.reaches = reaches.iter().map(|(id, _)| id.clone()).collect();
        (peer.told, peer.master) = (now, master);
        if peer.master.is_some() {
            peer.followed = peer.master.clone();
        }
        for (id, address) in reaches {
            if let Ok(address) = address.parse() {
                self.told_of(id, &address, now);
            }
        }
    }

    /// A connection is closed, or has broken.
    pub(crate) fn closed(&mut self, link: LinkId, why: &str, now: Duration) -> Vec<Command> {
        let gone = self.peers.iter().find(|(_, peer)| peer.link == link);
        let Some(id) = gone.map(|(id, _)| id.clone()) else { return Vec::new() };
        self.drop_peer(&id, why, now)
    }

    /// Nothing is left of that connection.
    pub(crate) fn gone(&mut self, link: LinkId, why: &str, now: Duration) -> Vec<Command> {
        let commands = self.closed(link, why, now);
        self.closing.remove(&link);
        commands
    }

    /// That member takes its leave: it is not looked for, unless somebody asked for its address.
    pub(crate) fn left(&mut self, link: LinkId, now: Duration) -> Vec<Command> {
        let gone = self.peers.iter().find(|(_, peer)| peer.link == link);
        let Some(id) = gone.map(|(id, _)| id.clone()) else { return Vec::new() };
        if self.left.len() == MOST_LEFT {
            self.left.pop_front();
        }
        self.left.push_back(id.clone());
        let mut commands = self.evict(&id, "it left", now);
        for command in &mut commands {
            if let Command::Down { leave, .. } = command {
                *leave = true;
            }
        }
        self.targets.retain(|_, target| target.seed || target.member.as_ref() != Some(&id));
        commands
    }

    /// That member is to be without a link.
    pub(crate) fn evict(&mut self, id: &MemberId, why: &str, now: Duration) -> Vec<Command> {
        let Some(peer) = self.peers.get(id) else { return Vec::new() };
        let mut commands = vec![Command::Cut { link: peer.link, why: why.to_owned() }];
        commands.extend(self.drop_peer(id, why, now));
        commands
    }

    fn drop_peer(&mut self, id: &MemberId, why: &str, now: Duration) -> Vec<Command> {
        let Some(peer) = self.peers.remove(id) else { return Vec::new() };
        if peer.phase != Phase::Reserved {
            self.closing.insert(peer.link, (id.clone(), now));
        }
        let next = now + self.up_to(Duration::from_millis(100));
        let known = self.targets.values_mut().filter(|target| target.member.as_ref() == Some(id));
        for target in known {
            if peer.phase == Phase::Up {
                target.lost(why, next);
            } else {
                target.dropped(why, now, self.dice);
            }
        }
        if peer.phase != Phase::Up {
            return Vec::new();
        }
        self.news = true;
        let (link, id, why) = (peer.link, id.clone(), why.to_owned());
        vec![Command::Down { link, id, why, leave: false }]
    }

    /// Time passes: dials that are due, and members that are silent.
    pub(crate) fn tick(&mut self, now: Duration) -> Vec<Command> {
        // It was this node that was not there: whoever still has a link gets a moment to say so.
        if now > self.last_tick + Duration::from_secs(1) {
            let benefit = (now + Duration::from_secs(1)).saturating_sub(SILENCE);
            self.peers.values_mut().for_each(|peer| peer.heard = peer.heard.max(benefit));
        }
        self.last_tick = now;
        let mut commands = Vec::new();
        let overdue: Vec<(MemberId, String)> = self
            .peers
            .iter()
            .filter_map(|(id, peer)| Some((id.clone(), peer.overdue(now)?)))
            .collect();
        for (id, why) in overdue {
            commands.extend(self.evict(&id, &why, now));
        }
        self.closing.retain(|_, (_, since)| now < *since + CLOSE);
        self.targets.retain(|_, target| !target.forgotten(now));
        for (address, target) in &mut self.targets {
            let waiting = target.member.as_ref().is_some_and(|id| {
                self.peers.contains_key(id)
                    || self.closing.values().any(|(closing, _)| closing == id)
            });
            if !waiting && target.is_due(now) {
                target.dialling = true;
                let expected = target.member.clone();
                commands.push(Command::Dial { address: address.clone(), expected });
            }
        }
        commands
    }

    /// The members that are up, and where they live, for others to know.
    pub(crate) fn reached(&self) -> Vec<(MemberId, String)> {
        self.up()
            .map(|(id, peer)| {
                let address = peer.address.as_ref().map(ToString::to_string);
                (id.clone(), address.unwrap_or_default())
            })
            .collect()
    }

    /// Whether somebody came up or went down since this was asked last.
    pub(crate) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    /// Whether that connection is, or is to become, the link to a member.
    pub(crate) fn has(&self, link: LinkId) -> bool {
        self.peers.values().any(|peer| peer.link == link)
    }

    /// Whether a member that we reach said lately that it reaches `whom`.
    pub(crate) fn reached_by_others(&self, whom: &MemberId, now: Duration) -> bool {
        self.up().any(|(id, peer)| id != whom && peer.claims(now) && peer.reaches.contains(whom))
    }

    /// How many members are reached that have known that master, so that it counts them as members
    /// as well, and that say lately whom they reach.
    pub(crate) fn fellows(&self, master: &MemberId, now: Duration) -> u64 {
        let knows = |(id, peer): &(&MemberId, &Peer)| {
            *id != master && peer.claims(now) && peer.followed.as_ref() == Some(master)
        };
        self.up().filter(knows).count() as u64
    }

    fn up(&self) -> impl Iterator<Item = (&MemberId, &Peer)> {
        self.peers.iter().filter(|(_, peer)| peer.phase == Phase::Up)
    }

    fn roll(&mut self) -> u64 {
        // xorshift64*: delays need not be unpredictable, only different.
        self.dice ^= self.dice >> 12;
        self.dice ^= self.dice << 25;
        self.dice ^= self.dice >> 27;
        self.dice.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32
    }

    fn up_to(&mut self, most: Duration) -> Duration {
        target::share(most, self.roll())
    }
}

impl Peer {
    /// Whether what it says of others is news.
    fn claims(&self, now: Duration) -> bool {
        self.phase == Phase::Up && self.told > Duration::ZERO && now <= self.told + SILENCE
    }

    /// Why it is to be given up, if it is.
    fn overdue(&self, now: Duration) -> Option<String> {
        let fixed = |duration: Duration| humantime::format_duration(duration).to_string();
        match self.phase {
            Phase::Up if now >= self.heard + SILENCE => {
                Some(format!("nothing was heard of it for {}", fixed(SILENCE)))
            }
            Phase::Reserved | Phase::Settling if now >= self.since + SETTLE => {
                Some(format!("no messages passed within {}", fixed(SETTLE)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
