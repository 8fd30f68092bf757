use proptest::prelude::*;

use super::*;
use crate::threshold::Thresholds;

fn faults(text: &str) -> String {
    text.parse::<Thresholds>().unwrap_err().to_string()
}

#[test]
fn every_form_is_read_and_written_in_one_way() {
    for (text, written) in [
        ("p95(login)<150ms", "p95(login) < 150ms"),
        ("  p99.9 ( GET /items ) <= 1.50 s ", "p99.9(GET /items) <= 1.5s"),
        ("p95(login, service) < 150 ms", "p95(login, service) < 150ms"),
        ("mean(login,response) < 20µs", "mean(login) < 20us"),
        ("p95 < 150ms", "p95 < 150ms"),
        ("max(*, service) < 1min", "max(*, service) < 1min"),
        ("min(\"*\") > 1ms", "min(\"*\") > 1ms"),
        ("error_rate < 1%", "error_rate < 1%"),
        ("error_rate(login) <= 0.010", "error_rate(login) <= 0.01"),
        ("rate(send) >= 1_000/s over 10s", "rate(send) >= 1000/s over 10s"),
        ("rate >= 60 /min over 1m30s abort", "rate >= 60/min over 1m30s abort"),
        ("count(sent) > 10 in stage 2", "count(sent) > 10 in stage 2"),
        ("check_rate > 99%", "check_rate > 99%"),
        ("dropped_rate < 0.1% abort after 30s", "dropped_rate < 0.1% abort after 30s"),
        ("users >= 100", "users >= 100"),
        ("failed_users <= 0 abort after 0s", "failed_users <= 0 abort"),
        (r#"count("a;(\"b\"), \\") > 1"#, r#"count("a;(\"b\"), \\") > 1"#),
    ] {
        let read: Threshold = text.parse().unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!(read.to_string(), written);
        assert_eq!(written.parse::<Threshold>().unwrap(), read);
    }
}

#[test]
fn semicolons_separate_those_of_one_text() {
    let all: Thresholds = "p95(a) < 1ms;; count(\"b;c\") > 1 ;".parse().unwrap();
    assert_eq!(all.to_string(), "p95(a) < 1ms; count(\"b;c\") > 1");
    assert_eq!(all.all().len(), 2);
}

#[test]
fn a_fault_is_shown_with_a_caret_under_it() {
    insta::assert_snapshot!(faults("p95(login) << 150ms"), @r"
    p95(login) << 150ms
                ^ expected a number with a unit, such as `150ms`
    ");
    insta::assert_snapshot!(faults(""), @"^ expected a threshold, such as `p95(login) < 150ms` or `error_rate < 1%`");
    insta::assert_snapshot!(faults("p95(größe) = 1ms"), @r"
    p95(größe) = 1ms
               ^ expected `<`, `<=`, `>` or `>=`
    ");
    insta::assert_snapshot!(faults("p95(\"login < 1ms"), @r#"
    p95("login < 1ms
        ^ expected a quote at the end of this name as well
    "#);
}

#[test]
fn every_fault_of_several_is_told_at_once() {
    let text = [
        "eror_rate < 1%",
        "p100(login) < 1ms",
        "p95(login < 150ms",
        "p95() < 150ms",
        "p95(login, servce) < 150ms",
        "error_rate(a, service) < 1%",
        "p95(login)",
        "p95(login) < 150",
        "p95(login) < 5%",
        "p95(login) < -5ms",
        "error_rate < 5",
        "error_rate < 101%",
        "error_rate < 5ms",
        "rate(send) > 1000",
        "count(send) > 10/s",
        "users > 10ms",
        "users(a) > 10",
        "count(x) > 1.2.3",
        "p95(login) < 150ms over 10",
        "p95(login) < 150ms over 100ms",
        "p95(login) < 150ms over 2h",
        "p95(login) < 150ms in 2",
        "p95(login) < 150ms in stage 0",
        "p95(login) < 150ms over 10s in stage 1",
        "p95(login) < 150ms abort in 3s",
        "p95(login) < 150ms abort after",
        "p95(login) < 150ms, users > 3",
    ];
    insta::assert_snapshot!(faults(&text.join(";")), @r"
    eror_rate < 1%
    ^ no metric: expected `p95`, `min`, `mean`, `max`, `error_rate`, `rate`, `count`, `check_rate`, `dropped_rate`, `users`, `failed_users`; did you mean `error_rate`?
    p100(login) < 1ms
     ^ a percentile is above 0 and below 100, as in `p99.9`; for the longest write `max`
    p95(login < 150ms
              ^ expected `)` or `, service)`; put a name with such a sign in quotes
    p95() < 150ms
        ^ expected the name of an action, counter or check
    p95(login, servce) < 150ms
               ^ expected `service` or `response`
    error_rate(a, service) < 1%
                ^ expected `)`; put a name with such a sign in quotes
    p95(login)
              ^ expected `<`, `<=`, `>` or `>=`
    p95(login) < 150
                    ^ `p95(login)` is a time: expected `us`, `ms`, `s` or `min`
    p95(login) < 5%
                  ^ `p95(login)` is a time: expected `us`, `ms`, `s` or `min`
    p95(login) < -5ms
                 ^ expected a number with a unit, such as `150ms`
    error_rate < 5
                 ^ a share is 1 at most: write `5%` for 5 in 100
    error_rate < 101%
                 ^ a share is 100% at most
    error_rate < 5ms
                  ^ `error_rate` is a share: expected `%` or nothing
    rate(send) > 1000
                     ^ `rate(send)` is a rate: expected `/s` or `/min`
    count(send) > 10/s
                    ^ `count(send)` is no rate: expected no unit
    users > 10ms
              ^ `users` is a number of things: expected no unit
    users(a) > 10
         ^ `users` is one for the whole run
    count(x) > 1.2.3
               ^ expected a number, such as `100`
    p95(login) < 150ms over 10
                            ^ expected a window, such as `10s`
    p95(login) < 150ms over 100ms
                            ^ a window is one second at least
    p95(login) < 150ms over 2h
                            ^ a window is one hour at most
    p95(login) < 150ms in 2
                          ^ expected `stage` and its number
    p95(login) < 150ms in stage 0
                                ^ expected the number of a stage, from 1
    p95(login) < 150ms over 10s in stage 1
                                ^ expected `abort` or the end; semicolons separate thresholds
    p95(login) < 150ms abort in 3s
                             ^ expected the end; semicolons separate thresholds
    p95(login) < 150ms abort after
                                  ^ expected a time, such as `30s`
    p95(login) < 150ms, users > 3
                      ^ expected `over 10s`, `in stage 2`, `abort` or the end; semicolons separate thresholds
    ");
}

fn names() -> impl Strategy<Value = Option<String>> {
    prop::option::of(prop_oneof!["[a-z/ ]{1,8}", "[ -~]{0,8}", "\\PC{0,8}", Just("*".to_owned())])
}

fn metrics() -> impl Strategy<Value = Metric> {
    let stat = prop_oneof![
        (0.001..99.999).prop_map(Stat::Percentile),
        Just(Stat::Percentile(95.0)),
        Just(Stat::Min),
        Just(Stat::Mean),
        Just(Stat::Max)
    ];
    let side = prop_oneof![Just(Side::Response), Just(Side::Service)];
    prop_oneof![
        (stat, side, names()).prop_map(|(stat, side, action)| Metric::Time { stat, side, action }),
        names().prop_map(Metric::ErrorRate),
        names().prop_map(Metric::Rate),
        names().prop_map(Metric::Count),
        names().prop_map(Metric::CheckRate),
        Just(Metric::DroppedRate),
        Just(Metric::Users),
        Just(Metric::FailedUsers),
    ]
}

fn thresholds() -> impl Strategy<Value = Threshold> {
    let scope = prop_oneof![
        Just(Scope::Run),
        (1_000..=3_600_000_u64).prop_map(|ms| Scope::Over(Duration::from_millis(ms))),
        (1..1_000_usize).prop_map(Scope::Stage),
    ];
    let abort = prop::option::of((0..10_000_000_u64).prop_map(Duration::from_millis));
    let bound = (0.0..1.0, 0..1_000_000_u32, any::<bool>(), any::<bool>());
    (metrics(), 0..4_usize, bound, scope, abort).prop_map(|(metric, which, bound, scope, abort)| {
        let (share, count, large, other) = bound;
        let any = if large { f64::from(count) + share } else { share };
        let (value, unit) = match (metric.kind(), other) {
            (Kind::Time, false) => (any, Unit::Millis),
            (Kind::Time, true) => (any, Unit::Seconds),
            (Kind::Share, false) => (share, Unit::Share),
            (Kind::Share, true) => (share * 100.0, Unit::Percent),
            (Kind::Rate, false) => (any, Unit::PerSecond),
            (Kind::Rate, true) => (any, Unit::PerMinute),
            (Kind::Count, _) => (any, Unit::Plain),
        };
        let comparator = Comparator::ALL[which];
        Threshold { metric, comparator, bound: Bound { value, unit }, scope, abort }
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(all in prop::collection::vec(thresholds(), 1..4)) {
        let all = Thresholds::new(all).unwrap();
        let read = all.to_string().parse::<Thresholds>();
        prop_assert_eq!(read.map_err(|fault| fault.to_string()), Ok(all));
    }

    #[test]
    fn no_text_panics_and_every_caret_is_within_it(
        text in prop_oneof!["\\PC{0,40}", "p95\\(?[a-z\",;]{0,5}\\)? ?[<>=]{0,2} ?[0-9.]{0,4}[mµs%/]{0,3} ?(over|in|abort)? ?[0-9a-z ]{0,8}"],
    ) {
        if let Err(faults) = text.parse::<Thresholds>() {
            for fault in faults.0 {
                prop_assert!(fault.column <= fault.text.chars().count());
            }
        }
    }
}
