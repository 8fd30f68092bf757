//! Searches as text for people.

use std::{fmt::Write, time::Duration};

use crowd_core::printable::{lines, one_line};

use crate::{
    capacity::{CapacityResult, CapacityStatus, SearchState, desk::SignalView},
    control::{table::Table, view::age},
};

/// How a search stands.
pub(in crate::control) fn status(status: &CapacityStatus) -> String {
    lines(&standing(status))
}

fn standing(status: &CapacityStatus) -> String {
    if status.state == SearchState::Stopped {
        return "there is no search".to_owned();
    }
    let mut text = format!(
        "state      {}\nstrategy   {}\nsince      {}\nusers      {}\nerrors     {}\nsupports   {}",
        status.state,
        status.strategy,
        age(Duration::from_secs_f64(status.seconds.max(0.0))),
        status.active_users,
        status.errors,
        status.supported.map_or_else(|| "not known yet".to_owned(), |load| status.unit.of(load)),
    );
    for signal in &status.signals {
        let _ = write!(text, "\nsignal     {}", seen(signal));
    }
    if let Some(result) = &status.result {
        let _ = write!(text, "\n\n{}", summary(result));
    }
    text
}

/// A search under way, in a line.
pub(super) fn line(status: &CapacityStatus) -> String {
    let signals: Vec<_> = status.signals.iter().map(seen).collect();
    let supported = status.supported.map(|load| format!(", supports {}", status.unit.of(load)));
    one_line(&format!(
        "{} for {}: {} users{}; {}",
        status.strategy,
        age(Duration::from_secs_f64(status.seconds.max(0.0))),
        status.active_users,
        supported.unwrap_or_default(),
        signals.join("; ")
    ))
}

/// The curve and the answer.
pub(super) fn summary(result: &CapacityResult) -> String {
    if result.curve.is_empty() {
        return lines(&result.answer());
    }
    lines(&format!("{}\n\n{}", curve(result), result.answer()))
}

fn seen(signal: &SignalView) -> String {
    let value = signal.value.map_or_else(|| "no value".to_owned(), |value| format!("{value:.3}"));
    let mark = match signal.healthy {
        Some(true) => "",
        Some(false) => " ALERT",
        None => " ?",
    };
    format!("{}: {value} (limit {}){mark}", signal.name, signal.limit)
}

/// What was measured at which load, as a table.
fn curve(result: &CapacityResult) -> String {
    let mut table = Table::new(&[
        "LOAD", "SECONDS", "REQUESTS", "RATE", "ERRORS", "P50", "P95", "P99", "ALERTS",
    ]);
    let millis = |time: f64| format!("{time:.1}ms");
    for point in &result.curve {
        table.row([
            result.unit.of((point.load * 10.0).round() / 10.0),
            format!("{:.0}", point.seconds),
            point.count.to_string(),
            format!("{:.1}/s", point.rate),
            format!("{:.2}%", point.error_rate * 100.0),
            millis(point.p50_ms),
            millis(point.p95_ms),
            millis(point.p99_ms),
            format!("{} of {}", point.alerts, point.samples),
        ]);
    }
    table.to_string()
}
