//! Pure: which users are waiting, running, told to stop, and how those that are gone ended.
//!
//! The identity `asked = waiting + running + finished + failed + removed` holds after every step,
//! because every id is in exactly one place: a set while it lives, a count once it is gone. An id
//! that is given back is in none of them any more.

use std::ops::RangeInclusive;

use crowd_core::{
    refusal::{Code, Refusal},
    user_id::{IdSet, UserId},
};
use serde::{Deserialize, Serialize};

/// The highest user id that may ever be given out; far beyond any run, far from overflow.
pub const HIGHEST_ID: u64 = 1 << 53;

/// How many users are in which state; asked = waiting + running + finished + failed + removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserCounts {
    /// All that were ever added.
    pub asked: u64,
    /// All that were ever admitted.
    pub started: u64,
    /// Not admitted yet.
    pub waiting: u64,
    /// Running now; those that are told to stop and have not ended yet are among them.
    pub running: u64,
    /// Ended by themselves.
    pub finished: u64,
    /// Ended with a failure or a panic.
    pub failed: u64,
    /// Cancelled while they waited, stopped or killed.
    pub removed: u64,
    /// The most that ran at once.
    pub peak: u64,
}

/// How a user's end is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// It ended by itself.
    Finished,
    /// It failed or panicked.
    Failed,
    /// It was stopped or killed.
    Removed,
}

/// Whom a `remove` or `stop` hits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removal {
    /// Waiting users, which will never start.
    pub cancelled: IdSet,
    /// Running users, to be told to stop.
    pub chosen: IdSet,
}

impl Removal {
    /// How many users it hits.
    pub fn len(&self) -> u64 {
        self.cancelled.len() + self.chosen.len()
    }

    /// Whether it hits nobody.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What became of a running user that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// There was no such user.
    Unknown,
    /// It is counted as ended.
    Counted,
    /// The same; and it was started for an arrival, so that there is room for another.
    Left,
    /// It was given back, and is in none of the counts.
    Released,
}

/// Ids that are gone since somebody last looked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gone {
    /// Ended, or cancelled while they waited: in one of the counts for good.
    pub ended: IdSet,
    /// Given back: in none of the counts.
    pub released: IdSet,
}

/// The same while it is gathered: ranges in any order, so that a million ends in any order are a
/// million pushes and one sort.
#[derive(Debug, Clone, Default)]
struct Going {
    ended: Vec<(u64, u64)>,
    released: Vec<(u64, u64)>,
}

/// The users of one run on one node.
#[derive(Debug, Clone, Default)]
pub struct Population {
    highest: u64,
    waiting: IdSet,
    /// Running and not told to stop.
    staying: IdSet,
    /// Running and told to stop: never chosen a second time.
    leaving: IdSet,
    /// Those of them that are to be given back when they end.
    returning: IdSet,
    /// Of those staying, who was told that it is no longer needed.
    retiring: IdSet,
    /// Users that were started for arrivals, and run.
    arrived: IdSet,
    /// How many stay and are in neither of these: asked for at every end, so it is not worked out
    /// from sets that are as long as ends come in any order.
    needed: u64,
    /// Ids that users of a plan are given; `None`: the next ones. Whoever reserves ids is not told
    /// which of them are gone.
    reserved: Option<IdSet>,
    /// Kept only for somebody who looks, since it grows until then.
    going: Option<Going>,
    finished: u64,
    failed: u64,
    removed: u64,
    asked: u64,
    started: u64,
    peak: u64,
}

impl Population {
    /// Adds users with the next ids.
    ///
    /// # Errors
    /// `invalid-range` for a count of 0, or one that runs out of ids.
    pub fn add(&mut self, count: u64) -> Result<RangeInclusive<u64>, Refusal> {
        if count == 0 {
            return Err(Refusal::new(
                Code::InvalidRange,
                "0 users cannot be added; 1 is the least",
            ));
        }
        let first = self.highest + 1;
        self.add_range(first, self.highest.saturating_add(count))
    }

    /// All that wait or run.
    pub fn living(&self) -> IdSet {
        let mut all = self.waiting.clone();
        let running = self.staying.ranges().chain(self.leaving.ranges());
        running.for_each(|range| all.insert(range));
        all
    }

    /// Adds up to `count` users of a plan: with the next ids, or with reserved ones, of which there
    /// may be fewer. Answers how many.
    pub fn keep(&mut self, count: u64) -> u64 {
        let ids = self.next_ids(count);
        ids.ranges().for_each(|range| self.waiting.insert(range));
        self.asked += ids.len();
        ids.len()
    }

    /// Takes ids out of those reserved, or the next ones.
    fn next_ids(&mut self, count: u64) -> IdSet {
        let ids = match &mut self.reserved {
            Some(reserved) => reserved.take_lowest(count),
            None => {
                let last = self.highest.saturating_add(count).min(HIGHEST_ID);
                if last > self.highest {
                    IdSet::from(vec![(self.highest + 1, last)])
                } else {
                    IdSet::default()
                }
            }
        };
        self.highest = ids.ranges().next_back().map_or(0, |last| *last.end()).max(self.highest);
        ids
    }

    /// Adds exactly these ids, all above those given out before.
    ///
    /// # Errors
    /// `invalid-range` for an empty range, ids given out before, or ids beyond the highest.
    pub fn add_range(&mut self, first: u64, last: u64) -> Result<RangeInclusive<u64>, Refusal> {
        let refuse = |message| Err(Refusal::new(Code::InvalidRange, message));
        if first > last {
            return refuse(format!("{first}..{last} is no range: its first id is above its last"));
        }
        if first <= self.highest {
            return refuse(format!(
                "id {first} cannot be added: ids up to {} have been given out, and none is used \
                 twice",
                self.highest
            ));
        }
        if last > HIGHEST_ID {
            return refuse(format!("user id {last} is too high; {HIGHEST_ID} is the highest"));
        }
        self.waiting.insert(first..=last);
        self.highest = last;
        self.asked += last - first + 1;
        Ok(first..=last)
    }

    /// Adds these ids, wherever they were before, but for those that live here: what is asked for
    /// twice is done once. Answers which were added.
    ///
    /// # Errors
    /// `invalid-range` for ids beyond the highest.
    pub fn place(&mut self, users: &IdSet) -> Result<IdSet, Refusal> {
        let highest = users.ranges().next_back().map_or(0, |range| *range.end());
        if highest > HIGHEST_ID {
            let message = format!("user id {highest} is too high; {HIGHEST_ID} is the highest");
            return Err(Refusal::new(Code::InvalidRange, message));
        }
        let new = users.without(&self.waiting).without(&self.staying).without(&self.leaving);
        for range in new.ranges() {
            self.waiting.insert(range);
        }
        self.highest = self.highest.max(highest);
        self.asked += new.len();
        Ok(new)
    }

    /// Lets up to `count` waiting users in, lowest ids first.
    pub fn admit(&mut self, count: u64) -> IdSet {
        let admitted = self.waiting.take_lowest(count);
        for range in admitted.ranges() {
            self.staying.insert(range);
        }
        self.started += admitted.len();
        self.needed += admitted.len();
        self.peak = self.peak.max(self.running());
        admitted
    }

    /// From now on, users of a plan get ids out of these.
    pub fn reserve(&mut self, ids: &IdSet) {
        let reserved = self.reserved.get_or_insert_default();
        ids.ranges().for_each(|range| reserved.insert(range));
    }

    /// Starts users for so many arrivals, or for as many as there are ids for.
    pub fn arrive(&mut self, count: u64) -> IdSet {
        let ids = self.next_ids(count);
        for range in ids.ranges() {
            self.staying.insert(range.clone());
            self.arrived.insert(range);
        }
        self.asked += ids.len();
        self.started += ids.len();
        self.peak = self.peak.max(self.running());
        ids
    }

    /// How many ids are left for users of a plan; `None`: any number.
    pub fn reserved(&self) -> Option<u64> {
        self.reserved.as_ref().map(IdSet::len)
    }

    /// How many users live that were started for arrivals.
    pub fn arrived(&self) -> u64 {
        self.arrived.len()
    }

    /// How many users live that were not started for arrivals.
    pub fn kept_living(&self) -> u64 {
        (self.waiting.len() + self.running()).saturating_sub(self.arrived.len())
    }

    /// How many users there are but those that were started for arrivals, were told to stop, or are
    /// no longer needed.
    pub fn kept(&self) -> u64 {
        self.waiting.len() + self.needed
    }

    /// Up to `count` users are no longer needed, newest first: those that wait are cancelled, those
    /// that run may end their iteration.
    pub fn retire(&mut self, count: u64) -> Removal {
        let cancelled = self.waiting.take_highest(count);
        let mut candidates = self.candidates().without(&self.retiring);
        let chosen = candidates.take_highest(count - cancelled.len());
        chosen.ranges().for_each(|range| self.retiring.insert(range));
        self.needed -= chosen.len();
        self.cancelled(&cancelled);
        Removal { cancelled, chosen }
    }

    /// All users are no longer needed, those that were started for arrivals too.
    pub fn retire_all(&mut self) -> Removal {
        let cancelled = std::mem::take(&mut self.waiting);
        let chosen = self.staying.without(&self.retiring);
        self.retiring = self.staying.clone();
        self.needed = 0;
        self.cancelled(&cancelled);
        Removal { cancelled, chosen }
    }

    /// Tells those of these users to stop that are no longer needed and still run.
    pub fn overdue(&mut self, ids: &IdSet) -> IdSet {
        // All that retire stay as yet.
        let chosen = ids.within(&self.retiring);
        self.staying = self.staying.without(&chosen);
        self.leave(&chosen);
        chosen
    }

    fn candidates(&self) -> IdSet {
        if self.arrived.is_empty() {
            self.staying.clone()
        } else {
            self.staying.without(&self.arrived)
        }
    }

    fn cancelled(&mut self, cancelled: &IdSet) {
        self.removed += cancelled.len();
        if let Some(going) = self.going.as_mut().filter(|_| self.reserved.is_none()) {
            going.ended.extend(Vec::from(cancelled.clone()));
        }
    }

    /// Removes up to `count` users, newest first: those that wait before those that run. Users
    /// told to stop already are not chosen again.
    pub fn remove(&mut self, count: u64) -> Removal {
        let cancelled = self.waiting.take_highest(count);
        let chosen = self.staying.take_highest(count - cancelled.len());
        self.cancelled(&cancelled);
        self.leave(&chosen);
        Removal { cancelled, chosen }
    }

    /// Gives up to `count` users back, chosen as by [`Population::remove`]: those that wait at
    /// once, those that run when they have ended. One that ends of itself meanwhile is counted
    /// as ended. Users that were started for arrivals are not given back: they end here.
    pub fn release(&mut self, count: u64) -> Removal {
        let cancelled = self.waiting.take_highest(count);
        let chosen = self.candidates().take_highest(count - cancelled.len());
        self.staying = self.staying.without(&chosen);
        self.leave(&chosen);
        let removal = Removal { cancelled, chosen };
        self.asked -= removal.cancelled.len();
        for range in removal.chosen.ranges() {
            self.returning.insert(range);
        }
        if let Some(going) = &mut self.going {
            going.released.extend(Vec::from(removal.cancelled.clone()));
        }
        removal
    }

    /// They stay no longer: they were taken out of there.
    fn leave(&mut self, chosen: &IdSet) {
        self.needed -= chosen.without(&self.arrived).without(&self.retiring).len();
        if !self.retiring.is_empty() {
            self.retiring = self.retiring.without(chosen);
        }
        chosen.ranges().for_each(|range| self.leaving.insert(range));
    }

    /// Counts the end of a running user.
    pub fn ended(&mut self, id: UserId, count: Count) -> Departure {
        let stayed = self.staying.remove(id);
        if !stayed && !self.leaving.remove(id) {
            return Departure::Unknown;
        }
        let retired = self.retiring.remove(id);
        let arrived = self.arrived.remove(id);
        self.needed -= u64::from(stayed && !retired && !arrived);
        if self.returning.remove(id) && count == Count::Removed {
            self.asked -= 1;
            self.started -= 1;
            if let Some(going) = &mut self.going {
                going.released.push((id.0, id.0));
            }
            return Departure::Released;
        }
        match count {
            Count::Finished => self.finished += 1,
            Count::Failed => self.failed += 1,
            Count::Removed => self.removed += 1,
        }
        if arrived {
            return Departure::Left;
        }
        if let Some(going) = self.going.as_mut().filter(|_| self.reserved.is_none()) {
            going.ended.push((id.0, id.0));
        }
        Departure::Counted
    }

    /// Ids that are gone are kept from now on, for [`Population::take_gone`].
    pub fn keep_gone(&mut self) {
        self.going.get_or_insert_default();
    }

    /// The ids that are gone since this was asked last.
    pub fn take_gone(&mut self) -> Gone {
        let Some(Going { ended, released }) = self.going.as_mut().map(std::mem::take) else {
            return Gone::default();
        };
        Gone { ended: ended.into(), released: released.into() }
    }

    /// All running users that were told to stop.
    pub fn leaving(&self) -> &IdSet {
        &self.leaving
    }

    /// Running users, lowest ids first.
    pub fn running_ids(&self) -> impl Iterator<Item = UserId> + '_ {
        let (mut staying, mut leaving) =
            (self.staying.iter().peekable(), self.leaving.iter().peekable());
        std::iter::from_fn(move || match (staying.peek(), leaving.peek()) {
            (Some(a), Some(b)) if a < b => staying.next(),
            (_, Some(_)) => leaving.next(),
            (_, None) => staying.next(),
        })
    }

    /// How many run.
    pub fn running(&self) -> u64 {
        self.staying.len() + self.leaving.len()
    }

    /// How many wait.
    pub fn waiting(&self) -> u64 {
        self.waiting.len()
    }

    /// Where the user of that id is: `waiting`, `running`, `stopping`, or nowhere any more.
    pub fn state_of(&self, id: UserId) -> Option<&'static str> {
        [(&self.waiting, "waiting"), (&self.staying, "running"), (&self.leaving, "stopping")]
            .into_iter()
            .find_map(|(set, state)| set.contains(id).then_some(state))
    }

    /// The highest id given out.
    pub fn highest_id(&self) -> u64 {
        self.highest
    }

    /// The counts.
    pub fn counts(&self) -> UserCounts {
        UserCounts {
            asked: self.asked,
            started: self.started,
            waiting: self.waiting(),
            running: self.running(),
            finished: self.finished,
            failed: self.failed,
            removed: self.removed,
            peak: self.peak,
        }
    }
}

#[cfg(test)]
mod tests;
