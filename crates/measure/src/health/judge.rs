//! Judges the generator second by second, while a run goes on.
//!
//! Pure: times and readings go in, spells come out. Numbers over a whole run hide what lasted for five
//! seconds of an hour, so each second is held against the limits by itself. One bad second is a
//! hiccup; [`IN_A_ROW`] of them are trouble, and what they have spoilt stays spoilt.

use std::{collections::BTreeMap, time::Duration};

use super::{
    CPU_BUSY, DESCRIPTORS_DEGRADED, DROPPED_DEGRADED, FORFEITED_DEGRADED, FORFEITED_INVALID,
    FORFEITED_MIN, IN_A_ROW, MEMORY_DEGRADED, OVERDUE_DEGRADED, OVERDUE_INVALID,
    OWN_FAILURES_DEGRADED, OWN_FAILURES_INVALID, SCHEDULE_DEGRADED, SCHEDULE_INVALID,
    STALLED_DEGRADED, STALLED_INVALID, Trust,
    spell::{Blame, Cause, Spell},
};

/// So many of so many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Part {
    /// So many.
    pub part: u64,
    /// Of so many.
    pub of: u64,
}

impl Part {
    fn share(self) -> f64 {
        if self.of == 0 { 0.0 } else { self.part as f64 / self.of as f64 }
    }

    /// What came to it since it was `before`.
    pub(super) fn since(self, before: Self) -> Self {
        Self { part: self.part.saturating_sub(before.part), of: self.of.saturating_sub(before.of) }
    }

    fn plus(self, more: Self) -> Self {
        Self { part: self.part.saturating_add(more.part), of: self.of.saturating_add(more.of) }
    }
}

/// What was seen of the generator in about a second.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Second {
    /// When it ended, since the start of the run.
    pub until: Duration,
    /// How long it was.
    pub span: Duration,
    /// For how much of it the event loop was more than [`super::LOOP_LAG_DEGRADED`] late.
    pub loop_overdue: Duration,
    /// The same of a thread beside the event loop, which only the machine can make late.
    pub thread_overdue: Duration,
    /// For how long user code held up a worker, over all workers.
    pub stalled: Duration,
    /// The longest that user code ran without awaiting, and where.
    pub worst_stall: Option<(String, Duration)>,
    /// How many workers there are.
    pub workers: usize,
    /// CPU used, as a share of all cores; `None` if that is unknown.
    pub cpu: Option<f64>,
    /// File descriptors open, of those allowed.
    pub descriptors: Part,
    /// Bytes of memory resident, of those there are.
    pub memory: Part,
    /// How much time all that follows stands for: others tell of it when the event loop lets them.
    /// Zero if nothing was told, which says neither that all was well nor that it was not.
    pub told: Duration,
    /// How late the latest hundredth of the arrivals began.
    pub schedule_lag: Duration,
    /// Arrivals dropped because no user was free, of those due.
    pub dropped: Part,
    /// Arrivals dropped because the generator was late or a node was lost, of those due.
    pub lost: Part,
    /// Throttle slots forfeited, of those there were.
    pub forfeited: Part,
    /// Whether the admission of users was later than is tolerated, and fell back further.
    pub admission_lag: Option<Duration>,
    /// Attempts that failed because this machine ran out of something, of all.
    pub own_failures: Part,
}

/// What was wrong and when, in constant memory.
#[derive(Debug, Clone, Default)]
pub struct Judge {
    tracks: BTreeMap<Cause, Track>,
}

#[derive(Debug, Clone, Default)]
struct Track {
    spell: Option<Spell>,
    /// Seconds in a row that were at least so bad, and what was counted in them.
    degraded: Streak,
    invalid: Streak,
}

#[derive(Debug, Clone, Copy, Default)]
struct Streak {
    seconds: u64,
    counted: Part,
}

/// A number of a second, and the limits it is held against.
struct Look {
    /// The time it stands for.
    span: Duration,
    cause: Cause,
    value: f64,
    degraded: f64,
    /// None if it can be no worse than that.
    invalid: Option<f64>,
    /// What it is a share of, where few prove nothing.
    counted: Option<Part>,
}

impl Judge {
    /// Takes in what was seen in a second; they come in order.
    pub fn observe(&mut self, second: &Second) {
        for look in looks(second).filter(|look| !look.span.is_zero()) {
            let blame = (look.cause == Cause::EventLoop).then(|| blame(second));
            self.tracks.entry(look.cause).or_default().take(second.until, &look, blame);
        }
    }

    /// What was wrong so far, in the order of [`Cause`].
    pub fn spells(&self) -> Vec<Spell> {
        self.tracks.values().filter_map(|track| track.spell.clone()).collect()
    }
}

impl Track {
    fn take(&mut self, until: Duration, look: &Look, blame: Option<Blame>) {
        // A process that stood still is looked at late: what it missed counts as what it was.
        let seconds = look.span.as_secs_f64().round().max(1.0) as u64;
        let is = |limit: f64| look.value > limit;
        self.degraded.take(is(look.degraded), seconds, look.counted);
        self.invalid.take(look.invalid.is_some_and(is), seconds, look.counted);
        if !is(look.degraded) {
            return;
        }
        let spell = self.spell.get_or_insert_with(|| Spell {
            cause: look.cause,
            verdict: Trust::Valid,
            first: until.saturating_sub(look.span),
            last: until,
            seconds: 0,
            worst: 0.0,
            blame: None,
        });
        spell.last = until;
        spell.seconds = spell.seconds.saturating_add(seconds);
        if look.value >= spell.worst {
            (spell.worst, spell.blame) = (look.value, blame);
        }
        if self.invalid.is_trouble() {
            spell.verdict = Trust::Invalid;
        } else if self.degraded.is_trouble() {
            spell.verdict = spell.verdict.max(Trust::Degraded);
        }
    }
}

impl Streak {
    fn take(&mut self, bad: bool, seconds: u64, counted: Option<Part>) {
        if !bad {
            *self = Self::default();
            return;
        }
        self.seconds = self.seconds.saturating_add(seconds);
        // Where nothing is counted there is nothing to be few of.
        let all = Part { part: FORFEITED_MIN, of: FORFEITED_MIN };
        self.counted = self.counted.plus(counted.unwrap_or(all));
    }

    fn is_trouble(self) -> bool {
        self.seconds >= IN_A_ROW && self.counted.part >= FORFEITED_MIN
    }
}

fn looks(second: &Second) -> impl Iterator<Item = Look> {
    let span = second.span.as_secs_f64();
    let time = |time: Duration| (time.as_secs_f64() / span).min(1.0);
    // What the thread sees for itself, each second.
    let seen = |cause, value, degraded, invalid| Look {
        span: second.span,
        cause,
        value,
        degraded,
        invalid,
        counted: None,
    };
    // What it is told of.
    let told = |cause, value, degraded, invalid| Look {
        span: second.told,
        ..seen(cause, value, degraded, invalid)
    };
    let counted = |cause, part: Part, degraded, invalid| Look {
        counted: Some(part),
        ..told(cause, part.share(), degraded, invalid)
    };
    let workers = u32::try_from(second.workers.max(1)).unwrap_or(u32::MAX);
    let admission = second.admission_lag.unwrap_or_default().as_secs_f64();
    let lag = second.schedule_lag.as_secs_f64();
    let late = (SCHEDULE_DEGRADED.as_secs_f64(), Some(SCHEDULE_INVALID.as_secs_f64()));
    let missed = (FORFEITED_DEGRADED, Some(FORFEITED_INVALID));
    let own = (OWN_FAILURES_DEGRADED, Some(OWN_FAILURES_INVALID));
    [
        seen(Cause::EventLoop, time(second.loop_overdue), OVERDUE_DEGRADED, Some(OVERDUE_INVALID)),
        seen(
            Cause::UserCode,
            time(second.stalled / workers),
            STALLED_DEGRADED,
            Some(STALLED_INVALID),
        ),
        told(Cause::Schedule, lag, late.0, late.1),
        counted(Cause::Lost, second.lost, missed.0, missed.1),
        counted(Cause::Dropped, second.dropped, DROPPED_DEGRADED, None),
        counted(Cause::Slots, second.forfeited, missed.0, missed.1),
        counted(Cause::OwnFailures, second.own_failures, own.0, own.1),
        // These say when it was so; whether it was too much is judged over the whole run.
        told(Cause::Admission, admission, 0.0, None),
        seen(Cause::Cpu, second.cpu.unwrap_or(0.0), CPU_BUSY, None),
        seen(Cause::Descriptors, second.descriptors.share(), DESCRIPTORS_DEGRADED, None),
        seen(Cause::Memory, second.memory.share(), MEMORY_DEGRADED, None),
    ]
    .into_iter()
}

/// Why the event loop was late. What holds up the whole process holds up user code in the middle of a
/// poll, too, so it is asked for first.
fn blame(second: &Second) -> Blame {
    if second.thread_overdue * 2 > second.loop_overdue {
        return Blame::Machine;
    }
    match &second.worst_stall {
        Some((name, worst)) if second.stalled * 4 > second.loop_overdue => {
            Blame::UserCode { name: name.clone(), worst: *worst }
        }
        _ => Blame::Load,
    }
}

#[cfg(test)]
mod tests;
