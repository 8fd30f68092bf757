//! The tables that the summary and the `metrics` verb share.

use crowd_measure::Source;

use super::{
    document::{ActionReport, CheckReport, CounterReport, Distribution, FailureRow, GaugeReport},
    table::Table,
    units,
};

pub(super) fn actions<'a>(actions: impl IntoIterator<Item = (&'a str, &'a ActionReport)>) -> Table {
    const SERVICE: &str = "service ms";
    const RESPONSE: &str = "response ms";
    let actions: Vec<_> = actions.into_iter().collect();
    let unfinished = actions.iter().any(|(_, action)| action.unfinished > 0);
    let mut heads = vec![("", "count"), ("", "failed")];
    heads.extend(unfinished.then_some(("", "unended")));
    heads.extend([
        ("", "rate/s"),
        (SERVICE, "p50"),
        (SERVICE, "p95"),
        (SERVICE, "p99"),
        (RESPONSE, "p50"),
        (RESPONSE, "p95"),
        (RESPONSE, "p99"),
        (RESPONSE, "max"),
    ]);
    let mut table = Table::new("actions", &heads);
    for (name, action) in actions {
        let (service, response) = (&action.service, &action.response);
        let mut row =
            vec![name.to_owned(), units::count(action.count), units::count(action.failed)];
        row.extend(unfinished.then(|| units::count(action.unfinished)));
        row.push(units::rate(action.rate));
        row.extend([
            time(service, "p50", service.p50),
            time(service, "p95", service.p95),
            time(service, "p99", service.p99),
            time(response, "p50", response.p50),
            time(response, "p95", response.p95),
            time(response, "p99", response.p99),
            time(response, "max", response.max),
        ]);
        table.row(row);
    }
    table
}

/// A number of a distribution, in milliseconds, marked where it is a lower bound.
pub(super) fn time(of: &Distribution, name: &str, millis: f64) -> String {
    let mark = if of.is_at_least(name) { "≥" } else { "" };
    format!("{mark}{}", units::ms(millis))
}

/// What actions spent in their phases.
pub(super) fn phases<'a>(actions: impl IntoIterator<Item = (&'a str, &'a ActionReport)>) -> Table {
    let heads = [("", "count"), ("", "p50"), ("", "p95"), ("", "p99"), ("", "max ms")];
    let mut table = Table::new("phases", &heads);
    for (name, action) in actions {
        for (phase, report) in &action.phases {
            let times = &report.times;
            let cells = [times.p50, times.p95, times.p99, times.max].map(units::ms);
            let cells =
                [format!("{name}: {phase}"), units::count(report.count)].into_iter().chain(cells);
            table.row(cells);
        }
    }
    table
}

pub(super) fn failures(failures: &[FailureRow], most: usize) -> Table {
    let mut table = Table::new("failures", &[("", "count")]).with_tail("reason");
    for row in failures.iter().take(most) {
        let what = match (row.source, &row.action) {
            (_, Some(action)) => format!("{}: {action}", row.owner),
            (Source::User, None) => format!("{}: users", row.owner),
            (Source::Action, None) => format!("{}: actions", row.owner),
            (Source::Noted, None) => format!("{}: noted", row.owner),
        };
        table.row([what, units::count(row.count), reason(row)]);
    }
    if let Some(rest) = failures.get(most..).filter(|rest| !rest.is_empty()) {
        let sum = rest.iter().map(|row| row.count).sum();
        let more = format!("and {} other reasons", rest.len());
        table.row([String::new(), units::count(sum), more]);
    }
    table
}

/// Why, and one case of it where the reason leaves something out.
pub(super) fn reason(row: &FailureRow) -> String {
    match &row.example {
        Some(example) => format!("{} (as in: {example})", row.reason),
        None => row.reason.clone(),
    }
}

pub(super) fn counters<'a>(counters: impl IntoIterator<Item = (&'a str, CounterReport)>) -> Table {
    let mut table = Table::new("counters", &[("", "count"), ("", "rate/s")]);
    for (name, counter) in counters {
        table.row([name.to_owned(), units::count(counter.count), units::rate(counter.rate)]);
    }
    table
}

pub(super) fn gauges<'a>(gauges: impl IntoIterator<Item = (&'a str, GaugeReport)>) -> Table {
    let mut table = Table::new("gauges", &[("", "last"), ("", "min"), ("", "max")]);
    for (name, gauge) in gauges {
        let numbers = [gauge.last, gauge.min, gauge.max].map(units::number);
        table.row(std::iter::once(name.to_owned()).chain(numbers));
    }
    table
}

pub(super) fn checks<'a>(checks: impl IntoIterator<Item = (&'a str, CheckReport)>) -> Table {
    let mut table = Table::new("checks", &[("", "passed"), ("", "failed"), ("", "share")]);
    for (name, check) in checks {
        let share = check.passed as f64 / check.passed.saturating_add(check.failed) as f64;
        table.row([
            name.to_owned(),
            units::count(check.passed),
            units::count(check.failed),
            units::percent(share),
        ]);
    }
    table
}
