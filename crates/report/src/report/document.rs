//! The document a run leaves behind. `docs/measuring.md` lists its fields for those who read it
//! with other programs.

use std::{collections::BTreeMap, time::Duration};

use crowd_core::failure::Owner;
use crowd_measure::{
    Phase, Source,
    health::{Trust, spell::Cause},
    timing::Timing,
    window::{ActionNumbers, Window, per_second},
};
use crowd_plan::threshold::Judged;
use serde::{Deserialize, Serialize};

use super::{
    input::{Arrivals, CoordinatorRow, ThrottleRow, UserTotals},
    lower_bound,
    over_time::{LifetimesReport, SeriesReport},
    targets::TargetReport,
    units,
    verdict::{INTERRUPTED, Verdict},
};

/// The name and version of the document's shape.
pub const SCHEMA: &str = "crowd.run/1";

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// [`SCHEMA`].
    pub schema: String,
    /// Which run.
    pub run: RunInfo,
    /// Its users.
    pub users: UserTotals,
    /// Arrivals of an open run; all zero in a closed one.
    pub arrivals: Arrivals,
    /// Timed actions.
    pub actions: BTreeMap<String, ActionReport>,
    /// Counters.
    pub counters: BTreeMap<String, CounterReport>,
    /// Gauges.
    pub gauges: BTreeMap<String, GaugeReport>,
    /// Targets that users were spread over, by name; their counters and gauges are told here only.
    #[serde(default)]
    pub targets: BTreeMap<String, TargetReport>,
    /// Checks.
    pub checks: BTreeMap<String, CheckReport>,
    /// What failed and why, the most frequent first.
    pub failures: Vec<FailureRow>,
    /// Throttles.
    pub throttles: Vec<ThrottleRow>,
    /// Coordinators.
    pub coordinators: Vec<CoordinatorRow>,
    /// Thresholds, as asked for.
    pub thresholds: Vec<ThresholdRow>,
    /// Whether the generator kept up; of several nodes, the worst.
    pub generator: GeneratorReport,
    /// The nodes of a cluster; none for a run on a lone node.
    #[serde(default)]
    pub nodes: Vec<NodeReport>,
    /// When users of a node were away.
    #[serde(default)]
    pub gaps: Vec<GapReport>,
    /// How it went over time.
    #[serde(default)]
    pub series: SeriesReport,
    /// How long users took against when they started.
    #[serde(default)]
    pub lifetimes: LifetimesReport,
    /// What is said of the run.
    pub verdict: Verdict,
    /// Why it did not pass, the deciding reason first.
    pub reasons: Vec<String>,
    /// The exit code of `crowd run`.
    pub exit_code: u8,
}

impl RunReport {
    /// What went wrong in a run that passed all the same; `None` if nothing did, or if it did not pass.
    pub fn tolerated(&self) -> Option<String> {
        if self.verdict != Verdict::Passed {
            return None;
        }
        let sum = |of: fn(&ActionReport) -> u64| self.actions.values().map(of).sum::<u64>();
        let (begun, failed) = (sum(|action| action.count + action.unfinished), sum(|a| a.failed));
        let unfinished = sum(|action| action.unfinished);
        let mut parts = Vec::new();
        if failed > 0 {
            parts.push(format!("{} failed", units::exact(failed)));
        }
        if unfinished > 0 {
            parts.push(format!("{} did not end", units::exact(unfinished)));
        }
        if self.users.failed > 0 {
            parts.push(format!("{} failed", units::plural(self.users.failed, "user")));
        }
        let of = units::plural(begun, "attempt");
        (!parts.is_empty()).then(|| format!("it passed though of {of} {}", parts.join(", ")))
    }

    /// The same of a run that somebody interrupted, as whoever made it did not know.
    #[must_use]
    pub fn interrupted(mut self) -> Self {
        self.verdict = Verdict::Interrupted;
        self.exit_code = self.verdict.exit_code();
        self.reasons.insert(0, INTERRUPTED.to_owned());
        self
    }
}

/// Which run it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// Unique among runs.
    pub id: String,
    /// The scenario.
    pub scenario: String,
    /// Its settings; null for one without a value.
    pub settings: BTreeMap<String, Option<String>>,
    /// The nodes that took part.
    pub nodes: Vec<String>,
    /// The rate users were admitted at.
    pub user_rate: Option<String>,
    /// When it started: RFC 3339 in UTC.
    pub start: String,
    /// When it ended: RFC 3339 in UTC.
    pub end: String,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
    /// The stages of its load profile; none without one.
    pub stages: Vec<StageRow>,
}

/// A stage of a load profile.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StageRow {
    /// `users`, `rate` or `pause`.
    pub kind: String,
    /// What it asked for, as people write it.
    #[serde(default)]
    pub text: String,
    /// When it began, in milliseconds since the run did; null if it did not come to that.
    #[serde(default)]
    pub start_ms: Option<f64>,
    /// How long it was to take, in milliseconds.
    pub duration_ms: f64,
    /// Its arrivals; null for one that is not of a rate.
    #[serde(default)]
    pub arrivals: Option<Arrivals>,
}

/// A timed action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionReport {
    /// How often it ended, done or failed. It began `count` + `unfinished` times.
    pub count: u64,
    /// How often it failed.
    pub failed: u64,
    /// How often it was begun and did not end: given up by a stop, a kill or the end of the run.
    #[serde(default)]
    pub unfinished: u64,
    /// How many times were longer than the hour that is kept, and count as an hour.
    pub clamped: u64,
    /// How often per second.
    pub rate: f64,
    /// From send to answer.
    pub service: Distribution,
    /// From when it should have started to answer.
    pub response: Distribution,
    /// What those that ended spent in phases such as `connect`, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub phases: BTreeMap<Phase, PhaseReport>,
}

/// A phase of an action, in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhaseReport {
    /// How many attempts had it.
    pub count: u64,
    /// How long it took.
    pub times: Distribution,
}

/// A distribution of durations, in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// The shortest.
    pub min: f64,
    /// The mean.
    pub mean: f64,
    /// Half were not longer.
    pub p50: f64,
    /// 90 % were not longer.
    pub p90: f64,
    /// 95 % were not longer.
    pub p95: f64,
    /// 99 % were not longer.
    pub p99: f64,
    /// 99.9 % were not longer.
    pub p999: f64,
    /// The longest.
    pub max: f64,
    /// The names of those of these numbers that rest on attempts which did not end: the true ones are
    /// at least as high.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub at_least: Vec<String>,
    /// All of it, in microseconds: HdrHistogram's deflated V2 format in base64.
    pub histogram: Option<String>,
}

/// A counter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CounterReport {
    /// The sum.
    pub count: u64,
    /// The sum per second.
    pub rate: f64,
}

/// A gauge.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GaugeReport {
    /// Set last.
    pub last: f64,
    /// The lowest.
    pub min: f64,
    /// The highest.
    pub max: f64,
}

/// A check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// How often it held.
    pub passed: u64,
    /// How often it did not.
    pub failed: u64,
}

/// Failures with one owner, source, action and reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureRow {
    /// Whose failure it is.
    pub owner: Owner,
    /// What failed.
    pub source: Source,
    /// The action that failed; null for users and noted failures.
    pub action: Option<String>,
    /// Why.
    pub reason: String,
    /// How often.
    pub count: u64,
    /// One case of it, with what the reason leaves out: addresses, ids, times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}

/// A threshold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ThresholdRow {
    /// What was asked for.
    pub expression: String,
    /// What it was, in the unit of the expression; of a sliding window the worst. Null if nothing
    /// was measured.
    pub actual: Option<f64>,
    /// The same with its unit, as people read it.
    #[serde(default)]
    pub text: String,
    /// Whether that is as asked for.
    pub passed: bool,
    /// Whether it ended the run.
    #[serde(default)]
    pub aborted: bool,
    /// When that was, in milliseconds since the start of the run: the end of the worst window, or
    /// when it ended the run; null for what was judged at the end.
    #[serde(default)]
    pub at_ms: Option<f64>,
}

impl From<Judged> for ThresholdRow {
    fn from(judged: Judged) -> Self {
        let Judged { expression, actual, text, passed, aborted, at } = judged;
        Self { expression, actual, text, passed, aborted, at_ms: at.map(millis) }
    }
}

/// Whether the generator kept up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GeneratorReport {
    /// How far it can be trusted.
    pub verdict: Trust,
    /// Why no further, the worst reason first.
    pub reasons: Vec<String>,
    /// How often the process was looked at.
    pub samples: u64,
    /// How many cores it could use: a fraction where a container has a quota.
    pub cores: f64,
    /// CPU used, as a share of all cores, on average.
    pub cpu_mean: f64,
    /// The same in the busiest sample.
    pub cpu_max: f64,
    /// The most memory resident.
    pub memory_max_bytes: u64,
    /// The machine's memory or the container's limit; 0 if unknown.
    pub memory_limit_bytes: u64,
    /// The most file descriptors open at once.
    pub descriptors_max: u64,
    /// How many could be open; 0 if unknown.
    pub descriptors_limit: u64,
    /// How late the event loop was for half of the time.
    pub loop_lag_p50_ms: f64,
    /// How late it was for a hundredth of the time.
    pub loop_lag_p99_ms: f64,
    /// The latest it was.
    pub loop_lag_max_ms: f64,
    /// How late users were admitted, in the worst hundredth of the samples.
    pub admission_lag_p99_ms: f64,
    /// Throttle slots used.
    pub slots_granted: u64,
    /// Throttle slots that passed because the generator was late.
    pub slots_forfeited: u64,
    /// How late arrivals began: the latest hundredth in each second, in the worst hundredth of the
    /// seconds.
    #[serde(default)]
    pub schedule_lag_p99_ms: f64,
    /// How late the latest arrival began.
    #[serde(default)]
    pub schedule_lag_max_ms: f64,
    /// Arrivals dropped because the generator was late or a node was lost.
    #[serde(default)]
    pub arrivals_lost: u64,
    /// Failures owned by the generator.
    pub own_failures: u64,
    /// User code that held up the event loop.
    pub stalls: StallReport,
    /// When something was wrong.
    #[serde(default)]
    pub spells: Vec<SpellReport>,
}

/// From when to when something was wrong with the generator.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SpellReport {
    /// What was wrong.
    pub cause: Cause,
    /// How far the worst three seconds in a row can be trusted; VALID if there were no such three.
    pub verdict: Trust,
    /// When it began, in milliseconds since the start of the run.
    pub from_ms: f64,
    /// When it was last so, in milliseconds since the start of the run.
    pub to_ms: f64,
    /// In how many seconds it was so.
    pub seconds: u64,
}

/// User code that held up the event loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StallReport {
    /// How often.
    pub count: u64,
    /// The longest.
    pub worst_ms: f64,
    /// Where that was; empty if there was none.
    pub worst_name: String,
}

/// A node of a cluster, and its part in the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeReport {
    /// Its name.
    pub name: String,
    /// The state of the run there.
    pub state: String,
    /// Its users.
    pub users: UserTotals,
    /// If it was lost.
    pub lost: Option<LostReport>,
    /// Whether it kept up; null for one that made no load or told nothing.
    pub generator: Option<GeneratorReport>,
}

/// A node was lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LostReport {
    /// When, in milliseconds since the start of the run.
    pub at_ms: f64,
    /// How.
    pub reason: String,
}

/// Users of a node were away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GapReport {
    /// The node that they were on.
    pub node: String,
    /// When, in milliseconds since the start of the run.
    pub at_ms: f64,
    /// How many.
    pub users: u64,
    /// Where they went on.
    pub went: Vec<WentReport>,
    /// Up to when all that was measured there is known, in milliseconds since the start of the run;
    /// null if none of it is.
    pub measured_until_ms: Option<f64>,
    /// When it measured what is not known; null if all is.
    #[serde(default)]
    pub missing: Option<MissingReport>,
}

/// When something was measured that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MissingReport {
    /// From then on, in milliseconds since the start of the run.
    pub from_ms: f64,
    /// Until then at the latest: nobody acted there any more.
    pub to_ms: f64,
}

impl GapReport {
    /// From when to when what was measured there is missing, in milliseconds. A document of before
    /// tells only up to when it is known, if that was before the loss.
    pub(super) fn missing(&self) -> Option<(f64, f64)> {
        let told = self.missing.map(|missing| (missing.from_ms, missing.to_ms));
        told.or_else(|| match self.measured_until_ms {
            None => Some((0.0, self.at_ms)),
            Some(until) => (until < self.at_ms).then_some((until, self.at_ms)),
        })
    }
}

/// Users that went on elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WentReport {
    /// Where.
    pub node: String,
    /// How many.
    pub users: u64,
}

impl StageRow {
    /// What it asked for, as people write it.
    pub fn label(&self) -> &str {
        if self.text.is_empty() { &self.kind } else { &self.text }
    }
}

impl RunReport {
    /// From when to when each stage of the profile went, in milliseconds since the run began. Where
    /// a document does not say when one began, it is taken to have followed the one before.
    pub fn stage_spans(&self) -> Vec<(f64, f64)> {
        let mut next = 0.0;
        let span = |stage: &StageRow| {
            let from = stage.start_ms.unwrap_or(next);
            next = from + stage.duration_ms.max(0.0);
            (from, next)
        };
        self.run.stages.iter().map(span).collect()
    }
}

impl ActionReport {
    /// What an action took over `span`, without the whole histograms.
    pub fn of(action: &ActionNumbers, span: Duration) -> Self {
        let Unended { service, response } = Unended::of(action);
        Self {
            count: action.count(),
            failed: action.failed,
            unfinished: action.unfinished.count(),
            clamped: action.clamped(),
            rate: per_second(action.count(), span),
            service: Distribution::with(&action.service, service),
            response: Distribution::with(&action.response, response),
            phases: action
                .phases
                .iter()
                .map(|(phase, times)| {
                    let report =
                        PhaseReport { count: times.count(), times: Distribution::of(times) };
                    (phase, report)
                })
                .collect(),
        }
    }
}

/// The times that attempts which did not end have waited.
struct Unended<'a> {
    service: &'a Timing,
    response: &'a Timing,
}

impl<'a> Unended<'a> {
    fn of(action: &'a ActionNumbers) -> Self {
        let waited = &action.unfinished;
        Self { service: waited.service(), response: waited.response() }
    }
}

impl Distribution {
    /// The numbers of a distribution, without the whole histogram.
    pub fn of(timing: &Timing) -> Self {
        let [p50, p90, p95, p99, p999] =
            timing.quantiles([0.5, 0.9, 0.95, 0.99, 0.999]).map(millis);
        Self {
            min: millis(timing.min()),
            mean: millis(timing.mean()),
            p50,
            p90,
            p95,
            p99,
            p999,
            max: millis(timing.max()),
            at_least: Vec::new(),
            histogram: None,
        }
    }

    /// The numbers of those that ended and, as long as they have waited, of those that did not.
    pub fn with(ended: &Timing, waited: &Timing) -> Self {
        if waited.count() == 0 {
            return Self::of(ended);
        }
        let mut all = ended.clone();
        all.merge(waited);
        let at_least = lower_bound::names(ended, waited, &all);
        Self { at_least: at_least.into_iter().map(str::to_owned).collect(), ..Self::of(&all) }
    }

    /// Whether the number of that name is a lower bound: see [`Distribution::at_least`].
    pub fn is_at_least(&self, name: &str) -> bool {
        self.at_least.iter().any(|known| known == name)
    }
}

/// The failures of a window, the most frequent first.
pub fn failures_of(window: &Window) -> Vec<FailureRow> {
    let mut rows: Vec<_> = window
        .failures
        .iter()
        .map(|(key, count)| FailureRow {
            owner: key.owner,
            source: key.source,
            action: key.action.as_deref().map(str::to_owned),
            reason: key.reason.to_string(),
            count: *count,
            example: window.examples.get(key).map(|example| example.to_string()),
        })
        .collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.count));
    rows
}

/// Milliseconds with their fraction.
pub fn millis(duration: Duration) -> f64 {
    // By microseconds, so that 1.005 ms does not become 1.0049999999.
    duration.as_nanos() as f64 / 1e6
}
