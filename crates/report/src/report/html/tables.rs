//! Tables of all that was measured. Each has a bound in bytes: what is beyond it is counted, and is
//! in the JSON document.

use crowd_core::units;
use crowd_measure::{Source, health::Trust};
use maud::{Markup, PreEscaped, html};

use super::clip;
use crate::{
    capacity::CapacityResult,
    report::document::{Distribution, RunReport},
};

/// A name in a table is cut here.
const NAME: usize = 120;

/// A reason in a table is cut here.
const REASON: usize = 300;

/// A table under its title; nothing without rows.
struct Sheet<'a> {
    title: &'a str,
    /// Groups of columns, as a name and how many columns it spans; none if no column has one.
    groups: Vec<(&'a str, usize)>,
    /// Texts are aligned to the left, numbers to the right.
    heads: Vec<(&'a str, Align)>,
    /// How many bytes its rows may take.
    bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Align {
    Text,
    Number,
}

use Align::{Number, Text};

impl<'a> Sheet<'a> {
    fn new(title: &'a str, bytes: usize, heads: &[(&'a str, Align)]) -> Self {
        Self { title, groups: Vec::new(), heads: heads.to_vec(), bytes }
    }

    fn render<R: IntoIterator<Item = Markup>>(&self, rows: impl IntoIterator<Item = R>) -> Markup {
        let mut shown = String::new();
        let mut hidden = 0u64;
        for cells in rows {
            if hidden > 0 {
                hidden += 1;
                continue;
            }
            let cells = self.heads.iter().zip(cells);
            let row = html! {
                tr {
                    @for ((_, align), cell) in cells {
                        td class=[(*align == Number).then_some("n")] { (cell) }
                    }
                }
            };
            if shown.len() + row.0.len() > self.bytes {
                hidden = 1;
            } else {
                shown += &row.0;
            }
        }
        if shown.is_empty() && hidden == 0 {
            return html! {};
        }
        html! {
            section class="sheet" {
                h3 { (self.title) }
                div class="scroll" tabindex="0" {
                    table class=[(!self.groups.is_empty()).then_some("grouped")] {
                        thead {
                            @if !self.groups.is_empty() {
                                tr class="groups" {
                                    @for (name, span) in &self.groups { th colspan=(span) { (name) } }
                                }
                            }
                            tr {
                                @for (head, align) in &self.heads {
                                    th class=[(*align == Number).then_some("n")] { (head) }
                                }
                            }
                        }
                        tbody { (PreEscaped(shown)) }
                    }
                }
                @if hidden > 0 {
                    p class="hint" { "and " (units::exact(hidden)) " more, in the JSON document" }
                }
            }
        }
    }
}

/// A text that may be long or hostile.
fn text(text: &str, most: usize) -> Markup {
    html! { (clip(text, most)) }
}

fn number(number: impl AsRef<str>) -> Markup {
    html! { (number.as_ref()) }
}

/// Those that have to be looked at first.
pub(super) fn thresholds(report: &RunReport) -> Markup {
    let heads = [("", Text), ("threshold", Text), ("measured", Number)];
    Sheet::new("Thresholds", 20_000, &heads).render(report.thresholds.iter().map(|row| {
        [
            if row.passed {
                html! { span class="pill good" { "✓ holds" } }
            } else {
                html! { span class="pill bad" { "✗ missed" } }
            },
            html! { code { (clip(&row.expression, NAME)) } },
            number(match row.text.as_str() {
                "" => row.actual.map_or("-".to_owned(), units::number),
                text => clip(text, NAME),
            }),
        ]
    }))
}

/// All that was measured.
pub(super) fn measured(report: &RunReport) -> Markup {
    html! {
        (actions(report))
        (phases(report))
        (failures(report))
        (side_by_side([
            counters(report),
            gauges(report),
            checks(report),
            throttles(report),
            coordinators(report),
        ]))
    }
}

/// Small tables, two in a row.
/// What was measured at which load of a capacity search.
pub(super) fn capacity(result: &CapacityResult) -> Markup {
    let heads = [
        ("load", Number),
        ("seconds", Number),
        ("requests", Number),
        ("rate", Number),
        ("failed", Number),
        ("p50", Number),
        ("p95", Number),
        ("p99", Number),
        ("alerts", Number),
    ];
    let time = |millis: f64| number(format!("{} ms", units::ms(millis)));
    Sheet::new("By load", 100_000, &heads).render(result.curve.iter().map(|point| {
        [
            number(result.unit.of(point.load)),
            number(format!("{:.0}", point.seconds)),
            number(units::count(point.count)),
            number(format!("{}/s", units::rate(point.rate))),
            number(units::percent(point.error_rate)),
            time(point.p50_ms),
            time(point.p95_ms),
            time(point.p99_ms),
            number(format!("{} of {}", point.alerts, point.samples)),
        ]
    }))
}

pub(super) fn side_by_side<const N: usize>(sheets: [Markup; N]) -> Markup {
    html! {
        @if sheets.iter().any(|sheet| !sheet.0.is_empty()) {
            div class="grid two loose" { @for sheet in &sheets { (sheet) } }
        }
    }
}

fn actions(report: &RunReport) -> Markup {
    let mut heads =
        vec![("action", Text), ("count", Number), ("per s", Number), ("failed", Number)];
    heads.push(("unended", Number));
    for _ in 0..2 {
        heads.extend(["p50", "p90", "p95", "p99", "p99.9", "max"].map(|head| (head, Number)));
    }
    let mut sheet = Sheet::new("Actions", 130_000, &heads);
    sheet.groups = vec![("", 5), ("service time, ms", 6), ("response time, ms", 6)];
    let mut all: Vec<_> = report.actions.iter().collect();
    all.sort_by_key(|(_, action)| std::cmp::Reverse(action.count));
    sheet.render(all.into_iter().map(|(name, action)| {
        let counts = [
            text(name, NAME),
            number(units::count(action.count)),
            number(units::rate(action.rate)),
            failed(action.failed),
            failed(action.unfinished),
        ];
        counts.into_iter().chain(times(&action.service)).chain(times(&action.response))
    }))
}

fn times(times: &Distribution) -> [Markup; 6] {
    [
        ("p50", times.p50),
        ("p90", times.p90),
        ("p95", times.p95),
        ("p99", times.p99),
        ("p999", times.p999),
        ("max", times.max),
    ]
    .map(|(name, millis)| number(crate::report::tables::time(times, name, millis)))
}

fn failed(count: u64) -> Markup {
    let text = units::count(count);
    if count > 0 {
        html! { span class="bad" { (text) } }
    } else {
        html! { (text) }
    }
}

fn phases(report: &RunReport) -> Markup {
    let mut heads = vec![("action", Text), ("phase", Text), ("count", Number)];
    heads.extend(["p50", "p90", "p95", "p99", "p99.9", "max"].map(|head| (head, Number)));
    let mut sheet = Sheet::new("Phases", 60_000, &heads);
    sheet.groups = vec![("", 3), ("time, ms", 6)];
    let all = report.actions.iter();
    sheet.render(
        all.flat_map(|(name, action)| action.phases.iter().map(move |phase| (name, phase))).map(
            |(name, (phase, report))| {
                let what = [
                    text(name, NAME),
                    text(&phase.to_string(), NAME),
                    number(units::count(report.count)),
                ];
                what.into_iter().chain(times(&report.times))
            },
        ),
    )
}

fn failures(report: &RunReport) -> Markup {
    let heads = [("failure of", Text), ("what", Text), ("reason", Text), ("count", Number)];
    Sheet::new("Failures", 60_000, &heads).render(report.failures.iter().map(|row| {
        let what = match (row.source, &row.action) {
            (_, Some(action)) => action.as_str(),
            (Source::User, None) => "users",
            (Source::Action, None) => "actions",
            (Source::Noted, None) => "noted",
        };
        [
            number(row.owner.to_string()),
            text(what, NAME),
            html! { span class="reason" { (clip(&crate::report::tables::reason(row), REASON)) } },
            number(units::count(row.count)),
        ]
    }))
}

fn counters(report: &RunReport) -> Markup {
    let heads = [("counter", Text), ("count", Number), ("per s", Number)];
    Sheet::new("Counters", 30_000, &heads).render(report.counters.iter().map(|(name, counter)| {
        [text(name, NAME), number(units::count(counter.count)), number(units::rate(counter.rate))]
    }))
}

fn gauges(report: &RunReport) -> Markup {
    let heads = [("gauge", Text), ("last", Number), ("lowest", Number), ("highest", Number)];
    Sheet::new("Gauges", 30_000, &heads).render(report.gauges.iter().map(|(name, gauge)| {
        let [last, min, max] = [gauge.last, gauge.min, gauge.max].map(|n| number(units::number(n)));
        [text(name, NAME), last, min, max]
    }))
}

fn checks(report: &RunReport) -> Markup {
    let heads = [("check", Text), ("held", Number), ("did not", Number), ("share", Number)];
    Sheet::new("Checks", 30_000, &heads).render(report.checks.iter().map(|(name, check)| {
        let share = check.passed as f64 / (check.passed.saturating_add(check.failed)) as f64;
        [
            text(name, NAME),
            number(units::count(check.passed)),
            failed(check.failed),
            number(units::percent(share)),
        ]
    }))
}

fn throttles(report: &RunReport) -> Markup {
    let heads = [
        ("throttle", Text),
        ("rate", Text),
        ("asked/s", Number),
        ("given/s", Number),
        ("given", Number),
        ("forfeited", Number),
        ("late p99, ms", Number),
    ];
    Sheet::new("Throttles", 20_000, &heads).render(report.throttles.iter().map(|row| {
        [
            text(&row.name, NAME),
            text(&row.rate, NAME),
            number(units::rate(row.asked_per_second)),
            number(units::rate(row.given_per_second)),
            number(units::count(row.granted)),
            failed(row.forfeited),
            number(units::ms(row.lateness_p99_ms)),
        ]
    }))
}

fn coordinators(report: &RunReport) -> Markup {
    let heads = [
        ("coordinator", Text),
        ("users", Number),
        ("groups", Number),
        ("timeouts", Number),
        ("faults", Number),
    ];
    Sheet::new("Coordinators", 20_000, &heads).render(report.coordinators.iter().map(|row| {
        [
            text(&row.name, NAME),
            number(units::count(row.added)),
            number(units::count(row.groups)),
            number(units::count(row.timeouts)),
            failed(row.faults),
        ]
    }))
}

/// The nodes of a cluster; nothing for a lone one.
pub(super) fn nodes(report: &RunReport) -> Markup {
    let heads = [
        ("node", Text),
        ("state", Text),
        ("generator", Text),
        ("started", Number),
        ("finished", Number),
        ("failed", Number),
        ("removed", Number),
        ("peak", Number),
        ("CPU max", Number),
        ("loop late p99, ms", Number),
    ];
    Sheet::new("Nodes", 30_000, &heads).render(report.nodes.iter().map(|node| {
        let users = &node.users;
        let generator = node.generator.as_ref();
        let state = match &node.lost {
            Some(lost) => html! {
                span class="bad" { "lost at " (super::scale::moment(lost.at_ms)) } ": "
                (clip(&lost.reason, NAME))
            },
            None => text(&node.state, 40),
        };
        [
            text(&node.name, NAME),
            state,
            generator.map_or(html! { "-" }, |generator| trust(generator.verdict)),
            number(units::count(users.started)),
            number(units::count(users.finished)),
            failed(users.failed),
            number(units::count(users.removed)),
            number(units::count(users.peak)),
            number(generator.map_or("-".to_owned(), |generator| units::percent(generator.cpu_max))),
            number(
                generator.map_or("-".to_owned(), |generator| units::ms(generator.loop_lag_p99_ms)),
            ),
        ]
    }))
}

/// How far a generator can be trusted.
pub(super) fn trust(trust: Trust) -> Markup {
    let class = match trust {
        Trust::Valid => "pill good",
        Trust::Degraded => "pill warn",
        Trust::Invalid => "pill bad",
    };
    html! { span class=(class) { (trust) } }
}

/// The stages of the load profile; nothing without one.
pub(super) fn stages(report: &RunReport) -> Markup {
    let mut heads = vec![("stage", Number), ("load", Text), ("from", Number), ("lasts", Number)];
    let stages = &report.run.stages;
    let open = stages.iter().any(|stage| stage.arrivals.is_some());
    if open {
        heads.extend([("scheduled", Number), ("started", Number), ("dropped", Number)]);
    }
    let spans = report.stage_spans().into_iter().zip(stages).enumerate();
    Sheet::new("Stages", 30_000, &heads).render(spans.map(|(at, ((from, _), stage))| {
        let mut cells = vec![
            number((at + 1).to_string()),
            text(stage.label(), NAME),
            number(super::scale::moment(from)),
            number(super::scale::moment(stage.duration_ms)),
        ];
        if open {
            let counts = stage.arrivals.map(|all| [all.scheduled, all.started, all.dropped]);
            let counts = counts.map_or([const { String::new() }; 3], |all| all.map(units::exact));
            cells.extend(counts.map(number));
        }
        cells
    }))
}

pub(super) fn settings(report: &RunReport) -> Markup {
    let heads = [("setting", Text), ("value", Text)];
    Sheet::new("Settings", 30_000, &heads).render(report.run.settings.iter().map(|(key, value)| {
        let value = match value {
            Some(value) => html! { code { (clip(value, REASON)) } },
            None => html! { span class="soft" { "not set" } },
        };
        [text(key, NAME), value]
    }))
}
