//! Pure: thresholds judged while a run goes on. Intervals of what was measured go in, each once and
//! in order; whether the run is to end comes out, and at the end whether each threshold held.
//!
//! What is judged is always the sum of whole intervals: distributions are added, never averaged.
//! An interval belongs to the stage, or the sliding window, that its middle is in.

use std::{collections::VecDeque, time::Duration};

use crowd_core::units;
use crowd_measure::window::Window;

use super::{
    Scope, Threshold, Thresholds,
    bound::shown,
    metric::Trend,
    tally::{Piece, Tally},
};
use crate::{load::Arrivals, profile::Profile};

/// One interval of a run.
#[derive(Debug, Clone, Copy)]
pub struct Interval<'a> {
    /// When it ended, since the start of the run.
    pub until: Duration,
    /// What was measured in it; its span is how long it was.
    pub measured: &'a Window,
    /// How the run stood at its end.
    pub standing: Standing,
    /// Whether the run was on: not before `init` was over, and not when it ends already. Only then
    /// a window is judged, and only then a threshold aborts.
    pub on: bool,
}

/// How a run stands; all but `running` since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Users running now.
    pub running: u64,
    /// The most that ran at once.
    pub peak: u64,
    /// Users that failed.
    pub failed: u64,
    /// Arrivals that were due.
    pub scheduled: u64,
    /// Arrivals that were lost.
    pub dropped: u64,
}

impl Standing {
    /// The same with these arrivals.
    pub fn with(self, arrivals: Arrivals) -> Self {
        Self { scheduled: arrivals.scheduled, dropped: arrivals.dropped, ..self }
    }
}

/// How a threshold stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The threshold, as it is written.
    pub expression: String,
    /// What was measured, in the unit of the threshold; of a sliding window the worst. `None` if
    /// nothing was.
    pub actual: Option<f64>,
    /// The same, as people read it.
    pub text: String,
    /// Whether it held.
    pub passed: bool,
    /// Whether it ended the run.
    pub aborted: bool,
    /// When that was, since the start of the run: the end of the worst window, or the abort.
    pub at: Option<Duration>,
}

/// The judge of one run. What it keeps does not grow with the run, but with the length of the
/// windows.
#[derive(Debug)]
pub struct Judge {
    watches: Vec<Watch>,
    profile: Option<Profile>,
    /// When the load profile began, since the start of the run.
    begun: Duration,
    /// How the run stood at the end of the last interval.
    before: Standing,
    /// When that was.
    ended: Duration,
    aborted: bool,
}

/// One threshold, and what was measured of it.
#[derive(Debug)]
struct Watch {
    threshold: Threshold,
    tally: Tally,
    /// The intervals in the window, for one that slides.
    window: VecDeque<Piece>,
    /// When the first interval of a window began, once the run was on.
    from: Option<Duration>,
    /// The worst value of a window, and when that ended.
    worst: Option<(f64, Duration)>,
    /// Whether its name was found to be that of an action.
    is_action: bool,
    /// What ended the run, and when.
    aborted: Option<(f64, Duration)>,
}

impl Judge {
    /// The judge of a run with these thresholds and this load profile.
    pub fn new(thresholds: &Thresholds, profile: Option<Profile>) -> Self {
        let watch = |threshold: &Threshold| Watch {
            threshold: threshold.clone(),
            tally: Tally::default(),
            window: VecDeque::new(),
            from: None,
            worst: None,
            is_action: false,
            aborted: None,
        };
        Self {
            watches: thresholds.all().iter().map(watch).collect(),
            profile,
            begun: Duration::ZERO,
            before: Standing::default(),
            ended: Duration::ZERO,
            aborted: false,
        }
    }

    /// The load profile began then, since the start of the run: its stages and the first sliding
    /// window count from there. To be told before the intervals that end later.
    pub fn begin_profile(&mut self, at: Duration) {
        self.begun = at;
    }

    /// Takes an interval in. Answers with the reason if a threshold ends the run now, once.
    pub fn observe(&mut self, interval: &Interval<'_>) -> Option<String> {
        self.ended = interval.until;
        let middle = interval.until.saturating_sub(interval.measured.span / 2);
        let clock = Clock { now: interval.until, begun: self.begun };
        let mut reason = None;
        for watch in &mut self.watches {
            let piece = Piece::of(&watch.threshold.metric, interval, &self.before);
            watch.is_action |= piece.has_action();
            let stage = span_of(watch.threshold.scope, self.profile.as_ref(), self.begun);
            match watch.threshold.scope {
                Scope::Run => watch.whole(&piece, &interval.standing),
                Scope::Over(time) => watch.slide(piece, time, clock, interval.on),
                Scope::Stage(_) => {
                    if stage.is_some_and(|(start, end)| start <= middle && middle < end) {
                        watch.tally.add(&piece);
                    }
                }
            }
            if interval.on && !self.aborted && watch.ends_the_run(clock, stage) {
                self.aborted = true;
                let judged = watch.judged();
                reason = Some(judged.sentence());
            }
        }
        self.before = interval.standing;
        reason
    }

    /// How all thresholds stand, in the order in which they were given.
    pub fn judged(&self) -> Vec<Judged> {
        self.watches.iter().map(Watch::judged).collect()
    }

    /// Those that do not hold as things are, of which something was measured.
    pub fn failing(&self) -> Vec<Judged> {
        let undecided = |watch: &Watch| watch.may_still_hold(self.is_over(watch));
        let watches = self.watches.iter().filter(|watch| !undecided(watch)).map(Watch::judged);
        watches.filter(|judged| !judged.passed && judged.actual.is_some()).collect()
    }

    /// Whether the time that a threshold is about is over.
    fn is_over(&self, watch: &Watch) -> bool {
        let stage = span_of(watch.threshold.scope, self.profile.as_ref(), self.begun);
        stage.is_some_and(|(_, end)| end <= self.ended)
    }
}

/// When an interval ended, and when the load profile began.
#[derive(Clone, Copy)]
struct Clock {
    now: Duration,
    begun: Duration,
}

/// From when to when a stage goes; `None` for what is about none, or one that is not there.
fn span_of(
    scope: Scope,
    profile: Option<&Profile>,
    begun: Duration,
) -> Option<(Duration, Duration)> {
    let Scope::Stage(number) = scope else { return None };
    let (profile, at) = (profile?, number.checked_sub(1)?);
    let stage = profile.stages().get(at)?;
    let start = begun + profile.start_of(at);
    Some((start, start + stage.duration))
}

impl Watch {
    fn whole(&mut self, piece: &Piece, standing: &Standing) {
        self.tally.add(piece);
        // Between two intervals there may have been more.
        self.tally.set_peak(standing.peak);
    }

    /// Lets the window go on by an interval, and judges it once it is full.
    fn slide(&mut self, piece: Piece, time: Duration, clock: Clock, on: bool) {
        let Clock { now, begun } = clock;
        if on && self.from.is_none() {
            // What was before is no part of the load.
            (self.from, self.tally) = (Some(now.saturating_sub(piece.span)), Tally::default());
            self.window.clear();
        }
        if !on && self.worst.is_some() {
            return;
        }
        let half = piece.span / 2;
        self.tally.add(&piece);
        self.window.push_back(piece);
        // The middle of an interval decides, so that it does not matter if one ends a little early
        // or late.
        while let Some(oldest) = self.window.front()
            && oldest.until.saturating_sub(oldest.span / 2) + time < now
        {
            self.tally.remove(oldest);
            self.window.pop_front();
        }
        let peak = self.window.iter().map(|piece| piece.peak).max();
        self.tally.set_peak(peak.unwrap_or_default());
        let is_full = self.from.is_some_and(|from| now + half >= from.max(begun) + time);
        if !on || !is_full {
            return;
        }
        if let Some(value) = self.value()
            && self.worst.is_none_or(|(worst, _)| self.threshold.comparator.is_worse(value, worst))
        {
            self.worst = Some((value, now));
        }
    }

    /// What the tally says now.
    fn value(&self) -> Option<f64> {
        let Threshold { metric, bound, .. } = &self.threshold;
        self.tally.value(metric, bound.unit, self.is_action)
    }

    fn holds(&self, value: f64) -> bool {
        let Threshold { comparator, bound, .. } = &self.threshold;
        comparator.holds(value, bound.value)
    }

    /// Whether a value that is too low can only grow, or one that is too high only fall.
    fn may_still_hold(&self, over: bool) -> bool {
        let Threshold { metric, comparator, scope, .. } = &self.threshold;
        let hopeful = match metric.trend() {
            Trend::Grows => !comparator.is_upper(),
            Trend::Falls => comparator.is_upper(),
            Trend::Either => false,
        };
        hopeful && !over && !matches!(scope, Scope::Over(_)) && self.aborted.is_none()
    }

    /// Whether this threshold ends the run now.
    fn ends_the_run(&mut self, clock: Clock, stage: Option<(Duration, Duration)>) -> bool {
        let Threshold { scope, abort, .. } = &self.threshold;
        let Some(grace) = *abort else { return false };
        let Clock { now, begun } = clock;
        let from = match (scope, stage) {
            (Scope::Stage(_), None) => return false,
            (_, Some((start, _))) => start.saturating_add(grace),
            (Scope::Run | Scope::Over(_), None) => grace,
        };
        let over = stage.is_some_and(|(_, end)| end <= now);
        // A window that is not full yet is none.
        let early = matches!(scope, Scope::Over(_)) && self.worst.is_none() || now < begun;
        if now < from || early || self.may_still_hold(over) {
            return false;
        }
        let failed = self.value().filter(|value| !self.holds(*value));
        self.aborted = failed.map(|value| (value, now));
        failed.is_some()
    }

    fn judged(&self) -> Judged {
        let Threshold { comparator, bound, .. } = &self.threshold;
        let (actual, at) = match (self.aborted, self.worst) {
            (Some((value, at)), _) | (None, Some((value, at))) => (Some(value), Some(at)),
            // A run shorter than its window is judged by all there was.
            (None, None) => (self.value(), None),
        };
        Judged {
            expression: self.threshold.to_string(),
            actual,
            text: actual.map_or("nothing was measured".to_owned(), |actual| {
                shown(actual, *comparator, *bound)
            }),
            passed: actual.is_some_and(|actual| self.holds(actual)),
            aborted: self.aborted.is_some(),
            at,
        }
    }
}

impl Judged {
    /// What was asked for and what it was, as a sentence.
    pub fn sentence(&self) -> String {
        let Self { expression, text, actual, .. } = self;
        let at = self.at.map_or(String::new(), |at| format!(" at {}", units::span(at)));
        match actual {
            Some(_) => format!("threshold `{expression}` failed: it was {text}{at}"),
            None => format!("threshold `{expression}` failed: {text}"),
        }
    }
}

#[cfg(test)]
mod tests;
