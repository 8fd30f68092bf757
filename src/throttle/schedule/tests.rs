use std::time::Duration;

use crowd_core::rate::Pace;
use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;

fn flat(rate: Rate) -> Schedule {
    let Pace::Timed { count, interval } = rate.pace() else { unreachable!("no timed rate") };
    Schedule::flat(0, Slots::ZERO, count, interval)
}

#[test]
fn a_flat_schedule_is_exact_after_a_year() {
    // A third of a nanosecond lost per slot would show here.
    let schedule = flat(Rate::per_second(3));
    let year = 365 * 86_400;
    assert_eq!(schedule.at(year * SECOND).whole(), 3 * year);
    assert_eq!(schedule.due(Slots::new(3 * year)), Some(year * SECOND));
    assert_eq!(schedule.due(Slots::new(1)), Some(333_333_334));
}

#[test]
fn nothing_is_ever_due_at_rate_zero() {
    assert_eq!(flat(Rate::ZERO).due(Slots::new(1)), None);
    assert_eq!(flat(Rate::ZERO).at(u64::MAX), Slots::ZERO);
}

#[test]
fn a_ramp_ends_in_its_last_rate_and_tells_each_step() {
    let ramp = Ramp::new(Rate::per_second(1), Rate::per_second(3), Duration::from_secs(4), Some(2));
    let mut schedule = Schedule::ramp(10 * SECOND, Slots::ZERO, ramp.unwrap());
    assert!(!schedule.advance(11 * SECOND), "the first rate is no change");
    assert_eq!(schedule.next_change(), Some(12 * SECOND));
    assert_eq!(schedule.ramp_at(11 * SECOND).unwrap().1, 3 * SECOND);
    assert!(schedule.advance(12 * SECOND));
    assert!(!schedule.advance(13 * SECOND));
    assert_eq!(schedule.rate_at(13 * SECOND), Rate::per_second(2));
    assert!(schedule.advance(20 * SECOND));
    assert!(!schedule.advance(21 * SECOND));
    assert_eq!(schedule.rate_at(20 * SECOND), Rate::per_second(3));
    assert!(schedule.ramp_at(20 * SECOND).is_none());
    // 2 s at 1/s, 2 s at 2/s, 6 s at 3/s.
    assert_eq!(schedule.at(20 * SECOND), Slots::new(2 + 4 + 18));
}

fn schedule() -> impl Strategy<Value = Schedule> {
    let count = prop_oneof![0..100_u64, 0..1_u64 << 40];
    let interval = 1..100 * SECOND;
    let steps = prop_oneof![Just(None), (1..200_u32).prop_map(Some)];
    let flat = (count.clone(), interval)
        .prop_map(|(count, interval)| Schedule::flat(SECOND, Slots::new(7), count, interval));
    let ramp =
        (count.clone(), count, 1..100_000_u64, steps).prop_map(|(from, to, millis, steps)| {
            let (from, to) = (Rate::per_minute(from), Rate::per_minute(to));
            let ramp = Ramp::new(from, to, Duration::from_millis(millis), steps).unwrap();
            Schedule::ramp(SECOND, Slots::new(7), ramp)
        });
    prop_oneof![flat, ramp]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Slot k is due at the earliest time at which k slots are released, wherever the schedule
    /// was looked at before.
    #[test]
    fn due_inverts_cumulative(mut schedule in schedule(), looks in prop::collection::vec(0..200 * SECOND, 0..4), slot in prop_oneof![8..2_000_u64, 8..1_u64 << 40]) {
        let fresh = schedule.clone();
        let mut looks = looks;
        looks.sort_unstable();
        for look in looks {
            schedule.advance(SECOND + look);
            prop_assert_eq!(schedule.at(SECOND + look), fresh.at(SECOND + look));
        }
        let slot = Slots::new(slot);
        match fresh.due(slot) {
            Some(time) => {
                prop_assert!(fresh.at(time) >= slot);
                prop_assert!(fresh.at(time - 1) < slot);
                prop_assert_eq!(schedule.due(slot), Some(time));
            }
            None => prop_assert!(fresh.at(u64::MAX) < slot),
        }
    }
}
