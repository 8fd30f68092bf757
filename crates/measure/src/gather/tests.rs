use proptest::prelude::*;

use super::*;
use crate::wire;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// So many times the action `get`, each a millisecond longer than the one before.
fn window(count: u64) -> Window {
    let mut window = Window::default();
    if count == 0 {
        return window;
    }
    let action = window.action(&"get".into());
    for n in 0..count {
        action.service.record(ms(n));
        action.response.record(ms(n * 2));
    }
    window
}

struct Gathering {
    gathered: Gathered,
    sent: Window,
    numbers: Vec<u64>,
}

impl Gathering {
    fn of(nodes: usize) -> Self {
        let mut gathered = Gathered::default();
        for _ in 0..nodes {
            gathered.join();
        }
        Self { gathered, sent: Window::default(), numbers: vec![0; nodes] }
    }

    fn interval(&mut self, node: usize, until: Duration, count: u64, now: Duration) {
        let window = window(count);
        self.sent.merge(&window).unwrap();
        self.numbers[node] += 1;
        let activity = Activity {
            running: 10,
            started: self.numbers[node] * 2,
            ended: 1,
            scheduled: self.numbers[node] * 3,
            arrived: self.numbers[node] * 2,
            dropped: self.numbers[node],
        };
        for part in wire::parts(&window) {
            let arrival = Arrival {
                node: NodeIndex(node),
                number: self.numbers[node],
                until,
                later: Duration::ZERO,
                activity,
                complete: true,
                part: part.check().unwrap(),
            };
            self.gathered.add(&arrival, now);
        }
    }

    fn rows(&self) -> Vec<(u64, u64, u64)> {
        let series = self.gathered.series();
        let rows = series.rows();
        rows.map(|row| {
            let count = row.actions.first().map_or(0, |cell| cell.count);
            (row.end.as_millis() as u64, row.span.as_millis() as u64, count)
        })
        .collect()
    }
}

#[test]
fn each_complete_second_is_taken_once() {
    let mut gathering = Gathering::of(2);
    gathering.gathered.keep_closed();
    let (mut taken, mut ends, mut spans) = (Window::default(), Vec::new(), Duration::ZERO);
    let mut take = |gathered: &mut Gathered| {
        for closed in gathered.take_closed() {
            taken.merge(&closed.window).unwrap();
            spans += closed.window.span;
            ends.push(closed.until.as_millis());
            assert_eq!(closed.running, 20);
        }
    };
    for second in 1..=200 {
        for node in 0..2 {
            let until = ms(second * 1_000 + 100);
            gathering.interval(node, until, second % 7, until + ms(5));
        }
        // Nobody looks for a while: more is kept than seconds.
        if !(50..150).contains(&second) {
            take(&mut gathering.gathered);
        }
    }
    gathering.gathered.finish();
    take(&mut gathering.gathered);
    take(&mut gathering.gathered);
    assert_eq!(taken.actions, gathering.sent.actions);
    assert!(ends.is_sorted_by(|one, other| one < other), "{ends:?}");
    // Of the 101 seconds that nobody took in time, so many are kept apart.
    assert_eq!(ends.len(), 200 - 101 + MOST_CLOSED);
    assert_eq!(*ends.last().unwrap(), spans.as_millis());
    assert!(Gathered::default().take_closed().is_empty());
}

#[test]
fn intervals_of_one_second_are_one_row() {
    let mut gathering = Gathering::of(3);
    // Each node ticks when it ticks.
    let phases = [0, 300, 700];
    for second in 1..=5 {
        for (node, phase) in phases.into_iter().enumerate() {
            let until = ms(second * 1_000 + phase);
            gathering.interval(node, until, second * 10, until + ms(5));
        }
    }
    gathering.gathered.finish();
    let rows = gathering.rows();
    assert_eq!(rows.iter().map(|row| row.2).sum::<u64>(), 3 * 150);
    // 0 and 300 ms belong to the second before, 700 ms to the one they end in.
    assert_eq!(rows[0], (1_000, 1_000, 20));
    assert_eq!(rows[1], (2_000, 1_000, 50));
    assert_eq!(rows[4], (5_000, 1_000, 140));
    assert_eq!(rows[5], (5_700, 700, 50));
}

#[test]
fn a_second_waits_for_the_late_but_not_for_ever() {
    let mut gathering = Gathering::of(2);
    gathering.interval(0, ms(1_000), 1, ms(1_001));
    gathering.interval(1, ms(1_000), 1, ms(1_001));
    assert_eq!(gathering.rows(), [(1_000, 1_000, 2)]);
    gathering.interval(0, ms(2_000), 1, ms(2_001));
    assert_eq!(gathering.rows().len(), 1);
    gathering.interval(0, ms(3_000), 1, ms(3_001));
    gathering.gathered.advance(ms(3_999));
    assert_eq!(gathering.rows().len(), 1);
    gathering.gathered.advance(ms(4_000));
    assert_eq!(gathering.rows()[1..], [(2_000, 1_000, 1)]);
    // What comes late counts in the first second that is open.
    gathering.interval(1, ms(2_000), 7, ms(4_100));
    gathering.interval(1, ms(3_000), 1, ms(4_100));
    assert_eq!(gathering.rows()[2..], [(3_000, 1_000, 8)]);
    gathering.gathered.finish();
    assert_eq!(gathering.rows().last(), Some(&(4_000, 1_000, 1)));
}

#[test]
fn nobody_waits_for_a_node_that_is_gone() {
    let mut gathering = Gathering::of(2);
    gathering.interval(0, ms(1_000), 1, ms(1_001));
    gathering.interval(1, ms(1_000), 1, ms(1_001));
    gathering.gathered.leave(NodeIndex(1));
    gathering.interval(0, ms(2_000), 1, ms(2_001));
    assert_eq!(gathering.rows().len(), 2);
    let series = gathering.gathered.series();
    let running: Vec<_> = series.rows().map(|row| (row.running, row.started)).collect();
    assert_eq!(running, [(20, 4), (10, 2)]);
    assert_eq!(gathering.gathered.until(NodeIndex(1)), Some(ms(1_000)));
}

#[test]
fn a_tick_that_is_a_little_late_stays_in_its_second() {
    let mut gathering = Gathering::of(1);
    // Around half a second, where rounding alone would skip seconds and fill others twice.
    for (second, until) in [490, 1_510, 2_480, 3_520, 4_490].into_iter().enumerate() {
        gathering.interval(0, ms(until), second as u64 + 1, ms(until));
    }
    let counts: Vec<_> = gathering.rows().iter().map(|row| row.2).collect();
    assert_eq!(counts, [1, 2, 3, 4, 5]);
}

#[test]
fn a_clock_that_is_far_off_opens_no_seconds_far_away() {
    let mut gathering = Gathering::of(2);
    gathering.interval(0, ms(1_000), 1, ms(1_000));
    gathering.interval(1, Duration::MAX, 1, ms(1_000));
    gathering.interval(1, Duration::MAX, 1, ms(2_000));
    assert!(gathering.gathered.open.len() <= 3);
    gathering.gathered.advance(ms(9_000));
    assert_eq!(gathering.rows().iter().map(|row| row.2).sum::<u64>(), 3);
    assert!(gathering.rows().last().unwrap().0 <= 5_000, "{:?}", gathering.rows());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whenever intervals end and come, in whatever order of nodes: rows and total hold all of them,
    /// and the rows follow each other without a gap.
    #[test]
    fn no_count_is_lost(
        intervals in prop::collection::vec((0..3usize, 0..3_000_u64, 0..4_000_u64, 0..5_u64), 0..60),
        gone in prop::option::of(0..3usize),
    ) {
        let mut gathering = Gathering::of(3);
        let mut clocks = [0; 3];
        let mut now = 0;
        let half = intervals.len() / 2;
        for (n, (node, long, delay, count)) in intervals.into_iter().enumerate() {
            clocks[node] += long;
            now = now.max(clocks[node]) + delay;
            gathering.interval(node, ms(clocks[node]), count, ms(now));
            prop_assert!(gathering.gathered.open.len() <= 6, "{}", gathering.gathered.open.len());
            if n == half && let Some(gone) = gone {
                gathering.gathered.leave(NodeIndex(gone));
            }
        }
        gathering.gathered.finish();
        let total = gathering.gathered.snapshot(Duration::ZERO).total;
        prop_assert!(total == gathering.sent);
        let rows = gathering.rows();
        let sent = gathering.sent.actions.get("get").map_or(0, |action| action.count());
        prop_assert_eq!(rows.iter().map(|row| row.2).sum::<u64>(), sent);
        let mut end = 0;
        for (row_end, span, _) in rows {
            prop_assert_eq!(row_end, end + span);
            prop_assert!(span > 0);
            end = row_end;
        }
    }
}
