//! Who may be linked: at the end of a handshake, when a node has proven itself and fits.

use std::{collections::BTreeSet, time::Duration};

use crowd_core::settings::NodeAddress;

use super::{Command, DOUBT, LinkId, Membership, Peer, Phase, Target, YOUNG};
use crate::cluster::member::MemberId;

/// Why a node may not be linked now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Objection {
    /// It is this node.
    Itself,
    /// Another living node has its name.
    NameTaken,
    /// There is a link to it already.
    Linked,
    /// A link is being made or ended at this moment; to be tried again at once.
    Busy,
}

/// A node at the end of its handshake.
#[derive(Debug, Clone)]
pub(crate) struct Newcomer {
    pub(crate) link: LinkId,
    pub(crate) id: MemberId,
    /// Where it says, or seems, to be reached.
    pub(crate) address: Option<NodeAddress>,
    pub(crate) version: String,
    /// The address that was dialled, if we dialled it.
    pub(crate) dialled: Option<NodeAddress>,
    /// It knows that it has no link to us.
    pub(crate) unlinked: bool,
}

impl Membership {
    /// A node has proven itself and fits. If there is no objection its place is taken: for good if
    /// we dialled it, until [`Membership::agreed`] or [`Membership::abandoned`] if it dialled us.
    pub(crate) fn admit(
        &mut self,
        newcomer: &Newcomer,
        now: Duration,
    ) -> (Result<(), Objection>, Vec<Command>) {
        let mut commands = Vec::new();
        if let Err(objection) = self.objection(newcomer, now, &mut commands) {
            return (Err(objection), commands);
        }
        let Newcomer { link, id, address, version, dialled, .. } = newcomer.clone();
        let phase = if dialled.is_some() { Phase::Settling } else { Phase::Reserved };
        let peer = Peer {
            link,
            phase,
            since: now,
            heard: now,
            address: address.clone(),
            version,
            reaches: BTreeSet::new(),
            told: Duration::ZERO,
            master: None,
            followed: None,
        };
        self.peers.insert(id.clone(), peer);
        // Whoever had the name before does not come back, and one way to the member is enough.
        self.targets.retain(|at, target| {
            let stale = target.member.as_ref().is_some_and(|member| member.name == id.name)
                && Some(at) != dialled.as_ref();
            if target.seed && stale && target.member.as_ref() != Some(&id) {
                target.member = None;
            }
            target.seed || !stale
        });
        for at in [dialled, address].into_iter().flatten() {
            let target = self.targets.entry(at).or_insert_with(|| Target::new(now));
            target.linked(&id);
        }
        (Ok(()), commands)
    }

    fn objection(
        &mut self,
        newcomer: &Newcomer,
        now: Duration,
        commands: &mut Vec<Command>,
    ) -> Result<(), Objection> {
        let id = &newcomer.id;
        if *id == self.me {
            return Err(Objection::Itself);
        }
        if id.name == self.me.name || self.named_by_others(id, now) {
            return Err(Objection::NameTaken);
        }
        let namesake = self.peers.iter().find(|(other, _)| other.name == id.name && *other != id);
        if let Some((other, peer)) = namesake {
            match peer.phase {
                Phase::Reserved | Phase::Settling if now < peer.heard + DOUBT => {
                    return Err(Objection::Busy);
                }
                Phase::Up if now < peer.heard + DOUBT => return Err(Objection::NameTaken),
                _ => {}
            }
            let why = "it was silent, and its name is asked for by another".to_owned();
            commands.extend(self.evict(&other.clone(), &why, now));
        }
        if let Some(peer) = self.peers.get(id) {
            let ours_wins = newcomer.dialled.is_some() && self.me > *id;
            match peer.phase {
                // Both dialled: the greater one's connection is kept, on both sides.
                Phase::Reserved if ours_wins => {
                    let why = "both dialled each other".to_owned();
                    commands.push(Command::Cut { link: peer.link, why });
                    return Ok(());
                }
                Phase::Reserved => return Err(Objection::Busy),
                _ if newcomer.unlinked && now >= peer.since + YOUNG => {
                    let why = "it has lost its end of the connection".to_owned();
                    commands.extend(self.evict(id, &why, now));
                    return Err(Objection::Busy);
                }
                _ => return Err(Objection::Linked),
            }
        }
        if self.closing.values().any(|(closing, _)| closing == id) {
            return Err(Objection::Busy);
        }
        Ok(())
    }

    /// Whether a member that we reach says that it reaches another node of that name.
    fn named_by_others(&self, id: &MemberId, now: Duration) -> bool {
        let other = |claimed: &&MemberId| claimed.name == id.name && *claimed != id;
        self.peers
            .iter()
            .filter(|(by, peer)| by.name != id.name && peer.claims(now))
            .flat_map(|(_, peer)| peer.reaches.iter().find(other))
            .any(|claimed| !self.left.contains(claimed))
    }

    /// The node that dialled says yes. Whether its place is still kept.
    pub(crate) fn agreed(&mut self, link: LinkId, now: Duration) -> bool {
        let peer = self.peers.values_mut().find(|peer| peer.link == link);
        match peer {
            Some(peer) if peer.phase == Phase::Reserved => {
                (peer.phase, peer.since, peer.heard) = (Phase::Settling, now, now);
                true
            }
            _ => false,
        }
    }

    /// A handshake ended without a link.
    pub(crate) fn abandoned(&mut self, link: LinkId) {
        self.peers.retain(|_, peer| peer.link != link || peer.phase != Phase::Reserved);
    }
}
