//! Pure: the tickets that a node was given for one feeder, and when it asks for more.
//!
//! Times are nanoseconds on the node's own clock.

use std::collections::VecDeque;

use crate::cluster::protocol::feed::{Ask, Given, Left, Tickets};

/// How much ahead of need tickets are asked for: what was used in the last such time.
const WINDOW: u64 = 100_000_000;

/// How long until what was used is told, if nothing else is asked.
const REPORT: u64 = 100_000_000;

/// Tickets that nobody has wanted for so long are given back.
const IDLE: u64 = 500_000_000;

/// How long until it is asked again whether tickets have come back.
const LATER: u64 = 50_000_000;

/// More are never asked for ahead of need.
const MOST_AHEAD: u64 = 100_000;

/// What comes of asking for a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Taken {
    Ticket(u64),
    /// Wait: none is here.
    Empty,
    /// There are no more.
    Nothing,
    /// There is nobody to ask.
    Broken(String),
}

/// The tickets of one feeder on one node.
#[derive(Debug)]
pub(super) struct Stock {
    lease: u64,
    /// Whether tickets end: then those that are not needed here are needed elsewhere.
    ends: bool,
    tickets: VecDeque<Tickets>,
    stocked: u64,
    waiting: u64,
    used: u64,
    used_at: u64,
    told: u64,
    told_at: u64,
    /// When the window began, how many were taken in it, and how many in the one before.
    window: (u64, u64, u64),
    left: Left,
    retry_at: u64,
    number: u64,
    asked: Option<Ask>,
    broken: Option<String>,
}

impl Stock {
    /// No tickets yet.
    pub(super) fn new(lease: u64, ends: bool) -> Self {
        Self {
            lease,
            ends,
            tickets: VecDeque::new(),
            stocked: 0,
            waiting: 0,
            used: 0,
            used_at: 0,
            told: 0,
            told_at: 0,
            window: (0, 0, 0),
            left: Left::More,
            retry_at: 0,
            number: 0,
            asked: None,
            broken: None,
        }
    }

    /// A user wants a ticket.
    pub(super) fn take(&mut self, now: u64) -> Taken {
        match self.tickets.front_mut() {
            Some(tickets) => {
                let ticket = tickets.first;
                tickets.first += 1;
                tickets.count -= 1;
                if tickets.count == 0 {
                    self.tickets.pop_front();
                }
                self.stocked -= 1;
                self.used += 1;
                self.used_at = now;
                self.turn(now);
                self.window.1 += 1;
                Taken::Ticket(ticket)
            }
            None if self.left == Left::Nothing => Taken::Nothing,
            None => self.broken.clone().map_or(Taken::Empty, Taken::Broken),
        }
    }

    /// A user waits for a ticket.
    pub(super) fn wait(&mut self) {
        self.waiting += 1;
    }

    /// A user waits no longer, whether it has got one or not.
    pub(super) fn waited(&mut self) {
        self.waiting -= 1;
    }

    /// What the master is to be asked now. The answer, or that there is none, is to be told before
    /// anything else is asked.
    pub(super) fn ask(&mut self, now: u64) -> Option<Ask> {
        if self.asked.is_some()
            || self.broken.is_some()
            || self.due(now).is_none_or(|due| due > now)
        {
            return None;
        }
        let expected = self.expected(now);
        let idle = self.idle_at().is_some_and(|idle| idle <= now);
        Some(self.next_ask(now, expected, idle))
    }

    /// What was asked and not answered, and if that is nothing, what is left to be said at the end.
    pub(super) fn last_ask(&mut self, now: u64) -> Option<Ask> {
        if self.asked.is_some() {
            return self.asked.clone();
        }
        let unsaid = self.ends && (self.stocked > 0 || self.used > self.told);
        (unsaid && self.broken.is_none()).then(|| self.next_ask(now, 0, true))
    }

    fn next_ask(&mut self, now: u64, expected: u64, gives_back: bool) -> Ask {
        self.number += 1;
        let mut ask = Ask {
            lease: self.lease,
            number: self.number,
            used: self.used,
            waiting: self.waiting.saturating_sub(self.stocked),
            expected: expected.saturating_sub(self.stocked),
            ..Ask::default()
        };
        if gives_back {
            ask.back = self.tickets.drain(..).collect();
            self.stocked = 0;
            (ask.waiting, ask.expected) = (0, 0);
        } else if self.left == Left::Nothing {
            (ask.waiting, ask.expected) = (0, 0);
        }
        (self.told, self.told_at) = (self.used, now);
        self.asked = Some(ask.clone());
        ask
    }

    /// The master has answered what was asked.
    pub(super) fn answer(&mut self, given: Given, now: u64) {
        self.asked = None;
        self.stocked += given.tickets.iter().map(|tickets| tickets.count).sum::<u64>();
        self.tickets.extend(given.tickets);
        self.left = given.left;
        self.retry_at = if given.left == Left::Later { now + LATER } else { 0 };
        if self.stocked > 0 {
            // They are not idle before they could be used.
            self.used_at = self.used_at.max(now);
        }
    }

    /// The master will not answer, and why.
    pub(super) fn fail(&mut self, why: String) {
        self.asked = None;
        self.broken = Some(why);
    }

    /// When there will be something to ask, if nothing happens before.
    pub(super) fn due(&self, now: u64) -> Option<u64> {
        if self.broken.is_some() {
            return None;
        }
        let lacks = self.waiting > self.stocked && self.left != Left::Nothing;
        let wanted = if lacks {
            Some(now.max(self.retry_at))
        } else {
            let short = self.stocked < self.expected(now) / 2;
            (self.left == Left::More && short).then_some(now)
        };
        let report = (self.ends && self.used > self.told).then_some(self.told_at + REPORT);
        [wanted, report, self.idle_at()].into_iter().flatten().min()
    }

    fn idle_at(&self) -> Option<u64> {
        (self.ends && self.stocked > 0 && self.waiting == 0).then_some(self.used_at + IDLE)
    }

    /// How many were taken of late.
    fn expected(&self, now: u64) -> u64 {
        let (began, taken, before) = self.window;
        match now.saturating_sub(began) / WINDOW {
            0 => before.max(taken),
            1 => taken,
            _ => 0,
        }
        .min(MOST_AHEAD)
    }

    fn turn(&mut self, now: u64) {
        let (began, taken, _) = self.window;
        match now.saturating_sub(began) / WINDOW {
            0 => {}
            1 => self.window = (now, 0, taken),
            _ => self.window = (now, 0, 0),
        }
    }
}
