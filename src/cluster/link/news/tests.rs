use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn second(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn line(kind: Kind, whom: &str, reason: &str) -> Line {
    Line { kind, address: whom.into(), reason: reason.into() }
}

/// What is told when that is heard.
fn told(said: &mut Said, kind: Kind, whom: &str, reason: &str, at: u64) -> Vec<String> {
    let lines = said.hear(whom, line(kind, whom, reason), second(at));
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
    assert_eq!(said.due(second(60)), [line(Kind::Name, "a", "9 more like it; the last: no")]);
    assert!(told(&mut said, Kind::Name, "a", "no", 61).is_empty());
    // The next line comes with it.
    let two = told(&mut said, Kind::Name, "b", "no", 130);
    assert_eq!(two, ["1 more like it; the last: no", "no"]);
    said.due(second(190));
    assert_eq!(said.due(second(400)), []);
    assert!(said.kinds.is_empty());
}

fn odd(number: usize) -> String {
    format!("it meets others in another way (crowd-link/{number})")
}

#[test]
fn a_flood_of_one_kind_silences_neither_another_kind_nor_anybody_else() {
    let mut said = Said::default();
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
}

#[test]
fn a_flood_from_everywhere_has_a_bound_and_an_end() {
    let mut said = Said::default();
    let mut lines = 0;
    for number in 0..10_000 {
        let whom = (number % 2_000).to_string();
        lines += told(&mut said, Kind::Stranger, &whom, &odd(number), 0).len();
    }
    assert_eq!(lines, MOST + FURTHER + 1);
    // Another kind has its own.
    assert_eq!(told(&mut said, Kind::Cookie, "c", "the cookies differ", 1).len(), 1);
    // A while after the last of them others are heard of again.
    assert_eq!(told(&mut said, Kind::Stranger, "c", "no nonce", 1), [""; 0]);
    assert_eq!(told(&mut said, Kind::Stranger, "c", "no nonce", 5), ["no nonce"]);
    let sum: Vec<_> =
        said.due(second(60)).into_iter().filter(|line| line.kind == Kind::Stranger).collect();
    // Of nobody by name.
    assert_eq!(sum.len(), 1);
    assert_eq!(sum[0].address, "other addresses");
    let more = 10_000 - (MOST + FURTHER + 1) + 1;
    let words = format!("{more} more from at least {COUNTED} other addresses; the last: ");
    assert!(sum[0].reason.starts_with(&words), "{sum:?}");
    assert!(!said.kinds.contains_key(&Kind::Stranger));
}

#[test]
fn a_stranger_has_all_of_its_network() {
    let of = |ip: &str| near(ip.parse().unwrap());
    assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff:ffff:ffff:ffff"));
    assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
}

/// How many that line stands for that were not told.
fn summed(line: &Line) -> Option<usize> {
    let (more, rest) = line.reason.split_once(" more ")?;
    (rest.starts_with("like it") || rest.starts_with("from ")).then(|| more.parse().unwrap())
}

proptest! {
    /// All that was heard is told, as a line or as a number; never much at once, and little is kept.
    #[test]
    fn everything_is_told_or_counted_and_little_is_kept(
        heard in prop::collection::vec((0..4_u8, 0..600_u32, 0..20_u8, 0..300_u64), 0..4_000),
    ) {
        let kinds = [Kind::Cookie, Kind::Unlike, Kind::Name, Kind::Stranger];
        let mut said = Said::default();
        let mut now = Duration::ZERO;
        let (mut lines, mut more) = (0, 0);
        let mut recent = BTreeMap::<Kind, Vec<Duration>>::new();
        let total = heard.len();
        for (kind, whom, what, pause) in heard {
            now += Duration::from_millis(pause);
            let kind = kinds[usize::from(kind)];
            let name = whom.to_string();
            let full = said.kinds.get(&kind).is_some_and(|period| {
                period.strangers.len() >= MOST || period.strangers.contains_key(&name)
            });
            let told = said.hear(&name, line(kind, &name, &what.to_string()), now);
            let own = told.iter().any(|line| line.address == name && summed(line).is_none());
            prop_assert!(own || full, "the first of a kind in a minute is told");
            for line in told {
                recent.entry(line.kind).or_default().push(now);
                match summed(&line) {
                    Some(sum) => more += sum,
                    None => lines += 1,
                }
            }
            for times in recent.values_mut() {
                times.retain(|at| now < *at + PERIOD);
                // A minute may be the end of a period and the beginning of another.
                prop_assert!(times.len() < 2 * 400, "never much at once");
            }
            for period in said.kinds.values() {
                prop_assert!(period.strangers.len() <= MOST && period.others.of.len() <= COUNTED);
            }
        }
        for _ in 0..3 {
            now += PERIOD;
            more += said.due(now).iter().filter_map(summed).sum::<usize>();
        }
        prop_assert!(said.kinds.is_empty());
        prop_assert_eq!(lines + more, total);
    }
}
