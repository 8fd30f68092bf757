//! What is read first: the verdict and why, and the few numbers that matter. And what is read when
//! the verdict is doubted: whether the generator kept up.

use std::time::Duration;

use crowd_core::units;
use crowd_measure::health::{Cores, Trust};
use maud::{Markup, html};

use super::{clip, tables, view::View};
use crate::report::{document::RunReport, verdict::Verdict};

/// So many reasons are shown.
const MOST_REASONS: usize = 8;

/// A reason is cut here.
const REASON: usize = 400;

pub(super) fn banner(report: &RunReport) -> Markup {
    let tolerated = report.tolerated();
    let (class, sign, meaning) = match report.verdict {
        Verdict::Passed if tolerated.is_some() => ("warn", "✓", "it passed with failures"),
        Verdict::Passed if report.generator.verdict == Trust::Valid => {
            ("good", "✓", "everything went as it should")
        }
        Verdict::Passed => ("warn", "✓", "but the generator kept up with little to spare"),
        Verdict::Interrupted => ("warn", "!", "somebody ended the run early"),
        Verdict::Invalid => {
            ("bad", "✗", "the result says more about the generator than the target")
        }
        Verdict::Aborted => ("bad", "✗", "a threshold ended the run early"),
        _ => ("bad", "✗", "the run did not do what it should"),
    };
    let run = &report.run;
    html! {
        header class={ "banner " (class) } {
            p class="verdict" { span class="sign" aria-hidden="true" { (sign) } (report.verdict) }
            h1 { (clip(&run.scenario, 120)) }
            @if let Some(tolerated) = &tolerated { p class="meaning" { (tolerated) } }
            @else if report.reasons.is_empty() { p class="meaning" { (meaning) } }
            @else { (reasons(&report.reasons)) }
            p class="which" {
                "Run " (clip(&run.id, 120)) " from " (moment(&run.start)) " to " (moment(&run.end))
                @if !run.nodes.is_empty() {
                    " on " (clip(&run.nodes.join(", "), 200))
                }
            }
        }
    }
}

fn reasons(reasons: &[String]) -> Markup {
    html! {
        ul class="reasons" {
            @for reason in reasons.iter().take(MOST_REASONS) { li { (clip(reason, REASON)) } }
            @if reasons.len() > MOST_REASONS {
                li { "and " (reasons.len() - MOST_REASONS) " more, in the JSON document" }
            }
        }
    }
}

/// A moment as RFC 3339 has it, to the second and easier to read.
fn moment(text: &str) -> String {
    match text.get(..19) {
        Some(second) if second.is_ascii() && text.ends_with('Z') => {
            format!("{} UTC", second.replacen('T', " ", 1))
        }
        _ => clip(text, 40),
    }
}

/// The numbers that matter.
pub(super) fn tiles(view: &View<'_>) -> Markup {
    let report = view.report;
    let done = report.actions.values().fold(0u64, |sum, action| sum.saturating_add(action.count));
    let failed =
        report.actions.values().fold(0u64, |sum, action| sum.saturating_add(action.failed));
    let unfinished =
        report.actions.values().fold(0u64, |sum, action| sum.saturating_add(action.unfinished));
    let rate: f64 = report.actions.values().map(|action| action.rate).sum();
    let slowest =
        report.actions.iter().max_by(|a, b| a.1.response.p95.total_cmp(&b.1.response.p95));
    let users = &report.users;
    let arrivals = &report.arrivals;
    html! {
        section class="tiles" {
            (tile("took", html! { (span(report.run.duration_ms)) }, html! { (stages(report)) }))
            (tile(
                "users",
                html! { (units::count(users.started)) },
                html! {
                    "at most " (units::count(users.peak)) " at once"
                    @if users.failed > 0 { ", " span class="bad" { (units::count(users.failed)) " failed" } }
                    @if users.waiting > 0 { ", " (units::count(users.waiting)) " never started" }
                },
            ))
            @if arrivals.scheduled > 0 {
                (tile(
                    "arrivals",
                    html! { (units::count(arrivals.started)) },
                    html! {
                        "of " (units::count(arrivals.scheduled)) " scheduled"
                        @if arrivals.dropped > 0 {
                            ", " span class="bad" { (units::count(arrivals.dropped)) " dropped" }
                        }
                    },
                ))
            }
            (tile("actions", html! { (units::count(done)) }, html! { (units::rate(rate)) " per second" }))
            @if done + unfinished > 0 {
                (tile(
                    "failed actions",
                    html! { (units::percent(failed as f64 / done.max(1) as f64)) },
                    html! {
                        (units::count(failed)) " of " (units::count(done))
                        @if unfinished > 0 {
                            ", " span class="bad" { (units::count(unfinished)) " did not end" }
                        }
                    },
                ))
            }
            @if let Some((name, action)) = slowest {
                (tile(
                    "response p95",
                    html! {
                        @if action.response.is_at_least("p95") { "≥ " }
                        (span(action.response.p95))
                    },
                    html! { "the slowest: " (clip(name, 40)) },
                ))
            }
            (tile("generator", tables::trust(report.generator.verdict), html! { (of_nodes(report)) }))
        }
    }
}

fn tile(name: &str, value: Markup, more: Markup) -> Markup {
    html! {
        div class="tile" {
            p class="label" { (name) }
            p class="value" { (value) }
            p class="more" { (more) }
        }
    }
}

fn stages(report: &RunReport) -> String {
    match report.run.stages.len() {
        0 => String::new(),
        stages => format!("in {}", units::plural(stages as u64, "stage")),
    }
}

fn of_nodes(report: &RunReport) -> String {
    match report.nodes.iter().filter(|node| node.generator.is_some()).count() {
        0 | 1 => match report.generator.verdict {
            Trust::Valid => "it kept up".to_owned(),
            Trust::Degraded => "with little to spare".to_owned(),
            Trust::Invalid => "it did not keep up".to_owned(),
        },
        told => format!("the worst of {told} nodes"),
    }
}

fn span(millis: f64) -> String {
    // Hundreds of hours mean nothing to anybody.
    if millis >= 48.0 * 3_600_000.0 {
        return super::scale::moment(millis);
    }
    units::span(Duration::try_from_secs_f64(millis / 1e3).unwrap_or_default())
}

/// Whether the generator kept up, by what it was judged.
pub(super) fn generator(report: &RunReport) -> Markup {
    let generator = &report.generator;
    let known = |value: String, known: bool| if known { value } else { "-".to_owned() };
    let looked = generator.samples > 0;
    let facts = [
        ("CPU on average", known(units::percent(generator.cpu_mean), looked)),
        ("CPU at most", known(units::percent(generator.cpu_max), looked)),
        ("cores", Cores(generator.cores).number().to_string()),
        (
            "memory at most",
            known(units::bytes(generator.memory_max_bytes), generator.memory_max_bytes > 0),
        ),
        (
            "descriptors at most",
            known(
                format!(
                    "{} of {}",
                    units::count(generator.descriptors_max),
                    units::count(generator.descriptors_limit)
                ),
                generator.descriptors_max > 0,
            ),
        ),
        ("event loop late, p99", format!("{} ms", units::ms(generator.loop_lag_p99_ms))),
        ("event loop late, at most", format!("{} ms", units::ms(generator.loop_lag_max_ms))),
        ("users admitted late, p99", format!("{} ms", units::ms(generator.admission_lag_p99_ms))),
        (
            "throttle slots forfeited",
            format!(
                "{} of {}",
                units::count(generator.slots_forfeited),
                units::count(generator.slots_granted.saturating_add(generator.slots_forfeited))
            ),
        ),
        ("failures of its own", units::count(generator.own_failures)),
        (
            "stalls of user code",
            match generator.stalls.count {
                0 => "0".to_owned(),
                count => format!(
                    "{}, {} ms at worst in {}",
                    units::count(count),
                    units::ms(generator.stalls.worst_ms),
                    clip(&generator.stalls.worst_name, 60)
                ),
            },
        ),
    ];
    html! {
        p class="trust" { (tables::trust(generator.verdict)) " " (meaning(generator.verdict)) }
        @if !generator.reasons.is_empty() { (reasons(&generator.reasons)) }
        dl class="facts" {
            @for (name, value) in facts { div { dt { (name) } dd { (value) } } }
        }
    }
}

fn meaning(trust: Trust) -> &'static str {
    match trust {
        Trust::Valid => "It kept up with what was asked of it.",
        Trust::Degraded => "It kept up with little to spare: the slowest answers are in doubt.",
        Trust::Invalid => {
            "It did not keep up: the result says more about it than about the target."
        }
    }
}

/// When users of a node were away, a sentence each.
pub(super) fn gaps(report: &RunReport) -> Markup {
    let gaps = crate::report::cluster::gaps(report);
    html! { @if !gaps.is_empty() { h3 { "Gaps" } (reasons(&gaps)) } }
}
