use std::collections::BTreeMap;

use crowd_core::codec;
use crowd_core::failure::Failure;
use proptest::prelude::*;

use super::*;
use crate::{Measure, Sample, Source, names::OTHER_NAMES};

#[derive(Debug, Clone)]
enum Step {
    Act { action: u8, micros: u64, extra: u64, failure: Option<u8> },
    Count(u8, u64),
    Gauge(u8, i16),
    Check(u8, bool),
    Fail(u8, u8),
    Stall(u8, u16),
}

fn step() -> impl Strategy<Value = Step> {
    // Times of every size: most short, a few beyond the hour that is kept.
    let micros = prop_oneof![0..100u64, 0..1_000_000u64, 0..5_000_000_000u64];
    prop_oneof![
        4 => (0..3u8, micros, 0..1_000_000u64, prop::option::weighted(0.2, 0..4u8))
            .prop_map(|(action, micros, extra, failure)| Step::Act { action, micros, extra, failure }),
        1 => (0..3u8, 0..100u64).prop_map(|(name, by)| Step::Count(name, by)),
        1 => (0..3u8, any::<i16>()).prop_map(|(name, value)| Step::Gauge(name, value)),
        1 => (0..3u8, any::<bool>()).prop_map(|(name, passed)| Step::Check(name, passed)),
        1 => (0..3u8, 0..4u8).prop_map(|(source, failure)| Step::Fail(source, failure)),
        1 => (0..3u8, any::<u16>()).prop_map(|(name, millis)| Step::Stall(name, millis)),
    ]
}

fn failure(n: u8) -> Failure {
    match n {
        0 => Failure::target("refused"),
        1 => Failure::target("slow"),
        2 => Failure::scenario("refused"),
        _ => Failure::generator("no ports"),
    }
}

fn perform(measure: &Measure, step: &Step) {
    let name = |n: u8| ["a", "b", "c"][usize::from(n)];
    match step {
        Step::Act { action, micros, extra, failure: which } => {
            let failure = which.map(failure);
            let service = Duration::from_micros(*micros);
            let response = Duration::from_micros(micros + extra);
            let sample = Sample { service, response, failure: failure.as_ref() };
            measure.record(name(*action), sample);
        }
        Step::Count(counter, by) => measure.count(name(*counter), *by),
        Step::Gauge(gauge, value) => measure.gauge(name(*gauge), f64::from(*value)),
        Step::Check(check, passed) => measure.check(name(*check), *passed),
        Step::Fail(source, which) => {
            measure.failure(Source::ALL[usize::from(*source)], &failure(*which));
        }
        Step::Stall(user, millis) => {
            measure.stalled(name(*user), Duration::from_millis(u64::from(*millis)));
        }
    }
}

/// What was measured, without the times it was measured at, which differ by chance.
fn measured(measure: &Measure) -> Window {
    timeless(measure.snapshot().total)
}

fn timeless(mut window: Window) -> Window {
    window.span = Duration::ZERO;
    window.gauges.values_mut().for_each(|gauge| gauge.at = Duration::ZERO);
    window
}

fn grid(users: &[(u64, u64)]) -> Window {
    let mut window = Window::default();
    for (start, took) in users {
        window.lifetimes.record(Duration::from_micros(*start), Duration::from_micros(*took));
    }
    window
}

/// Over the wire and back.
fn travelled(part: &Part) -> Checked {
    codec::decode::<Part>(&codec::encode(part).unwrap()).unwrap().check().unwrap()
}

fn bytes(part: &Part) -> usize {
    codec::encode(part).unwrap().len()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// How long users took adds up over nodes too.
    #[test]
    fn lifetimes_of_nodes_add_up(
        users in prop::collection::vec((0..3usize, (0..1u64 << 45, 0..1u64 << 46)), 0..200),
    ) {
        let of = |node: usize| {
            let users: Vec<_> =
                users.iter().filter(|(n, _)| *n == node).map(|(_, user)| *user).collect();
            grid(&users)
        };
        let all: Vec<_> = users.iter().map(|(_, user)| *user).collect();
        let mut total = Window::default();
        for node in 0..3 {
            for part in parts(&of(node)) {
                travelled(&part).add_to(&mut [&mut total], Duration::ZERO);
            }
        }
        prop_assert!(total == grid(&all));
    }

    /// Whatever nodes measured, sent in parts and added in any order, is what one recorder that had
    /// seen everything would hold.
    #[test]
    fn nodes_add_up_to_one_that_saw_everything(
        steps in prop::collection::vec((0..3usize, step()), 0..120),
        order in any::<prop::sample::Index>(),
        backwards: bool,
    ) {
        let one = Measure::default();
        let nodes = [Measure::default(), Measure::default(), Measure::default()];
        for (node, step) in &steps {
            // Of two gauges the later stands, which only one clock can tell.
            let node = if matches!(step, Step::Gauge(..)) { 0 } else { *node };
            perform(&one, step);
            perform(&nodes[node], step);
        }
        let mut sent: Vec<_> =
            nodes.iter().flat_map(|node| parts(&node.snapshot().total)).collect();
        let first = order.index(sent.len());
        sent.rotate_left(first);
        if backwards {
            sent.reverse();
        }
        let (mut total, mut copy) = (Window::default(), Window::default());
        for part in &sent {
            travelled(part).add_to(&mut [&mut total, &mut copy], Duration::ZERO);
        }
        prop_assert!(total == copy);
        prop_assert!(timeless(total) == measured(&one));
    }

    /// A distribution that is cut anywhere is the same distribution.
    #[test]
    fn a_cut_distribution_is_the_same(
        micros in prop::collection::vec(0..=BOUNDS.highest_us, 1..200),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut timing = Timing::default();
        micros.iter().for_each(|micros| timing.record(Duration::from_micros(*micros)));
        let recorded: Vec<_> = timing.recorded().collect();
        let mut again = Timing::default();
        for piece in [&recorded[..cut.index(recorded.len())], &recorded[cut.index(recorded.len())..]] {
            let mut buckets = Buckets::default();
            let mut last = 0;
            piece.iter().for_each(|(value, count)| buckets.push(&mut last, *value, *count));
            prop_assert_eq!(buckets.check(), Ok(()));
            buckets.each(|value, count| again.add(value, count));
        }
        prop_assert!(again == timing);
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(part) = codec::decode::<Part>(&bytes)
            && let Ok(part) = part.check()
        {
            part.add_to(&mut [&mut Window::default()], Duration::MAX);
        }
    }

    /// A valid part with bytes changed is refused or added, and nothing else happens.
    #[test]
    fn a_damaged_part_never_panics(
        steps in prop::collection::vec(step(), 1..40),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let measure = Measure::default();
        steps.iter().for_each(|step| perform(&measure, step));
        let mut bytes = codec::encode(&parts(&measure.snapshot().total)[0]).unwrap();
        for (index, byte) in damage {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(part) = codec::decode::<Part>(&bytes)
            && let Ok(part) = part.check()
        {
            part.add_to(&mut [&mut Window::default(), &mut Window::default()], Duration::ZERO);
        }
    }
}

/// As many buckets as there can be, in both distributions.
fn fullest() -> Measure {
    let measure = Measure::default();
    let mut value = 1;
    while value <= BOUNDS.highest_us {
        let time = Duration::from_micros(value);
        measure.record("all", Sample { service: time, response: time, failure: None });
        value += 1 + value / 2_048;
    }
    measure
}

#[test]
fn no_part_is_too_large_and_all_together_are_the_window() {
    let measure = fullest();
    for n in 0..2_000_u64 {
        let name = format!("{n} {}", "ü".repeat(290));
        let time = Duration::from_micros(n * 7);
        measure.record(&name, Sample { service: time, response: time * 2, failure: None });
        measure.count(&name, n);
        measure.gauge(&name, n as f64);
        measure.check(&name, true);
        measure.failure(Source::Noted, &Failure::target(name));
    }
    let window = measure.snapshot().total;
    assert!(window.actions.contains_key(OTHER_NAMES));
    let sent = parts(&window);
    assert!(sent.len() > 5, "{}", sent.len());
    assert!(sent.iter().all(|part| bytes(part) <= 256 * 1024));
    let mut total = Window::default();
    for part in sent.iter().rev() {
        travelled(part).add_to(&mut [&mut total], Duration::ZERO);
    }
    assert!(total == Window { span: Duration::ZERO, ..window });
}

#[test]
fn a_distribution_takes_two_bytes_for_a_bucket_at_most_times() {
    let window = fullest().snapshot().total;
    let sent = parts(&window);
    let buckets = window.actions["all"].service.recorded().count() * 2;
    let sum: usize = sent.iter().map(bytes).sum();
    assert!(sum <= buckets * 2 + 200 && buckets > 40_000, "{sum} for {buckets}");
}

#[test]
fn a_window_without_anything_is_one_small_part() {
    let sent = parts(&Window::default());
    assert_eq!(sent.len(), 1);
    assert!(bytes(&sent[0]) < 32);
    let mut window = Window::default();
    travelled(&sent[0]).add_to(&mut [&mut window], Duration::ZERO);
    assert_eq!(window, Window::default());
}

#[test]
fn other_bounds_are_refused_with_a_sentence() {
    let other = Bounds { digits: 2, ..BOUNDS };
    let fault = Part::empty(other).check().unwrap_err();
    assert!(matches!(fault, WireFault::Bounds(MergeError::Bounds { .. })));
    assert!(fault.to_string().ends_with(
        "one holds 1 to 3600000000 µs with 3 digits, the other 1 to 3600000000 µs with 2 digits; \
         all nodes of a run must be given the same"
    ));
}

#[test]
fn what_no_node_measures_is_refused() {
    let with = |change: &dyn Fn(&mut Part)| {
        let mut part = Part::empty(BOUNDS);
        change(&mut part);
        part.check().unwrap_err().to_string()
    };
    let gauge = GaugeNumbers::once(f64::NAN, Duration::ZERO);
    assert!(with(&|part| part.gauges.push(("a".into(), gauge))).contains("no finite number"));
    let long: Arc<str> = "x".repeat(MAX_TEXT + 1).into();
    assert!(with(&|part| part.counters.push((long.clone(), 1))).contains("a name is too long"));
    let check = CheckNumbers { passed: u64::MAX, failed: 0 };
    assert!(with(&|part| part.checks.push(("a".into(), check))).contains("a count is too large"));
    let action = |timing: &dyn Fn(&mut Buckets)| {
        let mut service = TimingPart::default();
        timing(&mut service.buckets);
        let response = TimingPart::default();
        ActionPart { name: "a".into(), of: Attempts::Ended, failed: 0, service, response }
    };
    let zero = action(&|buckets| buckets.push(&mut 0, 5, 0));
    assert!(with(&|part| part.actions.push(zero.clone())).contains("a count that cannot be"));
    let late = action(&|buckets| buckets.push(&mut 0, BOUNDS.highest_us * 2, 1));
    assert!(with(&|part| part.actions.push(late.clone())).contains("buckets that there are not"));
}

#[test]
fn a_gauge_counts_from_the_start_of_the_run() {
    let window = Window {
        gauges: BTreeMap::from([("depth".into(), GaugeNumbers::once(2.0, Duration::from_secs(3)))]),
        ..Window::default()
    };
    let mut total = Window::default();
    for part in parts(&window) {
        travelled(&part).add_to(&mut [&mut total], Duration::from_secs(4));
    }
    assert_eq!(total.gauges["depth"].at, Duration::from_secs(7));
}

#[test]
fn the_fullest_grid_travels_in_parts_that_fit() {
    let width = 1u64 << 20;
    let users: Vec<_> = (0..96)
        .flat_map(|column| {
            (10..45).flat_map(move |bits| (0..4u64).map(move |step| (column, bits, step)))
        })
        .map(|(column, bits, step)| (column * width * 100, (4 + step) << (bits - 2)))
        .collect();
    let window = grid(&users);
    let sent = parts(&window);
    assert!(sent.len() > 1, "{}", sent.len());
    assert!(sent.iter().all(|part| bytes(part) <= MOST_PART_BYTES + 4_096));
    let mut total = Window::default();
    for part in &sent {
        travelled(part).add_to(&mut [&mut total], Duration::ZERO);
    }
    assert!(total == window);
}

#[test]
fn cells_that_there_are_not_are_refused() {
    let refused = |part: LifetimesPart| {
        let part = Part { lifetimes: part, ..parts(&Window::default()).remove(0) };
        assert!(matches!(part.check(), Err(WireFault::Broken(_))));
    };
    refused(LifetimesPart { doublings: 60, cells: vec![] });
    refused(LifetimesPart { doublings: 0, cells: vec![(96, 0, 1)] });
    refused(LifetimesPart { doublings: 0, cells: vec![(0, 250, 1)] });
    refused(LifetimesPart { doublings: 0, cells: vec![(0, 0, 0)] });
    refused(LifetimesPart { doublings: 0, cells: vec![(0, 0, u64::MAX)] });
}
