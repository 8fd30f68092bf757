//! Whether the machine that makes the load can be trusted: what it used, and a verdict on it.
//!
//! [`judge`] is pure. [`monitor::HealthMonitor`] gathers what it judges, once a second;
//! [`probe::LoopProbe`] measures how late the event loop is.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::window::StallNumbers;

pub mod monitor;
pub mod nodes;
pub mod probe;
pub mod process;

/// Busier than this share of all cores, the generator has no reserve left.
pub const CPU_BUSY: f64 = 0.90;

/// In more than this share of the samples busy: the times of fast answers are in doubt.
pub const CPU_BUSY_SHARE_DEGRADED: f64 = 0.10;

/// Fewer busy samples than this prove nothing: a run that starts is busy for a moment.
pub const CPU_BUSY_SAMPLES_MIN: u64 = 3;

/// The event loop later than this for a hundredth of the time: answers seem that much slower.
pub const LOOP_LAG_DEGRADED: Duration = Duration::from_millis(50);

/// Later than this for a hundredth of the time, the times measured are the generator's own.
pub const LOOP_LAG_INVALID: Duration = Duration::from_millis(500);

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

/// More resident memory than this share of the machine's.
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
    /// How many cores it may use.
    pub cores: usize,
    /// CPU used, as a share of all cores, on average.
    pub cpu_mean: f64,
    /// CPU used, as a share of all cores, in the busiest sample.
    pub cpu_max: f64,
    /// How many samples were busier than [`CPU_BUSY`].
    pub cpu_busy_samples: u64,
    /// The most memory resident, in bytes.
    pub memory_max: u64,
    /// The machine's memory, in bytes; 0 if unknown.
    pub memory_limit: u64,
    /// The most file descriptors open at once.
    pub descriptors_max: u64,
    /// How many may be open; 0 if unknown.
    pub descriptors_limit: u64,
    /// How late the event loop was for half of the time.
    pub loop_lag_p50: Duration,
    /// How late it was for a hundredth of the time.
    pub loop_lag_p99: Duration,
    /// The latest it was.
    pub loop_lag_max: Duration,
    /// How late users were admitted behind the user rate, in the worst hundredth of the samples.
    pub admission_lag_p99: Duration,
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

/// Judges the generator. Each reason names the number, the limit, and what to do about it.
pub fn judge(health: &HealthSummary) -> GeneratorVerdict {
    let mut found: Vec<(Trust, String)> = Vec::new();
    found.extend(slots(health));
    found.extend(loop_lag(health));
    found.extend(admission(health));
    found.extend(own_failures(health));
    found.extend(cpu(health));
    found.extend(descriptors(health));
    found.extend(memory(health));
    found.extend(stalls(health));
    // Stable: equally bad ones stay in the order above.
    found.sort_by_key(|(trust, _)| std::cmp::Reverse(*trust));
    GeneratorVerdict {
        verdict: found.first().map_or(Trust::Valid, |(trust, _)| *trust),
        reasons: found.into_iter().map(|(_, reason)| reason).collect(),
    }
}

fn slots(health: &HealthSummary) -> Option<(Trust, String)> {
    let forfeited = health.slots_forfeited;
    let of = forfeited.saturating_add(health.slots_granted);
    let share = share(forfeited, of);
    if forfeited < FORFEITED_MIN {
        return None;
    }
    let (trust, limit) = grade(share, FORFEITED_DEGRADED, FORFEITED_INVALID)?;
    Some((
        trust,
        format!(
            "{forfeited} of {of} throttle slots ({}) were forfeited because the generator was late, \
             above the limit of {}: lower the rate or spread it over more nodes",
            percent(share),
            percent(limit),
        ),
    ))
}

fn loop_lag(health: &HealthSummary) -> Option<(Trust, String)> {
    let (trust, limit) = grade(health.loop_lag_p99, LOOP_LAG_DEGRADED, LOOP_LAG_INVALID)?;
    Some((
        trust,
        format!(
            "the event loop was {} late for 1% of the time, above the limit of {}: run fewer users \
             on this machine, or move long computations out of the scenario's async code",
            millis(health.loop_lag_p99),
            millis(limit),
        ),
    ))
}

fn admission(health: &HealthSummary) -> Option<(Trust, String)> {
    let (trust, limit) =
        grade(health.admission_lag_p99, ADMISSION_LAG_DEGRADED, ADMISSION_LAG_INVALID)?;
    Some((
        trust,
        format!(
            "users were admitted {} behind the user rate, above the limit of {}: lower the user \
             rate or add nodes",
            millis(health.admission_lag_p99),
            millis(limit),
        ),
    ))
}

fn own_failures(health: &HealthSummary) -> Option<(Trust, String)> {
    let (failed, of) = (health.own_failures, health.attempts.max(health.own_failures));
    let share = share(failed, of);
    let (trust, limit) = grade(share, OWN_FAILURES_DEGRADED, OWN_FAILURES_INVALID)?;
    Some((
        trust,
        format!(
            "{failed} of {of} attempts ({}) failed because this machine ran out of something, above \
             the limit of {}: see the generator's failures, and raise its limits or add nodes",
            percent(share),
            percent(limit),
        ),
    ))
}

fn cpu(health: &HealthSummary) -> Option<(Trust, String)> {
    let busy = health.cpu_busy_samples;
    if busy < CPU_BUSY_SAMPLES_MIN || share(busy, health.samples) <= CPU_BUSY_SHARE_DEGRADED {
        return None;
    }
    Some((
        Trust::Degraded,
        format!(
            "the generator used more than {} of its {} in {busy} of {} samples, above the limit of \
             {} of them: answers may seem slower than they are; run fewer users on this machine or \
             add nodes",
            percent(CPU_BUSY),
            cores(health.cores),
            health.samples,
            percent(CPU_BUSY_SHARE_DEGRADED),
        ),
    ))
}

fn descriptors(health: &HealthSummary) -> Option<(Trust, String)> {
    let share = share(health.descriptors_max, health.descriptors_limit);
    (share > DESCRIPTORS_DEGRADED).then(|| {
        (
            Trust::Degraded,
            format!(
                "{} of {} file descriptors ({}) were open, above the limit of {}: raise the limit \
                 (ulimit -n) or add nodes",
                health.descriptors_max,
                health.descriptors_limit,
                percent(share),
                percent(DESCRIPTORS_DEGRADED),
            ),
        )
    })
}

fn memory(health: &HealthSummary) -> Option<(Trust, String)> {
    let share = share(health.memory_max, health.memory_limit);
    (share > MEMORY_DEGRADED).then(|| {
        (
            Trust::Degraded,
            format!(
                "{} of {} MiB of memory ({}) were in use, above the limit of {}: run fewer users on \
                 this machine or add nodes",
                health.memory_max >> 20,
                health.memory_limit >> 20,
                percent(share),
                percent(MEMORY_DEGRADED),
            ),
        )
    })
}

fn stalls(health: &HealthSummary) -> Option<(Trust, String)> {
    let stalls = &health.stalls;
    (stalls.worst > STALL_DEGRADED).then(|| {
        (
            Trust::Degraded,
            format!(
                "`{}` ran for {} without awaiting, above the limit of {} ({} such in all): nobody \
                 else could run on that worker; move the computation to a blocking task",
                stalls.worst_name,
                millis(stalls.worst),
                millis(STALL_DEGRADED),
                stalls.count,
            ),
        )
    })
}

/// The worse grade that a value has earned, with the limit it broke.
fn grade<T: PartialOrd>(value: T, degraded: T, invalid: T) -> Option<(Trust, T)> {
    if value > invalid {
        Some((Trust::Invalid, invalid))
    } else if value > degraded {
        Some((Trust::Degraded, degraded))
    } else {
        None
    }
}

fn share(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    // Whole percents where they say enough.
    if percent >= 10.0 || percent.fract().abs() < 0.005 {
        format!("{percent:.0}%")
    } else {
        format!("{percent:.1}%")
    }
}

fn millis(duration: Duration) -> String {
    format!("{:.0} ms", duration.as_secs_f64() * 1e3)
}

fn cores(count: usize) -> String {
    if count == 1 { "1 core".to_owned() } else { format!("{count} cores") }
}

#[cfg(test)]
mod tests;
