use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Add(u64),
    AddRange(u64, u64),
    Admit(u64),
    Remove(u64),
    /// The n-th of the running users ends.
    End(usize, u8),
    /// An id that may be anything ends.
    EndAny(u64),
    /// Ids that may live here already, have been given back, or are new.
    Place(Vec<(u64, u64)>),
    Release(u64),
    Look,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..60u64).prop_map(Step::Add),
        (0..400u64, 0..400u64).prop_map(|(first, last)| Step::AddRange(first, last)),
        (0..60u64).prop_map(Step::Admit),
        prop_oneof![0..60u64, Just(u64::MAX)].prop_map(Step::Remove),
        (0..60usize, 0..3u8).prop_map(|(n, how)| Step::End(n, how)),
        (0..400u64).prop_map(Step::EndAny),
        prop::collection::vec((1..400u64, 0..30u64), 0..4).prop_map(|ranges| {
            Step::Place(ranges.into_iter().map(|(first, size)| (first, first + size)).collect())
        }),
        (0..60u64).prop_map(Step::Release),
        Just(Step::Look),
    ]
}

/// Invariant: asked = waiting + running + finished + failed + removed.
fn accounts_add_up(population: &Population) -> Result<(), TestCaseError> {
    let counts = population.counts();
    let sum = counts.waiting + counts.running + counts.finished + counts.failed + counts.removed;
    prop_assert_eq!(counts.asked, sum, "{:?}", counts);
    prop_assert!(counts.started >= counts.running + counts.finished + counts.failed);
    prop_assert!(counts.started + counts.waiting <= counts.asked);
    prop_assert!(counts.peak >= counts.running);
    prop_assert!(counts.asked <= population.highest_id());
    Ok(())
}

/// All ids that wait or run.
fn living(population: &Population) -> BTreeSet<UserId> {
    let sets = [&population.waiting, &population.staying, &population.leaving];
    sets.into_iter().flat_map(IdSet::iter).collect()
}

proptest! {
    #[test]
    fn accounts_add_up_whatever_happens(steps in prop::collection::vec(step(), 0..120)) {
        let mut population = Population::default();
        population.keep_gone();
        let mut told = BTreeSet::new();
        // Who has been added and is not known to be gone, and who has ended.
        let (mut here, mut over) = (BTreeSet::new(), BTreeSet::new());
        for step in steps {
            let before = population.clone();
            match step {
                Step::Add(count) => here.extend(population.add(count).into_iter().flatten().map(UserId)),
                Step::AddRange(first, last) => {
                    let fits = first <= last && first > before.highest_id();
                    let added = population.add_range(first, last);
                    prop_assert_eq!(added.is_ok(), fits);
                    here.extend(added.into_iter().flatten().map(UserId));
                }
                Step::Admit(count) => {
                    let admitted = population.admit(count);
                    prop_assert_eq!(admitted.len(), count.min(before.waiting()));
                    // In id order: whoever still waits has a higher id.
                    if let (Some(last), Some(next)) =
                        (admitted.iter().next_back(), population.waiting.iter().next())
                    {
                        prop_assert!(last < next);
                    }
                }
                Step::Remove(count) => {
                    let removal = population.remove(count);
                    let free = before.waiting() + before.staying.len();
                    prop_assert_eq!(removal.len(), count.min(free));
                    // Nobody is told twice.
                    for id in removal.chosen.iter() {
                        prop_assert!(told.insert(id), "{} was chosen twice", id);
                    }
                    // Newest first: nobody is told while somebody waits.
                    prop_assert!(removal.chosen.is_empty() || population.waiting() == 0);
                }
                Step::End(n, how) => {
                    let running = population.running();
                    let id = population.running_ids().nth(n);
                    let count = [Count::Finished, Count::Failed, Count::Removed][usize::from(how)];
                    if let Some(id) = id {
                        let back = before.returning.contains(id) && count == Count::Removed;
                        let departure = if back { Departure::Released } else { Departure::Counted };
                        prop_assert_eq!(population.ended(id, count), departure);
                        prop_assert_eq!(population.running(), running - 1);
                        prop_assert_eq!(population.ended(id, count), Departure::Unknown);
                        told.remove(&id);
                    }
                }
                Step::EndAny(id) => {
                    let was = population.state_of(UserId(id));
                    let running = matches!(was, Some("running" | "stopping"));
                    let departure = if running { Departure::Counted } else { Departure::Unknown };
                    prop_assert_eq!(population.ended(UserId(id), Count::Failed), departure);
                    told.remove(&UserId(id));
                }
                Step::Place(ranges) => {
                    // No id is placed anywhere once it has ended.
                    let gone = population.take_gone();
                    over.extend(gone.ended.iter());
                    here.retain(|id| !gone.ended.contains(*id) && !gone.released.contains(*id));
                    let over: IdSet = over.iter().copied().collect();
                    let users = IdSet::from(ranges).without(&over);
                    let new = users.iter().filter(|id| before.state_of(*id).is_none()).collect();
                    prop_assert_eq!(population.place(&users), Ok(new));
                    let once_more = population.place(&users);
                    prop_assert_eq!(once_more, Ok(IdSet::default()), "placing is idempotent");
                    here.extend(users.iter());
                }
                Step::Release(count) => {
                    let removal = population.release(count);
                    let free = before.waiting() + before.staying.len();
                    prop_assert_eq!(removal.len(), count.min(free));
                    prop_assert!(removal.chosen.iter().all(|id| told.insert(id)));
                    let counts = population.counts();
                    prop_assert_eq!(counts.removed, before.removed, "nobody is removed by it");
                    prop_assert_eq!(counts.asked, before.asked - removal.cancelled.len());
                }
                Step::Look => {
                    let gone = population.take_gone();
                    prop_assert_eq!(population.take_gone(), Gone::default(), "told once");
                    prop_assert!(gone.ended.without(&gone.released) == gone.ended, "ended or given back");
                    over.extend(gone.ended.iter());
                    here.retain(|id| !gone.ended.contains(*id) && !gone.released.contains(*id));
                    // Whoever looks knows who is here, exactly.
                    prop_assert_eq!(&here, &living(&population));
                }
            }
            accounts_add_up(&population)?;
        }
    }
}

/// Steps of a run that follows a plan, and those of a master.
#[derive(Debug, Clone)]
enum Plan {
    Keep(u64),
    Admit(u64),
    Arrive(u64),
    Retire(u64),
    RetireAll,
    /// Of these, whoever is no longer needed is to stop.
    Overdue(u64, u64),
    Remove(u64),
    Release(u64),
    /// The n-th of the running users ends.
    End(usize, bool),
}

fn plan() -> impl Strategy<Value = Plan> {
    prop_oneof![
        (0..30u64).prop_map(Plan::Keep),
        (0..30u64).prop_map(Plan::Admit),
        (0..30u64).prop_map(Plan::Arrive),
        (0..30u64).prop_map(Plan::Retire),
        Just(Plan::RetireAll),
        (1..200u64, 0..60u64).prop_map(|(first, size)| Plan::Overdue(first, first + size)),
        (0..30u64).prop_map(Plan::Remove),
        (0..30u64).prop_map(Plan::Release),
        (0..60usize, any::<bool>()).prop_map(|(n, removed)| Plan::End(n, removed)),
    ]
}

proptest! {
    /// Invariant: how many are kept is what the sets say, after every step.
    #[test]
    fn who_is_kept_is_counted_exactly(steps in prop::collection::vec(plan(), 0..120)) {
        let mut population = Population::default();
        for step in steps {
            match step {
                Plan::Keep(count) => drop(population.keep(count)),
                Plan::Admit(count) => drop(population.admit(count)),
                Plan::Arrive(count) => drop(population.arrive(count)),
                Plan::Retire(count) => drop(population.retire(count)),
                Plan::RetireAll => drop(population.retire_all()),
                Plan::Overdue(first, last) => {
                    population.overdue(&IdSet::from(vec![(first, last)]));
                }
                Plan::Remove(count) => drop(population.remove(count)),
                Plan::Release(count) => drop(population.release(count)),
                Plan::End(n, removed) => {
                    let id = population.running_ids().nth(n);
                    let count = if removed { Count::Removed } else { Count::Finished };
                    id.map(|id| population.ended(id, count));
                }
            }
            let stay = population.staying.without(&population.arrived);
            let needed = stay.without(&population.retiring);
            prop_assert_eq!(population.kept(), population.waiting() + needed.len());
            accounts_add_up(&population)?;
        }
    }
}

#[test]
fn ids_may_begin_above_one_and_leave_gaps() {
    let mut population = Population::default();
    assert_eq!(population.add_range(6, 10), Ok(6..=10));
    assert_eq!((population.waiting(), population.highest_id()), (5, 10));
    assert_eq!(population.add(2), Ok(11..=12));
}

#[test]
fn ids_given_out_before_are_refused() {
    let mut population = Population::default();
    population.add(10).unwrap();
    for (first, last) in [(10, 12), (1, 1), (12, 11), (11, u64::MAX)] {
        let refusal = population.add_range(first, last).unwrap_err();
        assert_eq!(refusal.code, Code::InvalidRange, "{first}..{last}");
    }
    assert_eq!(population.add(0).unwrap_err().code, Code::InvalidRange);
    assert_eq!(population.add(u64::MAX).unwrap_err().code, Code::InvalidRange);
    assert_eq!(population.counts().asked, 10);
}

#[test]
fn running_ids_come_in_order() {
    let mut population = Population::default();
    population.add(6).unwrap();
    population.admit(6);
    population.remove(2);
    population.ended(UserId(2), Count::Finished);
    let ids: Vec<_> = population.running_ids().map(|id| id.0).collect();
    assert_eq!(ids, [1, 3, 4, 5, 6]);
}

/// What the master moves elsewhere is asked for there; what ended here, counts here.
#[test]
fn released_users_are_in_none_of_the_counts() {
    let mut population = Population::default();
    population.keep_gone();
    population.place(&IdSet::from(vec![(5, 14), (101, 104)])).unwrap();
    population.admit(10);
    let removal = population.release(7);
    assert_eq!((removal.cancelled.len(), removal.chosen.len()), (4, 3));
    assert_eq!(population.take_gone().released, IdSet::from(vec![(101, 104)]));
    population.ended(UserId(14), Count::Removed);
    population.ended(UserId(13), Count::Finished);
    population.ended(UserId(12), Count::Failed);
    let counts = population.counts();
    assert_eq!((counts.asked, counts.started, counts.running), (9, 9, 7));
    assert_eq!((counts.finished, counts.failed, counts.removed), (1, 1, 0));
    let gone = population.take_gone();
    assert_eq!(gone.released, IdSet::from(vec![(14, 14)]));
    assert_eq!(gone.ended, IdSet::from(vec![(12, 13)]));
    let back = IdSet::from(vec![(14, 14)]);
    assert_eq!(population.place(&back), Ok(back), "it may come back");
}

#[test]
fn ids_that_nobody_can_have_are_not_placed() {
    let mut population = Population::default();
    let beyond = IdSet::from(vec![(HIGHEST_ID, HIGHEST_ID + 1)]);
    assert_eq!(population.place(&beyond).unwrap_err().code, Code::InvalidRange);
    assert_eq!(population.place(&IdSet::default()), Ok(IdSet::default()));
    assert_eq!(population.counts(), UserCounts::default());
}

#[test]
fn a_million_ends_in_any_order_are_counted_and_told_quickly() {
    let mut population = Population::default();
    population.keep_gone();
    population.add(1_000_000).unwrap();
    population.admit(1_000_000);
    for n in 0..1_000_000_u64 {
        // A prime step visits every id once.
        population.ended(UserId(n * 611_953 % 1_000_000 + 1), Count::Finished);
        // Asked by the controller whenever users end.
        assert_eq!(population.kept(), 999_999 - n);
    }
    assert_eq!(population.take_gone().ended, IdSet::from(vec![(1, 1_000_000)]));
}
