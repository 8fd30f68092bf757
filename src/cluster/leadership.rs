//! Pure: who is master.
//!
//! Nobody is, until a node *claims* it because an operator typed `do` there. A claim needs the grant
//! of every member the node reaches. A node grants one claim at a time, and none while it claims
//! itself or knows a master; but if it claims itself and the other is the smaller (by name, then
//! incarnation), it gives its own claim up. So of nodes that reach each other at most one is
//! master: had two been granted, each would have granted the other, and a node that has granted
//! another's claim makes none until that one has come to nothing.
//!
//! The master is master until the run is forgotten. When it is gone, the others go on knowing it
//! until their own users are gone for certain; only then may another claim.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crowd_core::refusal::{Code, Refusal};

use super::{
    member::MemberId,
    protocol::operate::{Operate, OperateAnswer},
};

/// How long a claim may take.
pub(crate) const CLAIM: Duration = Duration::from_secs(5);

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    /// Ask a member for its grant; its answer comes back as [`Leadership::answered`].
    Ask { to: MemberId, claim: u64 },
    /// Send a message.
    Cast { to: MemberId, message: Operate },
    /// Tell whoever claimed here what has become of it.
    Claimed(Result<(), Refusal>),
    /// This node knows another master from now on, or none.
    Master(Option<MemberId>),
    /// Two masters met that did not know of each other; each keeps its run.
    Conflict(MemberId),
}

/// Who is master, as one node sees it.
#[derive(Debug)]
pub(crate) struct Leadership {
    me: MemberId,
    /// How long after the master is gone it is forgotten.
    abandon_after: Duration,
    seat: Seat,
    /// The members that are reached, and whom they said to know as master.
    members: BTreeMap<MemberId, Option<Option<MemberId>>>,
    claims: u64,
    orders: Vec<Order>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Seat {
    Nobody,
    /// That claim was granted; nothing more was heard of it yet.
    Granted {
        to: MemberId,
        claim: u64,
    },
    Following {
        master: MemberId,
        /// Since when it is gone.
        gone: Option<Duration>,
    },
    Claiming {
        since: Duration,
        /// Who has not granted yet.
        open: BTreeSet<MemberId>,
        /// Those of them that are to be asked again.
        again: BTreeSet<MemberId>,
    },
    Leading,
}

impl Leadership {
    /// A node that knows no master, and forgets one that is gone for `abandon_after`.
    pub(crate) fn new(me: MemberId, abandon_after: Duration) -> Self {
        Self {
            me,
            abandon_after,
            seat: Seat::Nobody,
            members: BTreeMap::new(),
            claims: 0,
            orders: Vec::new(),
        }
    }

    /// The master, as far as this node knows.
    pub(crate) fn master(&self) -> Option<&MemberId> {
        match &self.seat {
            Seat::Leading => Some(&self.me),
            Seat::Following { master, .. } => Some(master),
            Seat::Nobody | Seat::Granted { .. } | Seat::Claiming { .. } => None,
        }
    }

    /// Whether this node is the master.
    pub(crate) fn leads(&self) -> bool {
        self.seat == Seat::Leading
    }

    /// Whether that member is free to take part in this node's run: it has said that it knows no
    /// other master.
    pub(crate) fn is_free(&self, member: &MemberId) -> bool {
        match self.members.get(member) {
            Some(Some(master)) => master.as_ref().is_none_or(|master| *master == self.me),
            Some(None) | None => false,
        }
    }

    /// The members that are reached.
    pub(crate) fn members(&self) -> Vec<MemberId> {
        self.members.keys().cloned().collect()
    }

    /// What is to be done now.
    pub(crate) fn orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.orders)
    }

    /// This node wants to be master. [`Order::Claimed`] tells what has become of it.
    pub(crate) fn claim(&mut self, now: Duration) {
        match &self.seat {
            Seat::Leading => self.orders.push(Order::Claimed(Ok(()))),
            Seat::Following { master, gone: Some(_) } => {
                let message = format!(
                    "node `{master}` is master and cannot be reached; `stop` ends what goes on \
                     without it"
                );
                let refusal = Refusal::new(Code::MasterIsAlreadySet, message);
                self.orders.push(Order::Claimed(Err(refusal)));
            }
            Seat::Granted { to: other, .. } | Seat::Following { master: other, .. } => {
                let refusal = already_set(other);
                self.orders.push(Order::Claimed(Err(refusal)));
            }
            // The claim under way answers for this one too.
            Seat::Claiming { .. } => {}
            Seat::Nobody => {
                self.claims += 1;
                let open: BTreeSet<_> = self.members.keys().cloned().collect();
                let asked = open.iter().cloned();
                self.orders.extend(asked.map(|to| Order::Ask { to, claim: self.claims }));
                self.seat = Seat::Claiming { since: now, open, again: BTreeSet::new() };
                self.lead_when_granted();
            }
        }
    }

    /// The run is forgotten: this node is master no longer.
    pub(crate) fn resign(&mut self) {
        if self.leads() {
            self.sit(Seat::Nobody);
        }
    }

    /// What went on here under a master that is gone was ended: it is not waited for.
    pub(crate) fn abandon(&mut self, master: &MemberId) {
        if matches!(&self.seat, Seat::Following { master: known, gone: Some(_) } if known == master)
        {
            self.sit(Seat::Nobody);
        }
    }

    /// Another node claims to be master.
    pub(crate) fn asked(&mut self, from: &MemberId, claim: u64) -> OperateAnswer {
        let grant = Seat::Granted { to: from.clone(), claim };
        match &self.seat {
            Seat::Nobody => {
                self.seat = grant;
                OperateAnswer::Granted
            }
            Seat::Granted { to, .. } if to == from => {
                self.seat = grant;
                OperateAnswer::Granted
            }
            Seat::Granted { to, .. } => OperateAnswer::Busy(to.clone()),
            // It would not ask if it were master still.
            Seat::Following { master, .. } if master == from => {
                self.sit(grant);
                OperateAnswer::Granted
            }
            Seat::Following { master, .. } => OperateAnswer::Taken(master.clone()),
            Seat::Claiming { .. } if *from < self.me => {
                self.give_up(already_set(from));
                self.seat = grant;
                OperateAnswer::Granted
            }
            Seat::Claiming { .. } => OperateAnswer::Busy(self.me.clone()),
            Seat::Leading => OperateAnswer::Taken(self.me.clone()),
        }
    }

    /// A member answered a claim of this node; `None` if it did not answer in time.
    pub(crate) fn answered(&mut self, from: &MemberId, claim: u64, answer: Option<OperateAnswer>) {
        if claim != self.claims {
            return;
        }
        let Seat::Claiming { open, again, .. } = &mut self.seat else { return };
        if !open.contains(from) {
            return;
        }
        match answer {
            Some(OperateAnswer::Granted) => {
                open.remove(from);
                again.remove(from);
                // A node that grants knows no master.
                self.members.insert(from.clone(), Some(None));
                self.lead_when_granted();
            }
            // The larger one gives up as soon as it hears of this claim.
            Some(OperateAnswer::Busy(other)) if other > self.me => drop(again.insert(from.clone())),
            Some(OperateAnswer::Busy(other) | OperateAnswer::Taken(other)) if other != self.me => {
                self.give_up(already_set(&other));
            }
            // It has this node in mind, with what is past by now.
            Some(OperateAnswer::Busy(_) | OperateAnswer::Taken(_)) => {
                again.insert(from.clone());
            }
            Some(OperateAnswer::Relayed(_) | OperateAnswer::Orphan(_)) | None => {
                let message = format!("node `{from}` does not say whether it knows a master");
                self.give_up(Refusal::new(Code::Unavailable, message));
            }
        }
    }

    /// A member's claim has come to nothing.
    pub(crate) fn released(&mut self, from: &MemberId, claim: u64) {
        if self.seat == (Seat::Granted { to: from.clone(), claim }) {
            self.seat = Seat::Nobody;
        }
    }

    /// A member says whom it knows as master.
    pub(crate) fn told(&mut self, from: &MemberId, master: Option<MemberId>) {
        let leads = master.as_ref() == Some(from);
        if let Some(said) = self.members.get_mut(from) {
            *said = Some(master);
        }
        let followed = matches!(&self.seat, Seat::Following { master, .. } if master == from);
        match leads {
            true => self.learn(from),
            false if followed => self.sit(Seat::Nobody),
            false => {}
        }
    }

    /// A member can be reached.
    pub(crate) fn up(&mut self, member: &MemberId) {
        self.members.insert(member.clone(), None);
        match &mut self.seat {
            Seat::Claiming { open, .. } => {
                open.insert(member.clone());
                self.orders.push(Order::Ask { to: member.clone(), claim: self.claims });
            }
            Seat::Following { master, gone } if master == member => *gone = None,
            // Names are unique among the living: the master has died and come back as another.
            Seat::Following { master, .. } if master.name == member.name => {
                self.sit(Seat::Nobody);
            }
            _ => {}
        }
        let message = Operate::Known { master: self.master().cloned() };
        self.orders.push(Order::Cast { to: member.clone(), message });
    }

    /// A member cannot be reached any more.
    pub(crate) fn down(&mut self, now: Duration, member: &MemberId) {
        self.members.remove(member);
        match &mut self.seat {
            Seat::Granted { to, .. } if to == member => self.seat = Seat::Nobody,
            Seat::Following { master, gone } if master == member => *gone = Some(now),
            Seat::Claiming { open, again, .. } => {
                open.remove(member);
                again.remove(member);
                self.lead_when_granted();
            }
            _ => {}
        }
    }

    /// Time passes.
    pub(crate) fn tick(&mut self, now: Duration) {
        match &mut self.seat {
            Seat::Following { gone: Some(gone), .. }
                if now.saturating_sub(*gone) >= self.abandon_after =>
            {
                self.sit(Seat::Nobody);
                let leads = |(member, said): (&MemberId, &Option<Option<MemberId>>)| {
                    (said.as_ref()?.as_ref()? == member).then(|| member.clone())
                };
                if let Some(master) = self.members.iter().find_map(leads) {
                    self.learn(&master);
                }
            }
            Seat::Claiming { since, open, .. } if now.saturating_sub(*since) >= CLAIM => {
                let names: Vec<_> = open.iter().map(|member| format!("`{member}`")).collect();
                let message = format!("no answer who is master from {}", names.join(", "));
                self.give_up(Refusal::new(Code::Unavailable, message));
            }
            Seat::Claiming { again, .. } => {
                let claim = self.claims;
                let asked = std::mem::take(again).into_iter();
                self.orders.extend(asked.map(|to| Order::Ask { to, claim }));
            }
            _ => {}
        }
    }

    fn learn(&mut self, master: &MemberId) {
        match &self.seat {
            Seat::Leading => self.orders.push(Order::Conflict(master.clone())),
            Seat::Following { master: known, .. } if known == master => {}
            // Its users may live still.
            Seat::Following { .. } => {}
            Seat::Claiming { .. } => {
                self.give_up(already_set(master));
                self.sit(Seat::Following { master: master.clone(), gone: None });
            }
            Seat::Nobody | Seat::Granted { .. } => {
                self.sit(Seat::Following { master: master.clone(), gone: None });
            }
        }
    }

    fn lead_when_granted(&mut self) {
        if matches!(&self.seat, Seat::Claiming { open, .. } if open.is_empty()) {
            self.sit(Seat::Leading);
            self.orders.push(Order::Claimed(Ok(())));
        }
    }

    fn give_up(&mut self, refusal: Refusal) {
        self.seat = Seat::Nobody;
        let message = Operate::Release { claim: self.claims };
        self.cast_all(message);
        self.orders.push(Order::Claimed(Err(refusal)));
    }

    /// Takes a seat; if that means another master, everybody is told.
    fn sit(&mut self, seat: Seat) {
        let before = self.master().cloned();
        self.seat = seat;
        let master = self.master().cloned();
        if master != before {
            self.orders.push(Order::Master(master.clone()));
            self.cast_all(Operate::Known { master });
        }
    }

    fn cast_all(&mut self, message: Operate) {
        let all = self.members.keys().cloned();
        self.orders.extend(all.map(|to| Order::Cast { to, message: message.clone() }));
    }
}

fn already_set(master: &MemberId) -> Refusal {
    let message = format!("node `{master}` is master already");
    Refusal::new(Code::MasterIsAlreadySet, message)
}

#[cfg(test)]
mod tests;
