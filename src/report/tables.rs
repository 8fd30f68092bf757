//! The tables that the summary and the `metrics` verb share.

use super::{
    document::{ActionReport, CheckReport, CounterReport, FailureRow, GaugeReport},
    table::Table,
    units,
};
use crate::measure::Source;

pub(crate) fn actions<'a>(actions: impl IntoIterator<Item = (&'a str, &'a ActionReport)>) -> Table {
    const SERVICE: &str = "service ms";
    const RESPONSE: &str = "response ms";
    let mut table = Table::new(
        "actions",
        &[
            ("", "count"),
            ("", "failed"),
            ("", "rate/s"),
            (SERVICE, "p50"),
            (SERVICE, "p95"),
            (SERVICE, "p99"),
            (RESPONSE, "p50"),
            (RESPONSE, "p95"),
            (RESPONSE, "p99"),
            (RESPONSE, "max"),
        ],
    );
    for (name, action) in actions {
        let (service, response) = (&action.service, &action.response);
        table.row([
            name.to_owned(),
            units::count(action.count),
            units::count(action.failed),
            units::rate(action.rate),
            units::ms(service.p50),
            units::ms(service.p95),
            units::ms(service.p99),
            units::ms(response.p50),
            units::ms(response.p95),
            units::ms(response.p99),
            units::ms(response.max),
        ]);
    }
    table
}

pub(crate) fn failures(failures: &[FailureRow], most: usize) -> Table {
    let mut table = Table::new("failures", &[("", "count")]).with_tail("reason");
    for row in failures.iter().take(most) {
        let what = match (row.source, &row.action) {
            (_, Some(action)) => format!("{}: {action}", row.owner),
            (Source::User, None) => format!("{}: users", row.owner),
            (Source::Action, None) => format!("{}: actions", row.owner),
            (Source::Noted, None) => format!("{}: noted", row.owner),
        };
        table.row([what, units::count(row.count), row.reason.clone()]);
    }
    if let Some(rest) = failures.get(most..).filter(|rest| !rest.is_empty()) {
        let sum = rest.iter().map(|row| row.count).sum();
        let more = format!("and {} other reasons", rest.len());
        table.row([String::new(), units::count(sum), more]);
    }
    table
}

pub(crate) fn counters<'a>(counters: impl IntoIterator<Item = (&'a str, CounterReport)>) -> Table {
    let mut table = Table::new("counters", &[("", "count"), ("", "rate/s")]);
    for (name, counter) in counters {
        table.row([name.to_owned(), units::count(counter.count), units::rate(counter.rate)]);
    }
    table
}

pub(crate) fn gauges<'a>(gauges: impl IntoIterator<Item = (&'a str, GaugeReport)>) -> Table {
    let mut table = Table::new("gauges", &[("", "last"), ("", "min"), ("", "max")]);
    for (name, gauge) in gauges {
        let numbers = [gauge.last, gauge.min, gauge.max].map(units::number);
        table.row(std::iter::once(name.to_owned()).chain(numbers));
    }
    table
}

pub(crate) fn checks<'a>(checks: impl IntoIterator<Item = (&'a str, CheckReport)>) -> Table {
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
