//! What a person reads of a run: at its end, while it goes on, and on asking.

use std::time::{Duration, SystemTime};

use crowd::{
    failure::Failure,
    measure::{
        Measure, Sample, Snapshot, Source,
        health::{HealthSummary, Trust},
        window::StallNumbers,
    },
    report::{
        Colour, ReportInput, RunReport,
        input::{CoordinatorRow, Endings, Outcome, RunFacts, ThrottleRow, UserTotals},
        live::{self, LiveAction, LiveView},
        metrics::render_metrics,
        text::summary,
    },
    threshold::Judged,
};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn healthy() -> HealthSummary {
    HealthSummary {
        samples: 60,
        cores: 2.0,
        cpu_mean: 0.34,
        cpu_max: 0.61,
        memory_max: 48 << 20,
        memory_limit: 8 << 30,
        descriptors_max: 1_034,
        descriptors_limit: 65_536,
        loop_lag_p50: Duration::from_micros(700),
        loop_lag_p99: Duration::from_micros(2_100),
        loop_lag_max: Duration::from_micros(9_300),
        ..HealthSummary::default()
    }
}

fn input(scenario: &str, users: u64) -> ReportInput {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000);
    ReportInput {
        run: RunFacts {
            id: "20261118-112640-7f3a".to_owned(),
            scenario: scenario.to_owned(),
            settings: vec![("rooms".to_owned(), Some("20".to_owned()))],
            nodes: vec!["laptop".to_owned()],
            user_rate: Some("1200/min".to_owned()),
            start,
            end: start + ms(60_000),
            duration: ms(60_000),
            profile: None,
        },
        outcome: Outcome::Ended,
        users: UserTotals {
            asked: users,
            started: users,
            finished: users,
            peak: users,
            endings: Endings { finished: users, ..Endings::default() },
            ..UserTotals::default()
        },
        measured: Measure::default().snapshot().total,
        thresholds: vec![],
        series: Default::default(),
        throttles: Vec::new(),
        coordinators: Vec::new(),
        health: healthy(),
        nodes: Vec::new(),
        gaps: Vec::new(),
    }
}

/// As a chat scenario measures.
fn chat() -> Snapshot {
    let measure = Measure::default();
    for n in 0..12_000u64 {
        let service = Duration::from_micros(300 + n % 900 * 5);
        let response = service + Duration::from_micros(n % 7 * 100);
        measure.record("send", Sample { service, response, failure: None });
        measure.count("messages delivered", 19);
        measure.check("in order", n % 6_000 != 0);
    }
    let refused = Failure::target("connection refused");
    for n in 0..1_000u64 {
        let service = ms(1 + n % 20);
        let failure = (n % 250 == 0).then_some(&refused);
        measure.record("connect", Sample { service, response: service * 3, failure });
    }
    measure.gauge("rooms open", 20.0);
    measure.gauge("rooms open", 18.0);
    let mut snapshot = measure.snapshot();
    // How long the machine took for this differs each time.
    snapshot.total.span = ms(60_000);
    snapshot
}

fn chat_input() -> ReportInput {
    ReportInput {
        measured: chat().total,
        series: Default::default(),
        throttles: vec![ThrottleRow {
            name: "send".to_owned(),
            rate: "200/s".to_owned(),
            requested: 12_020,
            granted: 12_000,
            forfeited: 3,
            asked_per_second: 200.3,
            given_per_second: 200.0,
            lateness_p99_ms: 1.94,
        }],
        coordinators: vec![CoordinatorRow {
            name: "rooms".to_owned(),
            added: 1_000,
            groups: 50,
            timeouts: 1,
            faults: 0,
        }],
        ..input("chat", 1_000)
    }
}

fn show(input: ReportInput) -> String {
    let text = summary(&RunReport::build(input), Colour::Plain);
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "too wide: {line}");
        assert_eq!(line, line.trim_end(), "trailing blanks");
    }
    text
}

#[test]
fn an_empty_run_is_short() {
    insta::assert_snapshot!(show(input("idle", 0)), @r"
    PASSED  idle: 0 users in 1m 00s
      run 20261118-112640-7f3a, from 2026-11-18T11:06:40Z on laptop

    users   asked 0, started 0

    generator  VALID
      CPU 34% of 2 cores (at most 61%), memory 48.0 MiB, 1,034 of 65,536 descriptors, event loop late by
      2.10 ms (p99), 9.30 ms (max)
    ");
}

#[test]
fn a_chat_run_shows_everything_it_measured() {
    insta::assert_snapshot!(show(chat_input()), @r#"
    PASSED  chat: 1,000 users in 1m 00s
      - it passed though of 13,000 attempts 4 failed
      run 20261118-112640-7f3a, from 2026-11-18T11:06:40Z on laptop

    users   asked 1,000, started 1,000, finished 1,000, peak 1,000

    failures         count  reason
    target: connect      4  connection refused

                                             service ms               response ms
    actions   count  failed  rate/s     p50   p95   p99     p50   p95   p99   max
    connect   1,000       4    16.7    10.0  19.0  20.0    30.0  57.0  60.0  60.0
    send     12,000       0     200    2.49  4.57  4.75    2.79  4.88  5.19  5.39

    counters            count  rate/s
    messages delivered   228k   3,800

    gauges      last  min  max
    rooms open    18   18   20

    checks    passed  failed   share
    in order  11,998       2  >99.9%

    throttles   rate  asked/s  given/s   given  forfeited  late p99 ms
    send       200/s      200      200  12,000          3         1.94

    coordinators  users  groups  timeouts  faults
    rooms         1,000      50         1       0

    generator  VALID
      CPU 34% of 2 cores (at most 61%), memory 48.0 MiB, 1,034 of 65,536 descriptors, event loop late by
      2.10 ms (p99), 9.30 ms (max)
    "#);
}

#[test]
fn failures_are_told_by_owner_and_reason() {
    let measure = Measure::default();
    let refused = Failure::target("connection refused (os error 111)");
    let late = Failure::target(format!("no answer within 5 s: {}", "and so on ".repeat(20)));
    for n in 0..40u64 {
        let failure = match n % 4 {
            0 => Some(&refused),
            1 => Some(&late),
            _ => None,
        };
        let sample = Sample { service: ms(n), response: ms(n * 10), failure };
        measure.record("a rather long name of an action that somebody thought was clear", sample);
    }
    for room in 'a'..='t' {
        measure.failure(Source::User, &Failure::scenario(format!("room {room} is\nmissing")));
    }
    measure.failure(Source::User, &Failure::generator("too many open files (os error 24)"));
    let mut failing = input("chat", 100);
    failing.measured = measure.snapshot().total;
    failing.users = UserTotals {
        asked: 100,
        started: 90,
        waiting: 10,
        running: 2,
        finished: 65,
        failed: 21,
        removed: 2,
        peak: 88,
        endings: Endings {
            finished: 65,
            failed: 18,
            panicked: 3,
            stopped: 1,
            killed: 1,
            cancelled: 0,
        },
    };
    insta::assert_snapshot!(show(failing), @r#"
    FAILED  chat: 100 users in 1m 00s
      - threshold `error_rate(a rather long name of an action that somebody thought was clear) < 1%`
        failed: it was 50%, by default (`--allow-errors` accepts them)
      - 18 users failed and 3 panicked
      run 20261118-112640-7f3a, from 2026-11-18T11:06:40Z on laptop

    users   asked 100, started 90, waiting 10, running 2, finished 65, failed 21, removed 2, peak 88
    ended   stopped 1, failed 18, panicked 3, killed 1

    thresholds                                                                        actual  at
    error_rate(a rather long name of an action that somebody thought was clear) < 1%     50%      FAILED

    failures                         count  reason
    target: a rather long name of …     10  connection refused (os error 111)
    target: a rather long name of …     10  no answer within #: and so on and so on and so on and so on…
    scenario: users                      1  room a is missing
    scenario: users                      1  room b is missing
    scenario: users                      1  room c is missing
    scenario: users                      1  room d is missing
    scenario: users                      1  room e is missing
    scenario: users                      1  room f is missing
    scenario: users                      1  room g is missing
    scenario: users                      1  room h is missing
    scenario: users                      1  room i is missing
    scenario: users                      1  room j is missing
    scenario: users                      1  room k is missing
    scenario: users                      1  room l is missing
    scenario: users                      1  room m is missing
                                         8  and 8 other reasons

                                                                        service ms           response ms
    actions                              count  failed  rate/s     p50   p95   p99    p50  p95  p99  max
    a rather long name of an action th…     40      20    0.67    19.0  37.0  39.0    190  370  390  390

    generator  VALID
      CPU 34% of 2 cores (at most 61%), memory 48.0 MiB, 1,034 of 65,536 descriptors, event loop late by
      2.10 ms (p99), 9.30 ms (max)
    "#);
}

#[test]
fn an_invalid_generator_is_told_first() {
    let mut invalid = chat_input();
    invalid.health = HealthSummary {
        cpu_mean: 0.998,
        cpu_max: 1.0,
        cpu_busy_samples: 58,
        loop_lag_p99: ms(730),
        loop_lag_max: ms(2_200),
        slots_granted: 9_000,
        slots_forfeited: 3_000,
        stalls: StallNumbers { count: 12, worst: ms(1_900), worst_name: "chat".to_owned() },
        ..healthy()
    };
    let text = show(invalid);
    let kept: Vec<_> = text
        .split("\n\n")
        .filter(|block| block.starts_with("INVALID") || block.starts_with("generator"))
        .collect();
    insta::assert_snapshot!(kept.join("\n\n"), @r"
    INVALID  chat: 1,000 users in 1m 00s
      - the generator could not keep up: 3000 of 12000 throttle slots (25%) were forfeited because the
        generator was late, above the limit of 5%: lower the rate or spread it over more nodes
      run 20261118-112640-7f3a, from 2026-11-18T11:06:40Z on laptop

    generator  INVALID
      CPU 99.8% of 2 cores (at most 100%), memory 48.0 MiB, 1,034 of 65,536 descriptors, event loop late
      by 730 ms (p99), 2200 ms (max), 12 stalls of user code
      - 3000 of 12000 throttle slots (25%) were forfeited because the generator was late, above the
        limit of 5%: lower the rate or spread it over more nodes
      - the event loop was 730 ms late for 1% of the time, above the limit of 500 ms: run fewer users on
        this machine, or move long computations out of the scenario's async code
      - the generator used more than 90% of its 2 cores in 58 of 60 samples, above the limit of 10% of
        them: answers may seem slower than they are; run fewer users on this machine or add nodes
      - `chat` ran for 1900 ms without awaiting, above the limit of 250 ms (12 such in all): nobody else
        could run on that worker; move the computation to a blocking task
    ");
}

#[test]
fn a_failed_init_and_an_interruption_are_told() {
    let mut failed = input("chat", 50);
    failed.outcome = Outcome::Failed("init failed: no address for the server".to_owned());
    failed.users = UserTotals { asked: 50, removed: 50, ..UserTotals::default() };
    failed.run.duration = ms(12);
    insta::assert_snapshot!(show(failed), @r"
    FAILED  chat: 50 users in 12.0 ms
      - init failed: no address for the server
      run 20261118-112640-7f3a, from 2026-11-18T11:06:40Z on laptop

    users   asked 50, started 0, removed 50

    generator  VALID
      CPU 34% of 2 cores (at most 61%), memory 48.0 MiB, 1,034 of 65,536 descriptors, event loop late by
      2.10 ms (p99), 9.30 ms (max)
    ");
    let mut interrupted = input("idle", 1);
    interrupted.outcome = Outcome::Interrupted;
    let text = show(interrupted);
    assert!(text.starts_with("INTERRUPTED  idle: 1 user in 1m 00s\n  - the run was interrupted\n"));
}

#[test]
fn colour_changes_nothing_but_the_colour() {
    let report = RunReport::build(chat_input());
    let coloured = summary(&report, Colour::Ansi);
    assert!(coloured.starts_with("\u{1b}[1;33mPASSED\u{1b}[0m  chat"), "{coloured}");
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    assert_eq!(plain, summary(&report, Colour::Plain));
}

fn view() -> LiveView {
    LiveView {
        scenario: "chat".to_owned(),
        elapsed: Duration::from_secs(72),
        remaining: Some(Duration::from_secs(228)),
        running: 1_000,
        finished: 12,
        failed: 3,
        actions: vec![
            LiveAction {
                name: "connect".to_owned(),
                rate: 20.0,
                waiting: 3,
                failing: 0.5,
                p50: Duration::from_micros(1_230),
                p95: Duration::from_micros(15_400),
                p99: Duration::from_micros(120_000),
            },
            LiveAction { name: "send".to_owned(), rate: 2_000.4, ..LiveAction::default() },
        ],
        ..LiveView::default()
    }
}

#[test]
fn thresholds_are_a_table_and_those_that_failed_are_reasons() {
    let row = |expression: &str, text: &str, passed, at| Judged {
        expression: expression.to_owned(),
        actual: (text != "nothing was measured").then_some(1.0),
        text: text.to_owned(),
        passed,
        aborted: false,
        at,
    };
    let mut input = input("idle", 3);
    input.thresholds = vec![
        row("p95(login) < 150ms", "142 ms", true, None),
        row("rate(send) >= 1000/s over 10s", "640/s", false, Some(ms(25_004))),
        row("p99(logout) < 1s", "nothing was measured", false, None),
    ];
    let text = summary(&RunReport::build(input), Colour::Plain);
    let blocks: Vec<_> = text.split("\n\n").collect();
    insta::assert_snapshot!(format!("{}\n\n{}", blocks[0], blocks[2]), @r#"
    FAILED  idle: 3 users in 1m 00s
      - threshold `rate(send) >= 1000/s over 10s` failed: it was 640/s at 25.0 s
      - threshold `p99(logout) < 1s` failed: nothing was measured
      - nothing was measured, though 3 users ran: time what they do with `user.time`
      run 20261118-112640-7f3a, from 2026-11-18T11:06:40Z on laptop

    thresholds                      actual      at
    p95(login) < 150ms              142 ms          passed
    rate(send) >= 1000/s over 10s    640/s  25.0 s  FAILED
    p99(logout) < 1s               nothing          FAILED
    "#);
}

#[test]
fn a_run_that_goes_on_shows_what_it_does_not_keep_to() {
    let failing = vec!["p95(connect) < 10ms: 15.4 ms".to_owned()];
    let view = LiveView { failing, actions: Vec::new(), ..view() };
    insta::assert_snapshot!(live::render(&view, Colour::Plain, 80), @r"
    chat  01:12 of 05:00  1,000 running  12 finished  3 failed
      fails: p95(connect) < 10ms: 15.4 ms
    ");
}

#[test]
fn a_run_that_goes_on() {
    insta::assert_snapshot!(live::render(&view(), Colour::Plain, 80), @r#"
    chat  01:12 of 05:00  1,000 running  12 finished  3 failed
      actions  rate/s  failed/s  under way   p50   p95  p99 ms
      connect    20.0      0.50          3  1.23  15.4     120
      send      2,000         0          0     0     0       0
    "#);
}

#[test]
fn a_run_without_an_end_and_with_a_generator_in_trouble() {
    let view = LiveView {
        remaining: None,
        waiting: 9_000,
        generator: Trust::Degraded,
        actions: Vec::new(),
        ..view()
    };
    insta::assert_snapshot!(live::render(&view, Colour::Plain, 100), @"chat  01:12  1,000 running  9,000 waiting  12 finished  3 failed  generator DEGRADED");
    let narrow = live::render(&view, Colour::Plain, 40);
    insta::assert_snapshot!(narrow, @"chat  01:12  1,000 …  generator DEGRADED");
}

#[test]
fn no_live_line_is_wider_than_the_terminal() {
    let mut view = view();
    for n in 0..30 {
        let name = format!("{n} {}", "long ".repeat(20));
        view.actions.push(LiveAction { name, rate: f64::from(n), ..LiveAction::default() });
    }
    view.generator = Trust::Invalid;
    for width in [60, 80, 200] {
        let text = live::render(&view, Colour::Plain, width);
        assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
        // State, heading, ten actions, and how many are not shown.
        assert_eq!(text.lines().count(), 13);
        assert!(text.ends_with("and 22 more"));
    }
}

#[test]
fn metrics_show_totals_and_the_rates_of_now() {
    let mut snapshot = chat();
    snapshot.last = snapshot.total.clone();
    snapshot.last.span = ms(30_000);
    insta::assert_snapshot!(render_metrics(&snapshot, None), @r"
                                             service ms               response ms
    actions   count  failed  rate/s     p50   p95   p99     p50   p95   p99   max
    connect   1,000       4    33.3    10.0  19.0  20.0    30.0  57.0  60.0  60.0
    send     12,000       0     400    2.49  4.57  4.75    2.79  4.88  5.19  5.39

    counters            count  rate/s
    messages delivered   228k   7,600

    gauges      last  min  max
    rooms open    18   18   20

    checks    passed  failed   share
    in order  11,998       2  >99.9%

    failures         count  reason
    target: connect      4  connection refused

    measured over 1m 00s; rates are those of the last 30.0 s
    ");
}

#[test]
fn metrics_are_chosen_by_a_part_of_their_name() {
    let snapshot = chat();
    let shown = render_metrics(&snapshot, Some("connect"));
    assert!(shown.contains("connect") && shown.contains("connection refused"), "{shown}");
    assert!(!shown.contains("send") && !shown.contains("rooms"), "{shown}");
    assert_eq!(
        render_metrics(&snapshot, Some("nosuch")),
        "nothing measured has `nosuch` in its name\n"
    );
    assert_eq!(render_metrics(&Snapshot::default(), Some("x")), "nothing measured yet\n");
    assert_eq!(render_metrics(&Snapshot::default(), None), "nothing measured yet\n");
}
