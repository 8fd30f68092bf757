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
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..60u64).prop_map(Step::Add),
        (0..400u64, 0..400u64).prop_map(|(first, last)| Step::AddRange(first, last)),
        (0..60u64).prop_map(Step::Admit),
        prop_oneof![0..60u64, Just(u64::MAX)].prop_map(Step::Remove),
        (0..60usize, 0..3u8).prop_map(|(n, how)| Step::End(n, how)),
        (0..400u64).prop_map(Step::EndAny),
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

proptest! {
    #[test]
    fn accounts_add_up_whatever_happens(steps in prop::collection::vec(step(), 0..120)) {
        let mut population = Population::default();
        let mut told = BTreeSet::new();
        for step in steps {
            let before = population.clone();
            match step {
                Step::Add(count) => { let _ = population.add(count); }
                Step::AddRange(first, last) => {
                    let fits = first <= last && first > before.highest_id();
                    prop_assert_eq!(population.add_range(first, last).is_ok(), fits);
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
                        prop_assert!(population.ended(id, count));
                        prop_assert_eq!(population.running(), running - 1);
                        prop_assert!(!population.ended(id, count), "{} ended twice", id);
                    }
                }
                Step::EndAny(id) => {
                    let was = population.state_of(UserId(id));
                    let running = matches!(was, Some("running" | "stopping"));
                    prop_assert_eq!(population.ended(UserId(id), Count::Failed), running);
                }
            }
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
