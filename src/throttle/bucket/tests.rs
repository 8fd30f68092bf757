use std::time::Duration;

use proptest::prelude::*;

use super::*;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
const TOLERANCE: u64 = 5 * MS;

fn bucket(rate: Rate) -> Bucket {
    Bucket::new(rate, TOLERANCE, 0)
}

/// Gives what is available to so many that wait; when each slot was due.
fn give(bucket: &mut Bucket, now: u64, waiting: u64) -> Vec<u64> {
    bucket.forfeit(now);
    let slots = bucket.available(now, 0).min(waiting);
    let given = (0..slots).map(|_| bucket.give(now, 1)).collect();
    if slots == waiting {
        bucket.last_went(now);
    }
    given
}

#[test]
fn an_idle_bucket_keeps_one_slot() {
    let mut bucket = bucket(Rate::per_second(10));
    for start in [0, 7 * SECOND, 7 * SECOND + 250 * MS] {
        bucket.first_comes(start);
        assert_eq!(give(&mut bucket, start, 2), [start], "the first passes at once");
        assert_eq!(bucket.next_due(0), Some(start + 100 * MS), "the second an interval later");
        assert_eq!(give(&mut bucket, start + 100 * MS, 1), [start + 100 * MS]);
    }
}

#[test]
fn who_was_served_late_and_comes_back_at_once_loses_nothing() {
    let mut bucket = bucket(Rate::per_second(1_000));
    bucket.first_comes(0);
    assert_eq!(give(&mut bucket, 0, 1), [0]);
    // One user asks again and again, and each wake-up is 1.4 ms late: that may not add up.
    let mut now = 0;
    for _ in 0..1_000 {
        bucket.first_comes(now);
        if bucket.available(now, 0) == 0 {
            now = bucket.next_due(0).unwrap() + 1_400_000;
        }
        assert_eq!(give(&mut bucket, now, 1).len(), 1);
    }
    assert!(now <= 1_002 * MS, "{now}");
}

#[test]
fn what_is_missed_by_more_than_the_tolerance_is_forfeited_and_counted() {
    let mut bucket = bucket(Rate::per_second(1_000));
    bucket.first_comes(0);
    give(&mut bucket, 0, 1);
    // Frozen from 0 to 50 ms, with plenty waiting: six slots are within the tolerance.
    let given = give(&mut bucket, 50 * MS, 1_000);
    assert_eq!(given, [45 * MS, 46 * MS, 47 * MS, 48 * MS, 49 * MS, 50 * MS]);
    assert_eq!(bucket.forfeited(), 44);
}

/// A slot that is late by more than the tolerance every time would otherwise never be given.
#[test]
fn one_slot_stays_however_late() {
    let mut bucket = bucket(Rate::per_second(20));
    bucket.first_comes(0);
    give(&mut bucket, 0, 1);
    let mut now = 0;
    for _ in 0..100 {
        now = bucket.next_due(0).unwrap() + 8 * MS;
        assert_eq!(give(&mut bucket, now, 1_000), [now - 8 * MS], "and its lateness is told");
    }
    // Each was given 3 ms later than tolerated, and the schedule has moved by as much.
    assert_eq!(now, 100 * 53 * MS + 5 * MS);
}

#[test]
fn a_pause_neither_saves_up_nor_loses() {
    let mut bucket = bucket(Rate::per_second(10));
    bucket.first_comes(0);
    give(&mut bucket, 0, 1);
    assert!(bucket.pause(70 * MS));
    assert!(!bucket.pause(75 * MS));
    assert_eq!((bucket.available(SECOND, 0), bucket.next_due(0)), (0, None));
    assert!(bucket.resume(SECOND));
    assert!(!bucket.resume(SECOND));
    // Parts of slots are rounded down, so that nothing is early: here by a nanosecond.
    assert_eq!(bucket.next_due(0), Some(SECOND + 30 * MS + 1));
}

#[test]
fn a_change_of_rate_keeps_the_part_of_the_slot_that_has_passed() {
    let mut bucket = bucket(Rate::per_second(10));
    bucket.first_comes(0);
    give(&mut bucket, 0, 1);
    bucket.set_rate(Rate::per_second(100), 50 * MS);
    assert_eq!(bucket.next_due(0), Some(55 * MS));
    bucket.set_rate(Rate::ZERO, 51 * MS);
    assert_eq!(bucket.next_due(0), None);
    bucket.set_rate(Rate::per_second(100), SECOND);
    // Parts of slots are rounded down, so that nothing is early: here by a nanosecond.
    assert_eq!(bucket.next_due(0), Some(SECOND + 4 * MS + 1));
}

#[test]
fn a_slot_that_lies_ready_does_not_survive_a_change_of_rate() {
    for before in [Rate::per_second(1_000), Rate::UNLIMITED, Rate::at_once(3)] {
        let mut bucket = bucket(before);
        bucket.set_rate(Rate::every(Duration::from_secs(30)), SECOND);
        bucket.first_comes(SECOND);
        assert_eq!(bucket.available(SECOND, 0), 0, "{before}");
        assert_eq!(bucket.next_due(0), Some(31 * SECOND), "{before}");
    }
}

#[test]
fn zero_lets_nobody_through() {
    let mut fresh = bucket(Rate::ZERO);
    fresh.first_comes(SECOND);
    assert_eq!((fresh.available(SECOND, 0), fresh.next_due(0)), (0, None));
    let mut down = bucket(Rate::per_second(10));
    let ramp = Ramp::new(Rate::per_second(10), Rate::ZERO, Duration::from_secs(1), None);
    down.set_ramp(ramp.unwrap(), 0);
    down.first_comes(2 * SECOND);
    assert_eq!((down.available(2 * SECOND, 0), down.next_due(0)), (0, None));
}

/// What may happen to a throttle.
#[derive(Debug, Clone)]
enum Op {
    Ask(u64),
    Rate(Rate),
    Ramp(Ramp),
    Pause,
    Resume,
    /// Nothing runs for so long.
    Freeze(u64),
}

fn timed_rate() -> impl Strategy<Value = Rate> {
    prop_oneof![
        (0..50_u64).prop_map(Rate::per_second),
        (1..20_000_u64).prop_map(Rate::per_second),
        (1..2_000_u64).prop_map(Rate::per_minute),
        (1..400_u64).prop_map(|ms| Rate::every(Duration::from_millis(ms))),
    ]
}

fn timed_change() -> impl Strategy<Value = Op> {
    let steps = prop_oneof![Just(None), (1..20_u32).prop_map(Some)];
    let ramp =
        (timed_rate(), timed_rate(), 1..3_000_u64, steps).prop_map(|(from, to, ms, steps)| {
            Op::Ramp(Ramp::new(from, to, Duration::from_millis(ms), steps).unwrap())
        });
    prop_oneof![2 => timed_rate().prop_map(Op::Rate), 1 => ramp]
}

fn op() -> impl Strategy<Value = Op> {
    let asks = prop_oneof![1..5_u64, 1..300_u64];
    prop_oneof![
        6 => asks.prop_map(Op::Ask),
        4 => timed_change(),
        1 => prop_oneof![Just(Rate::UNLIMITED), (1..9_u64).prop_map(Rate::at_once)].prop_map(Op::Rate),
        1 => Just(Op::Pause),
        2 => Just(Op::Resume),
        1 => (0..600 * MS).prop_map(Op::Freeze),
    ]
}

fn script(op: impl Strategy<Value = Op>) -> impl Strategy<Value = Vec<(u64, Op)>> {
    let gap = prop_oneof![0..2 * MS, 0..50 * MS, 0..SECOND];
    prop::collection::vec((gap, op), 1..40)
}

/// The rate in force over some time, as the definitions of rates and ramps have it; in floats,
/// so that it shares nothing with what is tested.
#[derive(Debug, Clone)]
enum Force {
    Nothing,
    Flat(f64),
    Ramp { ramp: Ramp, start: u64 },
    Open,
}

fn per_nano(rate: Rate) -> f64 {
    match rate.pace() {
        Pace::Timed { count, interval } => count as f64 / interval as f64,
        Pace::Unlimited | Pace::AtOnce(_) => f64::INFINITY,
    }
}

impl Force {
    fn of(rate: Rate) -> Self {
        if per_nano(rate).is_finite() { Self::Flat(per_nano(rate)) } else { Self::Open }
    }

    /// Slots between two times.
    fn slots(&self, from: u64, to: u64) -> f64 {
        match self {
            Self::Nothing | Self::Open => 0.0,
            Self::Flat(rate) => rate * (to - from) as f64,
            Self::Ramp { ramp, start } => area(ramp, to - start) - area(ramp, from - start),
        }
    }
}

/// Slots of a ramp in its first `time` nanoseconds.
fn area(ramp: &Ramp, time: u64) -> f64 {
    let (from, to) = (per_nano(ramp.from()), per_nano(ramp.to()));
    let over = ramp.over().as_nanos() as f64;
    let (within, after) = ((time as f64).min(over), (time as f64 - over).max(0.0));
    let ramped = match ramp.steps() {
        None => from * within + (to - from) * within * within / over / 2.0,
        Some(steps) => (0..steps)
            .map(|k| {
                let length = over / f64::from(steps);
                let start = f64::from(k) * length;
                let rate = per_nano(ramp.line().rate_at(start.ceil() as u64 + 1));
                rate * (within - start).clamp(0.0, length)
            })
            .sum(),
    };
    ramped + to * after
}

/// Plays a script: a queue of so many that wait, a pacer that is late by up to `lag`.
struct Play {
    bucket: Bucket,
    waiting: u64,
    now: u64,
    lag: u64,
    force: Force,
    paused: bool,
    /// Slots by the definitions until `now`.
    due: f64,
    /// Those within the last while somebody waited.
    due_while_waiting: f64,
    /// How often time was open, and for each release: when, in which time, slots due by then, and
    /// by the tolerance before.
    epoch: u64,
    releases: Vec<(u64, f64, f64)>,
    /// Slots by the definitions at some times, and the force from each of them on.
    history: Vec<(u64, f64, Force)>,
    lags: u64,
}

impl Play {
    fn new(rate: Rate, lag: u64) -> Self {
        Self {
            bucket: bucket(rate),
            waiting: 0,
            now: 0,
            lag,
            force: Force::of(rate),
            paused: false,
            due: 0.0,
            due_while_waiting: 0.0,
            epoch: 0,
            releases: Vec::new(),
            history: vec![(0, 0.0, Force::of(rate))],
            lags: 0,
        }
    }

    fn pass_to(&mut self, time: u64) {
        let force = if self.paused { Force::Nothing } else { self.force.clone() };
        if matches!(force, Force::Open) {
            self.epoch += 1;
        }
        let slots = force.slots(self.now, time);
        self.history.push((self.now, self.due, force));
        self.due += slots;
        if self.waiting > 0 {
            self.due_while_waiting += slots;
        }
        self.now = time;
    }

    /// Slots due by a time in the past.
    fn due_by(&self, time: u64) -> f64 {
        if time == self.now {
            return self.due;
        }
        let at = self.history.partition_point(|(when, ..)| *when <= time);
        let (since, slots, force) = &self.history[at - 1];
        slots + force.slots(*since, time)
    }

    fn pump(&mut self) {
        self.bucket.advance(self.now);
        if self.waiting == 0 {
            return;
        }
        self.bucket.forfeit(self.now);
        let slots = self.bucket.available(self.now, 0).min(self.waiting);
        self.release(slots);
        assert!(
            self.waiting == 0 || self.bucket.available(self.now, slots) == 0,
            "somebody waits although there is a slot"
        );
    }

    fn release(&mut self, slots: u64) {
        let since = self.due_by(self.now.saturating_sub(TOLERANCE));
        for _ in 0..slots {
            assert!(self.bucket.give(self.now, 1) <= self.now);
            // What is let through while everything is, is bound by nothing.
            if !matches!(self.force, Force::Open) {
                self.releases.push((self.epoch, self.due, since));
            }
        }
        self.waiting -= slots;
        if self.waiting == 0 {
            self.bucket.last_went(self.now);
        }
    }

    fn run_until(&mut self, end: u64) {
        while self.waiting > 0
            && let Some(due) = self.bucket.next_due(0)
        {
            // A repeatable sort of chance.
            self.lags = self.lags.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let late = if self.lag == 0 { 0 } else { (self.lags >> 33) % (self.lag + 1) };
            let wake = due.max(self.now).saturating_add(late);
            if wake > end {
                break;
            }
            self.pass_to(wake);
            self.pump();
        }
        self.pass_to(end);
    }

    fn play(&mut self, script: Vec<(u64, Op)>) {
        for (gap, op) in script {
            self.run_until(self.now + gap);
            match op {
                Op::Ask(count) => {
                    if self.waiting == 0 {
                        self.bucket.first_comes(self.now);
                    }
                    self.waiting += count;
                    self.pump();
                }
                Op::Freeze(time) => {
                    self.pass_to(self.now + time);
                    self.pump();
                }
                Op::Pause => {
                    self.pump();
                    self.bucket.pause(self.now);
                    self.paused = true;
                }
                Op::Resume => {
                    self.pump();
                    self.bucket.resume(self.now);
                    self.paused = false;
                    self.pump();
                }
                Op::Rate(rate) => {
                    self.pump();
                    self.bucket.set_rate(rate, self.now);
                    self.force = Force::of(rate);
                    // What an open moment lets through is bound by nothing.
                    self.epoch += u64::from(matches!(self.force, Force::Open));
                    self.pump();
                }
                Op::Ramp(ramp) => {
                    self.pump();
                    self.bucket.set_ramp(ramp, self.now);
                    self.force = Force::Ramp { ramp, start: self.now };
                    self.pump();
                }
            }
            if matches!(self.force, Force::Open) {
                self.epoch += 1;
            }
        }
    }

    /// In no time from a release to a later one were more released than were due from the
    /// tolerance before the first, and one.
    fn never_exceeds(&self) {
        let mut worst = (u64::MAX, f64::NEG_INFINITY);
        for (index, &(epoch, due, since)) in self.releases.iter().enumerate().rev() {
            let index = index as f64;
            if worst.0 != epoch {
                worst = (epoch, f64::NEG_INFINITY);
            }
            worst.1 = worst.1.max(index - due);
            assert!(
                worst.1 <= index - since + 1e-3,
                "{} more than the bound",
                worst.1 - index + since
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Whatever is asked, changed, paused, however late the pacer is and if everything freezes.
    #[test]
    fn never_exceeds(rate in timed_rate(), lag in prop_oneof![Just(0), 0..30 * MS], script in script(op())) {
        let mut play = Play::new(rate, lag);
        play.play(script);
        play.never_exceeds();
    }

    /// As long as somebody waits and the pacer is not late by more than the tolerance, all that
    /// is due is given: nothing is forfeited, and changes of the rate, ramps and pauses, however
    /// frequent, lose nothing.
    #[test]
    fn never_starves(rate in timed_rate(), lag in 0..TOLERANCE, script in script(prop_oneof![
        4 => timed_change(), 1 => Just(Op::Pause), 2 => Just(Op::Resume), 1 => (1..50_u64).prop_map(Op::Ask),
    ])) {
        let mut play = Play::new(rate, lag);
        let endless = 1 << 40;
        play.play(std::iter::once((0, Op::Ask(endless))).chain(script).collect());
        play.pump();
        let given = play.releases.len() as f64;
        prop_assert_eq!(play.bucket.forfeited(), 0);
        // The first slot is ready at the start.
        let first = if rate == Rate::ZERO { 0.0 } else { 1.0 };
        prop_assert!((given - (play.due_while_waiting + first).floor()).abs() <= 1.0, "{} given of {}", given, play.due_while_waiting);
        play.never_exceeds();
    }

    /// However late the pacer is, what is due is either given or forfeited and counted, and each
    /// time it comes it gives at least one.
    #[test]
    fn lateness_forfeits_and_counts(rate in timed_rate(), lag in 0..200 * MS, millis in 1..20_000_u64) {
        let mut play = Play::new(rate, lag);
        play.play(vec![(0, Op::Ask(1 << 40)), (millis * MS, Op::Ask(1))]);
        let accounted = (play.releases.len() as u64 + play.bucket.forfeited()) as f64;
// Less than one slot is on the way, and less than one forfeited slot is in parts.
        let slots = play.due + 1.0;
        prop_assert!(accounted <= slots + 1e-3 && accounted > slots - 2.0 - 1e-3, "{} of {}", accounted, slots);
        play.never_exceeds();
    }
}
