use proptest::prelude::*;

use super::*;

fn rate(text: &str) -> Rate {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn fault(text: &str) -> String {
    text.parse::<Rate>().unwrap_err().to_string()
}

#[test]
fn equal_rates_are_equal_however_written() {
    let ten = Rate::per_second(10);
    for text in [
        "10/s",
        "600/min",
        "every 100ms",
        "10 per second",
        "10 per s",
        "50/5s",
        "36000/h",
        " 10 / s ",
        "10/1s",
        "600 per min",
        "0.01/ms",
        "1_0/S",
        "864000/day",
        "10.0/s",
    ] {
        assert_eq!(rate(text), ten, "{text}");
    }
    assert_eq!(Rate::per_minute(600), ten);
    assert_eq!(Rate::every(Duration::from_millis(100)), ten);
    assert_eq!(Rate::per(50, Duration::from_secs(5)).unwrap(), ten);
}

#[test]
fn underscores_only_make_a_number_easier_to_read() {
    for (text, same) in
        [("1_000/s", "1000/s"), ("1.5_5/s", "1.55/s"), ("_2_._5_ per 5s", "2.5 per 5s")]
    {
        assert_eq!(rate(text), rate(same), "{text}");
    }
    assert!(fault("_/s").contains("is not a number"));
}

#[test]
fn extremes_have_names() {
    assert_eq!(rate("unlimited"), Rate::UNLIMITED);
    assert_eq!(rate("every 0s"), Rate::UNLIMITED);
    assert_eq!(Rate::every(Duration::ZERO), Rate::UNLIMITED);
    for zero in ["0", "0/s", "0 per 5s", "0 at once"] {
        assert_eq!(rate(zero), Rate::ZERO, "{zero}");
    }
    assert_eq!(rate("8 at once"), Rate::at_once(8));
}

/// amoc turns an interarrival into whole numbers per minute: 90 s became 0, 7 ms became 8571.
#[test]
fn interarrivals_are_exact() {
    assert_eq!(rate("every 90s").pace(), Pace::Timed { count: 1, interval: 90_000_000_000 });
    assert_eq!(rate("every 7ms").pace(), Pace::Timed { count: 1, interval: 7_000_000 });
}

#[test]
fn rates_print_as_people_write_them() {
    let texts = [
        ("600/min", "10/s"),
        ("1200/min", "20/s"),
        ("every 20ms", "50/s"),
        ("100 per 5s", "20/s"),
        ("10/min", "10/min"),
        ("every 90s", "40/h"),
        ("every 7ms", "every 7ms"),
        ("100/7s", "every 70ms"),
        ("3/7s", "3/7s"),
        ("0.5/s", "30/min"),
        ("1/day", "every 24h"),
        ("every 0s", "unlimited"),
        ("0/h", "0"),
        ("3 AT ONCE", "3 at once"),
    ];
    for (given, printed) in texts {
        assert_eq!(rate(given).to_string(), printed, "{given}");
    }
}

#[test]
fn bad_rates_get_a_clear_error() {
    let form = "; write 100/s, 6000/min, 100 per 5s, every 20ms, 8 at once, unlimited or 0";
    let faults = [
        ("", "`` is not a rate: it is empty"),
        ("fast", "`fast` is not a rate: `fast` is not a number"),
        ("-5/s", "`-5/s` is not a rate: a rate cannot be negative"),
        (
            "5/parsec",
            "`5/parsec` is not a rate: `parsec` is not an interval such as s, min, 5s or 20ms",
        ),
        (
            "5/0s",
            "`5/0s` is not a rate: the interval is zero (for a limit on what is in flight say `at once`)",
        ),
        ("1.5 at once", "`1.5 at once` is not a rate: `1.5` is not a whole number"),
        ("every", "`every` is not a rate: `every` is not a number"),
        ("1/1000years", "`1/1000years` is not a rate: the interval is longer than 584 years"),
        (
            "99999999999999999999/s",
            "`99999999999999999999/s` is not a rate: `99999999999999999999` is more than 18446744073709551615",
        ),
        (
            "0.0000000001/s",
            "`0.0000000001/s` is not a rate: `0.0000000001` has more than nine decimals",
        ),
    ];
    for (text, reason) in faults {
        assert_eq!(fault(text), format!("{reason}{form}"));
    }
    assert!(Rate::per(5, Duration::ZERO).is_err());
}

/// Some read it per second and others per minute.
#[test]
fn a_number_without_a_time_is_refused_with_both_readings() {
    insta::assert_snapshot!(["10", " 0.5 ", "1_000", "007"].map(fault).join("\n"), @r"
    `10` is no rate: write 10/s or 10/min
    `0.5` is no rate: write 0.5/s or 0.5/min
    `1_000` is no rate: write 1_000/s or 1_000/min
    `007` is no rate: write 007/s or 007/min
    ");
    for zero in ["0", "0.0", "000"] {
        assert_eq!(rate(zero), Rate::ZERO, "{zero}");
    }
}

#[test]
fn serde_writes_and_reads_the_text() {
    assert_eq!(serde_json::to_string(&rate("600/min")).unwrap(), r#""10/s""#);
    assert_eq!(serde_json::from_str::<Rate>(r#""every 7ms""#).unwrap(), rate("every 7ms"));
    let fault = serde_json::from_str::<Rate>(r#""quick""#).unwrap_err().to_string();
    assert!(fault.starts_with("`quick` is not a rate"), "{fault}");
}

proptest! {
    #[test]
    fn text_reads_back_as_the_same_rate(count: u64, interval in 1..=u64::MAX) {
        let given = Rate::timed(count, interval);
        prop_assert_eq!(given.to_string().parse::<Rate>().unwrap(), given);
    }

    #[test]
    fn reading_never_panics(text in ".{0,24}", rest in "[0-9./ a-z]{0,12}") {
        let _ = text.parse::<Rate>();
        let _ = rest.parse::<Rate>();
    }
}
