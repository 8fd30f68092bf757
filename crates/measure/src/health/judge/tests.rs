use proptest::prelude::*;

use super::*;
use crate::health::{GeneratorVerdict, HealthSummary, judge as judge_run};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The second that ends then, in which nothing was wrong.
fn well(until: u64) -> Second {
    let second = Duration::from_secs(1);
    Second {
        until: second * until as u32,
        span: second,
        told: second,
        workers: 2,
        cpu: Some(0.3),
        ..Second::default()
    }
}

/// A run of so many seconds, each as told.
fn run(seconds: u64, of: impl Fn(u64) -> Second) -> Judge {
    let mut judge = Judge::default();
    (1..=seconds).for_each(|until| judge.observe(&of(until)));
    judge
}

fn verdict(judge: &Judge) -> GeneratorVerdict {
    let spells = judge.spells();
    judge_run(&HealthSummary { samples: 3_600, cores: 2.0, spells, ..HealthSummary::default() })
}

/// A loop that is late for so many milliseconds of the seconds from `first` to `last`.
fn late(first: u64, last: u64, overdue: u64) -> impl Fn(u64) -> Second {
    move |until| {
        let bad = (first..=last).contains(&until);
        Second { loop_overdue: ms(if bad { overdue } else { 0 }), ..well(until) }
    }
}

#[test]
fn a_run_without_trouble_has_no_spells() {
    let judge = run(3_600, well);
    assert_eq!(judge.spells(), []);
    assert_eq!(verdict(&judge), GeneratorVerdict::default());
}

#[test]
fn three_bad_seconds_of_an_hour_are_invalid_and_told_with_their_times() {
    let judge = run(3_600, late(1_013, 1_015, 900));
    let found = verdict(&judge);
    assert_eq!(found.verdict, Trust::Invalid);
    insta::assert_snapshot!(found.reasons.join("\n"), @"the event loop was more than 50 ms late for up to 90% of a second, above the limit of 50% for 3 seconds in a row, from 1012 s to 1015 s; it had too much to do: run fewer users on this machine, or add nodes");
}

#[test]
fn starvation_is_told_in_its_third_second() {
    let told =
        (1..=10).find(|until| verdict(&run(*until, late(4, 10, 700))).verdict == Trust::Invalid);
    // It began after the third second.
    assert_eq!(told, Some(6));
}

#[test]
fn hiccups_are_forgiven() {
    // Every third second is lost, as on a machine that others use.
    let judge = run(600, |until| late(1, 600, if until % 3 == 0 { 0 } else { 800 })(until));
    assert_eq!(verdict(&judge).verdict, Trust::Valid);
    // Timers late by 50 to 100 ms now and then.
    assert_eq!(run(600, late(1, 600, 50)).spells(), []);
    // In a row and worse, they are not.
    assert_eq!(verdict(&run(600, late(7, 9, 150))).verdict, Trust::Degraded);
}

#[test]
fn what_was_invalid_once_stays_so() {
    let judge = run(3_600, late(5, 9, 900));
    let spell = &judge.spells()[0];
    assert_eq!((spell.verdict, spell.first, spell.last), (Trust::Invalid, ms(4_000), ms(9_000)));
    assert_eq!(spell.seconds, 5);
}

#[test]
fn a_process_that_stood_still_is_judged_by_how_long() {
    let frozen = |millis: u64| {
        let judge = run(10, |until| match until {
            5 => Second {
                span: ms(millis),
                loop_overdue: ms(millis - 100),
                thread_overdue: ms(millis - 80),
                ..well(until)
            },
            _ => well(until),
        });
        verdict(&judge)
    };
    assert_eq!(frozen(1_400).verdict, Trust::Valid);
    let found = frozen(4_000);
    assert_eq!(found.verdict, Trust::Invalid);
    insta::assert_snapshot!(found.reasons.join("\n"), @"the event loop was more than 50 ms late for up to 98% of a second, above the limit of 50% for 3 seconds in a row, from 1 s to 5 s; the whole process stood still meanwhile: end other programs on this machine, or give it more cores");
}

#[test]
fn user_code_is_blamed_by_name() {
    let judge = run(60, |until| Second {
        loop_overdue: ms(if until > 20 { 800 } else { 0 }),
        stalled: ms(if until > 20 { 1_900 } else { 0 }),
        worst_stall: (until > 20).then(|| ("shop: encrypt".to_owned(), ms(212))),
        ..well(until)
    });
    let found = verdict(&judge);
    assert_eq!(found.verdict, Trust::Invalid);
    insta::assert_snapshot!(found.reasons.join("\n"), @r#"
    the event loop was more than 50 ms late for up to 80% of a second, above the limit of 50% for 3 seconds in a row, from 20 s to 60 s; meanwhile `shop: encrypt` ran for up to 212 ms without awaiting: move long computations out of the scenario's async code, to a blocking task
    user code held up 95% of the workers' time without awaiting, above the limit of 40% for 3 seconds in a row, from 20 s to 60 s: nobody else could run on that worker; move the computation to a blocking task
    "#);
}

#[test]
fn one_of_two_workers_held_up_is_seen_though_the_loop_is_on_time() {
    let judge = run(60, |until| Second {
        stalled: ms(if until > 20 { 950 } else { 0 }),
        worst_stall: (until > 20).then(|| ("shop".to_owned(), ms(950))),
        ..well(until)
    });
    let spells = judge.spells();
    assert_eq!(spells.len(), 1);
    assert_eq!((spells[0].cause, spells[0].verdict), (Cause::UserCode, Trust::Invalid));
}

#[test]
fn arrivals_without_users_degrade_and_lost_ones_spoil() {
    let part = |part| Part { part, of: 100 };
    let of = |dropped, lost| {
        verdict(&run(10, |until| Second {
            dropped: part(dropped),
            lost: part(lost),
            ..well(until)
        }))
    };
    assert_eq!(of(1, 1).verdict, Trust::Valid);
    assert_eq!(of(90, 0).verdict, Trust::Degraded);
    assert_eq!(of(0, 5).verdict, Trust::Degraded);
    assert_eq!(of(0, 6).verdict, Trust::Invalid);
}

#[test]
fn few_things_counted_prove_nothing() {
    let one_in_a_second = |until| Second { forfeited: Part { part: 1, of: 1 }, ..well(until) };
    assert_eq!(verdict(&run(4, one_in_a_second)).verdict, Trust::Valid);
    assert_eq!(verdict(&run(5, one_in_a_second)).verdict, Trust::Invalid);
}

#[test]
fn silence_breaks_no_streak() {
    // Told every other second, of two at a time.
    let judge = run(10, |until| Second {
        told: Duration::from_secs(if until % 2 == 0 { 2 } else { 0 }),
        forfeited: if until % 2 == 0 { Part { part: 20, of: 100 } } else { Part::default() },
        ..well(until)
    });
    let spell = &judge.spells()[0];
    assert_eq!((spell.verdict, spell.first, spell.seconds), (Trust::Invalid, ms(0), 10));
}

#[test]
fn late_arrivals_are_told() {
    let judge = run(60, |until| Second {
        schedule_lag: ms(if until > 50 { 1_300 } else { 3 }),
        ..well(until)
    });
    assert_eq!(verdict(&judge).verdict, Trust::Invalid);
    let judge = run(60, |until| Second {
        schedule_lag: ms(if until > 50 { 300 } else { 3 }),
        ..well(until)
    });
    insta::assert_snapshot!(verdict(&judge).reasons.join("\n"), @"the latest hundredth of the arrivals in a second began 300 ms late, above the limit of 100 ms, from 50 s to 60 s: lower the rate or add nodes");
}

proptest! {
    /// Whatever came before and comes after: a spell lies within the run and is in order, the state is
    /// as small as the causes are few, and more trouble never earns a better verdict.
    #[test]
    fn spells_are_bounded_and_trouble_never_helps(
        seconds in prop::collection::vec((0..1_000u64, 0..2_000u64, 0..20u64), 1..60),
        more in 0..500u64,
    ) {
        let judge = |more: u64| {
            run(seconds.len() as u64, |until| {
                let (overdue, stalled, forfeited) = seconds[until as usize - 1];
                Second {
                    loop_overdue: ms(overdue + more),
                    stalled: ms(stalled + more),
                    forfeited: Part { part: forfeited, of: 100 },
                    ..well(until)
                }
            })
        };
        let end = Duration::from_secs(seconds.len() as u64);
        let (less, more) = (judge(0), judge(more));
        for spell in less.spells() {
            prop_assert!(spell.first < spell.last && spell.last <= end, "{spell:?}");
            prop_assert!(spell.seconds <= seconds.len() as u64);
        }
        prop_assert!(less.spells().len() <= 11);
        prop_assert!(verdict(&less).verdict <= verdict(&more).verdict);
        prop_assert_eq!(verdict(&less).verdict == Trust::Valid, verdict(&less).reasons.is_empty());
    }
}
