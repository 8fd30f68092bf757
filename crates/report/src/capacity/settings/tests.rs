use super::*;

fn given(pairs: &[(&str, &str)]) -> Result<SearchSettings, SearchFaults> {
    let mut given = Given::default();
    for (name, text) in pairs {
        given.pair(name, text);
    }
    given.settings()
}

fn faults(pairs: &[(&str, &str)]) -> String {
    given(pairs).unwrap_err().to_string()
}

#[test]
fn without_a_word_the_defaults_hold_and_failures_are_watched() {
    let settings = given(&[]).unwrap();
    let signals: Vec<_> = settings.signals.iter().map(ToString::to_string).collect();
    assert_eq!(signals, [DEFAULT_SIGNAL]);
    assert_eq!(SearchSettings { signals: Vec::new(), ..settings }, SearchSettings::default());
    let constants = SearchSettings::default();
    assert_eq!((constants.increase, constants.decrease, constants.max), (8, 8, 1_000.0));
    assert_eq!((constants.rest, constants.slope), (Duration::from_secs(2), 0.2));
    assert_eq!(
        (constants.steady, constants.tick),
        (Duration::from_mins(30), Duration::from_secs(1))
    );
}

#[test]
fn zeros_are_outside_the_range() {
    insta::assert_snapshot!(faults(&[("increase", "0"), ("decrease", "0"), ("rest", "0s"), ("max", "0")]), @"
    max is not in the range of (0,]: value 0 is lesser or equal than 0
    increase is not in the range of (0,]: value 0 is lesser or equal than 0
    decrease is not in the range of (0,]: value 0 is lesser or equal than 0
    rest is not in the range of (0,]: value 0 is lesser or equal than 0
    rest (0s) should be greater than tick (1s): the signals are looked at once a tick
    ");
}

#[test]
fn every_fault_is_told_at_once() {
    insta::assert_snapshot!(faults(&[
        ("strategy", "guess"),
        ("max", "-5"),
        ("increase", "2.5"),
        ("precision", "0%"),
        ("confidence", "100%"),
        ("steady", "long"),
        ("missing", "shrug"),
        ("incraese", "1"),
        ("signal", "p95 is low"),
        ("query", "cpu >= 1"),
        ("prometheus", "localhost:9090"),
        ("clear", "1"),
    ]), @"
    incraese is no setting of a search; did you mean `increase`?
    strategy: `guess` is not one of `equilibrium`, `stress`, `bisect`
    max is not in the range of (0,]: value -5 is lesser or equal than 0
    increase: 2.5 is not a whole number
    steady: `long` is not a duration such as `1m30s` or `200ms` (expected number at 0)
    precision is not in the range of (0,1): value 0 is lesser or equal than 0
    confidence is not in the range of (0,1): value 1 is greater or equal than 1
    clear is not in the range of (1,]: value 1 is lesser or equal than 1
    missing: `shrug` is not one of `hold`, `ignore`, `alert`
    signals[0]: `p95 is low` is no signal, at character 5: expected `<`, `<=`, `>` or `>=`
    queries[0]: `cpu >= 1` is no query: it has no name; write `cpu: avg(load) >= 0.85` or `5xx: … >= 0.025 after 60s`, say
    prometheus: `localhost:9090` is no URL such as http://localhost:9090
    ");
}

#[test]
fn settings_have_to_fit_together() {
    insta::assert_snapshot!(
        [
            faults(&[("rest", "500ms")]),
            faults(&[("strategy", "equilibrium"), ("unit", "rate")]),
            faults(&[("start", "20"), ("max", "10")]),
            faults(&[("max", "10.5")]),
            faults(&[("signal", "p95 < 1s over 30s"), ("signal", "p99 < 1s over 20s"), ("window", "20s")]),
            faults(&[("query", "cpu: load >= 1")]),
            faults(&[("prometheus", "http://localhost:9090")]),
        ]
        .join("\n"), @"
    rest (500ms) should be greater than tick (1s): the signals are looked at once a tick
    unit: `equilibrium` counts users; for a rate take `stress` or `bisect`
    start (20) is greater than max (10)
    max: 10.5 is no number of users
    signals[0] looks back 30s, and window (20s) is shorter: a load would be judged by what was before it
    prometheus: queries need the URL of a server to ask
    queries: there are none, but a server to ask (`prometheus`)
    ");
    let pairs = [("strategy", "equilibrium"), ("signal", "p95 < 1s over 30s")];
    given(&pairs).unwrap();
    given(&[("unit", "rate"), ("max", "10.5"), ("start", "0.5")]).unwrap();
}

#[test]
fn a_file_and_what_is_louder() {
    let mut all = Given::default();
    all.file(
        r#"
        strategy = "equilibrium"
        max = 500
        slope = 0.5
        rest = "3s"
        signals = ["p95(login) < 150ms over 10s"]
        prometheus = "http://localhost:9090"

        [[queries]]
        name = "5xx share"
        query = "sum(rate(http_5xx[1m]))"
        threshold = 0.025
        warm_up = "60s"

        [[queries]]
        name = "memory"
        query = "mem"
        threshold = 85
        alert = false
        "#,
    );
    all.pair("max", "200");
    all.pair("signal", "error_rate < 5%");
    let settings = all.settings().unwrap();
    assert_eq!((settings.strategy, settings.max), (Strategy::Equilibrium, 200.0));
    assert_eq!((settings.slope, settings.rest), (0.5, Duration::from_secs(3)));
    assert_eq!(settings.signals.len(), 2);
    assert_eq!(
        settings.queries[0].to_string(),
        "5xx share: sum(rate(http_5xx[1m])) >= 0.025 after 1m"
    );
    assert!(settings.queries[0].alert && !settings.queries[1].alert);
}

#[test]
fn faults_of_a_file_name_their_fields() {
    let mut all = Given::default();
    all.file(
        r#"
        max = [1]
        speed = 3
        signal = "p95 < 1s"
        signals = ["p95 < 1s", 7, "p95"]

        [[queries]]
        name = ""
        query = "up"
        threshold = -1
        comparator = "="
        warm_up = "-1s"
        treshold = 1

        [[queries]]
        name = "x"
        "#,
    );
    insta::assert_snapshot!(all.settings().unwrap_err(), @"
    max is neither a text nor a number
    signal: in a file that is `signals = […]`
    speed is no setting of a search
    signals[1]: `7` is no signal, at character 1: no metric: expected `p95`, `min`, `mean`, `max`, `error_rate`, `rate`, `count`, `check_rate`, `dropped_rate`, `users`, `failed_users`
    signals[2]: `p95` is no signal, at character 4: expected `<`, `<=`, `>` or `>=`
    queries[0].treshold is no part of a query; did you mean `threshold`?
    queries[0].comparator: `=` is not one of `>=`, `>`, `<=`, `<`
    queries[0].name is empty
    queries[0].threshold is not in the range of [0,]: value -1 is lesser than 0
    queries[0].warm_up: `-1s` is not a duration such as `1m30s` or `200ms` (expected number at 0)
    queries[1].threshold is missing
    queries[1].query is empty
    prometheus: queries need the URL of a server to ask
    ");
    let mut broken = Given::default();
    broken.file("max = ");
    assert!(!broken.settings().unwrap_err().0.is_empty());
}

/// What is handed to a node elsewhere is the same there.
#[test]
fn pairs_are_all_that_was_given() {
    let mut given = Given::default();
    given.file(
        r#"
        max = 250
        signals = ["p95(login) < 150ms over 10s"]
        [[queries]]
        name = "5xx"
        query = "sum(rate(http_5xx[1m])) > 0 or vector(0)"
        threshold = 0.025
        comparator = ">="
        warm_up = "1m"
        "#,
    );
    given.pair("strategy", "stress");
    given.pair("signal", "error_rate < 5%");
    given.pair("prometheus", "http://prometheus:9090");
    given.pair("query", "cpu: avg(load) >= 0.85 after 90s");
    let mut there = Given::default();
    for (name, text) in given.pairs().unwrap() {
        there.pair(&name, &text);
    }
    assert_eq!(there.settings(), given.settings());

    let mut shown = Given::default();
    shown.file(
        "[[queries]]\nname = 'cpu'\nquery = 'avg(load)'\nthreshold = 1\ncomparator = '>='\n\
         alert = false\n",
    );
    assert_eq!(
        shown.pairs().unwrap_err(),
        "query `cpu` is only to be shown: --api takes none such"
    );
}

#[test]
fn times_beyond_a_month_are_refused() {
    let pairs = [("settle", "300000000000y"), ("window", "31days"), ("patience", "30days")];
    assert_eq!(
        faults(&pairs),
        "settle: 300000000000years is too long; 30days is the most\n\
         window: 1month13h26m24s is too long; 30days is the most"
    );
}
