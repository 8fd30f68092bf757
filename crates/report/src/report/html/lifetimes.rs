//! How long users took against when they started, as a map of shades.

use maud::{Markup, html};

use super::{
    chart::{below, caption, drawing, grid, mark_lines, mark_names, side, strip, stripes},
    scale::{Scale, si, time_ticks},
    view::{HEIGHT, View, WIDTH},
};

/// Shades from few users to many.
const SHADES: usize = 6;

/// The grid of a document is bounded; that of a hand-made one is cut.
const MAX_CELLS: usize = 20_000;

/// Durations below the first bin's end are drawn from here, in milliseconds.
const SHORTEST: f64 = 0.5;

pub(super) fn chart(view: &View<'_>) -> Markup {
    let title = "How long users took, by when they started";
    let lifetimes = &view.report.lifetimes;
    let cells = &lifetimes.cells[..lifetimes.cells.len().min(MAX_CELLS)];
    let most = cells.iter().map(|cell| cell.count).max().unwrap_or(0);
    if most == 0 {
        return html! {
            figure class="chart empty" {
                (caption(title, ""))
                p class="nothing" { "No user ended." }
            }
        };
    }
    let shortest = cells.iter().map(|cell| cell.from_ms.max(SHORTEST)).fold(f64::MAX, f64::min);
    let longest = cells.iter().map(|cell| cell.to_ms).fold(shortest, f64::max);
    let scale = Scale::log(shortest, longest);
    let mut paths = vec![String::new(); SHADES];
    let mut cells = cells.iter().peekable();
    while let Some(first) = cells.next() {
        let shade = shade(first.count, most);
        // Cells of one shade, one upon the other, are drawn as one.
        let mut last = first;
        while let Some(next) = cells.next_if(|next| {
            next.start_ms == first.start_ms
                && next.from_ms == last.to_ms
                && self::shade(next.count, most) == shade
        }) {
            last = next;
        }
        let left = view.share(first.start_ms) * WIDTH;
        let right = view.share(first.start_ms + lifetimes.width_ms) * WIDTH;
        let top = HEIGHT * (1.0 - scale.share(last.to_ms));
        let bottom = HEIGHT * (1.0 - scale.share(first.from_ms.max(SHORTEST)));
        paths[shade] += &format!("M{left:.0} {top:.1}H{right:.0}V{bottom:.1}H{left:.0}Z");
    }
    let (bands, marks) = (view.bands(), view.marks());
    html! {
        figure class="chart tall" {
            (caption(title, "log scale"))
            p class="key" {
                @if most == 1 { i class="shade s6" {} " 1 user in a cell" }
                @else {
                    "1 user "
                    @for at in 1..=SHADES { i class={ "shade s" (at) } {} }
                    " " (si(most as f64)) " in a cell"
                }
            }
            div class="frame" {
                (strip(&bands))
                (mark_names(&marks))
                (side(&scale.ticks))
                div class="plot" {
                    (drawing(html! {
                        (stripes(&bands))
                        (grid(&scale.ticks))
                        @for (at, path) in paths.iter().enumerate() {
                            @if !path.is_empty() { path class={ "cell s" (at + 1) } d=(path) {} }
                        }
                        (mark_lines(&marks))
                    }))
                }
                (below(&time_ticks(view.total)))
            }
        }
    }
}

/// The shade of a count, by its logarithm: one user is the faintest, unless one is the most.
fn shade(count: u64, most: u64) -> usize {
    if most <= 1 {
        return SHADES - 1;
    }
    let share = (count.max(1) as f64).ln() / (most as f64).ln();
    ((share * (SHADES - 1) as f64).round() as usize).min(SHADES - 1)
}
