//! A document as charts need it: rows merged to as many as a chart can show, stages and marks.

use std::ops::Range;

use crate::report::{document::RunReport, over_time::SeriesReport};

/// More points than this make no finer picture, but a larger page.
const MAX_POINTS: usize = 240;

/// Charts are this wide and this high inside; the page stretches them.
pub(super) const WIDTH: f64 = 1_000.0;
pub(super) const HEIGHT: f64 = 300.0;

/// A document, looked at by charts.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) report: &'a RunReport,
    /// The time that charts show, in milliseconds.
    pub(super) total: f64,
    groups: Vec<Group>,
}

/// Neighbouring rows that are drawn as one.
#[derive(Debug)]
struct Group {
    rows: Range<usize>,
    from: f64,
    to: f64,
}

/// A stage of the load profile on the axis of time, in shares of it.
#[derive(Debug)]
pub(super) struct Band {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) kind: String,
}

/// Something that happened to a node, on the axis of time.
#[derive(Debug)]
pub(super) struct Mark {
    /// When, as a share of the axis.
    pub(super) at: f64,
    /// When what that node measured is not known, as shares of the axis.
    pub(super) missing: Option<(f64, f64)>,
    pub(super) label: String,
}

/// A value for each group; `None` where there is none.
pub(super) type Values = Vec<Option<f64>>;

impl<'a> View<'a> {
    pub(super) fn new(report: &'a RunReport) -> Self {
        let series = &report.series;
        let last = series.end_ms.iter().copied().fold(0.0, f64::max);
        let total = report.run.duration_ms.max(last).clamp(1.0, 1e13);
        Self { report, total, groups: groups(series) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Per second, from counts by row. What stands for less than a second, as the end of a run does,
    /// is not scaled up to one: nothing is known of the rest of it.
    pub(super) fn rates(&self, counts: &[u64]) -> Values {
        let rate = |group: &Group| {
            let count = self.sum(counts, group);
            let seconds = (group.to - group.from) / 1e3;
            (seconds > 0.0).then(|| count as f64 / seconds.max(1.0))
        };
        self.groups.iter().map(rate).collect()
    }

    /// What it was at the end.
    pub(super) fn levels(&self, values: &[u64]) -> Values {
        let last = |group: &Group| values.get(group.rows.end.checked_sub(1)?).map(|n| *n as f64);
        self.groups.iter().map(last).collect()
    }

    /// The worst of times, in milliseconds, where anything was counted.
    pub(super) fn worst(&self, times: &[f64], counts: &[u64]) -> Values {
        let worst = |group: &Group| {
            (self.sum(counts, group) > 0).then(|| {
                let times = times.get(group.rows.clone()).unwrap_or_default();
                times.iter().copied().fold(0.0, f64::max)
            })
        };
        self.groups.iter().map(worst).collect()
    }

    /// The groups with a value, as their ends on the axis and the value.
    pub(super) fn steps(&self, values: &Values) -> Vec<Vec<(f64, f64, f64)>> {
        let mut runs: Vec<Vec<_>> = Vec::new();
        let mut broken = true;
        for (group, value) in self.groups.iter().zip(values) {
            if broken && value.is_some() {
                runs.push(Vec::new());
            }
            if let (Some(value), Some(run)) = (value, runs.last_mut()) {
                run.push((self.share(group.from), self.share(group.to), *value));
            }
            broken = value.is_none();
        }
        runs
    }

    /// A moment, in milliseconds, as a share of the axis.
    pub(super) fn share(&self, millis: f64) -> f64 {
        (millis / self.total).clamp(0.0, 1.0)
    }

    pub(super) fn bands(&self) -> Vec<Band> {
        let bands = self.report.stage_spans().into_iter().zip(&self.report.run.stages);
        let bands = bands.map(|((from, to), stage)| Band {
            from: self.share(from),
            to: self.share(to),
            kind: stage.label().to_owned(),
        });
        // A run that was cut short never came to the last ones.
        bands.filter(|band| band.to > band.from).collect()
    }

    pub(super) fn marks(&self) -> Vec<Mark> {
        let is_lost = |name: &str| {
            self.report.nodes.iter().any(|node| node.name == name && node.lost.is_some())
        };
        let gaps = self.report.gaps.iter().map(|gap| Mark {
            at: self.share(gap.at_ms),
            missing: gap.missing().map(|(from, to)| (self.share(from), self.share(to))),
            label: format!("{} {}", gap.node, if is_lost(&gap.node) { "lost" } else { "left" }),
        });
        let told = |name: &str| self.report.gaps.iter().any(|gap| gap.node == name);
        let lost = self.report.nodes.iter().filter(|node| !told(&node.name)).filter_map(|node| {
            let at = self.share(node.lost.as_ref()?.at_ms);
            Some(Mark { at, missing: None, label: format!("{} lost", node.name) })
        });
        let mut marks: Vec<_> = gaps.chain(lost).take(MAX_MARKS).collect();
        marks.sort_by(|a, b| a.at.total_cmp(&b.at));
        marks
    }

    fn sum(&self, counts: &[u64], group: &Group) -> u64 {
        let counts = counts.get(group.rows.clone()).unwrap_or_default();
        counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// More marks than this are no help.
const MAX_MARKS: usize = 24;

fn groups(series: &SeriesReport) -> Vec<Group> {
    let rows = series.rows();
    let each = rows.div_ceil(MAX_POINTS).max(1);
    let mut before = 0.0;
    let mut groups = Vec::new();
    for first in (0..rows).step_by(each) {
        let end = (first + each).min(rows);
        let to = series.end_ms[end - 1].max(before);
        let span: f64 = series.span_ms.get(first..end).unwrap_or_default().iter().sum();
        let from = (to - span.max(0.0)).max(before);
        groups.push(Group { rows: first..end, from, to });
        before = to;
    }
    groups
}
