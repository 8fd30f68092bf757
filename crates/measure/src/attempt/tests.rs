use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::{
    gather::{Arrival, Gathered, NodeIndex},
    series::Activity,
    window::Window,
    wire,
};

/// What becomes of attempts, as a model counts it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Account {
    ended: u64,
    failed: u64,
    unfinished: u64,
    waiting: u64,
}

impl Account {
    fn begun(self) -> u64 {
        self.ended + self.unfinished + self.waiting
    }
}

const NAMES: [&str; 2] = ["get", "put"];

fn accounts(window: &Window) -> BTreeMap<&str, Account> {
    let of = |name: &'static str| {
        let action = window.actions.get(name)?;
        let account = Account {
            ended: action.count(),
            failed: action.failed,
            unfinished: action.unfinished.count(),
            waiting: action.waiting.count(),
        };
        assert_eq!(action.begun(), account.begun());
        (account != Account::default()).then_some((name, account))
    };
    NAMES.into_iter().filter_map(of).collect()
}

#[derive(Debug, Clone)]
enum Step {
    /// A user begins an attempt.
    Begin(usize),
    /// One ends, is killed or gives up.
    End {
        which: usize,
        failed: bool,
        times: u64,
    },
    Drop(usize),
    /// What was measured is looked at, or sent to the master.
    Look,
    Send,
    /// The node is cut off from the master, or is back and hands in what it could not send.
    Cut,
    Return,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..NAMES.len()).prop_map(Step::Begin),
        3 => (any::<usize>(), any::<bool>(), 1..4u64).prop_map(|(which, failed, times)| Step::End { which, failed, times }),
        1 => any::<usize>().prop_map(Step::Drop),
        1 => Just(Step::Look),
        2 => Just(Step::Send),
        1 => Just(Step::Cut),
        1 => Just(Step::Return),
    ]
}

/// A node, and what the model says of it.
struct Node<'m> {
    measure: &'m Measure,
    open: Vec<(usize, Attempt<'m>)>,
    model: BTreeMap<&'static str, Account>,
    sent: u64,
    cut: bool,
    /// What was not sent because of that.
    kept: VecDeque<Interval>,
    /// The model when what the master knows was measured.
    known: BTreeMap<&'static str, Account>,
    /// Up to when that was.
    until: Option<Duration>,
}

struct Interval {
    number: u64,
    window: Window,
    model: BTreeMap<&'static str, Account>,
}

impl<'m> Node<'m> {
    fn of(measure: &'m Measure) -> Self {
        Self {
            measure,
            open: Vec::new(),
            model: BTreeMap::new(),
            sent: 0,
            cut: false,
            kept: VecDeque::new(),
            known: BTreeMap::new(),
            until: None,
        }
    }

    fn perform(
        &mut self,
        step: &Step,
        number: usize,
        (gathered, now): (&mut Gathered, &mut Duration),
    ) {
        match step {
            Step::Begin(name) => {
                let attempt = self.measure.begin(NAMES[*name], Instant::now(), None);
                self.open.push((*name, attempt));
                self.model.entry(NAMES[*name]).or_default().waiting += 1;
            }
            Step::End { .. } | Step::Drop(_) if self.open.is_empty() => {}
            Step::End { which, failed, times } => {
                let (name, attempt) = self.open.swap_remove(which % self.open.len());
                let failure = failed.then(|| Failure::target("refused"));
                attempt.end_times(failure.as_ref(), *times);
                let account = self.model.entry(NAMES[name]).or_default();
                account.waiting -= 1;
                account.ended += times;
                account.failed += if *failed { *times } else { 0 };
            }
            Step::Drop(which) => {
                let (name, attempt) = self.open.swap_remove(which % self.open.len());
                drop(attempt);
                let account = self.model.entry(NAMES[name]).or_default();
                account.waiting -= 1;
                account.unfinished += 1;
            }
            Step::Look => self.measure.tick(Instant::now(), Activity::default()),
            Step::Send => {
                self.sent += 1;
                *now = (*now).max(Duration::from_secs(self.sent));
                let window = self.measure.take_unsent(Instant::now(), Activity::default()).window;
                let model = self.model.clone();
                self.kept.push_back(Interval { number: self.sent, window, model });
                self.hand_in(number, gathered, *now);
            }
            Step::Cut => self.cut = true,
            Step::Return => {
                self.cut = false;
                self.hand_in(number, gathered, *now);
            }
        }
    }

    fn hand_in(&mut self, number: usize, gathered: &mut Gathered, now: Duration) {
        while let Some(interval) = self.kept.pop_front_if(|_| !self.cut) {
            let until = Duration::from_secs(interval.number);
            let parts = wire::parts(&interval.window);
            let last = parts.len() - 1;
            for (at, part) in parts.into_iter().enumerate() {
                let arrival = Arrival {
                    node: NodeIndex::of(number),
                    number: interval.number,
                    until,
                    later: Duration::ZERO,
                    activity: Activity::default(),
                    complete: at == last,
                    part: part.check().unwrap(),
                };
                gathered.add(&arrival, now);
            }
            (self.known, self.until) = (interval.model, Some(until));
        }
    }
}

/// What the master is to tell: what was under way on a node when it was heard of last never came to an
/// end, as far as is known.
fn expected<'a>(nodes: &[Node<'_>]) -> BTreeMap<&'a str, Account> {
    let mut expected = BTreeMap::<_, Account>::new();
    for (name, account) in nodes.iter().flat_map(|node| &node.known) {
        let sum = expected.entry(*name).or_default();
        sum.ended += account.ended;
        sum.failed += account.failed;
        sum.unfinished += account.unfinished + account.waiting;
    }
    expected.retain(|_, account| *account != Account::default());
    expected
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// The invariant of the accounts: whatever users do, and whatever becomes of them and of their
    /// node, begun = done + failed + unfinished, and while the run goes on + under way. What a node that
    /// was cut off hands in, before the end of the run or after it, counts once; and of one that does
    /// not come back it is known up to when it is known.
    #[test]
    fn nothing_that_was_begun_vanishes(
        steps in prop::collection::vec((0..2_usize, step()), 0..100),
        lost: bool,
    ) {
        let measures = [Measure::default(), Measure::default()];
        let (mut gathered, mut now) = (Gathered::default(), Duration::ZERO);
        gathered.keep_closed();
        let mut nodes: Vec<_> = measures.iter().map(Node::of).collect();
        nodes.iter().for_each(|_| {
            gathered.join();
        });
        for (at, step) in &steps {
            nodes[*at].perform(step, *at, (&mut gathered, &mut now));
            let node = &nodes[*at];
            let snapshot = node.measure.snapshot();
            let model: BTreeMap<_, _> =
                node.model.iter().map(|(name, account)| (*name, *account)).collect();
            prop_assert_eq!(accounts(&snapshot.total), model);
        }
        // All users are killed; the second node may be lost with all that it has not sent.
        for (at, node) in nodes.iter_mut().enumerate().filter(|(at, _)| *at == 0 || !lost) {
            while !node.open.is_empty() {
                node.perform(&Step::Drop(0), at, (&mut gathered, &mut now));
            }
            node.perform(&Step::Send, at, (&mut gathered, &mut now));
        }
        gathered.finish();
        let took = now;
        let total = gathered.snapshot(took).total;
        prop_assert_eq!(accounts(&total), expected(&nodes));
        // Whoever is cut off comes back after the run.
        for (at, node) in nodes.iter_mut().enumerate().filter(|(at, _)| *at == 0 || !lost) {
            node.perform(&Step::Return, at, (&mut gathered, &mut now));
            prop_assert_eq!(&node.known, &node.model);
        }
        let total = gathered.snapshot(took).total;
        prop_assert_eq!(accounts(&total), expected(&nodes));
        for (at, node) in nodes.iter().enumerate() {
            prop_assert_eq!(gathered.until(NodeIndex::of(at)), node.until);
        }
        // The rows and the seconds that thresholds are judged by hold all of it too.
        let ended = |of: u64| total.actions.values().map(|action| action.count()).sum::<u64>() == of;
        let series = gathered.series();
        let rows = series.rows().flat_map(|row| &row.actions).map(|cell| cell.count).sum();
        let judged = gathered.take_closed();
        let judged = judged.iter().flat_map(|closed| closed.window.actions.values());
        let judged = judged.map(|action| action.count()).sum();
        prop_assert!(ended(rows) && ended(judged), "{} in rows, {} judged", rows, judged);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_is_as_old_as_it_is() {
    let measure = Measure::default();
    let due = Instant::now();
    tokio::time::advance(Duration::from_secs(1)).await;
    let attempt = measure.begin("get", due, None);
    tokio::time::advance(Duration::from_secs(2)).await;
    let waiting = &measure.snapshot().total.actions["get"].waiting;
    let close = |time: Duration, secs: u64| {
        time.abs_diff(Duration::from_secs(secs)) < Duration::from_millis(10)
    };
    assert!(close(waiting.service().max(), 2) && close(waiting.response().max(), 3), "{waiting:?}");
    drop(attempt);
    let action = measure.snapshot().total.actions["get"].clone();
    assert_eq!((action.waiting.count(), action.unfinished.count(), action.count()), (0, 1, 0));
    assert!(close(action.unfinished.service().max(), 2));
}

#[test]
fn phases_are_beside_the_action() {
    let measure = Measure::default();
    let mut attempt = measure.begin("get", Instant::now(), None);
    attempt.phase(Phase::Connect, Duration::from_millis(3));
    attempt.phase(Phase::Connect, Duration::from_millis(4));
    attempt.end(None);
    let total = measure.snapshot().total;
    let phases: Vec<_> = total.actions["get"].phases.iter().collect();
    assert_eq!((phases.len(), phases[0].0, phases[0].1.count()), (1, Phase::Connect, 1));
    assert!(phases[0].1.max() >= Duration::from_millis(7));
    assert_eq!(total.actions.len(), 1);
}
