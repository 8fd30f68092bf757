use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

/// The rates of all steps, per minute.
fn values(from: u64, to: u64, steps: u32) -> Vec<u64> {
    let ramp =
        Ramp::new(Rate::per_minute(from), Rate::per_minute(to), SECOND, Some(steps)).unwrap();
    (0..=steps).map(|index| ramp.line().count_of(index, steps)).collect()
}

/// amoc's examples.
#[test]
fn steps_are_rounded_as_amoc_rounds() {
    assert_eq!(values(100, 200, 3), [100, 133, 167, 200]);
    assert_eq!(values(10, 0, 4), [10, 7, 5, 2, 0]);
    assert_eq!(values(60, 600, 5), [60, 168, 276, 384, 492, 600]);
}

#[test]
fn ends_may_have_different_intervals() {
    let ramp = Ramp::new(rate("1/7s"), rate("100/5s"), 100 * SECOND, None).unwrap();
    // The mean of the rates, over the time: 50 × (1/7 + 20).
    let total = ramp.line().area(100_000_000_000).to_f64();
    assert!((total - 50.0 * (1.0 / 7.0 + 20.0)).abs() < 1e-9, "{total}");
    let stepped = Ramp::new(rate("1/7s"), rate("100/5s"), 100 * SECOND, Some(1)).unwrap();
    assert_eq!(stepped.line().rate_at(0), rate("1/7s"));
    assert_eq!(stepped.line().rate_at(100_000_000_000), rate("20/s"));
}

#[test]
fn bad_ramps_get_a_clear_error() {
    let fault = |from, to, over, steps| {
        let error = Ramp::new(from, to, over, steps).unwrap_err();
        assert_eq!(Refusal::from(error.clone()).code, Code::InvalidThrottle);
        error.to_string()
    };
    let ten = Rate::per_second(10);
    assert_eq!(
        fault(Rate::UNLIMITED, ten, SECOND, None),
        "a ramp cannot start or end at `unlimited`: both ends must be so many per time, or 0"
    );
    assert_eq!(
        fault(ten, Rate::at_once(3), SECOND, None),
        "a ramp cannot start or end at `3 at once`: both ends must be so many per time, or 0"
    );
    assert_eq!(
        fault(ten, ten, Duration::ZERO, None),
        "a ramp must take some time; to change the rate at once, set it"
    );
    assert_eq!(fault(ten, ten, SECOND, Some(0)), "a ramp in steps needs at least 1 step");
    assert!(fault(ten, ten, Duration::MAX, None).ends_with("is too long: at most 30 years"));
    let odd = |nanos| Rate::every(Duration::from_nanos(nanos));
    assert!(
        fault(odd(9_999_999_999_999_937), odd(9_999_999_999_999_917), SECOND, None)
            .starts_with("cannot ramp exactly from every 9999999999999937ns to")
    );
}

#[test]
fn a_ramp_prints_as_people_write_it() {
    let ramp = |steps| Ramp::new(rate("10/s"), Rate::ZERO, 90 * SECOND, steps).unwrap().to_string();
    assert_eq!(ramp(None), "10/s to 0 over 1m 30s");
    assert_eq!(ramp(Some(1)), "10/s to 0 over 1m 30s in 1 step");
    assert_eq!(ramp(Some(9)), "10/s to 0 over 1m 30s in 9 steps");
}

fn ends() -> impl Strategy<Value = u64> {
    prop_oneof![0..2_000_u64, 0..1_u64 << 61]
}

fn steps() -> impl Strategy<Value = Option<u32>> {
    prop_oneof![Just(None), (1..50_u32).prop_map(Some), (1..1_u32 << 24).prop_map(Some)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// First `from`, last `to`, `steps + 1` values, never back.
    #[test]
    fn ramp_hits_both_ends(from in ends(), to in ends(), steps in steps(), millis in 1..10_000_000_u64, at in prop::collection::vec(0.0..1.0, 8)) {
        let over = Duration::from_millis(millis);
        let ramp = Ramp::new(Rate::per_minute(from), Rate::per_minute(to), over, steps).unwrap();
        let line = ramp.line();
        if let Some(steps) = steps {
            prop_assert_eq!(line.rate_at(0), Rate::per_minute(from));
            prop_assert_eq!(line.rate_at(line.over()), Rate::per_minute(to));
            prop_assert_eq!((line.count_of(0, steps), line.count_of(steps, steps)), (from, to));
            let mut indices: Vec<_> = at.iter().map(|at| (at * f64::from(steps)) as u32).collect();
            indices.sort_unstable();
            let counts: Vec<_> = indices.iter().map(|&index| line.count_of(index, steps)).collect();
            prop_assert!(counts.windows(2).all(|pair| pair[0] == pair[1] || (pair[0] < pair[1]) == (from < to)));
            prop_assert_eq!(line.step(steps, steps).start, line.over());
        }
        // What is released never falls, and in all it is the mean of the ends over the time.
        let mut times: Vec<_> = at.iter().map(|at| (at * line.over() as f64) as u64).collect();
        times.sort_unstable();
        prop_assert!(times.windows(2).all(|pair| line.area(pair[0]) <= line.area(pair[1])));
        if steps.is_none() {
            let total = line.area(line.over());
            let mean = (from as f64 + to as f64) / 2.0 * (millis as f64 / 60_000.0);
            prop_assert!((total.to_f64() - mean).abs() <= mean * 1e-12 + 1e-9 || total == Slots::MAX);
        }
    }

    /// A stepped ramp's closed form is the sum of its steps.
    #[test]
    fn steps_add_up(from in 0..5_000_u64, to in 0..5_000_u64, steps in 1..40_u32, over in 1..1_000_000_u64) {
        let ramp = Ramp::new(Rate::per_second(from), Rate::per_second(to), Duration::from_nanos(over), Some(steps)).unwrap();
        let line = ramp.line();
        let interval = line.interval() as f64;
        let mut sum = 0.0;
        for index in 0..=steps {
            let step = line.step(index, steps);
            let exact_start = f64::from(index) * over as f64 / f64::from(steps);
            let begun = (step.start as f64 - exact_start) * step.count as f64 / interval;
            prop_assert!((step.base.to_f64() - sum - begun).abs() < 1e-6, "step {index}");
            sum += step.count as f64 / interval * over as f64 / f64::from(steps);
        }
    }

    /// `reaches` is the earliest time at which so much is released.
    #[test]
    fn due_inverts_cumulative(from in ends(), to in ends(), steps in steps(), millis in 1..10_000_000_u64, part in 0.0..1.2) {
        let over = Duration::from_millis(millis);
        let line = Ramp::new(Rate::per_minute(from), Rate::per_minute(to), over, steps).unwrap().line();
        let total = line.area(line.over());
        let wanted = Slots::new((total.to_f64() * part) as u64);
        match line.reaches(wanted) {
            Some(time) => {
                prop_assert!(line.area(time) >= wanted);
                prop_assert!(time == 0 || line.area(time - 1) < wanted);
            }
            None => prop_assert!(total < wanted),
        }
    }
}

#[test]
fn a_great_many_steps_cost_nothing() {
    let steps = 1 << 24;
    let ramp =
        Ramp::new(Rate::per_second(1), Rate::per_second(1_000_000), 60 * SECOND, Some(steps));
    let line = ramp.unwrap().line();
    // Each of these would take seconds if steps were walked through.
    for part in 1..=1_000 {
        let wanted = Slots::new(part * 29_999);
        let time = line.reaches(wanted).unwrap();
        assert!(line.area(time) >= wanted && line.area(time - 1) < wanted);
    }
}
