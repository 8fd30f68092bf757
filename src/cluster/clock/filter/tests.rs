use proptest::prelude::*;

use super::*;

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

/// Pauses, ways forth, times held, ways home, and how the speed wanders meanwhile.
fn trips(most: usize) -> impl Strategy<Value = Vec<(u64, u64, u64, u64, i128)>> {
    let time = || prop_oneof![0..MILLISECOND, 0..SECOND];
    prop::collection::vec((time(), time(), 0..MILLISECOND, time(), -50..=50_i128), 1..most)
}

/// A clock and a filter that watches it. True time is that of our clock.
struct Watch {
    now: u64,
    /// What the other clock shows now, in millionths of a nanosecond.
    theirs: i128,
    /// Millionths of a nanosecond in each of ours.
    speed: i128,
    filter: ClockFilter,
}

impl Watch {
    fn new(theirs: u64, speed: i128) -> Self {
        let (now, theirs) = (2_000 * SECOND, i128::from(theirs) * 1_000_000);
        Self { now, theirs, speed, filter: ClockFilter::default() }
    }

    fn pass(&mut self, time: u64) -> u64 {
        self.now += time;
        self.theirs += i128::from(time) * self.speed;
        self.shows()
    }

    fn shows(&self) -> u64 {
        u64::try_from(self.theirs / 1_000_000).unwrap()
    }

    fn probe(&mut self, forth: u64, held: u64, home: u64) {
        let sent = self.now;
        let (arrived, answered) = (self.pass(forth), self.pass(held));
        self.pass(home);
        self.filter.sample(sent, arrived, answered, self.now);
    }

    /// Half a second after half a second, over a link that takes so long at most.
    fn beats(&mut self, count: u64, most: u64) {
        for turn in 0..count {
            let (forth, home) = (turn * 7_919 % most + 1, turn * 104_729 % most + 1);
            self.probe(forth, 10 * MICROSECOND, home);
            self.pass(SECOND / 2);
        }
    }

    /// The greatest distance of what is thought to be sure from what is.
    fn wanders(&mut self, trips: Vec<(u64, u64, u64, u64, i128)>) -> u64 {
        let (speed, mut beyond) = (self.speed, 0);
        for (pause, forth, held, home, wander) in trips {
            self.speed = speed + wander;
            self.pass(pause);
            self.probe(forth, held, home);
            beyond = beyond.max(self.beyond(&self.filter.reading(self.now).unwrap()));
        }
        beyond
    }

    fn error(&self) -> u64 {
        self.filter.reading(self.now).unwrap().error
    }

    /// How far what is thought to be sure is from what is.
    fn beyond(&self, reading: &ClockReading) -> u64 {
        let (least, most) = (reading.least(self.now), reading.most(self.now));
        least.saturating_sub(self.shows()).max(self.shows().saturating_sub(most))
    }
}

proptest! {
    /// However long the way takes in either direction, however long the answer is held, whatever
    /// the clocks' speed within what is usual, and though it wanders: the other clock is within
    /// what is stated, at once and later.
    #[test]
    fn the_other_clock_is_within_what_is_stated(
        theirs in 0..1_000_000 * SECOND, speed in 999_500..=1_000_500_i128, trips in trips(90),
        later in 0..100 * SECOND,
    ) {
        let mut watch = Watch::new(theirs, speed);
        prop_assert_eq!(watch.wanders(trips), 0);
        let before = watch.filter.reading(watch.now).unwrap();
        watch.pass(later);
        prop_assert_eq!(watch.beyond(&before), 0);
        prop_assert_eq!(watch.beyond(&watch.filter.reading(watch.now).unwrap()), 0);
    }

    /// Of any speed within one part in eight that holds only once the way has been short for a
    /// while; and to within as much as a speed that is next to usual may be taken for a usual one.
    #[test]
    fn so_is_one_of_another_speed_once_that_is_known(
        theirs in 0..1_000_000 * SECOND, speed in 875_100..=1_124_900_i128,
        calm in 4..60_u64, trips in trips(30),
    ) {
        let mut watch = Watch::new(theirs, speed);
        watch.beats(calm, 200 * MICROSECOND);
        let beyond = watch.wanders(trips.into_iter().take(calm as usize / 2).collect());
        prop_assert!(beyond <= 400 * MICROSECOND, "{}", beyond);
    }

    /// A reading tells when the other clock has come to a time: not a moment before it is sure.
    #[test]
    fn a_time_is_certain_as_soon_as_it_is(
        theirs in 1_000 * SECOND..1_000_000 * SECOND, speed in 875_000..=1_125_000_i128,
        trips in 1..20_u64, ahead in -10_000_000_000..10_000_000_000_i64,
    ) {
        let mut watch = Watch::new(theirs, speed);
        watch.beats(trips, MILLISECOND);
        let reading = watch.filter.reading(watch.now).unwrap();
        let time = watch.shows().checked_add_signed(ahead).unwrap();
        let certain = reading.certain(time);
        prop_assert!(reading.least(certain) >= time);
        prop_assert!(reading.least(certain - 3) <= time);
        let possible = reading.possible(time);
        prop_assert!(reading.most(possible - 1) <= time && reading.most(possible + 3) >= time);
    }

    #[test]
    fn nonsense_is_harmless(times in prop::collection::vec(any::<[u64; 4]>(), 0..50), now: u64) {
        let mut filter = ClockFilter::default();
        for [sent, arrived, answered, back] in times {
            filter.sample(sent, arrived, answered, back);
        }
        if let Some(reading) = filter.reading(now) {
            let _ = (reading.least(now), reading.doubt(u64::MAX), reading.certain(0));
        }
        let _ = filter.is_stale(now);
    }
}

/// Also of a clock that is a tenth faster, or slower.
#[test]
fn what_was_learnt_while_the_way_was_short_is_kept_while_it_is_long() {
    for speed in [900_000, 1_000_000, 1_100_000] {
        let mut watch = Watch::new(5 * SECOND, speed);
        watch.beats(40, 200 * MICROSECOND);
        assert!(watch.error() < 400 * MICROSECOND, "{}", watch.error());
        // Three hundred milliseconds each way, for twenty seconds.
        for _ in 0..40 {
            watch.probe(300 * MILLISECOND, 0, 300 * MILLISECOND);
        }
        assert!(watch.error() < 4 * MILLISECOND, "{}", watch.error());
        watch.beats(4, 200 * MICROSECOND);
        assert!(watch.error() < 400 * MICROSECOND, "{}", watch.error());
        assert_eq!(watch.filter.samples(), KEPT);
    }
}

/// As of a clock that is set right while it runs: for no longer than until the next two probes.
#[test]
fn a_speed_that_changes_is_noticed() {
    let mut watch = Watch::new(5 * SECOND, 1_000_000);
    watch.beats(40, 200 * MICROSECOND);
    for speed in [1_080_000, 1_000_000, 999_500, 1_000_000] {
        watch.speed = speed;
        watch.pass(SECOND / 2);
        for _ in 0..3 {
            watch.beats(1, 200 * MICROSECOND);
        }
        watch.probe(10 * MICROSECOND, 0, 10 * MICROSECOND);
        let reading = watch.filter.reading(watch.now).unwrap();
        assert_eq!(watch.beyond(&reading), 0);
        watch.pass(SECOND);
        assert_eq!(watch.beyond(&reading), 0);
        assert!(watch.error() < 2 * MILLISECOND, "{} at {speed}", watch.error());
    }
}

#[test]
fn what_is_not_known_for_want_of_a_speed_is_worth_a_probe() {
    let mut watch = Watch::new(5 * SECOND, 1_100_000);
    assert_eq!(watch.filter.reading(0), None);
    assert!(!watch.filter.is_stale(0));
    watch.probe(100 * MICROSECOND, 0, 100 * MICROSECOND);
    assert!(!watch.filter.is_stale(watch.now));
    watch.pass(50 * MILLISECOND);
    watch.probe(100 * MICROSECOND, 0, 100 * MICROSECOND);
    watch.pass(SECOND / 2);
    assert!(watch.filter.is_stale(watch.now));
    watch.beats(8, 200 * MICROSECOND);
    assert!(!watch.filter.is_stale(watch.now));
}
