//! What an operator sees of the membership.

use crowd_core::settings::NodeAddress;

use super::{LinkId, Membership, Phase, target::Outcome};
use crate::cluster::member::MemberId;

/// How it stands with a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Messages pass.
    Up,
    /// It was never linked; why the last try failed.
    Connecting(Option<String>),
    /// One of the two does not want it.
    Refused(String),
    /// It was linked; why not any more.
    Lost(String),
}

/// A node that is linked or looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    /// Who, if that is known.
    pub(crate) id: Option<MemberId>,
    /// Where.
    pub(crate) address: String,
    /// The version of crowd there, if it is linked.
    pub(crate) version: Option<String>,
    /// How it stands.
    pub(crate) standing: Standing,
    /// The master it knows.
    pub(crate) master: Option<MemberId>,
    /// The connection.
    pub(crate) link: Option<LinkId>,
}

impl Membership {
    /// Every node that is linked or looked for, each once.
    pub(crate) fn views(&self) -> Vec<View> {
        let mut views: Vec<View> = self
            .peers
            .iter()
            .map(|(id, peer)| View {
                id: Some(id.clone()),
                address: peer.address.as_ref().map(ToString::to_string).unwrap_or_default(),
                version: Some(peer.version.clone()),
                standing: match peer.phase {
                    Phase::Up => Standing::Up,
                    Phase::Reserved | Phase::Settling => Standing::Connecting(None),
                },
                master: peer.master.clone(),
                link: Some(peer.link),
            })
            .collect();
        for (address, target) in &self.targets {
            let seen = |id: &MemberId| views.iter().any(|view| view.id.as_ref() == Some(id));
            if target.outcome == Outcome::Itself || target.member.as_ref().is_some_and(seen) {
                continue;
            }
            let standing = match (&target.outcome, &target.lost) {
                (Outcome::Refused(why), _) => Standing::Refused(why.clone()),
                (_, Some(why)) => Standing::Lost(why.clone()),
                (_, None) => Standing::Connecting(target.fault.clone()),
            };
            views.push(View {
                id: target.member.clone(),
                address: address.to_string(),
                version: None,
                standing,
                master: None,
                link: None,
            });
        }
        views
    }

    /// How the dials of an address go: how many have ended, and how it stands now.
    pub(crate) fn dials(&self, address: &NodeAddress) -> (u64, Dial) {
        let Some(target) = self.targets.get(address) else { return (0, Dial::Going) };
        let member = target.member.as_ref().and_then(|id| Some((id, self.peers.get(id)?)));
        let dial = match (member, &target.outcome, &target.fault) {
            (Some((id, peer)), _, _) if peer.phase == Phase::Up => Dial::Up(id.clone()),
            (Some(_), _, _) => Dial::Going,
            (None, Outcome::Itself, _) => Dial::Itself,
            (None, _, Some(why)) => Dial::Failed(why.clone()),
            (None, _, None) => Dial::Going,
        };
        (target.dials, dial)
    }
}

/// How it stands with an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dial {
    /// Nothing is known yet.
    Going,
    /// That member is up.
    Up(MemberId),
    /// It is this node.
    Itself,
    /// The last try failed.
    Failed(String),
}
