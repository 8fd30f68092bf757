//! From what the node knows to the document.

use std::time::SystemTime;

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    cluster,
    document::{
        ActionReport, CheckReport, CounterReport, GaugeReport, GeneratorReport, RunInfo, RunReport,
        SCHEMA, StallReport, failures_of, millis,
    },
    input::{ReportInput, RunFacts},
    verdict::conclude,
};
use crate::measure::{
    health::{GeneratorVerdict, HealthSummary},
    window::per_second,
};

impl RunReport {
    /// Builds the document. Pure: equal inputs give equal documents.
    pub fn build(input: ReportInput) -> Self {
        let ReportInput {
            run,
            outcome,
            users,
            arrivals,
            measured,
            throttles,
            coordinators,
            health,
            nodes,
            gaps,
        } = input;
        let span = run.duration;
        let (health, generator) = cluster::generator(health, &nodes, &gaps);
        let (verdict, reasons) = conclude(&outcome, &users, &generator);
        let actions = measured.actions.iter().filter(|(_, action)| action.count() > 0);
        Self {
            schema: SCHEMA.to_owned(),
            run: run_info(run),
            users,
            arrivals,
            actions: actions
                .map(|(name, action)| {
                    let mut report = ActionReport::of(action, span);
                    // A document without a histogram is better than none.
                    report.service.histogram = action.service.encode().ok();
                    report.response.histogram = action.response.encode().ok();
                    (name.to_string(), report)
                })
                .collect(),
            counters: measured
                .counters
                .iter()
                .map(|(name, count)| {
                    let rate = per_second(*count, span);
                    (name.to_string(), CounterReport { count: *count, rate })
                })
                .collect(),
            gauges: measured
                .gauges
                .iter()
                .map(|(name, gauge)| {
                    let (last, min, max) = (gauge.last, gauge.min, gauge.max);
                    (name.to_string(), GaugeReport { last, min, max })
                })
                .collect(),
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
            thresholds: Vec::new(),
            generator: generator_report(health, generator),
            nodes: nodes.into_iter().map(cluster::node_report).collect(),
            gaps: gaps.into_iter().map(cluster::gap_report).collect(),
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
        stages: Vec::new(),
    }
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
        own_failures: health.own_failures,
        stalls: StallReport {
            count: health.stalls.count,
            worst_ms: millis(health.stalls.worst),
            worst_name: health.stalls.worst_name,
        },
    }
}

/// To the millisecond; empty for a year that RFC 3339 cannot write.
fn rfc3339(moment: SystemTime) -> String {
    let moment = OffsetDateTime::from(moment);
    let moment = moment.replace_millisecond(moment.millisecond()).unwrap_or(moment);
    moment.format(&Rfc3339).unwrap_or_default()
}
