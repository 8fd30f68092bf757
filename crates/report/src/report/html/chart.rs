//! Charts: curves over time, drawn inside a plot that stretches, with all texts outside of it as
//! plain HTML. So texts keep their size on any screen, and none of them is ever over data.

use maud::{Markup, html};

use super::{
    clip,
    scale::{Scale, Tick, time_ticks},
    view::{Band, HEIGHT, Mark, Values, View, WIDTH},
};

/// A curve of a chart.
#[derive(Debug)]
pub(super) struct Curve {
    pub(super) name: String,
    /// Its colour: the name of a class in the style sheet.
    pub(super) class: &'static str,
    pub(super) values: Values,
    /// Whether the area under it is filled.
    pub(super) filled: bool,
}

impl Curve {
    pub(super) fn new(name: impl Into<String>, class: &'static str, values: Values) -> Self {
        Self { name: name.into(), class, values, filled: false }
    }

    pub(super) fn filled(self) -> Self {
        Self { filled: true, ..self }
    }

    pub(super) fn most(&self) -> f64 {
        self.values.iter().flatten().copied().fold(0.0, f64::max)
    }
}

/// Curves over the time of a run.
#[derive(Debug)]
pub(super) struct TimeChart {
    pub(super) title: String,
    /// What the axis counts: `users`, `per second`.
    pub(super) unit: &'static str,
    pub(super) scale: Scale,
    pub(super) curves: Vec<Curve>,
    /// What is said where there is nothing to draw.
    pub(super) nothing: &'static str,
}

/// A name in a legend is cut here; the page cuts it earlier if it has to.
const NAME: usize = 60;

impl TimeChart {
    pub(super) fn render(&self, view: &View<'_>) -> Markup {
        let nothing = self.curves.iter().all(|curve| curve.values.iter().all(Option::is_none));
        if nothing {
            return html! {
                figure class="chart empty" {
                    (caption(&self.title, ""))
                    p class="nothing" { (self.nothing) }
                }
            };
        }
        let (low, high) = self.scale.ends();
        let (bands, marks) = (view.bands(), view.marks());
        html! {
            figure class="chart" {
                (caption(&self.title, if self.scale.is_log() { "log scale" } else { self.unit }))
                (legend(&self.curves))
                div class="frame" {
                    (strip(&bands))
                    (mark_names(&marks))
                    (side(&self.scale.ticks))
                    div class="plot" data-total=(view.total) data-low=(low) data-high=(high)
                        data-log[self.scale.is_log()] data-unit=(self.unit) {
                        (drawing(html! {
                            (stripes(&bands))
                            (missing(&marks))
                            (grid(&self.scale.ticks))
                            @for curve in &self.curves {
                                @let steps = view.steps(&curve.values);
                                @if curve.filled {
                                    path class={ "area " (curve.class) } d=(area(&steps, &self.scale)) {}
                                }
                                path class={ "line " (curve.class) } data-name=(clip(&curve.name, NAME))
                                    d=(line(&steps, &self.scale)) {}
                            }
                            (mark_lines(&marks))
                        }))
                    }
                    (below(&time_ticks(view.total)))
                }
            }
        }
    }
}

pub(super) fn caption(title: &str, unit: &str) -> Markup {
    html! {
        figcaption {
            span class="title" { (clip(title, NAME)) }
            @if !unit.is_empty() { span class="unit" { (unit) } }
        }
    }
}

pub(super) fn legend(curves: &[Curve]) -> Markup {
    html! {
        ul class="legend" {
            @for curve in curves {
                li class=(curve.class) { span title=(clip(&curve.name, NAME)) { (clip(&curve.name, NAME)) } }
            }
        }
    }
}

/// The drawing itself: what is in it is stretched to the size of the plot.
pub(super) fn drawing(content: Markup) -> Markup {
    html! {
        svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" aria-hidden="true" {
            (content)
        }
    }
}

pub(super) fn grid(ticks: &[Tick]) -> Markup {
    let lines: String =
        ticks.iter().map(|tick| format!("M0 {:.1}H{WIDTH}", HEIGHT * (1.0 - tick.at))).collect();
    html! { path class="grid" d=(lines) {} }
}

/// The axis at the side.
pub(super) fn side(ticks: &[Tick]) -> Markup {
    html! {
        div class="side" {
            @for tick in ticks {
                span class="tick" style={ "top:" (percent(1.0 - tick.at)) } { (tick.label) }
            }
        }
    }
}

/// The axis below.
pub(super) fn below(ticks: &[Tick]) -> Markup {
    html! {
        div class="below" {
            @for tick in ticks {
                span class={ "tick" @if tick.at > 0.95 { " last" } @else if tick.at < 0.02 { " first" } }
                    style={ "left:" (percent(tick.at)) } { (tick.label) }
            }
        }
    }
}

pub(super) fn percent(share: f64) -> String {
    format!("{:.2}%", share * 100.0)
}

/// The stages, by number and, where there is room, by kind.
pub(super) fn strip(bands: &[Band]) -> Markup {
    let titled = bands.len() <= MAX_BANDS / 2;
    html! {
        @if (1..=MAX_BANDS).contains(&bands.len()) {
            div class="stages" {
                @for (at, band) in bands.iter().enumerate() {
                    @let (width, kind) = (band.to - band.from, clip(&band.kind, 40));
                    span class={ "stage" @if at % 2 == 1 { " odd" } }
                        title=[titled.then(|| format!("{}: {kind}", at + 1))]
                        style={ "left:" (percent(band.from)) ";width:" (percent(width)) } {
                        @if width >= 0.15 { (at + 1) " · " (kind) } @else if width >= 0.04 { (at + 1) }
                    }
                }
            }
        }
    }
}

/// The names of more stages than this have no room; a table tells them.
const MAX_BANDS: usize = 24;

/// More stages than this cannot be told apart.
const MAX_STRIPES: usize = 100;

pub(super) fn stripes(bands: &[Band]) -> Markup {
    let odd = bands.iter().take(MAX_STRIPES).skip(1).step_by(2);
    let path: String = odd
        .map(|band| {
            let (from, to) = (band.from * WIDTH, band.to * WIDTH);
            format!("M{from:.1} 0H{to:.1}V{HEIGHT}H{from:.1}Z")
        })
        .collect();
    html! { @if !path.is_empty() { path class="stripe" d=(path) {} } }
}

/// When nothing of a node is known.
fn missing(marks: &[Mark]) -> Markup {
    let path: String = marks
        .iter()
        .filter_map(|mark| mark.missing)
        .map(|(from, to)| {
            let (from, to) = (from * WIDTH, to * WIDTH);
            format!("M{from:.1} 0H{to:.1}V{HEIGHT}H{from:.1}Z")
        })
        .collect();
    html! { @if !path.is_empty() { path class="missing" d=(path) {} } }
}

pub(super) fn mark_lines(marks: &[Mark]) -> Markup {
    let path: String =
        marks.iter().map(|mark| format!("M{:.1} 0V{HEIGHT}", mark.at * WIDTH)).collect();
    html! { @if !path.is_empty() { path class="mark" d=(path) {} } }
}

/// Names above the marks that have room for one.
pub(super) fn mark_names(marks: &[Mark]) -> Markup {
    const ROOM: f64 = 0.3;
    let mut free = 0.0;
    let mut named = Vec::new();
    for mark in marks {
        // A name stands to the right of its mark, or to the left where the chart ends.
        let right = mark.at + ROOM <= 1.0;
        let (from, to) = if right { (mark.at, mark.at + ROOM) } else { (mark.at - ROOM, mark.at) };
        if from >= free {
            named.push((mark, right));
            free = to;
        }
    }
    html! {
        @if !named.is_empty() {
            div class="marks" {
                @for (mark, right) in named {
                    @let (side, at) = if right { ("left", mark.at) } else { ("right", 1.0 - mark.at) };
                    span class="markname" style={ (side) ":" (percent(at)) } { (clip(&mark.label, 24)) }
                }
            }
        }
    }
}

/// A curve in steps, as wide as the time each value stands for.
pub(super) fn line(runs: &[Vec<(f64, f64, f64)>], scale: &Scale) -> String {
    let mut path = String::new();
    for run in runs {
        let mut height = String::new();
        for (at, (from, to, value)) in run.iter().enumerate() {
            let next = y(*value, scale);
            if at == 0 {
                path += &format!("M{:.0} {next}", from * WIDTH);
            } else if next != height {
                path += &format!("V{next}");
            }
            path += &format!("H{:.0}", (to * WIDTH).max(from * WIDTH + 1.0));
            height = next;
        }
    }
    path
}

/// The area under a curve.
fn area(runs: &[Vec<(f64, f64, f64)>], scale: &Scale) -> String {
    let mut path = String::new();
    for run in runs {
        let Some((first, _, _)) = run.first() else { continue };
        path += &line(std::slice::from_ref(run), scale);
        path += &format!("V{HEIGHT}H{:.0}Z", first * WIDTH);
    }
    path
}

pub(super) fn y(value: f64, scale: &Scale) -> String {
    let y = format!("{:.1}", HEIGHT * (1.0 - scale.share(value)));
    y.strip_suffix(".0").map_or(y.clone(), str::to_owned)
}
