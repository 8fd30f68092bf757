//! Times of actions: percentiles over time, and the whole distribution.

use crowd_core::units;
use crowd_measure::timing::Timing;
use maud::{Markup, html};

use super::{
    chart::{Curve, TimeChart, below, caption, drawing, grid, legend, side, y},
    clip,
    scale::{Scale, Tick},
    view::{HEIGHT, View, WIDTH},
};
use crate::report::{
    document::{ActionReport, Distribution},
    over_time::PercentileSeries,
};

/// So many actions have charts: those done most often.
const MOST_CHARTS: usize = 12;

/// A distribution is drawn from so many points.
const POINTS: usize = 81;

pub(super) fn charts(view: &View<'_>) -> Markup {
    let mut all: Vec<_> = view.report.actions.iter().collect();
    all.sort_by_key(|(_, action)| std::cmp::Reverse(action.count));
    let shown = all.len().min(MOST_CHARTS);
    html! {
        @if all.is_empty() { p class="nothing" { "No action was timed." } }
        @else {
            p class="hint" {
                b { "Response" } " time counts from when an action was due, " b { "service" }
                " time from when it was sent. Where the two differ, requests waited before they were sent."
                @if all.len() > shown { " Shown are the " (shown) " of " (units::exact(all.len() as u64)) " actions done most often." }
            }
        }
        @for (name, action) in &all[..shown] { (card(view, name, action)) }
    }
}

fn card(view: &View<'_>, name: &str, action: &ActionReport) -> Markup {
    let series = view.report.series.actions.get(name);
    html! {
        article class="action" {
            h3 {
                span class="name" title=(clip(name, 120)) { (clip(name, 120)) }
                span class="facts" {
                    (units::count(action.count)) " done, " (units::rate(action.rate)) "/s, "
                    @if action.failed > 0 {
                        span class="bad" { (units::count(action.failed)) " failed" }
                    } @else { "none failed" }
                }
            }
            div class="grid three" {
                @if let Some(series) = series {
                    @let response = percentiles(view, &series.response, &series.count);
                    @let service = percentiles(view, &series.service, &series.count);
                    @let scale = shared(&response, &service);
                    (over_time("Response time", &scale, response).render(view))
                    (over_time("Service time", &scale, service).render(view))
                } @else if !view.is_empty() {
                    figure class="chart empty wide" {
                        (caption("Over time", ""))
                        p class="nothing" { "Only the first 50 actions are followed over time." }
                    }
                }
                (distribution(action))
            }
        }
    }
}

fn over_time(title: &str, scale: &Scale, curves: Vec<Curve>) -> TimeChart {
    TimeChart {
        title: title.to_owned(),
        unit: "ms",
        scale: scale.clone(),
        curves,
        nothing: "Not done in a complete interval.",
    }
}

fn percentiles(view: &View<'_>, times: &PercentileSeries, counts: &[u64]) -> Vec<Curve> {
    [("p99", "p99", &times.p99), ("p95", "p95", &times.p95), ("p50", "p50", &times.p50)]
        .map(|(name, class, times)| Curve::new(name, class, view.worst(times, counts)))
        .into()
}

/// One axis for both, so that what waiting adds is seen at a glance.
fn shared(response: &[Curve], service: &[Curve]) -> Scale {
    let values = || response.iter().chain(service).flat_map(|curve| curve.values.iter().flatten());
    let positive = values().copied().filter(|value| *value > 0.0);
    let shortest = positive.fold(f64::MAX, f64::min);
    Scale::times(shortest, values().copied().fold(0.0, f64::max))
}

/// The share of all actions that took no longer, spread so that the slowest are seen: each step of
/// the axis is a tenth of those before.
fn distribution(action: &ActionReport) -> Markup {
    let nines = (action.count.max(10) as f64).log10().clamp(1.0, 4.0);
    let response = points(&action.response, nines);
    let service = points(&action.service, nines);
    let all = || response.iter().chain(&service).map(|(_, millis)| *millis);
    let shortest = all().filter(|millis| *millis > 0.0).fold(f64::MAX, f64::min);
    let scale = Scale::times(shortest, all().fold(0.0, f64::max));
    let path = |points: &[(f64, f64)]| {
        let mut path = String::new();
        for (at, (x, millis)) in points.iter().enumerate() {
            let letter = if at == 0 { 'M' } else { 'L' };
            path += &format!("{letter}{:.0} {}", x * WIDTH, y(*millis, &scale));
        }
        path
    };
    let curves =
        [Curve::new("response", "c4", Vec::new()), Curve::new("service", "c1", Vec::new())];
    let across: Vec<_> =
        [(0.5, "50%"), (0.9, "90%"), (0.99, "99%"), (0.999, "99.9%"), (0.9999, "99.99%")]
            .into_iter()
            .map(|(quantile, label)| Tick { at: place(quantile) / nines, label: label.to_owned() })
            .filter(|tick| tick.at <= 1.001)
            .collect();
    let upright: String =
        across.iter().map(|tick| format!("M{:.0} 0V{HEIGHT}", tick.at * WIDTH)).collect();
    html! {
        figure class="chart" {
            (caption("Distribution", if scale.is_log() { "log scale" } else { "ms" }))
            (legend(&curves))
            div class="frame" {
                (side(&scale.ticks))
                div class="plot" {
                    (drawing(html! {
                        (grid(&scale.ticks))
                        path class="grid" d=(upright) {}
                        path class="line c4" d=(path(&response)) {}
                        path class="line c1 dashed" d=(path(&service)) {}
                    }))
                }
                (below(&across))
            }
        }
    }
}

/// Where a share of all stands: the number of nines in it.
fn place(quantile: f64) -> f64 {
    -(1.0 - quantile).log10()
}

/// Points of a distribution: where they stand on an axis of so many nines, and milliseconds.
fn points(times: &Distribution, nines: f64) -> Vec<(f64, f64)> {
    let timing = times.histogram.as_deref().and_then(|text| Timing::decode(text).ok());
    if let Some(timing) = timing.filter(|timing| timing.count() > 0) {
        let share = |at: usize| at as f64 / (POINTS - 1) as f64;
        let quantiles: [f64; POINTS] =
            std::array::from_fn(|at| 1.0 - 10f64.powf(-share(at) * nines));
        let found = timing.quantiles(quantiles);
        let found = found.iter().enumerate();
        return found.map(|(at, time)| (share(at), time.as_secs_f64() * 1e3)).collect();
    }
    [
        (0.0, times.min),
        (0.5, times.p50),
        (0.9, times.p90),
        (0.95, times.p95),
        (0.99, times.p99),
        (0.999, times.p999),
    ]
    .into_iter()
    .map(|(quantile, millis)| (place(quantile) / nines, millis))
    .filter(|(x, _)| *x <= 1.001)
    .collect()
}
