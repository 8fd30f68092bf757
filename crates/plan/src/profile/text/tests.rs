use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::profile::{Metric, Shape, plan::LONGEST};

#[test]
fn a_line_is_read_and_written() {
    let line = "10s: 0 → 100, 1m 30s: 100, 30s: pause, 1m: 10/s -> 50/s quadratic max 20";
    let profile: Profile = line.parse().unwrap();
    let written = "10s: 0 -> 100, 1m30s: 100, 30s: pause, 1m: 10/s -> 50/s quadratic max 20";
    assert_eq!(profile.to_string(), written);
    assert_eq!(written.parse::<Profile>().unwrap(), profile);
    let slow: Profile = "1m: 90/min".parse().unwrap();
    assert_eq!(slow.stages()[0], Stage::rate(1.5, Duration::from_secs(60)));
}

#[test]
fn steps_and_spikes_are_written_out() {
    let told = |line: &str| {
        line.parse::<Profile>().map_or_else(|faults| faults.to_string(), |all| all.to_string())
    };
    assert_eq!(
        told("30s: 10/s -> 30/s max 9 in 3 steps"),
        "10s: 10/s max 9, 10s: 20/s max 9, 10s: 30/s max 9"
    );
    assert_eq!(told("1m: 5 -> 50 spike 5s at 20s"), "20s: 5, 5s: 50, 35s: 5");
    insta::assert_snapshot!(told("1m: 5 -> 9 in no steps, 1m: 5 -> 9 spike 5s, 1m: 5 -> 9 spike 50s at 20s"), @r"
    stage 1: `no steps` is no number of steps: write `1m: 10/s -> 100/s in 5 steps`
    stage 2: `spike 5s` does not say from when: write `1m: 10/s -> 100/s spike 5s at 20s`
    stage 3: the spike ends after the stage: it lasts 50s from 20s, and the stage 1m
    ");
}

#[test]
fn every_stage_that_is_none_is_named() {
    let faults =
        "10: 5, 10s 5, 5s: five, 5s: 1 -> 2/s, 5s: 7 linear, 5s: 3 max 4, 1s: 8 at once, 0s: 4"
            .parse::<Profile>()
            .unwrap_err();
    insta::assert_snapshot!(faults, @r"
    stage 1: `10` is no time: time unit needed, for example 10sec or 10ms
    stage 2: `10s 5` is no stage: write `30s: 100`, `10s: 0 -> 100`, `1m: 50/s` or `5s: pause`
    stage 3: `five` is neither a number of users nor a rate: write `30s: 100`, `10s: 0 -> 100`, `1m: 50/s` or `5s: pause`
    stage 4: one end counts users and the other arrivals: write both alike
    stage 5: only what changes has a curve: write `0 -> 100 quadratic`
    stage 6: `max` is for a rate; users are limited already
    stage 7: `8 at once` is no rate over time
    stage 8: it takes no time; give it a duration such as `30s`
    ");
}

#[test]
fn what_is_drawn_is_read_again() {
    let lines = [
        "6s: 10/min",
        "3s: 100/min",
        "2s: 100 per 3s",
        "4s: every 300ms",
        "4s: 10/s -> 100/s in 8 steps",
        "4s: 0 -> 10 in 4 steps",
        "7s: every 7s -> 3/11s quadratic max 4",
    ];
    let drawn = lines.map(|line| {
        let profile: Profile = line.parse().unwrap();
        let written = profile.to_string();
        assert_eq!(written.parse(), Ok(profile), "{line}");
        written
    });
    insta::assert_snapshot!(drawn.join("\n"), @r"
    6s: 10/min
    3s: 100/min
    2s: 2000/min
    4s: 200/min
    500ms: 10/s, 500ms: 22.857142857142854/s, 500ms: 35.71428571428571/s, 500ms: 48.57142857142857/s, 500ms: 61.42857142857142/s, 500ms: 74.28571428571429/s, 500ms: 87.14285714285714/s, 500ms: 100/s
    1s: 0, 1s: 3, 1s: 7, 1s: 10
    7s: 0.14285714285714285/s -> 0.2727272727272727/s quadratic max 4
    ");
}

#[test]
fn a_number_of_users_is_whole() {
    let told = |line: &str| line.parse::<Profile>().unwrap_err().to_string();
    insta::assert_snapshot!(told("5s: 2.5, 5s: 0 -> 9.2, 5s: 0.25 -> 3/s, 5s: -3"), @r"
    stage 1: `2.5` is no whole number of users, and no rate: write 3 users, or 2.5/s or 2.5/min
    stage 2: `9.2` is no whole number of users, and no rate: write 9 users, or 9.2/s or 9.2/min
    stage 3: `0.25` is no whole number of users, and no rate: write 0 users, or 0.25/s or 0.25/min
    stage 4: `-3` is neither a number of users nor a rate: write `30s: 100`, `10s: 0 -> 100`, `1m: 50/s` or `5s: pause`
    ");
}

fn durations() -> impl Strategy<Value = Duration> {
    let most = LONGEST.as_nanos() as u64 / 20;
    prop_oneof![
        (1..100_000_u64).prop_map(Duration::from_secs),
        (1..100_000_u64).prop_map(Duration::from_millis),
        (1..=most).prop_map(Duration::from_nanos),
    ]
}

fn curves() -> impl Strategy<Value = Curve> {
    prop_oneof![Just(Curve::Linear), Just(Curve::Quadratic), Just(Curve::Exponential)]
}

/// Any rate that a plan may have: whole ones, those of people, and fractions of all sizes.
fn rates() -> impl Strategy<Value = f64> {
    prop_oneof![
        (0..=10_000_000_u32).prop_map(f64::from),
        (0..10_000_u32, 1..10_000_u32).prop_map(|(count, time)| f64::from(count) / f64::from(time)),
        0.0..=1e7_f64,
        (0..f64::to_bits(1e7)).prop_map(f64::from_bits),
    ]
}

fn spans<T: Strategy<Value = f64> + Clone>(values: T) -> impl Strategy<Value = Span> {
    (values.clone(), prop::option::of(values), curves()).prop_map(|(from, to, curve)| match to {
        Some(to) => Span::ramp(from, to, curve),
        None => Span::hold(from),
    })
}

fn loads() -> impl Strategy<Value = Load> {
    let users = (0..=100_000_000_u32).prop_map(f64::from);
    let most_users = prop_oneof![Just(0), 1..=100_000_000_u64];
    prop_oneof![
        3 => spans(users).prop_map(Load::Users),
        3 => (spans(rates().boxed()), most_users)
            .prop_map(|(span, most_users)| Load::Rate { span, most_users }),
        1 => Just(Load::Pause),
    ]
}

fn stages() -> impl Strategy<Value = Stage> {
    (loads(), durations()).prop_map(|(load, duration)| Stage { load, duration })
}

fn shapes() -> impl Strategy<Value = Vec<Stage>> {
    let values =
        || prop_oneof![0.0..1e6_f64, (0..1_000_u32).prop_map(|half| f64::from(half) / 2.0)];
    let times = || (durations(), durations(), durations(), durations());
    let spike = (values(), values(), times()).prop_map(|(baseline, peak, times)| {
        let (ramp_up, hold, ramp_down, recovery) = times;
        Shape::Spike { baseline, peak, ramp_up, hold, ramp_down, recovery }
    });
    let stairs = (values(), values(), 1..20_u32, durations())
        .prop_map(|(start, step, steps, each)| Shape::Stairs { start, step, steps, each });
    let ramp_hold = (values(), durations(), durations())
        .prop_map(|(target, ramp, hold)| Shape::RampHold { target, ramp, hold });
    let metrics = prop_oneof![Just(Metric::Users), Just(Metric::Rate)];
    (prop_oneof![spike, stairs, ramp_hold], metrics)
        .prop_map(|(shape, metric)| shape.stages(metric))
}

fn phases() -> impl Strategy<Value = Vec<Stage>> {
    let phase = prop_oneof![
        (1..15_u32).prop_map(|steps| (steps, 0.0, 0.0)),
        (0.0..1.0, 0.0..1.0).prop_map(|(at, lasts)| (0, at, lasts)),
    ];
    (stages(), phase).prop_filter_map("a pause has neither", |(stage, (steps, at, lasts))| {
        let phase = match steps {
            0 => {
                let at = stage.duration.mul_f64(at);
                Phase::Spike { at, lasts: (stage.duration - at).mul_f64(lasts) }
            }
            steps => Phase::Steps(steps),
        };
        phase.stages(&stage).ok()
    })
}

/// A rate in any of the ways in which people may write it.
fn written_rates() -> impl Strategy<Value = String> {
    let units =
        prop_oneof![Just("s"), Just("min"), Just("h"), Just("7s"), Just("250ms"), Just("day")];
    let counts = prop_oneof![
        (0..100_000_u32).prop_map(|count| count.to_string()),
        (0..1_000_000_u32).prop_map(|count| format!("{}.{:03}", count / 1_000, count % 1_000)),
    ];
    prop_oneof![
        (counts.clone(), units.clone()).prop_map(|(count, unit)| format!("{count}/{unit}")),
        (counts, units).prop_map(|(count, unit)| format!("{count} per {unit}")),
        (1..100_000_u32).prop_map(|millis| format!("every {millis}ms")),
    ]
}

/// A line of one stage, written by a person.
fn written_lines() -> impl Strategy<Value = String> {
    let users = (0..100_000_u32).prop_map(|count| count.to_string());
    let ends = prop_oneof![
        (users.clone(), users, Just("")),
        (written_rates(), written_rates(), prop_oneof![Just(""), Just(" max 7")]),
    ];
    let phase = prop_oneof![
        Just(String::new()),
        (1..40_u32).prop_map(|steps| format!(" in {steps} steps")),
        (1..9_u32).prop_map(|at| format!(" spike 700ms at {at}s")),
    ];
    (1..100_u32, ends, curves(), phase).prop_map(|(tenths, (from, to, most), curve, phase)| {
        format!("{}ms: {from} -> {to} {curve}{most}{phase}", 10_000 + tenths * 100)
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_it_was(
        stages in prop::collection::vec(stages(), 1..8),
        shape in shapes(), phase in phases(),
    ) {
        let all = [stages, shape, phase].concat();
        if let Ok(profile) = Profile::new(all) {
            prop_assert_eq!(profile.to_string().parse(), Ok(profile));
        }
    }

    #[test]
    fn whatever_people_write_is_written_so_that_it_is_read_again(
        lines in prop::collection::vec(written_lines(), 1..6),
    ) {
        let profile: Profile = lines.join(", ").parse().unwrap();
        prop_assert_eq!(profile.to_string().parse(), Ok(profile));
    }

    #[test]
    fn reading_never_panics(line in ".{0,40}", rest in "[0-9smh:/ .>-]{0,30}") {
        let _ = line.parse::<Profile>();
        let _ = rest.parse::<Profile>();
    }
}
