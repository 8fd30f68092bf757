//! The summary of a run that a person reads at a glance.

use std::time::Duration;

use crowd_measure::health::{Cores, Trust};

use super::{
    cluster,
    document::RunReport,
    input::{Arrivals, UserTotals},
    table::{Accent, Colour, Table, WIDTH, one_line, wrap},
    tables, targets, units,
    verdict::Verdict,
};

/// How many reasons of failure are shown; the document has them all.
const MOST_FAILURES: usize = 15;

/// As wide as most terminals at least.
const NARROW: usize = 80;

/// The summary: the verdict first, then what it rests on; sections without content are left out.
/// No line is wider than 100 columns.
pub fn summary(report: &RunReport, colour: Colour) -> String {
    let mut blocks = vec![headline(report, colour), users(&report.users, colour)];
    blocks.push(arrivals(&report.arrivals, colour));
    // These two are for narrow terminals too: they are read when something went wrong.
    blocks.push(cluster::nodes(report).lines(colour, NARROW));
    blocks.push(gaps(report, colour));
    let tables = [
        thresholds(report),
        stages(report),
        tables::failures(&report.failures, MOST_FAILURES),
        tables::actions(report.actions.iter().map(|(name, action)| (name.as_str(), action))),
        tables::phases(report.actions.iter().map(|(name, action)| (name.as_str(), action))),
        targets::table(&report.targets),
        tables::counters(report.counters.iter().map(|(name, counter)| (name.as_str(), *counter))),
        tables::gauges(report.gauges.iter().map(|(name, gauge)| (name.as_str(), *gauge))),
        tables::checks(report.checks.iter().map(|(name, check)| (name.as_str(), *check))),
        throttles(report),
        coordinators(report),
    ];
    blocks.extend(tables.iter().map(|table| table.lines(colour, WIDTH)));
    blocks.push(generator(report, colour));
    let blocks = blocks.into_iter().filter(|block| !block.is_empty());
    let mut text = blocks.map(|block| block.join("\n")).collect::<Vec<_>>().join("\n\n");
    text.push('\n');
    text
}

fn headline(report: &RunReport, colour: Colour) -> Vec<String> {
    let accent = match report.verdict {
        Verdict::Passed if report.tolerated().is_some() => Accent::Warning,
        Verdict::Passed if report.generator.verdict == Trust::Valid => Accent::Good,
        Verdict::Passed | Verdict::Interrupted => Accent::Warning,
        Verdict::Failed | Verdict::ThresholdFailed | Verdict::Invalid | Verdict::Aborted => {
            Accent::Bad
        }
    };
    let run = &report.run;
    let took = Duration::try_from_secs_f64(run.duration_ms / 1e3).unwrap_or_default();
    let mut lines = vec![format!(
        "{}  {}: {} in {}",
        colour.paint(accent, &report.verdict.to_string()),
        one_line(&run.scenario),
        units::plural(report.users.asked, "user"),
        units::span(took),
    )];
    for reason in report.reasons.iter().chain(&report.tolerated()) {
        lines.extend(indented("- ", reason));
    }
    let nodes =
        if run.nodes.is_empty() { String::new() } else { format!(" on {}", run.nodes.join(", ")) };
    lines.extend(indented("", &format!("run {}, from {}{nodes}", run.id, run.start)));
    lines
}

fn users(users: &UserTotals, colour: Colour) -> Vec<String> {
    let mut states = vec![("asked", users.asked), ("started", users.started)];
    let rare = [
        ("waiting", users.waiting),
        ("running", users.running),
        ("finished", users.finished),
        ("failed", users.failed),
        ("removed", users.removed),
        ("peak", users.peak),
    ];
    states.extend(rare.into_iter().filter(|(_, count)| *count > 0));
    let endings = &users.endings;
    let kinds = [
        ("stopped", endings.stopped),
        ("failed", endings.failed),
        ("panicked", endings.panicked),
        ("killed", endings.killed),
        ("cancelled", endings.cancelled),
    ];
    let kinds: Vec<_> = kinds.into_iter().filter(|(_, count)| *count > 0).collect();
    let mut lines = facts("users", &states, colour);
    if !kinds.is_empty() {
        lines.extend(facts("ended", &kinds, colour));
    }
    lines
}

fn arrivals(arrivals: &Arrivals, colour: Colour) -> Vec<String> {
    if arrivals.scheduled == 0 {
        return Vec::new();
    }
    let dropped = arrivals.dropped as f64 / arrivals.scheduled as f64;
    let mut text = format!(
        "scheduled {}, started {}, dropped {}",
        units::exact(arrivals.scheduled),
        units::exact(arrivals.started),
        units::exact(arrivals.dropped),
    );
    if arrivals.dropped > 0 {
        text.push_str(&format!(" ({})", units::percent(dropped)));
    }
    let reasons = [
        (arrivals.dropped_for_users, "as no user was free"),
        (arrivals.dropped_for_nodes, "with a node that was lost"),
        (arrivals.dropped_by_end, "as the run was ended"),
    ];
    for (count, reason) in reasons.into_iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!(", {} {reason}", units::exact(count)));
    }
    titled("arrived", &text, colour)
}

fn stages(report: &RunReport) -> Table {
    let heads = [("", "began"), ("", "scheduled"), ("", "started"), ("", "dropped")];
    let mut table = Table::new("stages", &heads);
    for (number, stage) in (1..).zip(&report.run.stages) {
        let began = stage.start_ms.and_then(|start| Duration::try_from_secs_f64(start / 1e3).ok());
        let began = began.map_or("never".to_owned(), units::span);
        let counts = stage.arrivals.map(|all| [all.scheduled, all.started, all.dropped]);
        let counts = counts.map_or([const { String::new() }; 3], |all| all.map(units::count));
        let name = format!("{number}  {}", stage.text);
        table.row([name, began].into_iter().chain(counts));
    }
    table
}

/// A title and what belongs to it, in one line if it fits.
fn facts(title: &str, facts: &[(&str, u64)], colour: Colour) -> Vec<String> {
    let facts: Vec<_> =
        facts.iter().map(|(name, count)| format!("{name} {}", units::exact(*count))).collect();
    titled(title, &facts.join(", "), colour)
}

fn thresholds(report: &RunReport) -> Table {
    let mut table = Table::new("thresholds", &[("", "actual"), ("", "at"), ("", "")]);
    for row in &report.thresholds {
        // A document of before has no text.
        let actual = match row.actual {
            Some(actual) if row.text.is_empty() => units::number(actual),
            Some(_) => row.text.clone(),
            None => "nothing".to_owned(),
        };
        let at = row.at_ms.and_then(|at| Duration::try_from_secs_f64(at / 1e3).ok());
        let passed = match (row.passed, row.aborted) {
            (true, _) => "passed",
            (false, false) => "FAILED",
            (false, true) => "ABORTED",
        };
        let at = at.map_or(String::new(), units::span);
        table.row([row.expression.clone(), actual, at, passed.to_owned()]);
    }
    table
}

fn throttles(report: &RunReport) -> Table {
    let heads = [
        ("", "rate"),
        ("", "asked/s"),
        ("", "given/s"),
        ("", "given"),
        ("", "forfeited"),
        ("", "late p99 ms"),
    ];
    let mut table = Table::new("throttles", &heads);
    for row in &report.throttles {
        table.row([
            row.name.clone(),
            row.rate.clone(),
            units::rate(row.asked_per_second),
            units::rate(row.given_per_second),
            units::count(row.granted),
            units::count(row.forfeited),
            units::ms(row.lateness_p99_ms),
        ]);
    }
    table
}

fn coordinators(report: &RunReport) -> Table {
    let heads = [("", "users"), ("", "groups"), ("", "timeouts"), ("", "faults")];
    let mut table = Table::new("coordinators", &heads);
    for row in &report.coordinators {
        let counts = [row.added, row.groups, row.timeouts, row.faults].map(units::count);
        table.row(std::iter::once(row.name.clone()).chain(counts));
    }
    table
}

fn gaps(report: &RunReport, colour: Colour) -> Vec<String> {
    let gaps = cluster::gaps(report);
    if gaps.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![colour.paint(Accent::Title, "gaps")];
    lines.extend(gaps.iter().flat_map(|gap| indented_to(NARROW, "- ", gap)));
    lines
}

fn generator(report: &RunReport, colour: Colour) -> Vec<String> {
    let generator = &report.generator;
    let accent = match generator.verdict {
        Trust::Valid => Accent::Good,
        Trust::Degraded => Accent::Warning,
        Trust::Invalid => Accent::Bad,
    };
    let mut facts = Vec::new();
    if generator.samples > 0 {
        facts.push(format!(
            "CPU {} of {} (at most {})",
            units::percent(generator.cpu_mean),
            Cores(generator.cores),
            units::percent(generator.cpu_max),
        ));
    }
    if generator.memory_max_bytes > 0 {
        facts.push(format!("memory {}", units::bytes(generator.memory_max_bytes)));
    }
    if generator.descriptors_max > 0 {
        facts.push(format!(
            "{} of {} descriptors",
            units::exact(generator.descriptors_max),
            units::exact(generator.descriptors_limit),
        ));
    }
    facts.push(format!(
        "event loop late by {} ms (p99), {} ms (max)",
        units::ms(generator.loop_lag_p99_ms),
        units::ms(generator.loop_lag_max_ms),
    ));
    if generator.stalls.count > 0 {
        facts.push(format!("{} of user code", units::plural(generator.stalls.count, "stall")));
    }
    let mut shown = vec![format!(
        "{}  {}",
        colour.paint(Accent::Title, "generator"),
        colour.paint(accent, &generator.verdict.to_string())
    )];
    let told = report.nodes.iter().filter(|node| node.generator.is_some()).count();
    let of_nodes = if told > 1 { format!("the worst of {told} nodes: ") } else { String::new() };
    shown.extend(indented("", &format!("{of_nodes}{}", facts.join(", "))));
    for reason in &generator.reasons {
        shown.extend(indented("- ", reason));
    }
    shown
}

/// Columns kept for the titles of sections that are no tables.
const TITLE: usize = 8;

fn titled(title: &str, text: &str, colour: Colour) -> Vec<String> {
    let mut lines = wrap(text, WIDTH - TITLE);
    for (at, line) in lines.iter_mut().enumerate() {
        let title = if at == 0 { title } else { "" };
        let title = format!("{title:<TITLE$}");
        *line = format!("{}{line}", colour.paint(Accent::Title, &title));
    }
    lines
}

/// A sentence, indented, with `mark` before its first line.
fn indented(mark: &str, text: &str) -> Vec<String> {
    indented_to(WIDTH, mark, text)
}

fn indented_to(width: usize, mark: &str, text: &str) -> Vec<String> {
    let lines = wrap(text, width.saturating_sub(2 + mark.len())).into_iter().enumerate();
    lines
        .map(|(at, line)| {
            let mark = if at == 0 { mark.to_owned() } else { " ".repeat(mark.len()) };
            format!("  {mark}{line}")
        })
        .collect()
}
