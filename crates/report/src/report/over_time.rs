//! How a run went over time, as the document holds it: one list for each number, all of the same
//! length, so that a program can draw any of them without looking at the rest.

use std::{collections::BTreeMap, time::Duration};

use crowd_measure::{
    lifetimes::Lifetimes,
    series::{Percentiles, Series},
};
use serde::{Deserialize, Serialize};

use super::document::millis;

/// A document has so many rows of a run at most. Longer series are made coarser: neighbouring rows
/// become one, and its percentiles are the worst of theirs.
pub const MAX_DOCUMENT_ROWS: usize = 600;

/// A run over time. Row *n* is the *n*th of each list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SeriesReport {
    /// When a row ends, in milliseconds since the start of the run.
    pub end_ms: Vec<f64>,
    /// How much time it stands for, in milliseconds.
    pub span_ms: Vec<f64>,
    /// Users running at its end.
    pub running: Vec<u64>,
    /// Users started in it.
    pub started: Vec<u64>,
    /// Users ended in it.
    pub ended: Vec<u64>,
    /// Arrivals in it; all 0 in a closed run.
    pub arrivals: ArrivalSeries,
    /// Actions that failed in it, of all.
    pub failed: Vec<u64>,
    /// The actions that were followed: the first 50.
    pub actions: BTreeMap<String, ActionSeries>,
}

/// Arrivals of an open run over time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ArrivalSeries {
    /// Due by the schedule.
    pub scheduled: Vec<u64>,
    /// Let in.
    pub started: Vec<u64>,
    /// Lost because nothing was free to serve them.
    pub dropped: Vec<u64>,
}

/// An action over time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActionSeries {
    /// How often it was done, failed or not.
    pub count: Vec<u64>,
    /// How often it failed.
    pub failed: Vec<u64>,
    /// From send to answer.
    pub service: PercentileSeries,
    /// From when it should have started to answer.
    pub response: PercentileSeries,
}

/// Percentiles over time, in milliseconds; 0 where nothing was done.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PercentileSeries {
    /// Half were not longer.
    pub p50: Vec<f64>,
    /// 95 % were not longer.
    pub p95: Vec<f64>,
    /// 99 % were not longer.
    pub p99: Vec<f64>,
}

/// How long users took against when they started.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LifetimesReport {
    /// Starts are kept to so many milliseconds.
    pub width_ms: f64,
    /// Users that started within the same time and took about as long.
    pub cells: Vec<LifetimeCell>,
}

/// Users that started within the same time and took about as long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct LifetimeCell {
    /// They started then or up to `width_ms` later, in milliseconds since the start of the run.
    pub start_ms: f64,
    /// They took so long at least, in milliseconds;
    pub from_ms: f64,
    /// and less than this.
    pub to_ms: f64,
    /// How many they are.
    pub count: u64,
}

impl SeriesReport {
    /// The series as the document holds it.
    pub fn of(series: &Series) -> Self {
        let rows = series.coarse(MAX_DOCUMENT_ROWS);
        let mut report = Self::default();
        let mut actions = vec![ActionSeries::default(); series.names().len()];
        for row in rows {
            report.end_ms.push(to_micros(row.end));
            report.span_ms.push(to_micros(row.span));
            report.running.push(row.running);
            report.started.push(row.started);
            report.ended.push(row.ended);
            report.arrivals.scheduled.push(row.scheduled);
            report.arrivals.started.push(row.arrived);
            report.arrivals.dropped.push(row.dropped);
            report.failed.push(row.failed);
            for (at, action) in actions.iter_mut().enumerate() {
                let cell = row.actions.get(at).copied().unwrap_or_default();
                action.count.push(cell.count);
                action.failed.push(cell.failed);
                action.service.push(cell.service);
                action.response.push(cell.response);
            }
        }
        let names = series.names().iter().map(|name| name.to_string());
        report.actions = names.zip(actions).collect();
        report
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.end_ms.len()
    }
}

/// Milliseconds to the microsecond: no clock here is finer, and the digits add up.
fn to_micros(duration: Duration) -> f64 {
    (duration.as_nanos() / 1_000) as f64 / 1e3
}

impl PercentileSeries {
    fn push(&mut self, times: Percentiles) {
        self.p50.push(millis(times.p50()));
        self.p95.push(millis(times.p95()));
        self.p99.push(millis(times.p99()));
    }
}

impl LifetimesReport {
    /// The grid as the document holds it.
    pub fn of(lifetimes: &Lifetimes) -> Self {
        let cells = lifetimes.cells().map(|cell| LifetimeCell {
            start_ms: millis(cell.start),
            from_ms: millis(cell.from),
            to_ms: millis(cell.to),
            count: cell.count,
        });
        let width = if lifetimes.is_empty() { Duration::ZERO } else { lifetimes.width() };
        Self { width_ms: millis(width), cells: cells.collect() }
    }
}
