//! When a node speaks of what it wants, and how much it will soon want.

use super::MILLISECOND;

/// How often demand is told while there is any.
const BEAT: u64 = 10 * MILLISECOND;

/// And how often if nothing comes of it.
const SLOWEST: u64 = 80 * MILLISECOND;

/// Two words are not closer together than this.
const GAP: u64 = MILLISECOND;

/// How far into the future it is guessed: until the next word, what that leads to, and the way.
const AHEAD: f64 = 35e6;

/// Over how long a rate counts as recent.
const RECENT: f64 = 50e6;

#[derive(Debug, Clone)]
pub(super) struct Pulse {
    /// When it was spoken last, and what was said of who waits.
    said_at: Option<u64>,
    said_waiting: u64,
    said_expected: u64,
    /// Until the next word.
    every: u64,
    /// How many slots came since.
    served: u64,
    asked: u64,
    /// Asked per nanosecond, of late.
    pace: f64,
    /// Nothing more is to be said before something happens.
    quiet: bool,
    poked: bool,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            said_at: None,
            said_waiting: 0,
            said_expected: 0,
            every: BEAT,
            served: 0,
            asked: 0,
            pace: 0.0,
            quiet: true,
            poked: false,
        }
    }
}

impl Pulse {
    /// Nothing that was said counts any more.
    pub(super) fn restart(&mut self) {
        *self = Self { asked: self.asked, pace: self.pace, ..Self::default() };
    }

    /// So many slots or permits came of it.
    pub(super) fn served(&mut self, count: u64) {
        if count > 0 {
            self.served = self.served.saturating_add(count);
            self.every = BEAT;
        }
    }

    /// Whoever waits now is not known to the master: those it knew of were served.
    fn is_news(&self) -> bool {
        self.served >= self.said_waiting
    }

    /// Wakes whoever carries the words; once.
    pub(super) fn poke(&mut self) -> bool {
        !std::mem::replace(&mut self.poked, true)
    }

    /// Something happened, and so many wait: whether that is to be looked at at once.
    pub(super) fn stirs(&mut self, waiting: u64) -> bool {
        (self.quiet || waiting > 0 && self.is_news()) && self.poke()
    }

    /// Whether it is time to speak, and when it will be.
    pub(super) fn look(
        &mut self,
        now: u64,
        waiting: u64,
        lacks: bool,
        surplus: bool,
        urgent: bool,
    ) -> (bool, Option<u64>) {
        self.poked = false;
        self.quiet = false;
        let Some(said_at) = self.said_at else {
            self.quiet = !urgent && waiting == 0;
            return (!self.quiet, None);
        };
        let active = waiting > 0 || surplus || self.said_waiting > 0 || self.said_expected > 0;
        let at = if urgent {
            now
        } else if lacks && self.is_news() {
            said_at.saturating_add(GAP)
        } else if active {
            said_at.saturating_add(self.every)
        } else {
            self.quiet = true;
            return (false, None);
        };
        (now >= at, Some(at))
    }

    /// It is spoken now, after so many were asked for; how many more are expected.
    pub(super) fn beat(&mut self, now: u64, asked: u64, waiting: u64) -> u64 {
        let more = asked.saturating_sub(self.asked) as f64;
        match self.said_at {
            // What came before counts as come within a moment.
            None => self.pace = self.pace.max(more.min(1e3) / RECENT),
            Some(said_at) => {
                let time = (now.saturating_sub(said_at) as f64).max(1.0);
                self.pace += (more / time - self.pace) * (time / RECENT).min(1.0);
            }
        }
        let ahead = self.pace * AHEAD;
        // A float that is no count becomes 0 or the greatest.
        let expected = if ahead < 0.05 { 0 } else { (ahead * 1.25).ceil() as u64 + 2 };
        // Who waits in vain says so less often.
        let same = waiting == self.said_waiting && self.served == 0;
        self.every = if same { (self.every * 2).min(SLOWEST) } else { BEAT };
        self.served = 0;
        self.said_at = Some(now);
        (self.asked, self.said_waiting, self.said_expected) = (asked, waiting, expected);
        expected
    }
}
