use proptest::prelude::*;

use super::*;
use crate::load::settings::Spacing;

fn settings(profile: &str, arrivals: Arrive, saturation: Saturation) -> LoadSettings {
    LoadSettings {
        profile: Some(profile.parse().unwrap()),
        arrivals,
        spacing: Spacing::Even,
        saturation,
        seed: 1,
        graceful_stop: Duration::ZERO,
    }
}

/// A desk that all of a plan of one stage is dealt to.
fn desk(profile: &str, arrivals: Arrive, saturation: Saturation) -> Desk<u64> {
    let settings = settings(profile, arrivals, saturation);
    let plan = Arc::new(Plan::of(&settings).unwrap());
    let mut desk = Desk::new(plan.clone(), &settings);
    let last = plan.cells(0).unwrap().count();
    let row = Row { stage: 0, first: 1, last };
    desk.deal(Deal { row, share: Share::ALL, most_users: plan.most_users(0) });
    desk
}

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn arrivals_are_due_one_by_one_and_are_begun_by_new_users() {
    let mut desk = desk("1s: 10/s", Arrive::Users, Saturation::Drop);
    assert_eq!(desk.next_due(), Some(millis(100)));
    assert_eq!(desk.due(millis(99)), None);
    let arrival = desk.due(millis(250)).unwrap();
    assert_eq!(arrival, Arrival { stage: 0, due: millis(100) });
    assert_eq!(desk.seat(arrival), Fate::NewUser);
    assert_eq!(desk.due(millis(250)).map(|arrival| arrival.due), Some(millis(200)));
    assert_eq!(desk.due(millis(250)), None);
    // It is known to be the last as soon as it is due.
    while let Some(arrival) = desk.due(millis(1_000)) {
        assert_eq!(desk.seat(arrival), Fate::NewUser);
    }
    assert_eq!((desk.tally().scheduled, desk.next_due()), (10, None));
}

#[test]
fn beyond_the_most_users_arrivals_are_lost_and_the_plan_stays_on_time() {
    let mut desk = desk("1s: 10/s max 2", Arrive::Users, Saturation::Drop);
    let mut seated = |now| {
        let arrival = desk.due(millis(now)).unwrap();
        desk.seat(arrival)
    };
    assert_eq!([100, 200, 300].map(&mut seated), [Fate::NewUser, Fate::NewUser, Fate::Lost]);
    assert!(desk.ended(1).is_empty());
    let arrival = desk.due(millis(400)).unwrap();
    assert_eq!(desk.seat(arrival), Fate::NewUser);
    let told = Tally { scheduled: 4, started: 3, no_user: 1, ..Tally::default() };
    assert_eq!(desk.tally(), told);
}

#[test]
fn arrivals_may_wait_and_are_begun_in_order_when_users_end() {
    let mut desk = desk("1s: 10/s max 1", Arrive::Users, Saturation::Block);
    for now in [100, 200, 300] {
        let arrival = desk.due(millis(now)).unwrap();
        let expected = if now == 100 { Fate::NewUser } else { Fate::Waits };
        assert_eq!(desk.seat(arrival), expected);
    }
    assert_eq!((desk.tally().waiting(), desk.tally().dropped()), (2, 0));
    assert_eq!(desk.ended(1), [Arrival { stage: 0, due: millis(200) }]);
    assert_eq!(desk.ended(1), [Arrival { stage: 0, due: millis(300) }]);
    assert!(desk.ended(1).is_empty());
}

#[test]
fn kept_users_take_arrivals_in_turn() {
    let mut desk = desk("1s: 10/s max 2", Arrive::Iterations, Saturation::Block);
    let seated = |desk: &mut Desk<u64>, now| {
        let arrival = desk.due(millis(now)).unwrap();
        desk.seat(arrival)
    };
    assert_eq!(seated(&mut desk, 100), Fate::NewUser);
    desk.sit(7);
    assert_eq!(seated(&mut desk, 200), Fate::Seat(7));
    assert_eq!(seated(&mut desk, 300), Fate::NewUser);
    assert_eq!(seated(&mut desk, 400), Fate::Waits);
    assert_eq!(desk.free().map(|arrival| arrival.due), Some(millis(400)));
    assert_eq!(desk.free(), None);
    desk.sit(8);
    assert_eq!(desk.dismiss(), [8]);
}

#[test]
fn a_user_that_left_its_seat_costs_no_arrival() {
    let mut desk = desk("1s: 10/s", Arrive::Iterations, Saturation::Drop);
    desk.sit(1);
    let arrival = desk.due(millis(100)).unwrap();
    assert_eq!(desk.seat(arrival), Fate::Seat(1));
    desk.left_its_seat(arrival);
    assert_eq!(desk.seat(arrival), Fate::NewUser);
    assert_eq!(desk.tally(), Tally { scheduled: 1, started: 1, ..Tally::default() });
}

#[test]
fn the_most_users_of_a_stage_hold_from_its_first_arrival_on() {
    let settings = settings("1s: 3/s, 1s: 3/s max 1", Arrive::Users, Saturation::Drop);
    let plan = Arc::new(Plan::of(&settings).unwrap());
    let mut desk = Desk::<u64>::new(plan.clone(), &settings);
    for stage in [0, 1] {
        let row = Row { stage, first: 1, last: 3 };
        desk.deal(Deal { row, share: Share::ALL, most_users: plan.most_users(stage) });
    }
    let mut seated = || {
        let arrival = desk.due(millis(2_000)).unwrap();
        desk.seat(arrival)
    };
    let fates: Vec<_> = (0..6).map(|_| seated()).collect();
    let expected =
        [Fate::NewUser, Fate::NewUser, Fate::NewUser, Fate::Lost, Fate::Lost, Fate::Lost];
    assert_eq!(fates, expected);
}

/// A master that hears how many serve here must not take those for free that are yet to come.
#[test]
fn what_was_dealt_and_is_not_due_counts_among_those_that_may_serve() {
    let settings = settings("1s: 3/s", Arrive::Users, Saturation::Drop);
    let plan = Arc::new(Plan::of(&settings).unwrap());
    let mut desk = Desk::<u64>::new(plan, &settings);
    for (cell, most_users) in [(1, 2), (2, 5), (3, 1)] {
        let row = Row { stage: 0, first: cell, last: cell };
        desk.deal(Deal { row, share: Share::ALL, most_users: Some(most_users) });
    }
    assert_eq!(desk.serving(), 5);
    for expected in [5, 5, 1] {
        assert!(desk.due(millis(2_000)).is_some());
        assert_eq!(desk.serving(), expected);
    }
}

#[test]
fn kept_users_go_when_a_stage_allows_fewer() {
    let settings = settings("1s: 5/s, 1s: 4/s max 2", Arrive::Iterations, Saturation::Drop);
    let plan = Arc::new(Plan::of(&settings).unwrap());
    let mut desk = Desk::<u64>::new(plan.clone(), &settings);
    for (stage, last) in [(0, 5), (1, 4)] {
        let row = Row { stage, first: 1, last };
        desk.deal(Deal { row, share: Share::ALL, most_users: plan.most_users(stage) });
    }
    for _ in 0..5 {
        let arrival = desk.due(millis(1_000)).unwrap();
        assert_eq!(desk.seat(arrival), Fate::NewUser);
    }
    (1..=3).for_each(|seat| desk.sit(seat));
    // Two are busy and three idle: all idle ones go, and no arrival is begun by a third.
    let arrival = desk.due(millis(2_000)).unwrap();
    assert_eq!(desk.seat(arrival), Fate::Lost);
    assert!(desk.dismiss().is_empty());
    assert!(desk.ended(3).is_empty());
    // Of the two that are busy one is done, and takes the next.
    assert_eq!(desk.free(), None);
    desk.sit(4);
    let arrival = desk.due(millis(2_000)).unwrap();
    assert_eq!(desk.seat(arrival), Fate::Seat(4));
    let arrival = desk.due(millis(2_000)).unwrap();
    assert_eq!(desk.seat(arrival), Fate::Lost);
}

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    End,
    Free,
    Leave,
    Refuse,
    Dismiss,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1..400_u64).prop_map(Step::Wait),
        4 => Just(Step::End),
        4 => Just(Step::Free),
        1 => Just(Step::Leave),
        1 => Just(Step::Refuse),
        1 => Just(Step::Dismiss),
    ];
    prop::collection::vec(step, 1..80)
}

proptest! {
    /// scheduled = started + dropped + waiting after every step, never more users than there may
    /// be, and in the end every arrival of the plan is accounted for, and nobody waits.
    #[test]
    fn every_arrival_is_accounted_for(
        steps in steps(), most in 0..4_u64, keeps: bool, blocks: bool,
    ) {
        let profile = format!("2s: 20/s -> 60/s max {most}");
        let arrive = if keeps { Arrive::Iterations } else { Arrive::Users };
        let saturation = if blocks { Saturation::Block } else { Saturation::Drop };
        let mut desk = desk(&profile, arrive, saturation);
        // Busy users, and those that sit idle, by number.
        let (mut now, mut busy, mut idle, mut names) = (0, 0_u64, Vec::new(), 0);
        let mut refused = Vec::new();
        for step in steps.into_iter().chain([Step::Wait(10_000)]) {
            match step {
                Step::Wait(time) => {
                    now += time;
                    while let Some(arrival) = desk.due(millis(now)) {
                        prop_assert!(arrival.due <= millis(now));
                        loop {
                            match desk.seat(arrival) {
                                Fate::Seat(seat) if idle.contains(&seat) => {
                                    idle.retain(|other| *other != seat);
                                    busy += 1;
                                }
                                Fate::Seat(_) => {
                                    desk.left_its_seat(arrival);
                                    continue;
                                }
                                Fate::NewUser => {
                                    busy += 1;
                                    refused.push(arrival);
                                }
                                Fate::Waits | Fate::Lost => {}
                            }
                            break;
                        }
                    }
                }
                Step::End if busy > 0 => {
                    busy -= 1;
                    busy += desk.ended(1).len() as u64;
                    refused.clear();
                }
                Step::Free if busy > 0 && keeps => {
                    if desk.free().is_none() {
                        busy -= 1;
                        names += 1;
                        idle.push(names);
                        desk.sit(names);
                    }
                    refused.clear();
                }
                // One that sits idle is told to stop, and ends: the desk hears of its end only.
                Step::Leave if !idle.is_empty() => {
                    idle.pop();
                    busy += desk.ended(1).len() as u64;
                }
                Step::Refuse => {
                    if let Some(arrival) = refused.pop() {
                        desk.refused(&[arrival]);
                        busy -= 1;
                    }
                }
                Step::Dismiss => {
                    for seat in desk.dismiss() {
                        if idle.contains(&seat) {
                            idle.retain(|other| *other != seat);
                            busy += desk.ended(1).len() as u64;
                        }
                    }
                }
                _ => {}
            }
            let tally = desk.tally();
            prop_assert_eq!(tally.scheduled, tally.started + tally.dropped() + tally.waiting());
            prop_assert_eq!(desk.users(), busy + idle.len() as u64);
            prop_assert!(most == 0 || desk.users() <= most);
            prop_assert!(blocks || tally.waiting() == 0);
            prop_assert!(!blocks || tally.no_user == 0);
        }
        desk.close();
        let tally = desk.tally();
        prop_assert_eq!(tally.scheduled, 80);
        prop_assert_eq!(tally.scheduled, tally.started + tally.dropped());
    }
}
