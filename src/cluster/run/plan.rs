//! Pure: how far the load profile of a run is, and what of it each worker has.

use std::{collections::BTreeMap, time::Duration};

use crowd_core::user_id::IdSet;
use crowd_plan::load::{
    plan::Dealt,
    seats::Seats,
    tally::{Tallies, Tally},
};
use serde::{Deserialize, Serialize};

use super::{Part, Run};
use crate::cluster::protocol::run::{Assignment, PlanBeat};

/// A load profile that is followed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Following {
    /// When it began, since the run did; `None`: it has not.
    pub(crate) began: Option<Duration>,
    /// Up to where its arrivals are dealt.
    pub(crate) dealt: Dealt,
    /// Counts the messages that tell workers of it.
    pub(crate) messages: u64,
    /// Whether all of it is over, so that nobody is needed any more.
    pub(crate) over: bool,
    /// What became of arrivals that no part accounts for.
    pub(crate) kept: Tallies,
}

/// What a worker has of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct PartPlan {
    /// How many users it is to keep running.
    pub(crate) users: Seats,
    /// How many users may serve its arrivals.
    pub(crate) serving: Seats,
    /// How many arrivals were dealt to it, by stage.
    pub(crate) dealt: BTreeMap<usize, u64>,
    /// What it told last.
    pub(crate) told: PlanBeat,
    /// Ids that are its own to give.
    pub(crate) reserved: IdSet,
    /// How many of them were given since it told how many it has left.
    pub(crate) reserved_since: u64,
    /// How many users live there, as told last.
    pub(crate) living: u64,
    /// How many ids it used between the last two times it told of them.
    pub(crate) used: u64,
    /// The last message it was told by.
    pub(crate) message: u64,
    /// Messages that it has not said it heard, and how many arrivals each dealt to it, by stage.
    pub(crate) unheard: Vec<(u64, BTreeMap<usize, u64>)>,
    /// Whether that told it that no arrivals will come for a while.
    pub(crate) pause: bool,
    /// Whether that told it that it is not needed any more.
    pub(crate) over: bool,
}

/// What a worker is told of the profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Told {
    /// Which message it is.
    pub(crate) message: u64,
    /// How many users it is to keep running.
    pub(crate) users: u64,
    /// How many users may serve its arrivals; `None`: that does not change.
    pub(crate) serving: Option<u64>,
    /// How many arrivals are dealt to it, by stage.
    pub(crate) dealt: BTreeMap<usize, u64>,
    /// How many ids it gets.
    pub(crate) ids: u64,
    /// Whether no arrivals will come for a while.
    pub(crate) pause: bool,
    /// Whether it is not needed any more.
    pub(crate) over: bool,
}

impl PartPlan {
    /// A worker is told of the profile; `highest` is the highest id given out.
    pub(super) fn tell(&mut self, told: &Told, highest: &mut u64) {
        self.users.tell(told.message, told.users);
        if let Some(serving) = told.serving {
            self.serving.tell(told.message, serving);
        }
        if !told.dealt.is_empty() {
            self.unheard.push((told.message, told.dealt.clone()));
        }
        for (stage, count) in &told.dealt {
            *self.dealt.entry(*stage).or_default() += count;
        }
        if told.ids > 0 {
            self.reserved.insert(*highest + 1..=*highest + told.ids);
            *highest += told.ids;
            self.reserved_since += told.ids;
        }
        (self.message, self.pause, self.over) = (told.message, told.pause, told.over);
    }

    /// It told how it stands.
    pub(super) fn heard(&mut self, beat: PlanBeat, living: u64) {
        self.users.heard(beat.heard, beat.kept);
        self.serving.heard(beat.heard, beat.serving);
        self.unheard.retain(|(message, _)| *message > beat.heard);
        if beat.heard >= self.message {
            let had = self.told.reserved + self.reserved_since;
            self.used = had.saturating_sub(beat.reserved);
            self.reserved_since = 0;
        }
        self.living = living;
        self.told = beat;
    }

    /// It goes on after a break, and has heard the messages up to that one. Answers with how many
    /// arrivals the others dealt to it, by stage. It is to be told anew how many users to keep.
    pub(super) fn missed(&mut self, heard: u64) -> BTreeMap<usize, u64> {
        let mut missed = BTreeMap::<usize, u64>::new();
        for (_, dealt) in self.unheard.drain(..).filter(|(message, _)| *message > heard) {
            for (stage, count) in dealt {
                let all = self.dealt.entry(stage).or_default();
                *all = all.saturating_sub(count);
                *missed.entry(stage).or_default() += count;
            }
        }
        self.message = 0;
        missed
    }

    /// All that was dealt to it, with what it never told of counted as lost.
    pub(super) fn settled(&self) -> Tallies {
        let mut all = self.told.tallies.clone();
        for (stage, dealt) in &self.dealt {
            let tally = all.of(*stage);
            let lost = dealt.saturating_sub(tally.started + tally.dropped());
            tally.no_node += lost;
            tally.scheduled = tally.scheduled.max(*dealt);
        }
        all
    }

    /// Whether it has told of everything that was dealt to it, and nobody lives there.
    pub(crate) fn is_done(&self) -> bool {
        // A stage of which nothing was its own has no tally.
        let all = |(stage, dealt): (&usize, &u64)| {
            self.told.tallies.0.get(stage).map_or(0, |tally| tally.scheduled) >= *dealt
        };
        self.over
            && self.told.heard >= self.message
            && self.living + self.told.coming == 0
            && self.told.tallies.total().waiting() == 0
            && self.dealt.iter().all(all)
    }
}

impl Part {
    /// The ids that are its own: of users that were placed, and those reserved for a profile.
    pub(crate) fn ids(&self) -> IdSet {
        let mut all = self.placed.clone();
        self.plan.reserved.ranges().for_each(|range| all.insert(range));
        all
    }

    /// Its users of the profile died with it: they are counted as failed.
    pub(super) fn bury(&mut self) {
        let living = std::mem::take(&mut self.plan.living);
        self.account.users.failed += living;
        self.account.endings.failed += living;
        self.account.users.started =
            self.account.users.started.max(self.account.users.finished + self.account.users.failed);
        self.plan.told.tallies = self.plan.settled();
        self.plan.dealt.clear();
        self.plan.users = Seats::default();
        self.plan.serving = Seats::default();
    }
}

impl Run {
    /// What became of arrivals so far, by stage.
    pub(crate) fn tallies(&self) -> Tallies {
        let mut all = self.plan.as_ref().map(|plan| plan.kept.clone()).unwrap_or_default();
        self.parts.values().for_each(|part| all.add(&part.plan.told.tallies));
        all
    }

    /// What became of all arrivals so far.
    pub(crate) fn tally(&self) -> Tally {
        self.tallies().total()
    }

    /// Arrivals that there was no worker for.
    pub(super) fn without_workers(&mut self, lost: &BTreeMap<usize, u64>) {
        let Some(plan) = &mut self.plan else { return };
        for (stage, count) in lost {
            let tally = plan.kept.of(*stage);
            tally.scheduled += count;
            tally.no_node += count;
        }
    }

    /// Workers are told of the profile.
    pub(super) fn told_of_plan(&mut self, told: &[(Assignment, Told)], dealt: Dealt, over: bool) {
        let Some(plan) = &mut self.plan else { return };
        plan.dealt = dealt;
        plan.over |= over;
        for (assignment, told) in told {
            plan.messages = plan.messages.max(told.message);
            if let Some(part) = self.parts.get_mut(assignment) {
                part.plan.tell(told, &mut self.highest);
            }
        }
    }
}
