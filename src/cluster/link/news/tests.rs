use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn second(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn line(whom: &str, reason: &str) -> Line {
    Line { address: whom.into(), reason: reason.into() }
}

/// What is told when that is heard.
fn told(said: &mut Said, kind: Kind, whom: &str, reason: &str, at: u64) -> Vec<String> {
    let lines = said.hear(kind, whom, line(whom, reason), second(at));
    lines.into_iter().map(|line| line.reason).collect()
}

#[test]
fn the_same_is_told_once_a_minute_and_counted() {
    let mut said = Said::default();
    assert_eq!(told(&mut said, Kind::Name, "a", "no", 0), ["no"]);
    for at in 1..=9 {
        assert!(told(&mut said, Kind::Name, "a", "no", at).is_empty());
    }
    assert_eq!(told(&mut said, Kind::Name, "a", "yes", 10), ["yes"]);
    assert_eq!(told(&mut said, Kind::Name, "b", "no", 10), ["no"]);
    assert_eq!(said.due(second(59)), []);
    assert_eq!(said.due(second(60)), [line("a", "9 more like it; the last: no")]);
    assert!(told(&mut said, Kind::Name, "a", "no", 61).is_empty());
    // The next line comes with it.
    let two = told(&mut said, Kind::Name, "b", "no", 130);
    assert_eq!(two, ["1 more like it; the last: no", "no"]);
    assert_eq!(said.due(second(400)), []);
    assert!(said.budgets.is_empty());
}

#[test]
fn a_flood_of_one_kind_silences_neither_another_kind_nor_anybody_else() {
    let mut said = Said::default();
    let odd = |number: usize| format!("it meets others in another way (crowd-link/{number})");
    let mut lines = 0;
    for number in 0..1_000 {
        lines += told(&mut said, Kind::Stranger, "a", &odd(number), 0).len();
    }
    assert_eq!(lines, LINES);
    assert_eq!(told(&mut said, Kind::Cookie, "a", "the cookies differ", 1).len(), 1);
    assert_eq!(told(&mut said, Kind::Cookie, "b", "the cookies differ", 1).len(), 1);
    assert_eq!(told(&mut said, Kind::Stranger, "b", &odd(1), 1).len(), 1);
    let sum = said.due(second(60));
    assert_eq!(sum.len(), 1);
    let more = 1_000 - LINES;
    assert!(sum[0].reason.starts_with(&format!("{more} more like it; the last: ")), "{sum:?}");
    // Nor does a flood from everywhere.
    for number in 0..10_000 {
        told(&mut said, Kind::Unlike, &number.to_string(), &odd(number), 61);
    }
    assert_eq!(told(&mut said, Kind::Cookie, "c", "the cookies differ", 62).len(), 1);
    assert!(said.budgets.len() < MOST + 10);
}

proptest! {
    /// All that was heard is told, as a line or as a number; never much at once, and little is kept.
    #[test]
    fn everything_is_told_or_counted_and_little_is_kept(
        heard in prop::collection::vec((0..4_u8, 0..600_u32, 0..20_u8, 0..3_000_u64), 0..2_000),
    ) {
        let kinds = [Kind::Cookie, Kind::Unlike, Kind::Name, Kind::Stranger];
        let mut said = Said::default();
        let mut now = Duration::ZERO;
        let (mut lines, mut more) = (0, 0);
        let mut recent = BTreeMap::<(Kind, u32), Vec<Duration>>::new();
        let mut count = |all: Vec<Line>| -> usize {
            let sums = all.iter().filter_map(|line| {
                line.reason.split_once(" more like it").map(|(more, _)| more.parse::<usize>().unwrap())
            });
            let sums: Vec<usize> = sums.collect();
            more += sums.iter().sum::<usize>();
            lines += all.len() - sums.len();
            all.len() - sums.len()
        };
        let total = heard.len();
        for (kind, whom, what, pause) in heard {
            now += Duration::from_millis(pause);
            let kind = kinds[usize::from(kind)];
            let name = whom.to_string();
            let known = said.budgets.keys().filter(|(of, _)| *of == kind).count() >= MOST;
            let told = said.hear(kind, &name, line(&name, &what.to_string()), now);
            let own = count(told) > 0;
            let times = recent.entry((kind, whom)).or_default();
            times.retain(|at| now < *at + PERIOD);
            if times.is_empty() && !known && !said.budgets.values().any(|all| all.more > 0) {
                prop_assert!(own, "the first of a kind in a minute is told");
            }
            if own {
                times.push(now);
                prop_assert!(times.len() <= 2 * LINES, "never much at once");
            }
            for kind in kinds {
                let kept = said.budgets.keys().filter(|(of, _)| *of == kind).count();
                prop_assert!(kept <= MOST + 1);
            }
        }
        for _ in 0..2 {
            now += PERIOD;
            count(said.due(now));
        }
        prop_assert!(said.budgets.is_empty());
        prop_assert_eq!(lines + more, total);
    }
}
