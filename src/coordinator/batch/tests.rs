use std::collections::BTreeSet;

use proptest::prelude::*;
use rand::{SeedableRng, rngs::SmallRng};

use super::*;

type Fired = Vec<Batch<u64>>;

const TIMEOUT: Duration = Duration::from_secs(10);

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn batcher(groups: &[Group]) -> Batcher<u64, SmallRng> {
    seeded(groups, 7)
}

fn seeded(groups: &[Group], seed: u64) -> Batcher<u64, SmallRng> {
    let groups = groups.iter().map(|group| (*group, true));
    Batcher::new(groups, Some(TIMEOUT), SmallRng::seed_from_u64(seed))
}

/// The batches as (item, event, users oldest first).
fn told(fired: &[Batch<u64>]) -> Vec<(usize, Event, Vec<u64>)> {
    let users = |batch: &Batch<u64>| batch.members.iter().map(|member| member.user.0).collect();
    fired.iter().map(|batch| (batch.item, batch.event, users(batch))).collect()
}

#[test]
fn an_add_counts_in_every_item() {
    let mut batcher = batcher(&[Group::size(2), Group::size(3), Group::All]);
    let mut fired = Fired::new();
    for user in 1..=6 {
        batcher.add(at(0), UserId(user), user, |batch| fired.push(batch));
    }
    let full = Event::Coordinate;
    let expected = [
        (0, full(2), vec![1, 2]),
        (1, full(3), vec![1, 2, 3]),
        (0, full(2), vec![3, 4]),
        (0, full(2), vec![5, 6]),
        (1, full(3), vec![4, 5, 6]),
    ];
    assert_eq!(told(&fired), expected);
    let mut fired = Fired::new();
    batcher.stop(|batch| fired.push(batch));
    let expected = [
        (0, Event::Stop(0), vec![]),
        (1, Event::Stop(0), vec![]),
        (2, Event::Stop(6), vec![1, 2, 3, 4, 5, 6]),
    ];
    assert_eq!(told(&fired), expected);
}

#[test]
fn nobody_is_kept_for_actions_that_only_count() {
    let mut batcher = Batcher::new([(Group::size(2), false)], None, SmallRng::seed_from_u64(1));
    let mut fired = Vec::new();
    for user in 1..=3 {
        batcher.add(at(0), UserId(user), user, |batch| fired.push(batch));
    }
    assert_eq!(told(&fired), [(0, Event::Coordinate(2), vec![])]);
    assert_eq!(batcher.gathered().collect::<Vec<_>>(), [(Some(2), 1)]);
}

#[test]
fn a_timeout_is_told_once_until_the_next_add() {
    let mut batcher = batcher(&[Group::size(2), Group::All]);
    let mut fired = Fired::new();
    assert!(!batcher.tick(at(1_000), |batch| fired.push(batch)), "nobody was added yet");
    let added = batcher.add(at(1_000), UserId(1), 1, |batch| fired.push(batch));
    assert_eq!(added, Added { armed: true, timed_out: false });
    let added = batcher.add(at(1_005), UserId(2), 2, |batch| fired.push(batch));
    assert_eq!(added, Added { armed: false, timed_out: false });
    assert_eq!(batcher.deadline(), Some(at(1_015)));
    fired.clear();
    assert!(!batcher.tick(at(1_014), |batch| fired.push(batch)));
    assert!(batcher.tick(at(1_015), |batch| fired.push(batch)));
    assert!(!batcher.tick(at(1_100), |batch| fired.push(batch)));
    assert_eq!(told(&fired), [(0, Event::Timeout(0), vec![]), (1, Event::Timeout(2), vec![1, 2])]);
}

#[test]
fn an_add_after_the_deadline_is_not_in_the_groups_that_timed_out() {
    let mut batcher = batcher(&[Group::size(2)]);
    let mut fired = Fired::new();
    batcher.add(at(0), UserId(1), 1, |batch| fired.push(batch));
    let added = batcher.add(at(10), UserId(2), 2, |batch| fired.push(batch));
    assert_eq!(added, Added { armed: true, timed_out: true });
    assert_eq!(told(&fired), [(0, Event::Timeout(1), vec![1])]);
    assert_eq!(batcher.deadline(), Some(at(20)));
}

#[test]
fn a_reset_disarms_the_timeout() {
    let mut batcher = batcher(&[Group::size(2)]);
    let mut fired = Fired::new();
    batcher.add(at(0), UserId(1), 1, |batch| fired.push(batch));
    batcher.reset(|batch| fired.push(batch));
    batcher.reset(|batch| fired.push(batch));
    assert_eq!(batcher.deadline(), None);
    assert_eq!(told(&fired), [(0, Event::Reset(1), vec![1]), (0, Event::Reset(0), vec![])]);
}

#[test]
fn a_clock_read_too_early_does_not_bring_the_deadline_forward() {
    let mut batcher = batcher(&[Group::All]);
    batcher.add(at(5), UserId(1), 1, |_| ());
    batcher.add(at(4), UserId(2), 2, |_| ());
    assert_eq!(batcher.deadline(), Some(at(15)));
}

#[test]
fn both_ends_of_a_range_are_drawn_and_all_sizes_are_equally_likely() {
    const GROUPS: u64 = 30_000;
    let mut batcher = seeded(&[Group::range(2, 4)], 42);
    let mut sizes = [0u64; 5];
    let mut full = 0;
    for user in 0.. {
        batcher.add(at(0), UserId(user), user, |batch| {
            sizes[batch.members.len()] += 1;
            full += 1;
        });
        if full == GROUPS {
            break;
        }
    }
    // 10,000 each on average; the standard deviation is 82, and the seed is fixed.
    for size in 2..=4 {
        assert!(sizes[size].abs_diff(GROUPS / 3) < 400, "{sizes:?}");
    }
}

/// A clone that panics is the adder's misfortune and nobody else's.
#[test]
fn a_clone_that_panics_counts_nobody() {
    #[derive(Debug)]
    struct Fragile(bool);
    impl Clone for Fragile {
        fn clone(&self) -> Self {
            assert!(!self.0, "broken");
            Self(false)
        }
    }
    let groups = [(Group::size(2), true), (Group::All, true)];
    let mut batcher = Batcher::new(groups, None, SmallRng::seed_from_u64(1));
    batcher.add(at(0), UserId(1), Fragile(false), |_| ());
    let panicking = std::panic::AssertUnwindSafe(|| {
        batcher.add(at(0), UserId(2), Fragile(true), |_| ());
    });
    std::panic::catch_unwind(panicking).unwrap_err();
    assert_eq!(batcher.gathered().map(|(_, count)| count).collect::<Vec<_>>(), [1, 1]);
    let mut fired = Vec::new();
    batcher.add(at(0), UserId(3), Fragile(false), |batch| fired.push(batch));
    let users: Vec<_> = fired[0].members.iter().map(|member| member.user.0).collect();
    assert_eq!(users, [1, 3]);
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Add,
    Pass(u64),
    Reset,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => Just(Step::Add),
        2 => (0..15u64).prop_map(Step::Pass),
        1 => Just(Step::Reset),
    ]
}

fn group() -> impl Strategy<Value = Group> {
    prop_oneof![
        (1..8u64).prop_map(Group::size),
        (1..5u64, 1..5u64).prop_map(|(min, more)| Group::range(min, min + more)),
        Just(Group::All),
    ]
}

proptest! {
    /// Whatever happens: in every item each add is in exactly one batch, in the order of the adds;
    /// full groups have a size that was allowed, and what ends early is smaller than that.
    #[test]
    fn batches_partition_the_adds(
        groups in prop::collection::vec(group(), 0..5),
        steps in prop::collection::vec(step(), 0..200),
        seed in any::<u64>(),
    ) {
        let mut batcher = seeded(&groups, seed);
        let mut fired = Fired::new();
        let (mut now, mut adds) = (0, 0);
        for step in steps {
            match step {
                Step::Add => {
                    adds += 1;
                    batcher.add(at(now), UserId(adds), adds, |batch| fired.push(batch));
                }
                Step::Pass(seconds) => {
                    now += seconds;
                    batcher.tick(at(now), |batch| fired.push(batch));
                }
                Step::Reset => batcher.reset(|batch| fired.push(batch)),
            }
        }
        batcher.stop(|batch| fired.push(batch));
        prop_assert_eq!(batcher.adds(), adds);
        prop_assert_eq!(batcher.fired().total(), fired.len() as u64);
        for (n, group) in groups.iter().enumerate() {
            let batches: Vec<_> = fired.iter().filter(|batch| batch.item == n).collect();
            let members: Vec<u64> =
                batches.iter().flat_map(|batch| &batch.members).map(|member| member.data).collect();
            prop_assert_eq!(members, (1..=adds).collect::<Vec<_>>());
            for batch in &batches {
                prop_assert_eq!(batch.event.count(), batch.members.len() as u64);
                let full = matches!(batch.event, Event::Coordinate(_));
                let (min, max) = match *group {
                    Group::Size(size) => (size, size),
                    Group::Range { min, max } => (min, max),
                    Group::All => {
                        prop_assert!(!full, "everybody is never a full group");
                        prop_assert_eq!(batch.size, None);
                        continue;
                    }
                };
                let size = batch.size.expect("a numbered group has a size");
                prop_assert!((min..=max).contains(&size));
                prop_assert_eq!(full, batch.event.count() == size, "{:?}", batch);
                prop_assert!(batch.event.count() <= size);
            }
            prop_assert!(matches!(batches.last().map(|batch| batch.event), Some(Event::Stop(_))));
        }
    }

    /// Timeouts come exactly where a model with a list of add times says, and reach every item.
    #[test]
    fn a_timeout_ends_every_quiet_stretch(gaps in prop::collection::vec(0..30u64, 1..60)) {
        let mut batcher = batcher(&[Group::size(3), Group::All]);
        let mut timeouts = BTreeSet::new();
        let mut expected = BTreeSet::new();
        let mut now = 0;
        for (user, gap) in (1..).zip(gaps) {
            if user > 1 && gap >= TIMEOUT.as_secs() {
                expected.extend([(user, 0), (user, 1)]);
            }
            now += gap;
            batcher.add(at(now), UserId(user), user, |batch| {
                if matches!(batch.event, Event::Timeout(_)) {
                    timeouts.insert((user, batch.item));
                }
            });
        }
        prop_assert_eq!(timeouts, expected);
    }
}
