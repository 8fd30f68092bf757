//! Targets in a result: their counters and gauges, brought together by target. Pure.

use std::collections::BTreeMap;

use crowd_measure::target_names::{Count, counter_of, score_of};
use crowd_measure::window::{GaugeNumbers, Window};
use serde::{Deserialize, Serialize};

use super::{document::GaugeReport, table::Table, units};

/// How a target did. Over several nodes, each of which scores by itself, counts and times are sums,
/// and of the score `min` and `max` are those of all nodes and `last` is the one that changed last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetReport {
    /// How often users were dealt it.
    pub picks: u64,
    /// Successes that users reported.
    pub ups: u64,
    /// Failures that users reported.
    pub downs: u64,
    /// Health checks that it passed.
    pub checks_passed: u64,
    /// Health checks that it failed.
    pub checks_failed: u64,
    /// How often it went out: its score fell below 0.
    pub outs: u64,
    /// How long it was out, in milliseconds.
    pub out_ms: u64,
    /// Its score; null if that was not measured.
    pub score: Option<GaugeReport>,
}

impl TargetReport {
    fn set(&mut self, count: Count, value: u64) {
        let field = match count {
            Count::Picks => &mut self.picks,
            Count::Ups => &mut self.ups,
            Count::Downs => &mut self.downs,
            Count::ChecksPassed => &mut self.checks_passed,
            Count::ChecksFailed => &mut self.checks_failed,
            Count::Outs => &mut self.outs,
            Count::OutMs => &mut self.out_ms,
        };
        *field = value;
    }
}

/// Whether a counter belongs to a target.
pub(super) fn is_counter(name: &str) -> bool {
    counter_of(name).is_some()
}

/// Whether a gauge belongs to a target.
pub(super) fn is_gauge(name: &str) -> bool {
    score_of(name).is_some()
}

/// The targets of a window, by name.
pub(super) fn of(window: &Window) -> BTreeMap<String, TargetReport> {
    let mut targets: BTreeMap<String, TargetReport> = BTreeMap::new();
    for (name, value) in &window.counters {
        if let Some((count, target)) = counter_of(name) {
            targets.entry(target.to_owned()).or_default().set(count, *value);
        }
    }
    for (name, gauge) in &window.gauges {
        if let Some(target) = score_of(name) {
            let GaugeNumbers { last, min, max, .. } = *gauge;
            targets.entry(target.to_owned()).or_default().score =
                Some(GaugeReport { last, min, max });
        }
    }
    targets
}

/// The targets as a person reads them.
pub(super) fn table(targets: &BTreeMap<String, TargetReport>) -> Table {
    const REPORTED: &str = "reported";
    const CHECKS: &str = "checks";
    const OUT: &str = "out";
    const SCORE: &str = "score";
    let heads = [
        ("", "picks"),
        (REPORTED, "up"),
        (REPORTED, "down"),
        (CHECKS, "passed"),
        (CHECKS, "failed"),
        (OUT, "times"),
        (OUT, "s"),
        (SCORE, "last"),
        (SCORE, "min"),
    ];
    let mut table = Table::new("targets", &heads);
    for (name, row) in targets {
        let score = |of: fn(GaugeReport) -> f64| {
            row.score.map_or("-".to_owned(), |score| units::number(of(score)))
        };
        table.row([
            name.clone(),
            units::count(row.picks),
            units::count(row.ups),
            units::count(row.downs),
            units::count(row.checks_passed),
            units::count(row.checks_failed),
            units::count(row.outs),
            units::number(row.out_ms as f64 / 1e3),
            score(|score| score.last),
            score(|score| score.min),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::table::{Colour, WIDTH};

    #[test]
    fn a_person_reads_a_row_for_each() {
        let score = Some(GaugeReport { last: 3.0, min: -3.0, max: 3.0 });
        let well = TargetReport { picks: 9_210, ups: 412_771, score, ..TargetReport::default() };
        let ill = TargetReport {
            picks: 30,
            ups: 20_333,
            downs: 21,
            checks_passed: 50,
            checks_failed: 7,
            outs: 1,
            out_ms: 7_204,
            score: None,
        };
        let rows = [("http://10.0.0.1:8080/", well), ("http://10.0.0.2:8080/", ill)]
            .map(|(n, r)| (n.to_owned(), r));
        let text = table(&rows.into()).lines(Colour::Plain, WIDTH).join("\n");
        insta::assert_snapshot!(text, @r"
                                            reported            checks             out        score
        targets                picks        up  down    passed  failed    times      s    last  min
        http://10.0.0.1:8080/  9,210      413k     0         0       0        0      0       3   -3
        http://10.0.0.2:8080/     30    20,333    21        50       7        1  7.204       -    -
        ");
        assert!(table(&BTreeMap::new()).is_empty());
    }

    #[test]
    fn counters_and_gauges_of_targets_are_brought_together_and_others_left() {
        let counters = [
            ("bytes", 7),
            ("target.picks.http://a:1/", 12),
            ("target.outs.http://a:1/", 1),
            ("target.out_ms.http://a:1/", 2_500),
            ("target.picks.http://b:1/", 11),
            ("target.shots", 3),
        ];
        let score = GaugeNumbers { last: 3.0, at: std::time::Duration::ZERO, min: -3.0, max: 3.0 };
        let window = Window {
            counters: counters.map(|(name, count)| (name.into(), count)).into(),
            gauges: [("target.score.http://a:1/".into(), score)].into(),
            ..Window::default()
        };
        let targets = of(&window);
        let a = &targets["http://a:1/"];
        assert_eq!((a.picks, a.outs, a.out_ms, a.downs), (12, 1, 2_500, 0));
        assert_eq!(a.score, Some(GaugeReport { last: 3.0, min: -3.0, max: 3.0 }));
        assert_eq!(targets["http://b:1/"], TargetReport { picks: 11, ..TargetReport::default() });
        assert_eq!(targets.len(), 2);
        let left = counters.iter().filter(|(name, _)| !is_counter(name));
        assert_eq!(left.map(|(name, _)| *name).collect::<Vec<_>>(), ["bytes", "target.shots"]);
    }
}
