//! Charts of the load: users, rates, arrivals, failures.

use maud::{Markup, html};

use super::{
    chart::{Curve, TimeChart},
    scale::Scale,
    view::{Values, View},
};
use crate::report::over_time::ActionSeries;

/// So many actions have a curve of their own; the rest is one.
const MOST_CURVES: usize = 5;

/// The colours of curves that are told apart by name.
const COLOURS: [&str; MOST_CURVES] = ["c1", "c2", "c3", "c4", "c5"];

pub(super) fn charts(view: &View<'_>) -> Markup {
    html! {
        section class="grid two" {
            (users(view).render(view))
            (coming_and_going(view).render(view))
            (actions(view).render(view))
            (failures(view).render(view))
            @if has_arrivals(view) { (arrivals(view).render(view)) }
        }
    }
}

fn chart(title: &str, unit: &'static str, whole: bool, curves: Vec<Curve>) -> TimeChart {
    let most = curves.iter().map(Curve::most).fold(0.0, f64::max);
    TimeChart {
        title: title.to_owned(),
        unit,
        scale: Scale::counts(most, whole),
        curves,
        nothing: "Nothing was recorded over time.",
    }
}

fn users(view: &View<'_>) -> TimeChart {
    let running = Curve::new("running", "c1", view.levels(&view.report.series.running));
    chart("Users running", "users", true, vec![running.filled()])
}

fn coming_and_going(view: &View<'_>) -> TimeChart {
    let series = &view.report.series;
    let curves = vec![
        Curve::new("started", "c3", view.rates(&series.started)),
        Curve::new("ended", "c2", view.rates(&series.ended)),
    ];
    chart("Users starting and ending", "per second", false, curves)
}

fn actions(view: &View<'_>) -> TimeChart {
    let mut chart = by_action(view, "Actions", |series| &series.count);
    chart.nothing = "No action was timed.";
    chart
}

fn failures(view: &View<'_>) -> TimeChart {
    let mut chart = by_action(view, "Failed actions", |series| &series.failed);
    let total = view.rates(&view.report.series.failed);
    // Those of actions that were not followed are in the sum alone.
    if chart.curves.is_empty() && total.iter().flatten().any(|rate| *rate > 0.0) {
        chart = self::chart(&chart.title, chart.unit, false, vec![Curve::new("all", "c4", total)]);
    }
    chart.nothing = "No action failed.";
    chart
}

/// A curve for each of the most frequent actions, and one for all others.
fn by_action(
    view: &View<'_>,
    title: &str,
    numbers: impl Fn(&ActionSeries) -> &Vec<u64>,
) -> TimeChart {
    let sum =
        |series: &ActionSeries| numbers(series).iter().fold(0u64, |a, b| a.saturating_add(*b));
    let mut all: Vec<_> =
        view.report.series.actions.iter().filter(|(_, series)| sum(series) > 0).collect();
    all.sort_by_key(|(_, series)| std::cmp::Reverse(sum(series)));
    let rest = all.split_off(all.len().min(MOST_CURVES));
    let mut curves: Vec<_> = all
        .into_iter()
        .zip(COLOURS)
        .map(|((name, series), class)| Curve::new(name, class, view.rates(numbers(series))))
        .collect();
    if !rest.is_empty() {
        let name = format!("{} others", rest.len());
        let rates = rest.iter().map(|(_, series)| view.rates(numbers(series)));
        let rates = rates.fold(Values::new(), add);
        curves.push(Curve::new(name, "c0", rates));
    }
    chart(title, "per second", false, curves)
}

fn add(sum: Values, other: Values) -> Values {
    if sum.is_empty() {
        return other;
    }
    let both = sum.into_iter().zip(other);
    both.map(|(a, b)| Some(a? + b.unwrap_or(0.0))).collect()
}

fn has_arrivals(view: &View<'_>) -> bool {
    view.report.arrivals.scheduled > 0
        || view.report.series.arrivals.scheduled.iter().any(|count| *count > 0)
}

fn arrivals(view: &View<'_>) -> TimeChart {
    let arrivals = &view.report.series.arrivals;
    let curves = vec![
        Curve::new("scheduled", "c0", view.rates(&arrivals.scheduled)),
        Curve::new("started", "c1", view.rates(&arrivals.started)),
        Curve::new("dropped", "c4", view.rates(&arrivals.dropped)),
    ];
    chart("Arrivals", "per second", false, curves)
}
