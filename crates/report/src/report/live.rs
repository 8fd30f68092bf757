//! What a terminal shows while a run goes on.

use std::time::Duration;

use crowd_measure::{health::Trust, window::Window};
use crowd_plan::load::status::PlanStatus;

use super::{
    table::{Accent, Colour, Table, cut, one_line},
    units,
};

/// How many actions are shown: those done most often.
const MOST_ACTIONS: usize = 10;

/// What is drawn on, as it is just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// How many columns it has.
    pub width: usize,
    /// Whether it may have colours.
    pub colour: Colour,
}

/// A run that goes on, as a terminal shows it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveView {
    /// The scenario.
    pub scenario: String,
    /// Since the start.
    pub elapsed: Duration,
    /// Until the end, if that is known.
    pub remaining: Option<Duration>,
    /// How far its load profile is.
    pub profile: Option<PlanStatus>,
    /// Users running now.
    pub running: u64,
    /// Users not admitted yet.
    pub waiting: u64,
    /// Users that ended by themselves.
    pub finished: u64,
    /// Users that failed.
    pub failed: u64,
    /// What was done in the last interval.
    pub actions: Vec<LiveAction>,
    /// The thresholds that it does not keep to as things are, each with what it is.
    pub failing: Vec<String>,
    /// How far the generator can be trusted so far.
    pub generator: Trust,
}

/// An action in the last interval.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveAction {
    /// Its name.
    pub name: String,
    /// Done per second.
    pub rate: f64,
    /// Failed per second.
    pub failing: f64,
    /// Under way at its end.
    pub waiting: u64,
    /// Response time that half did not exceed.
    pub p50: Duration,
    /// Response time that 95 % did not exceed.
    pub p95: Duration,
    /// Response time that 99 % did not exceed.
    pub p99: Duration,
}

impl LiveAction {
    /// The actions of an interval, in the order of their names.
    pub fn of(interval: &Window) -> Vec<Self> {
        let actions = interval.actions.iter();
        actions
            .map(|(name, action)| {
                let [p50, p95, p99] = action.response_so_far().quantiles([0.5, 0.95, 0.99]);
                Self {
                    name: name.to_string(),
                    rate: interval.rate(action.count()),
                    failing: interval.rate(action.failed),
                    waiting: action.waiting.count(),
                    p50,
                    p95,
                    p99,
                }
            })
            .collect()
    }
}

/// The block of lines that stands for a run now: one of state, one for each action and
/// for each threshold that fails. No line is
/// wider than `width`, since a terminal that wraps lines cannot redraw them.
pub fn render(view: &LiveView, colour: Colour, width: usize) -> String {
    let mut lines = vec![state(view, colour, width)];
    lines.extend(view.profile.as_ref().map(|profile| cut(&plan(profile), width)));
    lines.extend(actions(view).lines(colour, width.saturating_sub(2)).into_iter().map(indent));
    let hidden = view.actions.len().saturating_sub(MOST_ACTIONS);
    if hidden > 0 {
        lines.push(cut(&format!("  and {hidden} more"), width));
    }
    lines.extend(view.failing.iter().map(|failing| {
        let line = cut(&format!("  fails: {failing}"), width);
        colour.paint(Accent::Bad, &line)
    }));
    lines.join("\n")
}

fn state(view: &LiveView, colour: Colour, width: usize) -> String {
    let time = match view.remaining {
        Some(remaining) => format!(
            "{} of {}",
            units::clock(view.elapsed),
            units::clock(view.elapsed.saturating_add(remaining))
        ),
        None => units::clock(view.elapsed),
    };
    let mut parts =
        vec![one_line(&view.scenario), time, format!("{} running", units::exact(view.running))];
    let rare = [(view.waiting, "waiting"), (view.finished, "finished"), (view.failed, "failed")];
    let rare = rare.into_iter().filter(|(count, _)| *count > 0);
    parts.extend(rare.map(|(count, what)| format!("{} {what}", units::exact(count))));
    let line = parts.join("  ");
    let accent = match view.generator {
        Trust::Valid => return cut(&line, width),
        Trust::Degraded => Accent::Warning,
        Trust::Invalid => Accent::Bad,
    };
    // A generator in trouble is told even where the line is too long.
    let verdict = format!("generator {}", view.generator);
    let room = width.saturating_sub(verdict.len() + 2);
    format!("{}  {}", cut(&line, room), colour.paint(accent, &cut(&verdict, width)))
}

fn plan(profile: &PlanStatus) -> String {
    let mut line = format!("  stage {} of {}: {}", profile.stage, profile.stages, profile.now);
    if profile.target_rate > 0.0 {
        line.push_str(&format!("  now {}/s", units::rate(profile.target_rate)));
    } else {
        line.push_str(&format!("  now {}", units::plural(profile.target_users, "user")));
    }
    let arrivals = &profile.arrivals;
    if arrivals.scheduled > 0 {
        line.push_str(&format!("  {} begun", units::exact(arrivals.started)));
    }
    let rare = [(arrivals.waiting(), "waiting"), (arrivals.dropped(), "dropped")];
    for (count, what) in rare.into_iter().filter(|(count, _)| *count > 0) {
        line.push_str(&format!("  {} {what}", units::exact(count)));
    }
    line
}

fn actions(view: &LiveView) -> Table {
    let heads = [
        ("", "rate/s"),
        ("", "failed/s"),
        ("", "under way"),
        ("", "p50"),
        ("", "p95"),
        ("", "p99 ms"),
    ];
    let mut table = Table::new("actions", &heads);
    let mut busiest: Vec<_> = view.actions.iter().collect();
    // Those done most often, but in a steady order: lines that jump cannot be read.
    busiest.sort_by(|a, b| b.rate.total_cmp(&a.rate));
    busiest.truncate(MOST_ACTIONS);
    busiest.sort_by(|a, b| a.name.cmp(&b.name));
    for action in busiest {
        let times = [action.p50, action.p95, action.p99];
        let times = times.map(|time| units::ms(time.as_secs_f64() * 1e3));
        let rates = [action.rate, action.failing].map(units::rate);
        let counts = rates.into_iter().chain([units::count(action.waiting)]);
        table.row(std::iter::once(action.name.clone()).chain(counts).chain(times));
    }
    table
}

fn indent(line: String) -> String {
    format!("  {line}")
}
