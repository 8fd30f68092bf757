//! When something was wrong with the generator.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Trust;

/// What can be wrong with a generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The event loop was late.
    EventLoop,
    /// User code ran on without awaiting.
    UserCode,
    /// Arrivals began late.
    Schedule,
    /// Arrivals were dropped because the generator was late, or nodes were lost.
    Lost,
    /// Arrivals were dropped because no user was free.
    Dropped,
    /// Throttle slots were forfeited.
    Slots,
    /// Users were admitted late.
    Admission,
    /// What was tried failed because this machine ran out of something.
    OwnFailures,
    /// The cores were busy.
    Cpu,
    /// Nearly all file descriptors were open.
    Descriptors,
    /// Nearly all memory was in use.
    Memory,
}

/// Why the event loop was late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blame {
    /// User code of that name ran for so long without awaiting.
    UserCode {
        /// The scenario, or the scenario and the action.
        name: String,
        /// The longest it ran.
        worst: Duration,
    },
    /// The whole process stood still: something else took the machine.
    Machine,
    /// The generator itself had too much to do.
    Load,
}

/// From when to when something was wrong; of several times, from the first to the last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spell {
    /// What was wrong.
    pub cause: Cause,
    /// How far the worst three seconds in a row can be trusted; VALID if there were no such three.
    /// It is never taken back: what was measured then stays in the result.
    pub verdict: Trust,
    /// When it began, since the start of the run.
    pub first: Duration,
    /// When it was last so, since the start of the run.
    pub last: Duration,
    /// In how many seconds it was so.
    pub seconds: u64,
    /// The worst second: a share, or seconds for what is a time.
    pub worst: f64,
    /// Why, as far as that can be told.
    pub blame: Option<Blame>,
}

impl Spell {
    /// `, from 12 s to 31 s`: when it was, as an insertion into a sentence.
    pub fn when(&self) -> String {
        // The whole seconds that it lies in.
        let (first, last) = (self.first.as_secs_f64().floor(), self.last.as_secs_f64().ceil());
        format!(", from {first:.0} s to {last:.0} s")
    }

    /// Adds what another says of the same cause.
    pub fn merge(&mut self, other: &Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.seconds = self.seconds.saturating_add(other.seconds);
        if (other.verdict, other.worst) > (self.verdict, self.worst) {
            self.blame.clone_from(&other.blame);
        }
        self.verdict = self.verdict.max(other.verdict);
        self.worst = self.worst.max(other.worst);
    }
}
