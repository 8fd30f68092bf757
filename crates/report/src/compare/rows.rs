//! Number by number: what both sides had, and what the change says.

use std::collections::BTreeSet;

use super::{
    Change, Metric, Options, Row, Unit,
    between::{Contrast, Observed, doubts},
    interval::{Finding, Interval},
    presence::{Event, Presence},
    shares::{Share, difference},
    side::{Measured, Readings},
};
use crate::normal::upper_point;

/// A share that changed by no more than this, a tenth of a percent, is the same however small it was.
const SHARE_TOLERANCE: f64 = 0.001;

/// A share of failures that changed by more than this between one run and another is not laid to the
/// noise between runs: by so much a run fails that is told to keep to nothing else.
const ONE_RUN_TOLERANCE: f64 = 0.01;

/// The part of the doubt that shares have to themselves, so that how many times are judged does not
/// matter to them, nor they to times.
const SHARES_DOUBT: f64 = 0.2;

/// A number of all runs that is not judged yet.
struct Number {
    action: Option<String>,
    metric: Metric,
    sides: [Vec<Measured>; 2],
}

/// All rows, and how many of them had enough samples.
pub(super) fn rows(
    sides: [&[Readings<'_>]; 2],
    names: &BTreeSet<&str>,
    happened: &[Presence],
    options: &Options,
) -> (Vec<Row>, usize) {
    let numbers = numbers(sides, names);
    let mut rows = if sides.iter().all(|runs| runs.len() == 1) {
        one_each(&numbers, options)
    } else {
        several(&numbers, options)
    };
    let never = happened.iter().filter(|presence| presence.event == Event::NeverSucceeded);
    withhold(&mut rows, never.map(|presence| presence.action.as_str()).collect());
    let compared = rows.iter().filter(|row| row.verdict != Change::TooFew).count();
    (rows, compared)
}

fn numbers(sides: [&[Readings<'_>]; 2], names: &BTreeSet<&str>) -> Vec<Number> {
    let whole = [Metric::Dropped, Metric::FailedUsers].into_iter().map(|metric| Number {
        action: None,
        metric,
        sides: sides.map(|runs| runs.iter().map(|run| run.measured(metric)).collect()),
    });
    // Those of the run that are nothing everywhere are left out.
    let mut numbers: Vec<_> =
        whole.filter(|number| number.all().any(|measured| measured.value > 0.0)).collect();
    for name in names {
        for metric in Metric::OF_ACTION {
            let of = |runs: &[Readings<'_>]| -> Option<Vec<_>> {
                runs.iter().map(|run| Some(run.actions.get(name)?.measured(metric))).collect()
            };
            // An action that is missing somewhere is told as that.
            if let [Some(before), Some(after)] = sides.map(of) {
                let action = Some((*name).to_owned());
                numbers.push(Number { action, metric, sides: [before, after] });
            }
        }
    }
    numbers
}

/// One run against one: what is seen within each says nothing of the noise between them.
fn one_each(numbers: &[Number], options: &Options) -> Vec<Row> {
    let enough = numbers.iter().filter(|number| number.enough()).count();
    let tail = (1.0 - options.confidence) / 2.0 / enough.max(1) as f64;
    let row = |number: &Number| {
        let row = number.row(options);
        if !number.enough() {
            return row;
        }
        let interval = number.opened(number.within(tail));
        let verdict = match interval.finding(row.tolerance) {
            Finding::Same => Change::Same,
            Finding::Noise => number.noise(),
            Finding::Grew | Finding::Shrank => {
                let floor = row.tolerance.max(ONE_RUN_TOLERANCE);
                match (number.metric.is_success(), interval.finding(floor)) {
                    (true, Finding::Grew) => Change::Worse,
                    (true, Finding::Shrank) => Change::Better,
                    _ => Change::Differs,
                }
            }
        };
        Row { interval: Some(interval), verdict, ..row }
    };
    numbers.iter().map(row).collect()
}

/// Several runs: a change is what the noise between runs does not explain.
fn several(numbers: &[Number], options: &Options) -> Vec<Row> {
    let doubt = 1.0 - options.confidence;
    let contrasts: Vec<_> = numbers.iter().map(Number::contrast).collect();
    // What did not happen anywhere cannot have changed: it takes no part of the doubt.
    let judged = |number: &Number| number.enough() && number.all().any(|m| m.value > 0.0);
    let ps = |shares: bool| -> Vec<f64> {
        let both = numbers.iter().zip(&contrasts);
        let of_kind = both.filter(|(number, _)| judged(number) && number.is_share() == shares);
        of_kind.map(|(_, contrast)| contrast.p()).collect()
    };
    let (shares, others) = (ps(true), ps(false));
    let of_shares = if shares.is_empty() { 0.0 } else { doubt * SHARES_DOUBT };
    let each = doubt * SHARES_DOUBT / numbers.len().max(1) as f64;
    let mut shares = doubts(&shares, of_shares).into_iter();
    let mut others = doubts(&others, doubt - of_shares).into_iter();
    let judge = |(number, contrast): (&Number, &Contrast)| {
        let row = number.row(options);
        if !number.enough() {
            row
        } else if !judged(number) {
            let interval = number.within(each / 2.0);
            let same = interval.finding(row.tolerance) == Finding::Same;
            let verdict = if same { Change::Same } else { Change::Noise };
            Row { interval: Some(interval), verdict, ..row }
        } else {
            let kind = if number.is_share() { &mut shares } else { &mut others };
            number.judge(contrast, kind.next().unwrap_or(each), row)
        }
    };
    numbers.iter().zip(&contrasts).map(judge).collect()
}

/// Times and rates of an action that failed more often are no gain, and of one that never succeeded
/// they are those of failures.
fn withhold(rows: &mut [Row], never: BTreeSet<&str>) {
    let failing = rows.iter().filter(|row| row.metric == Metric::Errors);
    let failing = failing.filter(|row| row.verdict == Change::Worse);
    let failing: BTreeSet<_> = failing.filter_map(|row| row.action.clone()).collect();
    for row in rows.iter_mut().filter(|row| row.unit != Unit::Share) {
        let action = row.action.as_deref().unwrap_or_default();
        let never = never.contains(action) && row.verdict != Change::TooFew;
        if never || (failing.contains(action) && row.verdict == Change::Better) {
            row.verdict = Change::Unknown;
        }
    }
}

impl Number {
    fn all(&self) -> impl Iterator<Item = &Measured> {
        self.sides.iter().flatten()
    }

    fn enough(&self) -> bool {
        self.all().all(|measured| measured.enough)
    }

    fn at_least(&self) -> [bool; 2] {
        self.sides.each_ref().map(|side| side.iter().any(|measured| measured.at_least))
    }

    fn is_share(&self) -> bool {
        self.metric.unit() == Unit::Share
    }

    /// The scale that changes add up on: logarithms, but for shares.
    fn scaled(&self, value: f64) -> f64 {
        if self.is_share() { value } else { value.max(f64::MIN_POSITIVE).ln() }
    }

    /// A difference on that scale as people are told it.
    fn told(&self, difference: f64) -> f64 {
        if self.is_share() { difference } else { difference.exp_m1() }
    }

    fn contrast(&self) -> Contrast {
        let observed = |side: &Vec<Measured>| -> Observed {
            side.iter().map(|m| (self.scaled(m.value), m.variance)).collect()
        };
        Contrast::of(&self.sides.each_ref().map(observed))
    }

    /// Where the change lies as far as the samples go.
    fn within(&self, tail: f64) -> Interval {
        if self.is_share() {
            let [from, to] = self.sides.each_ref().map(|side| {
                let add = |sum: Share, one: &Measured| Share {
                    part: sum.part + one.share.part,
                    of: sum.of + one.share.of,
                };
                side.iter().fold(Share::default(), add)
            });
            return difference(from, to, tail);
        }
        let contrast = self.contrast();
        let variance: f64 = self.all().map(|measured| measured.variance).sum();
        let reach = upper_point(tail) * variance.sqrt();
        Interval {
            low: self.told(contrast.difference - reach),
            high: self.told(contrast.difference + reach),
        }
    }

    /// The same, without an end where a side is known to be at least so much.
    fn opened(&self, interval: Interval) -> Interval {
        let [before, after] = self.at_least();
        Interval {
            low: if before { f64::NEG_INFINITY } else { interval.low },
            high: if after { f64::INFINITY } else { interval.high },
        }
    }

    /// What is said where nothing is shown.
    fn noise(&self) -> Change {
        if self.at_least().contains(&true) { Change::Unknown } else { Change::Noise }
    }

    fn judge(&self, contrast: &Contrast, doubt: f64, row: Row) -> Row {
        let (low, high) = contrast.interval(doubt);
        let interval = self.opened(Interval { low: self.told(low), high: self.told(high) });
        let change = self.told(contrast.difference);
        let verdict = match (interval.finding(0.0), self.metric.more_is_better()) {
            _ if interval.finding(row.tolerance) == Finding::Same => Change::Same,
            (Finding::Grew, more) if change > row.tolerance => {
                if more {
                    Change::Better
                } else {
                    Change::Worse
                }
            }
            (Finding::Shrank, more) if change < -row.tolerance => {
                if more {
                    Change::Worse
                } else {
                    Change::Better
                }
            }
            _ => self.noise(),
        };
        let between = Some(contrast.between);
        Row { interval: Some(interval), between, verdict, ..row }
    }

    /// The row of it before it is judged.
    fn row(&self, options: &Options) -> Row {
        let metric = self.metric;
        let contrast = self.contrast();
        let mean = |side: &Vec<Measured>| {
            let count = side.len().max(1) as f64;
            let mean = side.iter().map(|m| self.scaled(m.value)).sum::<f64>() / count;
            if metric.unit() == Unit::Share || side.iter().all(|m| m.value <= 0.0) {
                mean.max(0.0)
            } else {
                mean.exp()
            }
        };
        let values = |side: &Vec<Measured>| side.iter().map(|measured| measured.value).collect();
        let [baseline, candidate] = self.sides.each_ref().map(mean);
        let [baseline_runs, candidate_runs] = self.sides.each_ref().map(values);
        let share = metric.unit() == Unit::Share;
        let relative = options.tolerance;
        Row {
            action: self.action.clone(),
            metric,
            unit: metric.unit(),
            baseline,
            candidate,
            baseline_runs,
            candidate_runs,
            at_least: self.at_least(),
            change: (share || baseline > 0.0).then(|| self.told(contrast.difference)),
            between: None,
            interval: None,
            tolerance: if share { (relative * baseline).max(SHARE_TOLERANCE) } else { relative },
            verdict: Change::TooFew,
        }
    }
}
