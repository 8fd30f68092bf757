//! Who is in which group, and when a group is complete. Pure: adds and times go in, batches come
//! out.

use std::{mem, time::Duration};

use crowd_core::user_id::UserId;
use rand::{Rng, RngExt};

use super::{
    event::{Event, EventCounts, Member},
    plan::Group,
};

/// A group that is handed to the actions of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Batch<D> {
    /// Which item of the plan, from 0, in the order of their turns.
    pub(crate) item: usize,
    /// Why.
    pub(crate) event: Event,
    /// The size that was aimed at; `None` for everybody.
    pub(crate) size: Option<u64>,
    /// Who, oldest first; empty if no action of the item wants to know.
    pub(crate) members: Vec<Member<D>>,
}

/// What an add did besides adding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Added {
    /// It is the first after the start or after an event that ended the wait for a timeout: there
    /// is a deadline again.
    pub(crate) armed: bool,
    /// The timeout had been due before it.
    pub(crate) timed_out: bool,
}

/// The groups of one coordinator. Every item of the plan counts on its own: an add is counted in
/// each of them. Times are since an origin of the caller's choice.
#[derive(Debug)]
pub(crate) struct Batcher<D, R> {
    items: Vec<Gathering<D>>,
    timeout: Option<Duration>,
    /// When somebody was added last, if the timeout has not been disarmed since.
    last_add: Option<Duration>,
    /// One copy of the data for each item that keeps it; empty between adds.
    copies: Vec<D>,
    keepers: usize,
    adds: u64,
    fired: EventCounts,
    random: R,
}

/// What one item has gathered so far.
#[derive(Debug)]
struct Gathering<D> {
    group: Group,
    /// How many complete the group; drawn anew after every event.
    size: Option<u64>,
    /// Whether an action wants to know who they are.
    keeps: bool,
    count: u64,
    members: Vec<Member<D>>,
}

impl<D, R: Rng> Batcher<D, R> {
    /// A batcher for groups in the order of their turns, each with whether it keeps its members.
    pub(crate) fn new(
        groups: impl IntoIterator<Item = (Group, bool)>,
        timeout: Option<Duration>,
        mut random: R,
    ) -> Self {
        let items: Vec<_> = groups
            .into_iter()
            .map(|(group, keeps)| Gathering {
                group,
                size: draw(group, &mut random),
                keeps,
                count: 0,
                members: Vec::new(),
            })
            .collect();
        let keepers = items.iter().filter(|item| item.keeps).count();
        Self {
            items,
            timeout,
            last_add: None,
            copies: Vec::new(),
            keepers,
            adds: 0,
            fired: EventCounts::default(),
            random,
        }
    }

    /// Counts a user in every item. Completed groups go to `fire`, in the order of the items. If
    /// the timeout was due before `now`, it comes first: the groups it ends do not get this user,
    /// however late the clock that should have told of it.
    pub(crate) fn add(
        &mut self,
        now: Duration,
        user: UserId,
        data: D,
        mut fire: impl FnMut(Batch<D>),
    ) -> Added
    where
        D: Clone,
    {
        let timed_out = self.tick(now, &mut fire);
        // All copies are made before anything is counted: a clone that panics then leaves the
        // groups as they were.
        self.copies.clear();
        for _ in 1..self.keepers {
            self.copies.push(data.clone());
        }
        if self.keepers > 0 {
            self.copies.push(data);
        }
        let armed = self.last_add.is_none();
        // Two threads may read the clock in one order and get here in the other.
        self.last_add = Some(self.last_add.map_or(now, |last| last.max(now)));
        self.adds += 1;
        for (n, item) in self.items.iter_mut().enumerate() {
            item.count += 1;
            if item.keeps
                && let Some(data) = self.copies.pop()
            {
                item.members.push(Member { user, data });
            }
            if item.size == Some(item.count) {
                fire(item.end(n, Event::Coordinate, &mut self.random, &mut self.fired));
            }
        }
        Added { armed, timed_out }
    }

    /// When the timeout is due, if nobody is added before.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        Some(self.last_add?.saturating_add(self.timeout?))
    }

    /// Ends all groups by timeout if it is due; says whether it was.
    pub(crate) fn tick(&mut self, now: Duration, fire: impl FnMut(Batch<D>)) -> bool {
        let due = self.deadline().is_some_and(|deadline| deadline <= now);
        if due {
            self.end_all(Event::Timeout, fire);
        }
        due
    }

    /// Ends all groups and begins anew.
    pub(crate) fn reset(&mut self, fire: impl FnMut(Batch<D>)) {
        self.end_all(Event::Reset, fire);
    }

    /// Ends all groups for good.
    pub(crate) fn stop(&mut self, fire: impl FnMut(Batch<D>)) {
        self.end_all(Event::Stop, fire);
    }

    fn end_all(&mut self, event: fn(u64) -> Event, mut fire: impl FnMut(Batch<D>)) {
        self.last_add = None;
        for (n, item) in self.items.iter_mut().enumerate() {
            fire(item.end(n, event, &mut self.random, &mut self.fired));
        }
    }

    /// Takes those out who wait and are named by `which`, as if they had never been added. Items
    /// that keep nobody do not know who waits in them, and go on counting them.
    pub(crate) fn withdraw(&mut self, which: impl Fn(&Member<D>) -> bool) {
        for item in self.items.iter_mut().filter(|item| item.keeps) {
            item.members.retain(|member| !which(member));
            item.count = item.members.len() as u64;
        }
    }

    /// How many adds there were.
    pub(crate) fn adds(&self) -> u64 {
        self.adds
    }

    /// How many events there were.
    pub(crate) fn fired(&self) -> EventCounts {
        self.fired
    }

    /// Of each item: its size now, and how many wait in it.
    pub(crate) fn gathered(&self) -> impl Iterator<Item = (Option<u64>, u64)> + '_ {
        self.items.iter().map(|item| (item.size, item.count))
    }
}

impl<D> Gathering<D> {
    /// Hands over the group and begins the next.
    fn end(
        &mut self,
        item: usize,
        event: fn(u64) -> Event,
        random: &mut impl Rng,
        fired: &mut EventCounts,
    ) -> Batch<D> {
        let event = event(mem::take(&mut self.count));
        fired.note(event);
        let size = mem::replace(&mut self.size, draw(self.group, random));
        Batch { item, event, size, members: mem::take(&mut self.members) }
    }
}

fn draw(group: Group, random: &mut impl Rng) -> Option<u64> {
    match group {
        Group::Size(size) => Some(size),
        Group::Range { min, max } => Some(random.random_range(min..=max)),
        Group::All => None,
    }
}

#[cfg(test)]
mod tests;
