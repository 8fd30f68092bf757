//! Whether the machine that makes the load can be trusted: what it used, and a verdict on it.
//!
//! [`judge()`] and [`judge::Judge`] are pure: the one judges a whole run, the other each second of it.
//! [`monitor::HealthMonitor`] gathers what they judge, once a second; `watchdog` is the thread that
//! makes it do so, whatever holds up the event loop; [`probe::LoopProbe`] measures how late that is.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::window::StallNumbers;

mod group;
pub mod judge;
pub mod monitor;
pub mod nodes;
mod overdue;
pub mod probe;
pub mod process;
mod reasons;
pub mod spell;
pub mod watchdog;

pub use self::reasons::judge;
use self::spell::{Cause, Spell};

/// So many bad seconds in a row are no hiccup: what was measured in them cannot be trusted, and they
/// are not made good by an hour without. Short enough that a starved generator is told within five
/// seconds.
pub const IN_A_ROW: u64 = 3;

/// In more than this share of a second the event loop was over [`LOOP_LAG_DEGRADED`] late.
pub const OVERDUE_DEGRADED: f64 = 0.10;

/// More than this share of a second: most of what is measured then is the generator's own lateness.
pub const OVERDUE_INVALID: f64 = 0.50;

/// User code without an await held up more than this share of the workers' time in a second.
pub const STALLED_DEGRADED: f64 = 0.10;

/// More than this share: nearly one of two workers stood still.
pub const STALLED_INVALID: f64 = 0.40;

/// The latest hundredth of the arrivals began later than this.
pub const SCHEDULE_DEGRADED: Duration = Duration::from_millis(100);

/// So late, the load was another than the one asked for.
pub const SCHEDULE_INVALID: Duration = Duration::from_secs(1);

/// A greater share of the arrivals was dropped because no user was free. That is a limit somebody
/// set, and no fault of the generator; but the load was not the one asked for.
pub const DROPPED_DEGRADED: f64 = 0.01;

/// Busier than this share of all cores, the generator has no reserve left.
pub const CPU_BUSY: f64 = 0.90;

/// In more than this share of the samples busy: the times of fast answers are in doubt.
pub const CPU_BUSY_SHARE_DEGRADED: f64 = 0.10;

/// Fewer busy samples than this prove nothing: a run that starts is busy for a moment.
pub const CPU_BUSY_SAMPLES_MIN: u64 = 3;

/// The event loop later than this for a hundredth of the time ([`HICCUP`] at least): answers seem that
/// much slower.
pub const LOOP_LAG_DEGRADED: Duration = Duration::from_millis(50);

/// Later than this for a hundredth of the time, the times measured are the generator's own.
pub const LOOP_LAG_INVALID: Duration = Duration::from_millis(500);

/// In a short run a hundredth of the time is hardly any. Lateness for less than this in all is a
/// hiccup, as every machine has them, and not judged.
pub const HICCUP: Duration = Duration::from_millis(300);

/// A greater share of throttle slots forfeited than this: the rate asked for was not quite reached.
pub const FORFEITED_DEGRADED: f64 = 0.01;

/// A greater share than this: the load was another than the one asked for.
pub const FORFEITED_INVALID: f64 = 0.05;

/// Fewer forfeited slots than this prove nothing.
pub const FORFEITED_MIN: u64 = 5;

/// Users admitted later than this behind the user rate.
pub const ADMISSION_LAG_DEGRADED: Duration = Duration::from_millis(500);

/// So late, the ramp was another than the one asked for.
pub const ADMISSION_LAG_INVALID: Duration = Duration::from_secs(5);

/// More open descriptors than this share of the limit.
pub const DESCRIPTORS_DEGRADED: f64 = 0.90;

/// More resident memory than this share of the machine's, or of what its container leaves it.
pub const MEMORY_DEGRADED: f64 = 0.90;

/// A greater share of what was tried failed because this machine ran out of something.
pub const OWN_FAILURES_DEGRADED: f64 = 0.001;

/// A greater share than this: the failures counted are hardly the target's.
pub const OWN_FAILURES_INVALID: f64 = 0.05;

/// User code that ran on for longer than this without awaiting.
pub const STALL_DEGRADED: Duration = Duration::from_millis(250);

/// What the generator used and how late it was, over a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HealthSummary {
    /// How often the process was looked at.
    pub samples: u64,
    /// How many cores it may use: a fraction where a container has a quota.
    pub cores: f64,
    /// CPU used, as a share of all cores, on average.
    pub cpu_mean: f64,
    /// CPU used, as a share of all cores, in the busiest sample.
    pub cpu_max: f64,
    /// How many samples were busier than [`CPU_BUSY`].
    pub cpu_busy_samples: u64,
    /// The most memory resident, in bytes.
    pub memory_max: u64,
    /// The machine's memory or the container's limit, in bytes; 0 if unknown.
    pub memory_limit: u64,
    /// The most file descriptors open at once.
    pub descriptors_max: u64,
    /// How many may be open; 0 if unknown.
    pub descriptors_limit: u64,
    /// How late the event loop was for half of the time.
    pub loop_lag_p50: Duration,
    /// How late it was for a hundredth of the time, or [`HICCUP`] if that is more.
    pub loop_lag_p99: Duration,
    /// The latest it was.
    pub loop_lag_max: Duration,
    /// How late users were admitted behind the user rate, in the worst hundredth of the samples.
    pub admission_lag_p99: Duration,
    /// How late arrivals began: the latest hundredth in each second, in the worst hundredth of the
    /// seconds.
    pub schedule_lag_p99: Duration,
    /// How late the latest arrival began.
    pub schedule_lag_max: Duration,
    /// Arrivals due.
    pub arrivals_due: u64,
    /// Arrivals dropped because no user was free.
    pub arrivals_dropped: u64,
    /// Arrivals dropped because the generator was late or a node was lost.
    pub arrivals_lost: u64,
    /// Throttle slots used.
    pub slots_granted: u64,
    /// Throttle slots that passed because the generator was late.
    pub slots_forfeited: u64,
    /// Actions done, and failures of users and noted ones.
    pub attempts: u64,
    /// Failures owned by the generator.
    pub own_failures: u64,
    /// User code that held up the event loop.
    pub stalls: StallNumbers,
    /// When something was wrong.
    pub spells: Vec<Spell>,
}

impl HealthSummary {
    /// When that was wrong, if it was.
    pub fn spell(&self, cause: Cause) -> Option<&Spell> {
        self.spells.iter().find(|spell| spell.cause == cause)
    }

    /// The same, of a run that began so much earlier than this node's part in it.
    pub fn later(mut self, by: Duration) -> Self {
        for spell in &mut self.spells {
            spell.first = spell.first.saturating_add(by);
            spell.last = spell.last.saturating_add(by);
        }
        self
    }
}

/// A number of cores as people read it: `1 core`, `0.5 cores`, to the hundredth.
#[derive(Debug, Clone, Copy)]
pub struct Cores(pub f64);

impl Cores {
    /// The number alone.
    pub fn number(self) -> f64 {
        // A document may say anything, and a line has an end.
        (self.0.clamp(0.0, 1e6) * 100.0).round() / 100.0
    }
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.number();
        write!(f, "{number} core{}", if number == 1.0 { "" } else { "s" })
    }
}

/// How far the generator can be trusted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Trust {
    /// It kept up.
    #[default]
    Valid,
    /// It kept up, with little to spare: the slowest answers are in doubt.
    Degraded,
    /// It did not keep up: the result says more about the generator than about the target.
    Invalid,
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Valid => "VALID",
            Self::Degraded => "DEGRADED",
            Self::Invalid => "INVALID",
        })
    }
}

/// The verdict on the generator.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GeneratorVerdict {
    /// How far it can be trusted.
    pub verdict: Trust,
    /// Why no further: a sentence each, the worst first.
    pub reasons: Vec<String>,
}

#[cfg(test)]
mod tests;
