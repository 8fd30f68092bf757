//! Pure: who takes an arrival on this node. Rows of cells are dealt to a desk; it says what is due,
//! and for each arrival that is due: a kept user that sits idle takes it, or a new user, or nobody.
//!
//! Every arrival is counted once as due, and once as begun or lost, or it waits: see [`Tally`].
//! Never are there more users than there may be.

use std::{collections::VecDeque, mem, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    plan::{Plan, Row},
    share::Share,
    tally::{Tallies, Tally},
};
use crate::load::settings::{Arrive, LoadSettings, Saturation};

/// Cells dealt to this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deal {
    /// The cells.
    pub row: Row,
    /// Which of them are this node's.
    pub share: Share,
    /// How many users may serve arrivals here from then on; `None`: as many as it takes.
    pub most_users: Option<u64>,
}

/// An arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Its stage, from 0.
    pub stage: usize,
    /// When it is due, since the plan began.
    pub due: Duration,
}

/// What becomes of an arrival.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate<S> {
    /// A kept user takes it, the one that sits there. If it has left, see [`Desk::left_its_seat`].
    Seat(S),
    /// A new user takes it.
    NewUser,
    /// It waits until a user is free.
    Waits,
    /// It is lost.
    Lost,
}

/// What this node does with arrivals. `S` stands for a kept user that waits for one.
#[derive(Debug)]
pub struct Desk<S> {
    plan: Arc<Plan>,
    keeps: bool,
    saturation: Saturation,
    deals: VecDeque<Deal>,
    /// The first cell of the first deal that was not looked at.
    cell: u64,
    /// Arrivals of cells that were looked at, the first due first, with how many users there may be
    /// from then on.
    next: VecDeque<(Arrival, Option<u64>)>,
    most_users: Option<u64>,
    /// Users started for arrivals that have not ended.
    users: u64,
    /// Those of them that were told to go because there may not be so many any more.
    leaving: u64,
    idle: VecDeque<S>,
    waiting: VecDeque<Arrival>,
    tallies: Tallies,
    closed: bool,
}

impl<S> Desk<S> {
    /// A desk that nothing was dealt to.
    pub fn new(plan: Arc<Plan>, settings: &LoadSettings) -> Self {
        Self {
            plan,
            keeps: settings.arrivals == Arrive::Iterations,
            saturation: settings.saturation,
            deals: VecDeque::new(),
            cell: 0,
            next: VecDeque::new(),
            most_users: None,
            users: 0,
            leaving: 0,
            idle: VecDeque::new(),
            waiting: VecDeque::new(),
            tallies: Tallies::default(),
            closed: false,
        }
    }

    /// More cells. They come in order: what is due earlier is dealt earlier.
    pub fn deal(&mut self, deal: Deal) {
        if self.closed {
            return;
        }
        if self.deals.is_empty() {
            self.cell = deal.row.first;
        }
        self.deals.push_back(deal);
    }

    /// When the next arrival is due; `None` if none is known.
    pub fn next_due(&mut self) -> Option<Duration> {
        self.look_ahead();
        self.next.front().map(|(arrival, _)| arrival.due)
    }

    /// The next arrival that is due by then. It is counted from now on: say what becomes of it by
    /// [`Desk::seat`].
    pub fn due(&mut self, now: Duration) -> Option<Arrival> {
        self.look_ahead();
        let (arrival, most) = self.next.pop_front_if(|(arrival, _)| arrival.due <= now)?;
        self.most_users = most;
        self.tallies.of(arrival.stage).scheduled += 1;
        // Told that this was the last of a deal without waiting for the next one.
        self.look_ahead();
        Some(arrival)
    }

    /// What becomes of an arrival that is due.
    pub fn seat(&mut self, arrival: Arrival) -> Fate<S> {
        if self.closed {
            self.tallies.of(arrival.stage).stopped += 1;
            return Fate::Lost;
        }
        self.send_away();
        if !self.is_crowded()
            && let Some(seat) = self.idle.pop_front()
        {
            self.tallies.of(arrival.stage).started += 1;
            return Fate::Seat(seat);
        }
        if self.has_room() {
            self.users += 1;
            self.tallies.of(arrival.stage).started += 1;
            return Fate::NewUser;
        }
        match self.saturation {
            Saturation::Drop => {
                self.tallies.of(arrival.stage).no_user += 1;
                Fate::Lost
            }
            Saturation::Block => {
                self.waiting.push_back(arrival);
                Fate::Waits
            }
        }
    }

    /// The user that was to take an arrival had left its seat: ask [`Desk::seat`] again.
    pub fn left_its_seat(&mut self, arrival: Arrival) {
        self.tallies.of(arrival.stage).started -= 1;
    }

    /// A kept user is free. It takes the arrival that waits longest; if none does, it is to
    /// [`Desk::sit`].
    pub fn free(&mut self) -> Option<Arrival> {
        if self.is_crowded() {
            return None;
        }
        self.take_waiting()
    }

    fn take_waiting(&mut self) -> Option<Arrival> {
        let arrival = self.waiting.pop_front()?;
        self.tallies.of(arrival.stage).started += 1;
        Some(arrival)
    }

    /// A kept user waits for an arrival; unless users are not kept, or there are too many of them, or
    /// no arrival will come.
    pub fn sit(&mut self, seat: S) {
        if self.is_crowded() {
            self.leaving += 1;
        } else if self.keeps && !self.closed {
            self.idle.push_back(seat);
        }
    }

    /// Whether there are more users than there may be now.
    fn is_crowded(&self) -> bool {
        self.most_users.is_some_and(|most| self.users.saturating_sub(self.leaving) > most)
    }

    /// Has idle users go that there may not be any more.
    fn send_away(&mut self) {
        while self.is_crowded() && self.idle.pop_front().is_some() {
            self.leaving += 1;
        }
    }

    /// Users that were started for arrivals have ended. Answers the arrivals that new users are to
    /// be started for.
    pub fn ended(&mut self, users: u64) -> Vec<Arrival> {
        self.users = self.users.saturating_sub(users);
        self.leaving = self.leaving.saturating_sub(users);
        let mut begun = Vec::new();
        while self.has_room()
            && let Some(arrival) = self.take_waiting()
        {
            self.users += 1;
            begun.push(arrival);
        }
        begun
    }

    /// No user can be started for these yet: they wait, before all others.
    pub fn postponed(&mut self, arrivals: &[Arrival]) {
        self.users = self.users.saturating_sub(arrivals.len() as u64);
        for arrival in arrivals.iter().rev() {
            self.tallies.of(arrival.stage).started -= 1;
            self.waiting.push_front(*arrival);
        }
    }

    /// No user could be started for these after all, as the run is being ended.
    pub fn refused(&mut self, arrivals: &[Arrival]) {
        self.users = self.users.saturating_sub(arrivals.len() as u64);
        arrivals.iter().for_each(|arrival| self.forsaken(*arrival));
    }

    /// The user that took an arrival was told to stop before it began with it.
    pub fn forsaken(&mut self, arrival: Arrival) {
        let tally = self.tallies.of(arrival.stage);
        tally.started -= 1;
        tally.stopped += 1;
    }

    /// Users that sit idle are not needed for now: hands their seats out.
    pub fn dismiss(&mut self) -> VecDeque<S> {
        mem::take(&mut self.idle)
    }

    /// The run is being ended: nothing more will be due, and those that wait are lost. Hands the
    /// seats of idle users out.
    pub fn close(&mut self) -> VecDeque<S> {
        self.closed = true;
        self.deals.clear();
        self.next.clear();
        for arrival in mem::take(&mut self.waiting) {
            self.tallies.of(arrival.stage).stopped += 1;
        }
        self.dismiss()
    }

    /// Whether nothing that was dealt is still to come, or waits.
    pub fn is_clear(&mut self) -> bool {
        self.look_ahead();
        self.next.is_empty() && self.waiting.is_empty()
    }

    /// Whether all that is due by then was let in, and nothing waits: users that sit idle are not
    /// needed until the next arrival.
    pub fn is_quiet(&mut self, now: Duration) -> bool {
        self.waiting.is_empty() && self.next_due().is_none_or(|due| due > now)
    }

    /// Whether users are kept for more than one arrival.
    pub fn keeps(&self) -> bool {
        self.keeps
    }

    /// How many users serve arrivals, or may come to, by all that was dealt: a deal may allow more
    /// than those after it.
    pub fn serving(&self) -> u64 {
        let dealt = self.deals.iter().map(|deal| deal.most_users);
        let next = self.next.iter().map(|(_, most)| *most);
        let most = dealt.chain(next).chain([self.most_users]).flatten().max();
        self.users.max(most.unwrap_or(0))
    }

    /// Users started for arrivals, or about to be, that have not ended.
    pub fn users(&self) -> u64 {
        self.users
    }

    /// What became of arrivals so far, by stage.
    pub fn tallies(&self) -> &Tallies {
        &self.tallies
    }

    /// What became of all arrivals so far.
    pub fn tally(&self) -> Tally {
        self.tallies.total()
    }

    fn has_room(&self) -> bool {
        self.most_users.is_none_or(|most| self.users < most)
    }

    /// Looks at cells until the next arrival is known.
    fn look_ahead(&mut self) {
        while self.next.is_empty()
            && let Some(deal) = self.deals.front().copied()
        {
            if self.cell > deal.row.last {
                // Nothing of it is to come any more.
                self.most_users = deal.most_users;
                self.deals.pop_front();
                if let Some(next) = self.deals.front() {
                    self.cell = next.row.first;
                }
                continue;
            }
            let (stage, cell) = (deal.row.stage, self.cell);
            self.cell += 1;
            let Some(cells) = self.plan.cells(stage).filter(|cells| cells.is_of(deal.share, cell))
            else {
                continue;
            };
            let begins = self.plan.start_of(stage);
            let dues = cells.dues(cell);
            let arrivals = dues.into_iter().map(|due| Arrival { stage, due: begins + due });
            self.next.extend(arrivals.map(|arrival| (arrival, deal.most_users)));
        }
    }
}

#[cfg(test)]
mod tests;
