//! The result of a run as one page that needs nothing but a browser: no network, no other file, no
//! script to be read. It is bounded: less than a megabyte, however long the run was and whatever was
//! measured.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, prelude::BASE64_STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{document::RunReport, table::cut};
use crate::capacity::CapacityResult;

mod capacity;
mod chart;
mod head;
mod latency;
mod lifetimes;
mod load;
mod scale;
mod tables;
mod view;

use view::View;

const STYLE: &str = include_str!("html/page.css");

/// Shows values under the pointer. The page is whole without it.
const SCRIPT: &str = include_str!("html/page.js");

/// The page. Pure: equal documents give equal pages.
pub fn render(report: &RunReport) -> String {
    page(report, &html! {})
}

/// The page of a run that a capacity search was made with: what that has found comes first.
pub fn render_capacity(report: &RunReport, result: &CapacityResult) -> String {
    page(report, &part("Capacity", capacity::section(result)))
}

fn page(report: &RunReport, first: &Markup) -> String {
    let view = View::new(report);
    let title = format!("{} {}", report.verdict, clip(&report.run.scenario, 120));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="color-scheme" content="light dark";
                meta name="generator" content={ "crowd " (env!("CARGO_PKG_VERSION")) };
                title { (title) " · crowd" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (head::banner(report))
                main {
                    (first)
                    (head::tiles(&view))
                    (tables::thresholds(report))
                    (part("Load", load::charts(&view)))
                    (part("Users", lifetimes::chart(&view)))
                    (part("Times of actions", latency::charts(&view)))
                    (part("What was measured", tables::measured(report)))
                    (part("Generator", html! {
                        (head::generator(report))
                        (tables::nodes(report))
                        (head::gaps(report))
                    }))
                    (part("Run", tables::side_by_side([tables::stages(report), tables::settings(report)])))
                }
                footer { "Made by crowd " (env!("CARGO_PKG_VERSION")) " from a document of schema " code { (clip(&report.schema, 40)) } }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

fn part(title: &str, content: Markup) -> Markup {
    html! { @if !content.0.is_empty() { section class="part" { h2 { (title) } (content) } } }
}

/// What the page may load: nothing. And what it may run: its own script, known by its digest, so
/// that nothing else would run even if a text of the target became one.
fn policy() -> String {
    let script = BASE64_STANDARD.encode(digest(&SHA256, SCRIPT.as_bytes()));
    format!("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{script}'")
}

/// A text on one line, cut with an ellipsis. What the page says of itself is escaped where it is
/// written.
fn clip(text: &str, most: usize) -> String {
    cut(text, most)
}

#[cfg(test)]
mod tests;
