use proptest::prelude::*;

use super::*;
use crate::profile::{Profile, curve::Curve};

fn arrivals(from: f64, to: f64, curve: Curve, seconds: f64) -> Arrivals {
    let stage = Stage::ramp_rate(from, to, curve, Duration::from_secs_f64(seconds));
    Arrivals::of(&[stage])[0].unwrap()
}

/// When each arrival of a plan is due, since it began.
fn dues(profile: &Profile) -> Vec<Duration> {
    let starts = (0..profile.stages().len()).map(|stage| profile.start_of(stage));
    let dues = |(arrivals, start): (Option<Arrivals>, Duration)| {
        let dues = |arrivals: Arrivals| {
            (1..=arrivals.total()).map(move |number| start + arrivals.due(number).unwrap())
        };
        arrivals.into_iter().flat_map(dues).collect::<Vec<_>>()
    };
    Arrivals::of(profile.stages()).into_iter().zip(starts).flat_map(dues).collect()
}

#[test]
fn a_constant_rate_is_evenly_spaced_and_nobody_comes_at_the_start() {
    let even = arrivals(10.0, 10.0, Curve::Linear, 3.0);
    assert_eq!(even.total(), 30);
    let due = |number| even.due(number).unwrap();
    for number in 1..=30_u32 {
        let told = Duration::from_millis(100) * number;
        assert!(due(number.into()).abs_diff(told) <= Duration::from_micros(1), "{number}");
    }
    assert_eq!((even.due(0), even.due(31)), (None, None));
}

#[test]
fn a_ramp_from_nothing_to_a_hundred_has_half_of_it() {
    let ramp = arrivals(0.0, 100.0, Curve::Linear, 10.0);
    assert_eq!(ramp.total(), 500);
    // Half of the arrivals after 1/√2 of the time.
    let half = ramp.due(250).unwrap().as_secs_f64();
    assert!((half - 10.0 / 2.0_f64.sqrt()).abs() < 1e-6, "{half}");
    assert_eq!(arrivals(0.0, 90.0, Curve::Quadratic, 10.0).total(), 300);
}

#[test]
fn an_odd_rate_rounds_down() {
    assert_eq!(arrivals(0.3, 0.3, Curve::Linear, 10.0).total(), 3);
    assert_eq!(arrivals(1.0 / 3.0, 1.0 / 3.0, Curve::Linear, 10.0).total(), 3);
    assert_eq!(arrivals(0.0, 0.0, Curve::Linear, 10.0).total(), 0);
}

#[test]
fn ten_stages_of_nine_tenths_are_nine_arrivals_each_when_it_would_be_due_in_one_stage() {
    let ten: Profile = ["1s: 0.9/s"; 10].join(", ").parse().unwrap();
    let one: Profile = "10s: 0.9/s".parse().unwrap();
    assert_eq!((ten.arrivals(), one.arrivals()), (9, 9));
    for (of_ten, of_one) in dues(&ten).into_iter().zip(dues(&one)) {
        assert!(of_ten.abs_diff(of_one) < Duration::from_micros(1), "{of_ten:?} {of_one:?}");
    }
}

#[test]
fn a_pause_or_users_in_between_lose_nothing_of_what_was_left_over() {
    let plan: Profile = "1s: 0.6/s, 5s: pause, 1s: 0.3/s, 5s: 20, 1s: 0.2/s".parse().unwrap();
    assert_eq!(plan.arrivals(), 1);
    // 0.6 + 0.3, and half a second at 0.2/s.
    assert!(dues(&plan)[0].abs_diff(Duration::from_millis(12_500)) < Duration::from_micros(1));
    let thousand: Profile = vec!["1s: 0.001/s"; 1_000].join(", ").parse().unwrap();
    assert_eq!(thousand.arrivals(), 1);
    assert!(dues(&thousand)[0].abs_diff(thousand.duration()) < Duration::from_micros(2));
}

/// What is left over of ten thousand million arrivals is still an exact tenth of one.
#[test]
fn many_arrivals_before_do_not_blur_the_few_after_them() {
    let plan: Profile =
        format!("10h: 277777.7/s, {}", ["1s: 0.1/s"; 10].join(", ")).parse().unwrap();
    assert_eq!(plan.arrivals(), 9_999_997_200 + 1);
}

fn curves() -> impl Strategy<Value = Curve> {
    prop_oneof![Just(Curve::Linear), Just(Curve::Quadratic), Just(Curve::Exponential)]
}

/// A stage whose integral is a fraction of whole numbers: its line, how long it takes in
/// milliseconds, and its ends in arrivals per `unit` seconds.
#[derive(Debug, Clone)]
struct Exact {
    load: Option<(u64, u64, u64)>,
    millis: u64,
}

impl Exact {
    fn line(&self) -> String {
        match self.load {
            Some((from, to, unit)) => {
                format!("{}ms: {from}/{unit}s -> {to}/{unit}s", self.millis)
            }
            None => format!("{}ms: pause", self.millis),
        }
    }

    /// The integral until a time, in arrivals times [`COMMON`].
    fn integral(&self, millis: u64) -> u128 {
        let Some((from, to, unit)) = self.load else { return 0 };
        let [from, to, whole, time] = [from, to, self.millis, millis].map(u128::from);
        // (from × t + (to − from) × t² ÷ 2 ÷ whole) ÷ unit, in seconds.
        let doubled = 2 * whole * from * time + to * time * time - from * time * time;
        let divisor = 2 * whole * 1_000 * u128::from(unit);
        assert_eq!(doubled * COMMON % divisor, 0, "{self:?}");
        doubled * COMMON / divisor
    }
}

/// A multiple of all denominators of integrals at whole tenths of a stage: those of the units, and
/// two thousand.
const COMMON: u128 = 2_000 * 3 * 7 * 20;

fn exact() -> impl Strategy<Value = Exact> {
    let unit = prop_oneof![Just(1_u64), Just(3), Just(7), Just(10), Just(60)];
    let load = prop::option::weighted(0.8, (0..500_u64, 0..500_u64, any::<bool>(), unit));
    (load, 1..100_u64).prop_map(|(load, tenths)| Exact {
        load: load.map(|(from, to, held, unit)| (from, if held { from } else { to }, unit)),
        millis: tenths * 100,
    })
}

proptest! {
    /// Every arrival is due at the first moment at which the integral has reached its number.
    #[test]
    fn due_is_the_inverse_of_the_integral(
        from in 0.0..5e4, to in 0.0..5e4, curve in curves(), seconds in 0.001..4000.0,
        before in 0.0..1e3, numbers in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
    ) {
        let first = Stage::rate(before, Duration::from_millis(1_234));
        let stage = Stage::ramp_rate(from, to, curve, Duration::from_secs_f64(seconds));
        let arrivals = Arrivals::of(&[first, stage])[1].unwrap();
        let total = arrivals.total();
        prop_assume!(total > 0);
        for number in numbers {
            let number = number.index(total as usize) as u64 + 1;
            let due = arrivals.due(number).unwrap().as_nanos() as u64;
            prop_assert!(arrivals.until(due) >= number);
            prop_assert!(due == 0 || arrivals.until(due - 1) < number);
        }
        prop_assert_eq!(arrivals.due(total + 1), None);
    }

    /// Until any time there are as many arrivals as the integral over the whole plan until then has
    /// whole numbers: counted in whole numbers, at ten moments of each stage.
    #[test]
    fn arrivals_are_the_whole_part_of_the_integral_over_the_whole_plan(
        stages in prop::collection::vec(exact(), 1..60),
    ) {
        prop_assume!(stages.iter().any(|stage| stage.load.is_some()));
        let lines: Vec<_> = stages.iter().map(Exact::line).collect();
        let plan: Profile = lines.join(", ").parse().unwrap();
        let (mut before, mut start) = (0, 0);
        for stage in &stages {
            for tenth in 0..=10 {
                let time = stage.millis * tenth / 10;
                let whole = (before + stage.integral(time)) / COMMON;
                let until = plan.arrivals_until(Duration::from_millis(start + time));
                prop_assert_eq!(u128::from(until), whole, "{} + {} ms of {}", start, time, plan);
            }
            before += stage.integral(stage.millis);
            start += stage.millis;
        }
        prop_assert_eq!(u128::from(plan.arrivals()), before / COMMON);
        let dues = dues(&plan);
        prop_assert!(dues.is_sorted());
        prop_assert_eq!(dues.len() as u64, plan.arrivals());
    }
}
