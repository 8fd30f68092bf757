//! From what the node knows to the document.

use std::time::{Duration, SystemTime};

use crowd_measure::{
    health::{GeneratorVerdict, HealthSummary},
    window::per_second,
};
use crowd_plan::profile::{Load, Stage};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    cluster,
    document::{
        ActionReport, CheckReport, CounterReport, GaugeReport, GeneratorReport, RunInfo, RunReport,
        SCHEMA, SpellReport, StageRow, StallReport, ThresholdRow, failures_of, millis,
    },
    findings::{self, Asked},
    input::{Arrivals, ProfileFacts, ReportInput, RunFacts},
    over_time::{LifetimesReport, SeriesReport},
    targets,
    verdict::{Found, conclude},
};

impl RunReport {
    /// Builds the document. Pure: equal inputs give equal documents.
    pub fn build(input: ReportInput) -> Self {
        let ReportInput {
            run,
            outcome,
            users,
            mut measured,
            mut thresholds,
            series,
            throttles,
            coordinators,
            health,
            nodes,
            gaps,
        } = input;
        let span = run.duration;
        let arrivals = run.profile.as_ref().map(|facts| facts.arrivals.total().into());
        let arrivals: Arrivals = arrivals.unwrap_or_default();
        let (health, generator) = cluster::generator(health, &nodes, &gaps, &arrivals);
        // Nothing comes any more.
        measured.settle();
        let asked = Asked::of_settings(&run.settings);
        let of_targets = targets::of(&measured);
        let mut found = Found {
            too_many_errors: findings::too_many_errors(&measured, asked),
            sentences: findings::whatever_was_asked(
                &measured,
                &series,
                span,
                (users.asked > 0 || run.profile.is_some(), users.started, users.peak),
                asked,
            ),
        };
        found.sentences.extend(findings::dead_targets(&of_targets, asked));
        let (verdict, reasons) = conclude(&outcome, &users, &generator, &thresholds, &found);
        thresholds.extend(found.too_many_errors);
        let actions = measured.actions.iter().filter(|(_, action)| action.begun() > 0);
        Self {
            schema: SCHEMA.to_owned(),
            run: run_info(run),
            users,
            arrivals,
            actions: actions
                .map(|(name, action)| {
                    let mut report = ActionReport::of(action, span);
                    // A document without a histogram is better than none.
                    let (service, response) = action.times();
                    report.service.histogram = service.encode().ok();
                    report.response.histogram = response.encode().ok();
                    (name.to_string(), report)
                })
                .collect(),
            counters: measured
                .counters
                .iter()
                .filter(|(name, _)| !targets::is_counter(name))
                .map(|(name, count)| {
                    let rate = per_second(*count, span);
                    (name.to_string(), CounterReport { count: *count, rate })
                })
                .collect(),
            gauges: measured
                .gauges
                .iter()
                .filter(|(name, _)| !targets::is_gauge(name))
                .map(|(name, gauge)| {
                    let (last, min, max) = (gauge.last, gauge.min, gauge.max);
                    (name.to_string(), GaugeReport { last, min, max })
                })
                .collect(),
            targets: of_targets,
            checks: measured
                .checks
                .iter()
                .map(|(name, check)| {
                    let (passed, failed) = (check.passed, check.failed);
                    (name.to_string(), CheckReport { passed, failed })
                })
                .collect(),
            failures: failures_of(&measured),
            throttles,
            coordinators,
            thresholds: thresholds.into_iter().map(ThresholdRow::from).collect(),
            generator: generator_report(health, generator),
            nodes: nodes.into_iter().map(cluster::node_report).collect(),
            gaps: gaps.into_iter().map(cluster::gap_report).collect(),
            series: SeriesReport::of(&series),
            lifetimes: LifetimesReport::of(&measured.lifetimes),
            verdict,
            reasons,
            exit_code: verdict.exit_code(),
        }
    }
}

fn run_info(run: RunFacts) -> RunInfo {
    RunInfo {
        id: run.id,
        scenario: run.scenario,
        settings: run.settings.into_iter().collect(),
        nodes: run.nodes,
        user_rate: run.user_rate,
        start: rfc3339(run.start),
        end: rfc3339(run.end),
        duration_ms: millis(run.duration),
        stages: run.profile.map(|facts| stages(&facts, run.duration)).unwrap_or_default(),
    }
}

fn stages(facts: &ProfileFacts, duration: Duration) -> Vec<StageRow> {
    let row = |(number, stage): (usize, &Stage)| {
        let start = facts.began.map(|began| began + facts.profile.start_of(number));
        let kind = match stage.load {
            Load::Users(_) => "users",
            Load::Rate { .. } => "rate",
            Load::Pause => "pause",
        };
        let arrivals = facts.arrivals.0.get(&number).copied().unwrap_or_default();
        StageRow {
            kind: kind.to_owned(),
            text: stage.to_string(),
            start_ms: start.filter(|start| *start < duration).map(millis),
            duration_ms: millis(stage.duration),
            arrivals: (kind == "rate").then(|| arrivals.into()),
        }
    };
    facts.profile.stages().iter().enumerate().map(row).collect()
}

pub(super) fn generator_report(health: HealthSummary, judged: GeneratorVerdict) -> GeneratorReport {
    GeneratorReport {
        verdict: judged.verdict,
        reasons: judged.reasons,
        samples: health.samples,
        cores: health.cores,
        cpu_mean: health.cpu_mean,
        cpu_max: health.cpu_max,
        memory_max_bytes: health.memory_max,
        memory_limit_bytes: health.memory_limit,
        descriptors_max: health.descriptors_max,
        descriptors_limit: health.descriptors_limit,
        loop_lag_p50_ms: millis(health.loop_lag_p50),
        loop_lag_p99_ms: millis(health.loop_lag_p99),
        loop_lag_max_ms: millis(health.loop_lag_max),
        admission_lag_p99_ms: millis(health.admission_lag_p99),
        slots_granted: health.slots_granted,
        slots_forfeited: health.slots_forfeited,
        schedule_lag_p99_ms: millis(health.schedule_lag_p99),
        schedule_lag_max_ms: millis(health.schedule_lag_max),
        arrivals_lost: health.arrivals_lost,
        own_failures: health.own_failures,
        stalls: StallReport {
            count: health.stalls.count,
            worst_ms: millis(health.stalls.worst),
            worst_name: health.stalls.worst_name,
        },
        spells: health
            .spells
            .iter()
            .map(|spell| SpellReport {
                cause: spell.cause,
                verdict: spell.verdict,
                from_ms: millis(spell.first),
                to_ms: millis(spell.last),
                seconds: spell.seconds,
            })
            .collect(),
    }
}

/// To the millisecond; empty for a year that RFC 3339 cannot write.
fn rfc3339(moment: SystemTime) -> String {
    let moment = OffsetDateTime::from(moment);
    let moment = moment.replace_millisecond(moment.millisecond()).unwrap_or(moment);
    moment.format(&Rfc3339).unwrap_or_default()
}
