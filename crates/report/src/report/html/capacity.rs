//! What a capacity search has found: its answer, and what was measured at which load.

use maud::{Markup, html};

use super::{
    chart::{Curve, below, caption, drawing, grid, legend, mark_lines, mark_names, side, y},
    clip,
    scale::Scale,
    tables,
    view::{HEIGHT, Mark, Values, WIDTH},
};
use crate::capacity::{CapacityResult, Unit, curve::CurvePoint};

/// A sentence is cut here.
const SENTENCE: usize = 600;

/// So many sentences are shown.
const MOST_SENTENCES: usize = 20;

pub(super) fn section(result: &CapacityResult) -> Markup {
    let answer = result.answer();
    let mut sentences = answer.lines();
    html! {
        p class="trust answer" { (sentence(sentences.next().unwrap_or_default())) }
        @for note in sentences.take(MOST_SENTENCES) { p class="hint" { (sentence(note)) } }
        @if !result.curve.is_empty() {
            section class="grid two" { (latency(result)) (errors(result)) }
            (tables::capacity(result))
        }
    }
}

/// A sentence, with what stands between backticks as code.
fn sentence(text: &str) -> Markup {
    let text = clip(text, SENTENCE);
    html! {
        @for (at, piece) in text.split('`').enumerate() {
            @if at % 2 == 1 { code { (piece) } } @else { (piece) }
        }
    }
}

fn latency(result: &CapacityResult) -> Markup {
    let of = |percentile: fn(&CurvePoint) -> f64| -> Values {
        let value = |point: &CurvePoint| (point.count > 0).then(|| percentile(point));
        result.curve.iter().map(value).collect()
    };
    let curves = [
        Curve::new("p50", "p50", of(|point| point.p50_ms)),
        Curve::new("p95", "p95", of(|point| point.p95_ms)),
        Curve::new("p99", "p99", of(|point| point.p99_ms)),
    ];
    let all = curves.iter().flat_map(|curve| curve.values.iter().flatten().copied());
    let shortest = all.clone().fold(f64::INFINITY, f64::min);
    let longest = all.fold(0.0, f64::max);
    chart("Response time by load", "ms", &Scale::times(shortest, longest), &curves, result)
}

fn errors(result: &CapacityResult) -> Markup {
    let share = |point: &CurvePoint| (point.count > 0).then_some(point.error_rate * 100.0);
    let curve = Curve::new("failed", "c4", result.curve.iter().map(share).collect());
    let scale = Scale::counts(curve.most(), false);
    chart("Failed actions by load", "%", &scale, &[curve], result)
}

/// Curves over the load, with what is supported.
fn chart(
    title: &str,
    unit: &str,
    scale: &Scale,
    curves: &[Curve],
    result: &CapacityResult,
) -> Markup {
    let loads: Vec<f64> = result.curve.iter().map(|point| point.load).collect();
    let most = loads.iter().copied().fold(result.supported.unwrap_or(0.0), f64::max);
    let axis = Scale::counts(most, result.unit == Unit::Users);
    let supported = result.supported.map(|load| {
        let at = axis.share(load).clamp(0.0, 1.0);
        Mark { at, missing: None, label: format!("supports {}", result.unit.of(load)) }
    });
    let marks: Vec<_> = supported.into_iter().collect();
    let counted = match result.unit {
        Unit::Users => "by users",
        Unit::Rate => "by iterations a second",
    };
    html! {
        figure class="chart" {
            (caption(title, &format!("{unit} {counted}")))
            (legend(curves))
            div class="frame" {
                (mark_names(&marks))
                (side(&scale.ticks))
                div class="plot" {
                    (drawing(html! {
                        (interval(result, &axis))
                        (grid(&scale.ticks))
                        @for curve in curves {
                            path class={ "line " (curve.class) } d=(line(&loads, curve, &axis, scale)) {}
                        }
                        (mark_lines(&marks))
                    }))
                }
                (below(&axis.ticks))
            }
        }
    }
}

/// Where the capacity lies, as a band.
fn interval(result: &CapacityResult, axis: &Scale) -> Markup {
    let band = result.interval.as_ref().map(|interval| {
        let [from, to] = [interval.low, interval.high]
            .map(|load| if load.is_finite() { load } else { f64::MAX })
            .map(|load| axis.share(load).clamp(0.0, 1.0) * WIDTH);
        format!("M{from:.1} 0H{to:.1}V{HEIGHT}H{from:.1}Z")
    });
    html! { @if let Some(band) = band { path class="interval" d=(band) {} } }
}

/// From point to point; a lone one is a dash.
fn line(loads: &[f64], curve: &Curve, axis: &Scale, scale: &Scale) -> String {
    let mut path = String::new();
    let mut drawing = false;
    for (load, value) in loads.iter().zip(&curve.values) {
        let Some(value) = value else {
            drawing = false;
            continue;
        };
        let verb = if drawing { 'L' } else { 'M' };
        let x = axis.share(*load).clamp(0.0, 1.0) * WIDTH;
        path += &format!("{verb}{x:.1} {}", y(*value, scale));
        if !drawing {
            path += "h3";
        }
        drawing = true;
    }
    path
}
