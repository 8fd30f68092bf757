//! Gathers, once a second, what the generator's health is judged by.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    CPU_BUSY, GeneratorVerdict, HealthSummary, judge,
    probe::LoopProbe,
    process::{self, Allowance, Usage},
};
use crate::{
    failure::Owner,
    measure::{Source, timing::Timing, window::Window},
};

/// What others know about how late the generator is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lateness {
    /// How far the admission of users is behind the user rate now.
    pub admission_lag: Duration,
    /// Throttle slots used, since the start of the run.
    pub slots_granted: u64,
    /// Throttle slots forfeited, since the start of the run.
    pub slots_forfeited: u64,
}

/// Gathers what the generator's health is judged by. One per run.
#[derive(Debug)]
pub struct HealthMonitor {
    probe: LoopProbe,
    allowance: Allowance,
    before: Option<(Instant, Usage)>,
    admission_lag: Timing,
    /// Time looked at, for the mean.
    watched: Duration,
    cpu_used: Duration,
    summary: HealthSummary,
}

impl Default for HealthMonitor {
    fn default() -> Self {
        Self::new()
    }
}

impl HealthMonitor {
    /// A monitor that looks at this process from now on.
    pub fn new() -> Self {
        Self::with(Instant::now(), process::usage(), process::allowance())
    }

    fn with(now: Instant, usage: Option<Usage>, allowance: Allowance) -> Self {
        Self {
            probe: LoopProbe::default(),
            allowance,
            before: usage.map(|usage| (now, usage)),
            admission_lag: Timing::default(),
            watched: Duration::ZERO,
            cpu_used: Duration::ZERO,
            summary: HealthSummary {
                cores: allowance.cores,
                memory_limit: allowance.memory,
                descriptors_limit: allowance.descriptors,
                ..HealthSummary::default()
            },
        }
    }

    /// The probe of the event loop: run it beside the users, see [`LoopProbe::run`].
    pub fn probe(&self) -> LoopProbe {
        self.probe.clone()
    }

    /// Looks at the process; call it about once a second. What the kernel does not tell is left
    /// out.
    pub fn sample(&mut self, now: Instant, lateness: Lateness) {
        self.take(now, process::usage(), lateness);
    }

    fn take(&mut self, now: Instant, usage: Option<Usage>, lateness: Lateness) {
        self.admission_lag.record(lateness.admission_lag);
        self.summary.slots_granted = lateness.slots_granted;
        self.summary.slots_forfeited = lateness.slots_forfeited;
        let Some(usage) = usage else { return };
        self.summary.memory_max = self.summary.memory_max.max(usage.memory);
        self.summary.descriptors_max = self.summary.descriptors_max.max(usage.descriptors);
        if let Some((then, before)) = self.before.replace((now, usage)) {
            let span = now.saturating_duration_since(then);
            if !span.is_zero() {
                self.note_cpu(usage.cpu.saturating_sub(before.cpu), span);
            }
        }
    }

    fn note_cpu(&mut self, used: Duration, span: Duration) {
        let cpu = self.share_of_cores(used, span);
        self.watched += span;
        self.cpu_used += used;
        self.summary.samples += 1;
        self.summary.cpu_max = self.summary.cpu_max.max(cpu);
        self.summary.cpu_mean = self.share_of_cores(self.cpu_used, self.watched);
        if cpu > CPU_BUSY {
            self.summary.cpu_busy_samples += 1;
        }
    }

    /// The kernel counts in hundredths of a second, so a short span may seem more than full.
    fn share_of_cores(&self, used: Duration, span: Duration) -> f64 {
        let cores = self.allowance.cores.max(1) as f64;
        (used.as_secs_f64() / span.as_secs_f64() / cores).min(1.0)
    }

    /// All that was gathered, with the failures and stalls measured over the run.
    pub fn summary(&self, measured: &Window) -> HealthSummary {
        let lag = self.probe.lag();
        let [loop_lag_p50, loop_lag_p99] = lag.quantiles([0.5, 0.99]);
        let done: u64 = measured.actions.values().map(|action| action.count()).sum();
        let failed = |wanted: &dyn Fn(Source, Owner) -> bool| -> u64 {
            let failures = measured.failures.iter();
            failures.filter(|(key, _)| wanted(key.source, key.owner)).map(|(_, n)| n).sum()
        };
        HealthSummary {
            loop_lag_p50,
            loop_lag_p99,
            loop_lag_max: lag.max(),
            admission_lag_p99: self.admission_lag.quantile(0.99),
            attempts: done + failed(&|source, _| source != Source::Action),
            own_failures: failed(&|_, owner| owner == Owner::Generator),
            stalls: measured.stalls.clone(),
            ..self.summary.clone()
        }
    }

    /// The verdict so far.
    pub fn verdict(&self, measured: &Window) -> GeneratorVerdict {
        judge(&self.summary(measured))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        failure::Failure,
        measure::{Measure, Sample},
    };

    const ALLOWED: Allowance = Allowance { cores: 2, memory: 1 << 30, descriptors: 100 };

    fn usage(cpu_ms: u64, memory: u64, descriptors: u64) -> Option<Usage> {
        Some(Usage { cpu: Duration::from_millis(cpu_ms), memory, descriptors })
    }

    #[test]
    fn cpu_is_a_share_of_all_cores() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut monitor = HealthMonitor::with(start, usage(500, 1, 1), ALLOWED);
        monitor.take(start + second, usage(1_500, 9, 2), Lateness::default());
        monitor.take(start + second * 2, None, Lateness::default());
        monitor.take(start + second * 3, usage(5_500, 5, 7), Lateness::default());
        let summary = monitor.summary(&Window::default());
        assert_eq!((summary.samples, summary.cpu_busy_samples), (2, 1));
        assert_eq!(summary.cpu_max, 1.0);
        assert!((summary.cpu_mean - 5.0 / 6.0).abs() < 1e-9, "{}", summary.cpu_mean);
        assert_eq!((summary.memory_max, summary.descriptors_max), (9, 7));
        assert_eq!((summary.cores, summary.descriptors_limit), (2, 100));
    }

    #[test]
    fn failures_of_this_machine_are_told_from_the_targets() {
        let measure = Measure::default();
        let ours = Failure::generator("too many open files");
        let time = Duration::from_millis(1);
        for failure in [None, Some(&ours)] {
            measure.record("get", Sample { service: time, response: time, failure });
        }
        measure.failure(Source::User, &ours);
        measure.failure(Source::Noted, &Failure::target("gone"));
        let monitor = HealthMonitor::new();
        let summary = monitor.summary(&measure.snapshot().total);
        assert_eq!((summary.own_failures, summary.attempts), (2, 4));
    }

    #[test]
    fn slots_and_admission_come_from_the_caller() {
        let mut monitor = HealthMonitor::with(Instant::now(), None, ALLOWED);
        let late = Duration::from_secs(2);
        let lateness = Lateness { admission_lag: late, slots_granted: 90, slots_forfeited: 10 };
        monitor.take(Instant::now(), None, lateness);
        let summary = monitor.summary(&Window::default());
        assert_eq!((summary.slots_granted, summary.slots_forfeited), (90, 10));
        assert!(summary.admission_lag_p99 >= late);
        assert_eq!(monitor.verdict(&Window::default()).reasons.len(), 2);
    }
}
