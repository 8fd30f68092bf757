use proptest::prelude::*;
use rand::{SeedableRng, rngs::ChaCha8Rng};

use super::*;

/// So many think times, shortest first, in seconds.
fn drawn(text: &str) -> Vec<f64> {
    let think: ThinkTime = text.parse().unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut times: Vec<_> = (0..20_000).map(|_| think.sample(&mut random).as_secs_f64()).collect();
    times.sort_by(f64::total_cmp);
    times
}

fn mean(times: &[f64]) -> f64 {
    times.iter().sum::<f64>() / times.len() as f64
}

fn near(actual: f64, wanted: f64, part: f64) {
    assert!((actual - wanted).abs() < wanted * part, "{actual} is not near {wanted}");
}

#[test]
fn constant_is_always_the_same() {
    assert!(drawn("2s").iter().all(|&time| time == 2.0));
    assert!(drawn("none").iter().all(|&time| time == 0.0));
}

#[test]
fn uniform_is_spread_from_end_to_end() {
    let times = drawn("1s..3s");
    assert!(times[0] >= 1.0 && times[times.len() - 1] <= 3.0);
    near(mean(&times), 2.0, 0.01);
    near(times[times.len() / 4], 1.5, 0.02);
    near(times[times.len() / 4 * 3], 2.5, 0.02);
}

#[test]
fn about_keeps_its_mean_and_its_deviation() {
    let times = drawn("about 2s");
    assert!(times[0] >= 0.0 && times[times.len() - 1] <= 4.0);
    near(mean(&times), 2.0, 0.01);
    let variance = times.iter().map(|time| (time - 2.0).powi(2)).sum::<f64>() / times.len() as f64;
    near(variance.sqrt(), 0.5, 0.02);
    // As far as it may go, the cut takes much away; the mean stays.
    near(mean(&drawn("about 2s +- 2s")), 2.0, 0.02);
}

#[test]
fn lognormal_keeps_its_percentiles() {
    let times = drawn("lognormal 2s p95 10s");
    near(times[times.len() / 2], 2.0, 0.03);
    near(times[times.len() / 100 * 95], 10.0, 0.06);
}

#[test]
fn exponential_keeps_its_mean_and_median() {
    let times = drawn("exponential 2s");
    near(mean(&times), 2.0, 0.02);
    near(times[times.len() / 2], 2.0 * std::f64::consts::LN_2, 0.04);
}

#[test]
fn what_is_no_think_time_is_told_why() {
    let texts = [
        "",
        "soon",
        "3s..1s",
        "1s..x",
        "2d",
        "about 0s",
        "about 2s +- 3s",
        "about 13h",
        "lognormal 2s",
        "lognormal 2s p95 1s",
        "lognormal 0s p95 1s",
        "exponential 0s",
    ];
    let why = |text: &str| {
        let error = text.parse::<ThinkTime>().unwrap_err().to_string();
        error.split("; write").next().unwrap().to_owned()
    };
    insta::assert_snapshot!(texts.map(why).join("\n"), @"
    not a think time: `` is not a duration such as `1m30s` or `200ms` (value was empty)
    not a think time: `soon` is not a duration such as `1m30s` or `200ms` (expected number at 0)
    not a think time: from 3s to 1s there is nothing
    not a think time: `x` is not a duration such as `1m30s` or `200ms` (expected number at 0)
    not a think time: 2days may be more than a day
    not a think time: the mean is zero
    not a think time: a deviation of 3s is more than the mean, 2s
    not a think time: 1day2h may be more than a day
    not a think time: `lognormal 2s` does not say its p95
    not a think time: the median, 2s, is more than the 95th percentile, 1s
    not a think time: the median is zero
    not a think time: the mean is zero
    ");
}

fn any_think_time() -> impl Strategy<Value = ThinkTime> {
    let time = || (1..LONGEST.as_nanos() as u64 / 2).prop_map(Duration::from_nanos);
    prop_oneof![
        Just(ThinkTime::NONE),
        time().prop_map(|time| ThinkTime::constant(time).unwrap()),
        (time(), time()).prop_map(|(a, b)| ThinkTime::uniform(a.min(b), a.max(b)).unwrap()),
        (time(), 0.0..1.0)
            .prop_map(|(mean, part)| { ThinkTime::normal(mean, mean.mul_f64(part)).unwrap() }),
        (time(), time()).prop_map(|(a, b)| ThinkTime::log_normal(a.min(b), a.max(b)).unwrap()),
        time().prop_map(|mean| ThinkTime::exponential(mean).unwrap()),
    ]
}

proptest! {
    /// What is printed is read, as the same.
    #[test]
    fn think_times_come_back(think in any_think_time()) {
        prop_assert_eq!(think.to_string().parse::<ThinkTime>(), Ok(think));
    }

    /// Whatever it is, nobody thinks longer than a day, and the same stream thinks alike.
    #[test]
    fn samples_are_bounded_and_repeatable(think in any_think_time(), seed: u64) {
        let sample = || think.sample(&mut ChaCha8Rng::seed_from_u64(seed));
        prop_assert!(sample() <= LONGEST);
        prop_assert_eq!(sample(), sample());
    }
}
