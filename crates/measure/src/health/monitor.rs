//! Gathers, once a second, what the generator's health is judged by.

use std::{thread, time::Duration};

use crowd_core::failure::Owner;
use tokio::{runtime::Handle, time::Instant};

use super::{
    ADMISSION_LAG_DEGRADED, CPU_BUSY, GeneratorVerdict, HICCUP, HealthSummary, LOOP_LAG_DEGRADED,
    judge,
    judge::{Judge, Part, Second},
    overdue::Overdue,
    probe::LoopProbe,
    process::{self, Allowance, Usage},
};
use crate::{
    Blocked, Source,
    timing::Timing,
    window::{StallNumbers, Window},
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
    /// How late the latest hundredth of the arrivals began that were due since this was last told:
    /// from when they were due to when they began.
    pub schedule_lag_p99: Duration,
    /// How late the latest of them began.
    pub schedule_lag_max: Duration,
    /// Arrivals due, since the start of the run.
    pub arrivals_due: u64,
    /// Of those, dropped because no user was free, since the start of the run.
    pub arrivals_dropped: u64,
    /// Of those, dropped because the generator itself was late or a node was lost, since the start of
    /// the run.
    pub arrivals_lost: u64,
}

/// What is counted since the start of the run.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    slots: Part,
    dropped: Part,
    lost: Part,
    own_failures: Part,
}

/// A last look after less than this would say little: what the kernel counts in hundredths of a second
/// is too coarse.
const SHORTEST_LOOK: Duration = Duration::from_millis(500);

/// Gathers what the generator's health is judged by. One per run.
#[derive(Debug)]
pub struct HealthMonitor {
    origin: Instant,
    scenario: &'static str,
    /// When it was last told what others know.
    told: Instant,
    /// How much time that stands for which was not judged yet.
    untold: Duration,
    probe: LoopProbe,
    thread: Overdue,
    allowance: Allowance,
    /// How many threads poll users.
    workers: usize,
    judge: Judge,
    before: Option<(Instant, Usage)>,
    /// When it was last looked at, and what was counted by then.
    looked: Instant,
    counted: Counts,
    counts: Counts,
    admission_lag: Timing,
    /// How much of it was told already.
    admission_told: Duration,
    admission_now: Duration,
    schedule_lag: Timing,
    schedule_now: Option<Duration>,
    /// Time looked at, for the mean.
    watched: Duration,
    cpu_used: Duration,
    /// Stalls, as far as the thread has seen them: those measured may come later.
    stalls: StallNumbers,
    summary: HealthSummary,
    /// The load is over.
    over: bool,
    /// The generator's own failures until then.
    own_failures: Option<Part>,
}

impl HealthMonitor {
    /// A monitor of a run of that scenario which began then; looks at this process from now on.
    pub fn new(scenario: &'static str, origin: Instant) -> Self {
        Self { scenario, ..Self::with(origin, process::usage(), process::allowance()) }
    }

    fn with(origin: Instant, usage: Option<Usage>, allowance: Allowance) -> Self {
        let now = Instant::now().max(origin);
        Self {
            origin,
            scenario: "",
            told: now,
            untold: Duration::ZERO,
            probe: LoopProbe::default(),
            thread: Overdue::default(),
            allowance,
            workers: workers(),
            judge: Judge::default(),
            before: usage.map(|usage| (now, usage)),
            looked: now,
            counted: Counts::default(),
            counts: Counts::default(),
            admission_lag: Timing::default(),
            admission_told: Duration::ZERO,
            admission_now: Duration::ZERO,
            schedule_lag: Timing::default(),
            schedule_now: None,
            watched: Duration::ZERO,
            cpu_used: Duration::ZERO,
            stalls: StallNumbers::default(),
            summary: HealthSummary {
                cores: allowance.cores,
                memory_limit: allowance.memory,
                descriptors_limit: allowance.descriptors,
                ..HealthSummary::default()
            },
            over: false,
            own_failures: None,
        }
    }

    /// The probe of the event loop: run it beside the users, see [`LoopProbe::run`].
    pub fn probe(&self) -> LoopProbe {
        self.probe.clone()
    }

    /// A thread beside the event loop that was to wake at `due` did so now.
    pub fn woke(&mut self, due: Instant, now: Instant) {
        let since = |moment: Instant| moment.saturating_duration_since(self.origin);
        self.thread.note(since(due), since(now), LOOP_LAG_DEGRADED);
    }

    /// Takes in what others know; about once a second, as far as the event loop lets them.
    pub fn told(&mut self, now: Instant, lateness: Lateness, measured: &Window) {
        if !self.over {
            self.take_in(now, lateness, own_failures(measured));
        }
    }

    fn take_in(&mut self, now: Instant, lateness: Lateness, own_failures: Part) {
        self.untold += now.saturating_duration_since(self.told);
        self.told = now;
        self.admission_lag.record(lateness.admission_lag);
        self.admission_now = lateness.admission_lag;
        self.schedule_lag.record(lateness.schedule_lag_p99);
        // Until the next look the latest counts.
        self.schedule_now = self.schedule_now.max(Some(lateness.schedule_lag_p99));
        let summary = &mut self.summary;
        summary.schedule_lag_max = summary.schedule_lag_max.max(lateness.schedule_lag_max);
        summary.arrivals_due = lateness.arrivals_due;
        summary.arrivals_dropped = lateness.arrivals_dropped;
        summary.arrivals_lost = lateness.arrivals_lost;
        summary.slots_granted = lateness.slots_granted;
        summary.slots_forfeited = lateness.slots_forfeited;
        let due = lateness.arrivals_due;
        self.counts = Counts {
            slots: Part {
                part: lateness.slots_forfeited,
                of: lateness.slots_granted.saturating_add(lateness.slots_forfeited),
            },
            dropped: Part { part: lateness.arrivals_dropped, of: due },
            lost: Part { part: lateness.arrivals_lost, of: due },
            own_failures,
        };
    }

    /// The load is over, this late. Users are told to stop from now on, killed and dropped: however
    /// long that holds up this machine, it disturbs nothing that is measured, and is not judged.
    pub fn load_over(&mut self, now: Instant, lateness: Lateness, blocked: Blocked) {
        if self.over {
            return;
        }
        self.take_in(now, lateness, self.counts.own_failures);
        if now.saturating_duration_since(self.looked) >= SHORTEST_LOOK {
            self.sample(now, blocked);
        }
        self.probe.end(now);
        self.over = true;
    }

    /// Whether the load is over and this is not known yet: what failed until then, see
    /// [`HealthMonitor::settle`].
    pub fn is_unsettled(&self) -> bool {
        self.over && self.own_failures.is_none()
    }

    /// The load is over, and this was measured until then: what fails later is not the load's.
    pub fn settle(&mut self, measured: &Window) {
        let failures = own_failures(measured);
        self.own_failures.get_or_insert(failures);
    }

    /// Looks at the process and judges the time since the last look; call it about once a second.
    /// `blocked` is what user code held up in that time. What the kernel does not tell is left out.
    pub fn sample(&mut self, now: Instant, blocked: Blocked) {
        if !self.over {
            self.take(now, process::usage(), blocked);
        }
    }

    fn take(&mut self, now: Instant, usage: Option<Usage>, mut blocked: Blocked) {
        if let Some((name, _)) = &mut blocked.worst
            && name.is_empty()
        {
            self.scenario.clone_into(name);
        }
        let span = now.saturating_duration_since(self.looked);
        self.looked = now;
        let cpu = usage.and_then(|usage| self.note(now, usage));
        if let Some((name, worst)) = &blocked.worst {
            self.stalls.add(name, *worst);
        }
        let rose = self.admission_now > self.admission_told.max(ADMISSION_LAG_DEGRADED);
        let admission_lag = rose.then_some(self.admission_now);
        self.admission_told = self.admission_told.max(self.admission_now);
        let (counts, before) = (self.counts, std::mem::replace(&mut self.counted, self.counts));
        self.judge.observe(&Second {
            until: now.saturating_duration_since(self.origin),
            span,
            loop_overdue: self.probe.take_overdue(now),
            thread_overdue: self.thread.take(),
            stalled: blocked.time,
            worst_stall: blocked.worst,
            workers: self.workers,
            told: std::mem::take(&mut self.untold),
            cpu,
            descriptors: Part {
                part: usage.map_or(0, |usage| usage.descriptors),
                of: self.allowance.descriptors,
            },
            memory: Part { part: usage.map_or(0, |usage| usage.memory), of: self.allowance.memory },
            schedule_lag: self.schedule_now.take().unwrap_or_default(),
            dropped: counts.dropped.since(before.dropped),
            lost: counts.lost.since(before.lost),
            forfeited: counts.slots.since(before.slots),
            admission_lag,
            own_failures: counts.own_failures.since(before.own_failures),
        });
    }

    /// Takes in what the process uses; answers the CPU used since the last time.
    fn note(&mut self, now: Instant, usage: Usage) -> Option<f64> {
        self.summary.memory_max = self.summary.memory_max.max(usage.memory);
        self.summary.descriptors_max = self.summary.descriptors_max.max(usage.descriptors);
        let (then, before) = self.before.replace((now, usage))?;
        let span = now.saturating_duration_since(then);
        if span.is_zero() {
            return None;
        }
        let used = usage.cpu.saturating_sub(before.cpu);
        let cpu = self.share_of_cores(used, span);
        self.watched += span;
        self.cpu_used += used;
        self.summary.samples += 1;
        self.summary.cpu_max = self.summary.cpu_max.max(cpu);
        self.summary.cpu_mean = self.share_of_cores(self.cpu_used, self.watched);
        if cpu > CPU_BUSY {
            self.summary.cpu_busy_samples += 1;
        }
        Some(cpu)
    }

    /// The kernel counts in hundredths of a second, so a short span may seem more than full.
    fn share_of_cores(&self, used: Duration, span: Duration) -> f64 {
        let cores = self.allowance.cores.max(0.01);
        (used.as_secs_f64() / span.as_secs_f64() / cores).min(1.0)
    }

    /// All that was gathered, with the failures and stalls measured over the run.
    pub fn summary(&self, measured: &Window) -> HealthSummary {
        let failures = self.own_failures.unwrap_or_else(|| own_failures(measured));
        HealthSummary {
            attempts: failures.of,
            own_failures: failures.part,
            stalls: measured.stalls.clone(),
            ..self.so_far()
        }
    }

    /// The verdict so far, as far as it was looked at.
    pub fn verdict(&self) -> GeneratorVerdict {
        judge(&self.so_far())
    }

    fn so_far(&self) -> HealthSummary {
        let lag = self.probe.lag();
        let watched = self.looked.saturating_duration_since(self.origin).max(HICCUP);
        let share = (HICCUP.as_secs_f64() / watched.as_secs_f64()).clamp(0.01, 1.0);
        // In increasing order, as they must be asked for.
        let [late, loop_lag_p50] = if share > 0.5 {
            lag.quantiles([1.0 - share, 0.5])
        } else {
            let [half, late] = lag.quantiles([0.5, 1.0 - share]);
            [late, half]
        };
        HealthSummary {
            loop_lag_p50,
            loop_lag_p99: late,
            loop_lag_max: lag.max(),
            admission_lag_p99: self.admission_lag.quantile(0.99),
            schedule_lag_p99: self.schedule_lag.quantile(0.99),
            attempts: self.counts.own_failures.of,
            own_failures: self.counts.own_failures.part,
            stalls: self.stalls.clone(),
            spells: self.judge.spells(),
            ..self.summary.clone()
        }
    }
}

/// Failures owned by the generator, and all that was tried.
fn own_failures(measured: &Window) -> Part {
    let done: u64 = measured.actions.values().map(|action| action.count()).sum();
    let failed = |wanted: &dyn Fn(Source, Owner) -> bool| -> u64 {
        let failures = measured.failures.iter();
        failures.filter(|(key, _)| wanted(key.source, key.owner)).map(|(_, n)| n).sum()
    };
    Part {
        part: failed(&|_, owner| owner == Owner::Generator),
        of: done + failed(&|source, _| source != Source::Action),
    }
}

/// How many threads poll users: those of this runtime. A container's quota may leave them less time
/// than they are many.
fn workers() -> usize {
    Handle::try_current().map_or_else(
        |_| thread::available_parallelism().map_or(1, usize::from),
        |runtime| runtime.metrics().num_workers(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Measure, Sample,
        health::{Trust, spell::Cause},
    };
    use crowd_core::failure::Failure;

    const ALLOWED: Allowance = Allowance { cores: 2.0, memory: 1 << 30, descriptors: 100 };

    fn usage(cpu_ms: u64, memory: u64, descriptors: u64) -> Option<Usage> {
        Some(Usage { cpu: Duration::from_millis(cpu_ms), memory, descriptors })
    }

    #[test]
    fn cpu_is_a_share_of_all_cores() {
        let start = Instant::now() + Duration::from_secs(1);
        let second = Duration::from_secs(1);
        let mut monitor = HealthMonitor::with(start, usage(500, 1, 1), ALLOWED);
        monitor.take(start + second, usage(1_500, 9, 2), Blocked::default());
        monitor.take(start + second * 2, None, Blocked::default());
        monitor.take(start + second * 3, usage(5_500, 5, 7), Blocked::default());
        let summary = monitor.summary(&Window::default());
        assert_eq!((summary.samples, summary.cpu_busy_samples), (2, 1));
        assert_eq!(summary.cpu_max, 1.0);
        assert!((summary.cpu_mean - 5.0 / 6.0).abs() < 1e-9, "{}", summary.cpu_mean);
        assert_eq!((summary.memory_max, summary.descriptors_max), (9, 7));
        assert_eq!((summary.cores, summary.descriptors_limit), (2.0, 100));
    }

    #[test]
    fn half_a_core_that_is_used_up_is_a_full_one() {
        let start = Instant::now() + Duration::from_secs(1);
        let second = Duration::from_secs(1);
        let half = Allowance { cores: 0.5, ..ALLOWED };
        let mut monitor = HealthMonitor::with(start, usage(0, 1, 1), half);
        for n in 1..=4 {
            let now = start + second * n;
            monitor.probe.sleeps_until(now + second);
            monitor.take(now, usage(480 * u64::from(n), 1, 1), Blocked::default());
        }
        let summary = monitor.summary(&Window::default());
        assert!((summary.cpu_mean - 0.96).abs() < 1e-9, "{}", summary.cpu_mean);
        let reason = monitor.verdict().reasons.join("\n");
        insta::assert_snapshot!(reason, @"the generator used more than 90% of its 0.5 cores in 4 of 4 samples, above the limit of 10% of them, from 0 s to 4 s: answers may seem slower than they are; run fewer users on this machine or add nodes");
    }

    /// A million users take long to drop, and hold up everything meanwhile.
    #[test]
    fn what_comes_after_the_load_is_not_judged() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut monitor = HealthMonitor::with(start, usage(0, 1, 1), ALLOWED);
        let probe = monitor.probe();
        let at = |monitor: &mut HealthMonitor, n: u32, cpu: u64| {
            monitor.take(start + second * n, usage(cpu, 1, 1), Blocked::default());
        };
        probe.sleeps_until(start + second * 2);
        at(&mut monitor, 1, 100);
        at(&mut monitor, 2, 200);
        probe.sleeps_until(start + second * 60);
        let kept_up = Lateness { slots_granted: 50, ..Lateness::default() };
        let ours = Failure::generator("too many open files");
        let measure = Measure::default();
        let time = Duration::from_millis(1);
        measure.record("get", Sample { service: time, response: time, failure: None });
        monitor.load_over(start + second * 2, kept_up, Blocked::default());
        assert!(monitor.is_unsettled());
        monitor.settle(&measure.snapshot().total);
        assert!(!monitor.is_unsettled());
        let before = monitor.summary(&measure.snapshot().total);
        assert_eq!((before.attempts, before.slots_granted), (1, 50));
        // The loop stands still for seconds, slots are missed, descriptors run out.
        probe.sleeps_until(start + second * 2);
        let forfeited = Lateness { slots_forfeited: 50, admission_lag: 9 * second, ..kept_up };
        for n in 3..=9 {
            let now = start + second * n;
            monitor.woke(now - second, now);
            monitor.told(now, forfeited, &Window::default());
            let busy = Blocked { time: 2 * second, worst: Some(("calm".to_owned(), second)) };
            monitor.sample(now, busy);
            measure.failure(Source::User, &ours);
        }
        let window = measure.snapshot().total;
        assert_eq!(monitor.summary(&window), before);
        assert_eq!(judge(&monitor.summary(&window)), GeneratorVerdict::default());
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
        let monitor = HealthMonitor::new("calm", Instant::now());
        let summary = monitor.summary(&measure.snapshot().total);
        assert_eq!((summary.own_failures, summary.attempts), (2, 4));
    }

    #[test]
    fn slots_arrivals_and_admission_come_from_the_caller() {
        let start = Instant::now() + Duration::from_secs(1);
        let mut monitor = HealthMonitor::with(start, None, ALLOWED);
        monitor.probe.sleeps_until(start + Duration::from_secs(60));
        let late = Duration::from_secs(2);
        let lateness = |second: u64| Lateness {
            admission_lag: late,
            slots_granted: 90 * second,
            slots_forfeited: 10 * second,
            schedule_lag_p99: late,
            schedule_lag_max: late * 2,
            arrivals_due: 100 * second,
            arrivals_dropped: 2 * second,
            arrivals_lost: second,
        };
        for second in 1..=5 {
            let now = start + Duration::from_secs(second);
            monitor.told(now, lateness(second), &Window::default());
            monitor.take(now, None, Blocked::default());
        }
        let summary = monitor.summary(&Window::default());
        assert_eq!((summary.slots_granted, summary.slots_forfeited), (450, 50));
        assert_eq!((summary.arrivals_due, summary.arrivals_dropped), (500, 10));
        assert!(summary.admission_lag_p99 >= late && summary.schedule_lag_p99 >= late);
        assert_eq!(summary.schedule_lag_max, late * 2);
        let verdict = monitor.verdict();
        assert_eq!(verdict.verdict, Trust::Invalid);
        insta::assert_snapshot!(verdict.reasons.join("\n"), @r#"
    50 of 500 throttle slots (10%) were forfeited because the generator was late, above the limit of 5%, from 0 s to 5 s: lower the rate or spread it over more nodes
    the latest hundredth of the arrivals in a second began 2000 ms late, above the limit of 1000 ms, from 0 s to 5 s: lower the rate or add nodes
    users were admitted 2001 ms behind the user rate, above the limit of 500 ms, from 0 s to 1 s: lower the user rate or add nodes
    10 of 500 arrivals (2%) were dropped for lack of users, above the limit of 1%, from 0 s to 5 s: raise `max` of the stage, or ask for less
    "#);
        // It did not fall back further after the first second.
        let admission = summary.spell(Cause::Admission).unwrap();
        assert_eq!((admission.seconds, admission.last), (1, Duration::from_secs(1)));
    }

    #[test]
    fn a_hiccup_of_a_short_run_is_forgiven() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut monitor = HealthMonitor::with(start, None, ALLOWED);
        let probe = monitor.probe();
        probe.sleeps_until(start + second * 60);
        monitor.take(start + second, None, Blocked::default());
        // A second in which the loop was late by 250 ms once.
        for _ in 0..75 {
            probe.note_late(Duration::from_micros(100));
        }
        probe.note_late(Duration::from_millis(250));
        assert_eq!(monitor.verdict(), GeneratorVerdict::default());
        probe.note_late(Duration::from_millis(600));
        assert_eq!(monitor.verdict().verdict, Trust::Degraded);
    }
}
