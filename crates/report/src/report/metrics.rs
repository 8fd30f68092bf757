//! What the `metrics` verb shows: everything measured so far.

use std::time::Duration;

use crowd_measure::Snapshot;

use super::{
    document::{ActionReport, CheckReport, CounterReport, GaugeReport, failures_of},
    table::{Colour, WIDTH},
    tables, units,
};

/// How many reasons of failure are shown.
const MOST_FAILURES: usize = 15;

/// Everything measured since the start of the run whose name contains `filter`; rates are those of
/// the last interval. Failures are shown only without a filter, or if their action fits it.
pub fn render_metrics(snapshot: &Snapshot, filter: Option<&str>) -> String {
    let (total, last) = (&snapshot.total, &snapshot.last);
    let fits = |name: &str| filter.is_none_or(|filter| name.contains(filter));
    let actions: Vec<_> = total
        .actions
        .iter()
        .filter(|(name, action)| fits(name) && action.begun() > 0)
        .map(|(name, action)| {
            let mut report = ActionReport::of(action, total.span);
            report.rate = last.rate(last.actions.get(name).map_or(0, |action| action.count()));
            (&**name, report)
        })
        .collect();
    let counters = total.counters.iter().filter(|(name, _)| fits(name)).map(|(name, count)| {
        let rate = last.rate(last.counters.get(name).copied().unwrap_or(0));
        (&**name, CounterReport { count: *count, rate })
    });
    let gauges = total.gauges.iter().filter(|(name, _)| fits(name)).map(|(name, gauge)| {
        (&**name, GaugeReport { last: gauge.last, min: gauge.min, max: gauge.max })
    });
    let checks =
        total.checks.iter().filter(|(name, _)| fits(name)).map(|(name, check)| {
            (&**name, CheckReport { passed: check.passed, failed: check.failed })
        });
    let mut failures = failures_of(total);
    failures.retain(|row| match &row.action {
        Some(action) => fits(action),
        None => filter.is_none(),
    });
    let tables = [
        tables::actions(actions.iter().map(|(name, action)| (*name, action))),
        tables::phases(actions.iter().map(|(name, action)| (*name, action))),
        tables::counters(counters),
        tables::gauges(gauges),
        tables::checks(checks),
        tables::failures(&failures, MOST_FAILURES),
    ];
    let blocks: Vec<_> = tables
        .iter()
        .filter(|table| !table.is_empty())
        .map(|table| table.lines(Colour::Plain, WIDTH).join("\n"))
        .collect();
    if blocks.is_empty() {
        return match filter {
            Some(filter) if !total.is_empty() => {
                format!("nothing measured has `{filter}` in its name\n")
            }
            _ => "nothing measured yet\n".to_owned(),
        };
    }
    format!(
        "{}\n\nmeasured over {}; rates are those of the last {}\n",
        blocks.join("\n\n"),
        units::span(total.span),
        units::span(last.span.max(Duration::from_millis(1))),
    )
}
