//! Number by number: what both runs had, and what the change says.

use super::{
    Change, Metric, Options, Row, Side, Unit,
    bootstrap::{Recorded, Sampled, change},
    interval::{Finding, Interval},
    random::Draws,
    shares::{Share, difference, rate_change},
    side::{ActionReading, Readings},
};
use crate::suggestion::did_you_mean;

/// Fewer than this say nothing of a share or a rate.
const FEWEST: u64 = 50;

/// A share that changed by no more than this, a tenth of a percent, is the same however small it was.
const SHARE_TOLERANCE: f64 = 0.001;

/// A run and what was read of it.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) side: &'a Side<'a>,
    pub(super) readings: &'a Readings,
}

/// The actions to compare.
pub(super) fn common(
    before: &Readings,
    after: &Readings,
    wanted: &[String],
    faults: &mut Vec<String>,
) -> Vec<String> {
    if !faults.is_empty() {
        return Vec::new();
    }
    let both = before.actions.keys().filter(|name| after.actions.contains_key(*name));
    let mut both: Vec<String> = both.cloned().collect();
    if both.is_empty() {
        let list = |readings: &Readings| {
            let names: Vec<_> = readings.actions.keys().map(|name| format!("`{name}`")).collect();
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        };
        faults.push(format!(
            "the runs have no action in common: the baseline has {}, the candidate {}",
            list(before),
            list(after)
        ));
        return both;
    }
    for name in wanted.iter().filter(|name| !both.contains(name)) {
        let hint = did_you_mean(name, both.iter().map(String::as_str));
        faults.push(format!("there is no action `{name}` in both runs{hint}"));
    }
    both.retain(|name| wanted.is_empty() || wanted.contains(name));
    both
}

/// A number of both runs that is not judged yet.
struct Pair<'a> {
    action: Option<&'a str>,
    metric: Metric,
    values: [f64; 2],
    /// What it rests on; `None` if that is too little.
    data: Option<Data<'a>>,
}

enum Data<'a> {
    Times([&'a Recorded; 2]),
    Shares([Share; 2]),
    /// How many, in how many seconds.
    Rates([(u64, f64); 2]),
}

/// All rows, and how many of them had enough samples.
pub(super) fn rows(runs: [Run<'_>; 2], names: &[String], options: &Options) -> (Vec<Row>, usize) {
    let mut pairs = of_the_run(runs);
    for name in names {
        pairs.extend(Metric::OF_ACTION.into_iter().filter_map(|m| of_action(runs, name, m)));
    }
    let compared = pairs.iter().filter(|pair| pair.data.is_some()).count();
    // Bonferroni: the doubt is divided among all numbers, and half of each part goes to each tail.
    let tail = (1.0 - options.confidence) / 2.0 / compared.max(1) as f64;
    (pairs.iter().map(|pair| judge(pair, runs, options, tail)).collect(), compared)
}

/// Numbers of the whole run; those that are nothing in both are left out.
fn of_the_run(runs: [Run<'_>; 2]) -> Vec<Pair<'_>> {
    let numbers = [
        (Metric::Dropped, runs.map(|run| run.readings.dropped)),
        (Metric::FailedUsers, runs.map(|run| run.readings.failed_users)),
    ];
    let told = numbers.into_iter().filter(|(_, shares)| shares.iter().any(|share| share.part > 0));
    told.map(|(metric, shares)| of_shares(None, metric, shares)).collect()
}

fn of_shares(action: Option<&str>, metric: Metric, shares: [Share; 2]) -> Pair<'_> {
    let enough = shares.iter().all(|share| share.of >= FEWEST);
    let data = enough.then_some(Data::Shares(shares));
    Pair { action, metric, values: shares.map(Share::value), data }
}

fn of_action<'a>(runs: [Run<'a>; 2], name: &'a str, metric: Metric) -> Option<Pair<'a>> {
    let [Some(before), Some(after)] = runs.map(|run| run.readings.actions.get(name)) else {
        return None;
    };
    let actions: [&ActionReading; 2] = [before, after];
    let Some(statistic) = metric.statistic() else {
        if metric == Metric::Errors {
            return Some(of_shares(Some(name), metric, actions.map(|action| action.failed)));
        }
        let rates = [0, 1].map(|at| (actions[at].count, runs[at].readings.seconds));
        let enough = rates.iter().all(|(count, seconds)| *count >= FEWEST && *seconds > 0.0);
        let values = rates.map(|(count, seconds)| count as f64 / seconds.max(f64::MIN_POSITIVE));
        return Some(Pair {
            action: Some(name),
            metric,
            values,
            data: enough.then_some(Data::Rates(rates)),
        });
    };
    let times =
        actions.map(
            |action| {
                if metric == Metric::ServiceP95 { &action.service } else { &action.response }
            },
        );
    let enough = times.iter().all(|times| times.suffices(statistic));
    Some(Pair {
        action: Some(name),
        metric,
        values: times.map(|times| times.value(statistic)),
        data: enough.then_some(Data::Times(times)),
    })
}

fn judge(pair: &Pair<'_>, runs: [Run<'_>; 2], options: &Options, tail: f64) -> Row {
    let Pair { action, metric, values: [baseline, candidate], .. } = *pair;
    let mut tolerance = options.tolerance;
    if metric.unit() == Unit::Share {
        tolerance = (tolerance * baseline).max(SHARE_TOLERANCE);
    }
    let interval = pair.data.as_ref().map(|data| match data {
        Data::Shares([from, to]) => difference(*from, *to, tail),
        Data::Rates([from, to]) => rate_change(*from, *to, tail),
        Data::Times(times) => times_change(pair, *times, runs, options.replicates, tail),
    });
    let change = match metric.unit() {
        Unit::Share => Some(candidate - baseline),
        Unit::Ms | Unit::PerSecond => (baseline > 0.0).then(|| candidate / baseline - 1.0),
    };
    Row {
        action: action.map(str::to_owned),
        metric,
        unit: metric.unit(),
        baseline,
        candidate,
        change,
        interval,
        tolerance,
        verdict: verdict(metric, interval, tolerance),
    }
}

fn times_change(
    pair: &Pair<'_>,
    times: [&Recorded; 2],
    runs: [Run<'_>; 2],
    replicates: usize,
    tail: f64,
) -> Interval {
    let action = pair.action.unwrap_or_default();
    let metric = pair.metric.to_string();
    // Each number has draws of its own, so that it does not matter what else is compared.
    let sampled = [0, 1].map(|at| Sampled {
        recorded: times[at],
        intervals: runs[at].side.intervals_of(action, pair.metric),
        draws: Draws::named(&[action, &metric, ["baseline", "candidate"][at]]),
    });
    pair.metric.statistic().map_or(Interval { low: f64::NAN, high: f64::NAN }, |statistic| {
        change(sampled, statistic, replicates, tail)
    })
}

fn verdict(metric: Metric, interval: Option<Interval>, tolerance: f64) -> Change {
    let Some(interval) = interval else { return Change::TooFew };
    match (interval.finding(tolerance), metric.more_is_better()) {
        (Finding::Grew, false) | (Finding::Shrank, true) => Change::Worse,
        (Finding::Grew, true) | (Finding::Shrank, false) => Change::Better,
        (Finding::Same, _) => Change::Same,
        (Finding::Noise, _) => Change::Noise,
    }
}
