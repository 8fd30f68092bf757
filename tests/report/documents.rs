//! Documents to make reports of: a busy run, one of a blink, one of nothing, and one of a month in
//! which everything is at its bound and every text means harm.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use crowd::{
    failure::Owner,
    measure::{
        Measure, Source,
        health::{HealthSummary, Trust},
        lifetimes::Lifetimes,
        series::Series,
        timing::Timing,
    },
    report::{
        ReportInput, RunReport, Verdict,
        document::{
            ActionReport, CheckReport, CounterReport, Distribution, FailureRow, GapReport,
            GaugeReport, LostReport, MissingReport, NodeReport, StageRow, ThresholdRow, WentReport,
        },
        input::{Arrivals, CoordinatorRow, Endings, Outcome, RunFacts, ThrottleRow, UserTotals},
        over_time::{ActionSeries, LifetimesReport, SeriesReport},
    },
};

/// What a browser would run, or take for its own, if it were not escaped.
pub(crate) const HARM: &str = "<script>document.title='harmed'</script>\"'><img src=x onerror=\"document.title='harmed'\">&amp;\u{1b}[31m\u{0}";

/// A run of which nothing is known.
pub(crate) fn nothing() -> RunReport {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000);
    RunReport::build(ReportInput {
        run: RunFacts {
            id: "lab-1795000000000-1".to_owned(),
            scenario: "idle".to_owned(),
            settings: Vec::new(),
            nodes: vec!["lab".to_owned()],
            user_rate: None,
            start,
            end: start,
            duration: Duration::ZERO,
            profile: None,
        },
        outcome: Outcome::Ended,
        users: UserTotals::default(),
        thresholds: Vec::new(),
        measured: Measure::default().snapshot().total,
        series: Series::default(),
        throttles: Vec::new(),
        coordinators: Vec::new(),
        health: HealthSummary::default(),
        nodes: Vec::new(),
        gaps: Vec::new(),
    })
}

/// Numbers by chance, but the same each time.
struct Chance(u64);

impl Chance {
    /// From 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / (1u64 << 31) as f64
    }

    /// About `middle`, now and then much more.
    fn around(&mut self, middle: f64) -> f64 {
        let spread = (self.next() + self.next() + self.next() - 1.5) * 0.5;
        let tail = if self.next() > 0.97 { 1.0 + 3.0 * self.next() } else { 1.0 };
        middle * spread.exp() * tail
    }
}

/// How an action of a made-up run behaves.
struct Act {
    name: &'static str,
    per_second: f64,
    millis: f64,
    failing: f64,
}

/// Ten minutes on three nodes: a ramp, a plateau with a target that freezes for ten seconds, and a
/// stage of open load during which a node is lost.
pub(crate) fn busy() -> RunReport {
    const ACTS: [Act; 4] = [
        Act { name: "open front page", per_second: 3.0, millis: 18.0, failing: 0.0 },
        Act { name: "search", per_second: 1.6, millis: 64.0, failing: 0.0004 },
        Act { name: "login", per_second: 0.4, millis: 120.0, failing: 0.002 },
        Act { name: "pay", per_second: 0.2, millis: 310.0, failing: 0.011 },
    ];
    let mut chance = Chance(7);
    let mut report = nothing();
    let mut series = SeriesReport::default();
    let mut timings: Vec<(Timing, Timing, u64)> =
        ACTS.iter().map(|_| (Timing::default(), Timing::default(), 0)).collect();
    let mut lifetimes = Lifetimes::default();
    let mut acting = vec![ActionSeries::default(); ACTS.len()];
    let (mut all_started, mut all_ended) = (0, 0);
    let mut running = 0u64;
    for second in 1..=600u64 {
        let at = second as f64;
        let wanted = match second {
            0..=120 => at / 120.0 * 400.0,
            121..=420 => 400.0,
            _ => 300.0 + 40.0 * (at / 20.0).sin(),
        };
        let frozen = (240..250).contains(&second);
        let wanted = if (500..512).contains(&second) { wanted * 0.66 } else { wanted };
        let next = chance.around(wanted.max(1.0)).min(wanted * 1.02).round() as u64;
        let ended = (wanted / 45.0 * chance.next() * 2.0).round() as u64;
        let started = (next + ended).saturating_sub(running);
        let ended = (running + started).saturating_sub(next);
        running = next;
        all_started += started;
        all_ended += ended;
        for _ in 0..ended {
            let took = chance.around(38_000.0) * if second > 420 { 1.7 } else { 1.0 };
            let start = (at * 1e3 - took).max(0.0);
            lifetimes.record(ms(start), ms(took));
        }
        series.end_ms.push(at * 1e3);
        series.span_ms.push(1e3);
        series.running.push(running);
        series.started.push(started);
        series.ended.push(ended);
        let scheduled = if second > 420 { (60.0 + (at - 420.0) / 3.0) as u64 } else { 0 };
        let dropped = if second > 560 { scheduled / 9 } else { 0 };
        series.arrivals.scheduled.push(scheduled);
        series.arrivals.started.push(scheduled - dropped);
        series.arrivals.dropped.push(dropped);
        let mut failed_now = 0;
        for (at_act, act) in ACTS.iter().enumerate() {
            let count = if frozen {
                0
            } else {
                (running as f64 * act.per_second * (0.95 + chance.next() * 0.1)).round() as u64
            };
            let burst = if (330..345).contains(&second) { 9.0 } else { 1.0 };
            let failed = (count as f64 * act.failing * burst * chance.next() * 2.0).round() as u64;
            let mut service = Timing::default();
            let mut response = Timing::default();
            let waited =
                if (250..258).contains(&second) { (258 - second) as f64 * 1_300.0 } else { 0.0 };
            for _ in 0..count.min(25) {
                let millis = chance.around(act.millis * (1.0 + at / 900.0));
                service.record(ms(millis));
                response.record(ms(millis + waited * chance.next()));
            }
            timings[at_act].0.merge(&service);
            timings[at_act].1.merge(&response);
            timings[at_act].2 += failed;
            failed_now += failed;
            let own = &mut acting[at_act];
            own.count.push(count);
            own.failed.push(failed);
            for (into, from) in [(&mut own.service, &service), (&mut own.response, &response)] {
                let [p50, p95, p99] = from.quantiles([0.5, 0.95, 0.99]);
                for (list, time) in
                    [(&mut into.p50, p50), (&mut into.p95, p95), (&mut into.p99, p99)]
                {
                    list.push(time.as_secs_f64() * 1e3);
                }
            }
        }
        series.failed.push(failed_now);
    }
    for (act, (service, response, failed)) in ACTS.iter().zip(&timings) {
        report.actions.insert(act.name.to_owned(), action(service, response, *failed, 600.0));
    }
    series.actions = ACTS.iter().map(|act| act.name.to_owned()).zip(acting).collect();
    report.run.scenario = "checkout".to_owned();
    report.run.nodes = ["amber", "birch", "cedar"].map(str::to_owned).to_vec();
    report.run.duration_ms = 600_000.0;
    report.run.settings = [
        ("host", Some("https://shop.example")),
        ("think_time", Some("2s")),
        ("profile", Some("stages = '2m: 0 -> 400, 5m: 400, 3m: 60/s -> 120/s'")),
        ("proxy", None),
    ]
    .map(|(key, value)| (key.to_owned(), value.map(str::to_owned)))
    .into();
    report.run.stages = [
        ("ramp to 400 users", 120_000.0),
        ("hold 400 users", 300_000.0),
        ("60/s to 120/s", 180_000.0),
    ]
    .map(|(kind, duration_ms)| StageRow {
        text: kind.to_owned(),
        duration_ms,
        ..StageRow::default()
    })
    .to_vec();
    report.arrivals = Arrivals {
        scheduled: series.arrivals.scheduled.iter().sum(),
        started: series.arrivals.started.iter().sum(),
        dropped: series.arrivals.dropped.iter().sum(),
        ..Arrivals::default()
    };
    let failed = 12;
    report.users = UserTotals {
        asked: all_started,
        started: all_started,
        running: 0,
        finished: all_ended - failed,
        failed,
        removed: all_started - all_ended,
        peak: 408,
        endings: Endings { finished: all_ended - failed, failed, ..Endings::default() },
        ..UserTotals::default()
    };
    report.thresholds = [
        ("p95(login) < 400ms", Some(372.4), true),
        ("p99(pay) < 1s", Some(1_841.0), false),
        ("error_rate < 1%", Some(0.0021), true),
        ("rate(nothing of that name) >= 10/s", None, false),
    ]
    .map(|(expression, actual, passed)| ThresholdRow {
        expression: expression.to_owned(),
        actual,
        passed,
        ..ThresholdRow::default()
    })
    .to_vec();
    report.failures = vec![
        failure(Owner::Target, Source::Action, Some("pay"), "503 Service Unavailable", 812),
        failure(
            Owner::Target,
            Source::Action,
            Some("login"),
            "the connection was reset by the peer while the answer was read",
            240,
        ),
        failure(Owner::Scenario, Source::User, None, "no item left in the basket", 12),
        failure(
            Owner::Target,
            Source::Noted,
            None,
            "the price on the page differs from that of the search",
            3,
        ),
    ];
    report.counters.insert(
        "bytes received".to_owned(),
        CounterReport { count: 48_112_334_908, rate: 80_187_224.8 },
    );
    report.counters.insert("orders".to_owned(), CounterReport { count: 41_320, rate: 68.9 });
    report.gauges.insert(
        "items in stock".to_owned(),
        GaugeReport { last: 1_204.0, min: 1_204.0, max: 50_000.0 },
    );
    report.checks.insert("page has a title".to_owned(), CheckReport { passed: 640_211, failed: 3 });
    report.checks.insert("total is right".to_owned(), CheckReport { passed: 41_320, failed: 0 });
    report.throttles.push(ThrottleRow {
        name: "search".to_owned(),
        rate: "600/s".to_owned(),
        requested: 340_022,
        granted: 340_020,
        forfeited: 2,
        asked_per_second: 566.7,
        given_per_second: 566.6,
        lateness_p99_ms: 1.2,
    });
    report.coordinators.push(CoordinatorRow {
        name: "pairs".to_owned(),
        added: 3_204,
        groups: 1_602,
        timeouts: 1,
        faults: 0,
    });
    generator(&mut report, Trust::Degraded);
    report.generator.reasons =
        vec!["birch: lost at 500.2 s, with 132 users: it was not heard of for 3s".to_owned()];
    for (name, started) in [("amber", 1_402), ("birch", 1_020), ("cedar", 1_388)] {
        report.nodes.push(NodeReport {
            name: name.to_owned(),
            state: "finished".to_owned(),
            users: UserTotals {
                asked: started,
                started,
                finished: started - 4,
                failed: 4,
                peak: 136,
                ..UserTotals::default()
            },
            lost: (name == "birch").then(|| LostReport {
                at_ms: 500_200.0,
                reason: "it was not heard of for 3s".to_owned(),
            }),
            generator: Some(report.generator.clone()),
        });
    }
    report.gaps.push(GapReport {
        node: "birch".to_owned(),
        at_ms: 500_200.0,
        users: 132,
        went: vec![
            WentReport { node: "amber".to_owned(), users: 66 },
            WentReport { node: "cedar".to_owned(), users: 66 },
        ],
        measured_until_ms: Some(497_000.0),
        missing: Some(MissingReport { from_ms: 497_000.0, to_ms: 501_600.0 }),
    });
    report.series = series;
    report.lifetimes = LifetimesReport::of(&lifetimes);
    report.verdict = Verdict::Failed;
    report.reasons = vec!["p99(pay) < 1s: it was 1.84 s".to_owned(), "12 users failed".to_owned()];
    report.exit_code = 1;
    report
}

/// A run of a second, all of it in one row.
pub(crate) fn blink() -> RunReport {
    let mut report = nothing();
    report.run.duration_ms = 1_003.0;
    report.users =
        UserTotals { asked: 1, started: 1, finished: 1, peak: 1, ..UserTotals::default() };
    let mut timing = Timing::default();
    timing.record(ms(0.4));
    report.actions.insert("ping".to_owned(), action(&timing, &timing, 0, 1.0));
    let mut series = SeriesReport {
        end_ms: vec![1_003.0],
        span_ms: vec![1_003.0],
        running: vec![1],
        started: vec![1],
        ended: vec![1],
        failed: vec![0],
        ..SeriesReport::default()
    };
    let mut ping = ActionSeries { count: vec![1], failed: vec![0], ..ActionSeries::default() };
    for times in [&mut ping.service, &mut ping.response] {
        (times.p50, times.p95, times.p99) = (vec![0.4], vec![0.4], vec![0.4]);
    }
    series.actions.insert("ping".to_owned(), ping);
    report.series = series;
    let mut lifetimes = Lifetimes::default();
    lifetimes.record(ms(2.0), ms(1_000.0));
    report.lifetimes = LifetimesReport::of(&lifetimes);
    generator(&mut report, Trust::Valid);
    report
}

/// Thirty days, 60 actions over time of a thousand in all, and every list as long as it can be, of
/// texts as long as they can be that mean harm.
pub(crate) fn month() -> RunReport {
    const ROWS: usize = 600;
    const SPAN: f64 = 30.0 * 86_400_000.0 / ROWS as f64;
    let mut chance = Chance(3);
    let long = |n: usize| -> String {
        let text = format!("{n} {HARM} ");
        text.chars().cycle().take(300).collect()
    };
    let mut report = nothing();
    report.run.scenario = long(0);
    report.run.id = long(1);
    report.run.duration_ms = ROWS as f64 * SPAN;
    report.run.nodes = (0..40).map(long).collect();
    report.run.settings = (0..500).map(|n| (long(n), Some(long(n).repeat(20)))).collect();
    report.run.stages = (0..120)
        .map(|n| StageRow {
            text: long(n),
            duration_ms: ROWS as f64 * SPAN / 110.0,
            ..StageRow::default()
        })
        .collect();
    let mut timing = Timing::default();
    for _ in 0..20_000 {
        let middle = 10f64.powf(chance.next() * 5.0);
        timing.record(ms(chance.around(middle)));
    }
    let mut series = SeriesReport::default();
    let mut lifetimes = Lifetimes::default();
    for row in 0..ROWS {
        let at = (row + 1) as f64 * SPAN;
        series.end_ms.push(at);
        series.span_ms.push(SPAN);
        series.running.push((chance.next() * 1e6) as u64);
        series.started.push((chance.next() * 1e9) as u64);
        series.ended.push((chance.next() * 1e9) as u64);
        series.arrivals.scheduled.push((chance.next() * 1e9) as u64);
        series.arrivals.started.push((chance.next() * 1e9) as u64);
        series.arrivals.dropped.push((chance.next() * 1e9) as u64);
        series.failed.push((chance.next() * 1e9) as u64);
        for _ in 0..200 {
            lifetimes.record(ms(at - SPAN), ms(10f64.powf(chance.next() * 9.0)));
        }
    }
    for n in 0..60 {
        let mut own = ActionSeries::default();
        for _ in 0..ROWS {
            own.count.push((chance.next() * 1e8) as u64);
            own.failed.push((chance.next() * 1e6) as u64);
            for times in [&mut own.service, &mut own.response] {
                let mut next = |factor: f64| 10f64.powf(chance.next() * 4.0) * factor;
                times.p50.push(next(1.0));
                times.p95.push(next(3.0));
                times.p99.push(next(9.0));
            }
        }
        series.actions.insert(long(n), own);
    }
    let done = action(&timing, &timing, 9, 2_592_000.0);
    for n in 0..1_000 {
        let mut action = done.clone();
        action.count = if n < 60 { 1_000_000_000_000 - n as u64 } else { n as u64 };
        report.actions.insert(long(n), action);
        report.counters.insert(long(n), CounterReport { count: u64::MAX, rate: 1e15 });
        report.gauges.insert(long(n), GaugeReport { last: -1e300, min: f64::MIN, max: f64::MAX });
        report.checks.insert(long(n), CheckReport { passed: u64::MAX, failed: u64::MAX });
        report.thresholds.push(ThresholdRow {
            expression: long(n),
            actual: Some(1e300),
            passed: n % 2 == 0,
            ..ThresholdRow::default()
        });
        report.throttles.push(ThrottleRow {
            name: long(n),
            rate: long(n),
            ..ThrottleRow::default()
        });
        report.coordinators.push(CoordinatorRow { name: long(n), ..CoordinatorRow::default() });
        report.failures.push(failure(Owner::Target, Source::Action, Some(&long(n)), &long(n), 5));
    }
    generator(&mut report, Trust::Invalid);
    report.generator.reasons = (0..200).map(long).collect();
    for n in 0..300 {
        report.nodes.push(NodeReport {
            name: long(n),
            state: long(n),
            users: UserTotals::default(),
            lost: Some(LostReport { at_ms: n as f64 * 8.64e6, reason: long(n) }),
            generator: Some(report.generator.clone()),
        });
        report.gaps.push(GapReport {
            node: long(n),
            at_ms: n as f64 * 8.64e6,
            users: 5,
            went: (0..20).map(|n| WentReport { node: long(n), users: 1 }).collect(),
            measured_until_ms: None,
            missing: Some(MissingReport { from_ms: 0.0, to_ms: n as f64 * 8.64e6 }),
        });
    }
    report.series = series;
    report.lifetimes = LifetimesReport::of(&lifetimes);
    report.verdict = Verdict::Invalid;
    report.reasons = (0..200).map(long).collect();
    report
}

fn action(service: &Timing, response: &Timing, failed: u64, seconds: f64) -> ActionReport {
    let distribution = |timing: &Timing| Distribution {
        histogram: timing.encode().ok(),
        ..Distribution::of(timing)
    };
    ActionReport {
        count: service.count(),
        failed,
        unfinished: 0,
        phases: BTreeMap::new(),
        clamped: 0,
        rate: service.count() as f64 / seconds,
        service: distribution(service),
        response: distribution(response),
    }
}

fn failure(
    owner: Owner,
    source: Source,
    action: Option<&str>,
    reason: &str,
    count: u64,
) -> FailureRow {
    FailureRow {
        owner,
        source,
        action: action.map(str::to_owned),
        reason: reason.to_owned(),
        count,
        example: None,
    }
}

fn generator(report: &mut RunReport, verdict: Trust) {
    let generator = &mut report.generator;
    generator.verdict = verdict;
    generator.samples = 600;
    generator.cores = 8.0;
    (generator.cpu_mean, generator.cpu_max) = (0.31, 0.58);
    (generator.memory_max_bytes, generator.memory_limit_bytes) = (412 << 20, 16 << 30);
    (generator.descriptors_max, generator.descriptors_limit) = (1_232, 65_536);
    (generator.loop_lag_p50_ms, generator.loop_lag_p99_ms, generator.loop_lag_max_ms) =
        (0.4, 1.9, 14.2);
    generator.admission_lag_p99_ms = 1.1;
    (generator.slots_granted, generator.slots_forfeited) = (340_020, 2);
}

fn ms(millis: f64) -> Duration {
    Duration::from_secs_f64(millis / 1e3)
}

/// All of them, by name.
pub(crate) fn all() -> BTreeMap<&'static str, RunReport> {
    BTreeMap::from([
        ("busy", busy()),
        ("blink", blink()),
        ("nothing", nothing()),
        ("month", month()),
    ])
}
