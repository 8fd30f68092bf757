//! Pure: what adds up of a metric over intervals of a run.

use std::time::Duration;

use crowd_measure::{
    names::clip,
    timing::Timing,
    window::{ActionNumbers, Waited, Window},
};

use super::{
    bound::Unit,
    judge::{Interval, Standing},
    metric::{Metric, Side, Stat},
};

/// What one interval tells of a metric; small, so that many of them can be kept.
#[derive(Debug, Default)]
pub(super) struct Piece {
    /// When the interval ended.
    pub(super) until: Duration,
    pub(super) span: Duration,
    /// Times in microseconds, each with how often. Those of attempts that never ended are the time
    /// that they had waited when they were given up.
    times: Vec<(u64, u64)>,
    /// How long attempts had waited that were under way when the interval ended.
    waiting: Vec<(u64, u64)>,
    part: u64,
    /// The whole that a share is of. Of what may be an action or a counter, the counter's; the
    /// action's is `part`.
    of: u64,
    /// The most users.
    pub(super) peak: u64,
}

/// The sum of some intervals: exact, since distributions are added.
#[derive(Debug, Default)]
pub(super) struct Tally {
    times: Timing,
    /// What is under way now.
    waiting: Vec<(u64, u64)>,
    part: u64,
    of: u64,
    peak: u64,
    span: Duration,
}

impl Piece {
    /// What an interval tells of a metric; `before` is how the run stood at its beginning.
    pub(super) fn of(metric: &Metric, interval: &Interval<'_>, before: &Standing) -> Self {
        let Interval { until, measured, standing, .. } = interval;
        let mut piece = Self { until: *until, span: measured.span, ..Self::default() };
        match metric {
            Metric::Time { side, action, .. } => {
                piece.times = times(measured, action.as_deref(), *side, ended);
                piece.times.extend(times(measured, action.as_deref(), *side, unfinished));
                piece.waiting = times(measured, action.as_deref(), *side, waiting);
            }
            Metric::ErrorRate(action) => {
                (piece.of, piece.part) = actions(measured, action.as_deref());
            }
            Metric::Rate(name) | Metric::Count(name) => {
                piece.part = actions(measured, name.as_deref()).0;
                let counter = name.as_deref().and_then(|name| measured.counters.get(clip(name)));
                piece.of = counter.copied().unwrap_or(0);
            }
            Metric::CheckRate(name) => {
                let named = |check: &str| name.as_deref().is_none_or(|name| clip(name) == check);
                for (_, check) in measured.checks.iter().filter(|(check, _)| named(check)) {
                    piece.part += check.passed;
                    piece.of += check.passed + check.failed;
                }
            }
            Metric::DroppedRate => {
                piece.part = standing.dropped.saturating_sub(before.dropped);
                piece.of = standing.scheduled.saturating_sub(before.scheduled);
            }
            Metric::Users => piece.peak = standing.running,
            Metric::FailedUsers => piece.part = standing.failed.saturating_sub(before.failed),
        }
        piece
    }

    /// Whether it tells of an action.
    pub(super) fn has_action(&self) -> bool {
        self.part > 0
    }

    fn timing(&self) -> Timing {
        let mut timing = Timing::default();
        self.times.iter().for_each(|(micros, count)| timing.add(*micros, *count));
        timing
    }
}

/// How often an action was done, and failed.
fn actions(measured: &Window, name: Option<&str>) -> (u64, u64) {
    let of = |window: &crowd_measure::window::ActionNumbers| (window.count(), window.failed);
    match name {
        Some(name) => measured.actions.get(clip(name)).map_or((0, 0), |action| of(action)),
        None => measured.actions.values().fold((0, 0), |(count, failed), action| {
            let (more, worse) = of(action);
            (count + more, failed + worse)
        }),
    }
}

/// The times of some of the attempts at an action.
fn times(
    measured: &Window,
    name: Option<&str>,
    side: Side,
    of: fn(&ActionNumbers, Side) -> &Timing,
) -> Vec<(u64, u64)> {
    match name {
        Some(name) => measured
            .actions
            .get(clip(name))
            .map_or_else(Vec::new, |action| of(action, side).recorded().collect()),
        None => measured
            .actions
            .values()
            .flat_map(|action| of(action, side).recorded().collect::<Vec<_>>())
            .collect(),
    }
}

fn ended(action: &ActionNumbers, side: Side) -> &Timing {
    if side == Side::Response { &action.response } else { &action.service }
}

fn unfinished(action: &ActionNumbers, side: Side) -> &Timing {
    waited(&action.unfinished, side)
}

fn waiting(action: &ActionNumbers, side: Side) -> &Timing {
    waited(&action.waiting, side)
}

fn waited(waited: &Waited, side: Side) -> &Timing {
    if side == Side::Response { waited.response() } else { waited.service() }
}

impl Tally {
    pub(super) fn add(&mut self, piece: &Piece) {
        piece.times.iter().for_each(|(micros, count)| self.times.add(*micros, *count));
        self.waiting.clone_from(&piece.waiting);
        self.part += piece.part;
        self.of += piece.of;
        self.peak = self.peak.max(piece.peak);
        self.span += piece.span;
    }

    /// Takes back what was added; but for the most users, see [`Tally::set_peak`].
    pub(super) fn remove(&mut self, piece: &Piece) {
        if !piece.times.is_empty() {
            self.times.subtract(&piece.timing());
        }
        self.part -= piece.part;
        self.of -= piece.of;
        self.span -= piece.span;
    }

    /// The most users there were.
    pub(super) fn set_peak(&mut self, peak: u64) {
        self.peak = peak;
    }

    /// The metric in that unit; `None` if nothing was measured of one that is nothing then.
    /// `is_action` says whether the name is that of an action, and not of a counter.
    pub(super) fn value(&self, metric: &Metric, unit: Unit, is_action: bool) -> Option<f64> {
        let count = if is_action { self.part } else { self.of };
        match metric {
            Metric::Time { stat, .. } => {
                let base = (self.times.count() > 0).then(|| stat.of(&self.times));
                let with = self.with_waiting(base.unwrap_or_default());
                Some(unit.of_time(with.map(|times| stat.of(&times)).or(base)?))
            }
            Metric::ErrorRate(_) | Metric::CheckRate(_) if self.of == 0 => None,
            Metric::ErrorRate(_) | Metric::CheckRate(_) | Metric::DroppedRate => {
                Some(unit.of_share(self.part, self.of))
            }
            Metric::Rate(_) => Some(unit.of_rate(count, self.span)),
            Metric::Count(_) => Some(count as f64),
            Metric::Users => Some(self.peak as f64),
            Metric::FailedUsers => Some(self.part as f64),
        }
    }
}

impl Tally {
    /// All times, and with them those of attempts that are under way and have waited longer than
    /// `than` by now: whatever they come to, it is more. One that has waited less tells nothing yet.
    /// `None` if there are no such.
    fn with_waiting(&self, than: Duration) -> Option<Timing> {
        let than = u64::try_from(than.as_micros()).unwrap_or(u64::MAX);
        let mut longer = self.waiting.iter().filter(|(micros, _)| *micros > than).peekable();
        longer.peek()?;
        let mut times = self.times.clone();
        longer.for_each(|(micros, count)| times.add(*micros, *count));
        Some(times)
    }
}

impl Stat {
    fn of(self, times: &Timing) -> Duration {
        match self {
            Self::Percentile(percent) => times.quantile(quantile(percent)),
            Self::Min => times.min(),
            Self::Mean => times.mean(),
            Self::Max => times.max(),
        }
    }
}

/// The share that a percentage is: by its digits, as 99.9 / 100 is not 0.999.
fn quantile(percent: f64) -> f64 {
    format!("{percent}e-2").parse().unwrap_or(percent / 100.0)
}
