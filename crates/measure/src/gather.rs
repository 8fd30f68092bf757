//! Pure: what several nodes measured, brought together second by second on one of them.
//!
//! What nodes measured in the same second of the run is one row of its series. A node's intervals
//! begin when they happen to begin there, so an interval belongs to the second it overlaps most,
//! and the next one to the next second. A second is complete when all nodes have told theirs, or
//! [`PATIENCE`] after its end; what comes a little later counts in the next one. What a node hands in
//! that was cut off is added to the row of its time, whenever it comes, and for thresholds to the
//! second in which it comes. No count is lost by that.

use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
    mem,
    sync::Arc,
    time::Duration,
};

use super::{
    Snapshot,
    collect::Overflows,
    series::{Activity, Series},
    window::{Waited, Window},
    wire::Checked,
};

/// How long a second waits for nodes that have not told theirs.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// So many complete seconds are kept apart for whoever takes them; more are added to the last one.
const MOST_CLOSED: usize = 60;

/// The series has a row for so long.
const SECOND: Duration = Duration::from_secs(1);

/// An interval that ends so much earlier or later than the second it would belong to belongs to
/// another: nodes tick once a second, give or take what a busy one is late.
const SLACK: Duration = Duration::from_millis(900);

/// What comes so long after its second, when that is complete, is handed in late.
const LATE: Duration = Duration::from_secs(4);

/// How many seconds ahead of ours a node's clock is believed.
const AHEAD: u64 = 2;

/// What several nodes measured in one run. Times are since the start of the run.
#[derive(Debug, Default)]
pub struct Gathered {
    total: Window,
    last: Window,
    series: Series,
    /// Seconds that are not complete, by number.
    open: BTreeMap<u64, Second>,
    /// The first second that is not complete.
    next: u64,
    /// When the last complete one ended.
    ended: Duration,
    nodes: Vec<NodePart>,
    /// Empty; becomes the next second's window.
    spare: Option<Window>,
    overflows: Overflows,
    /// Complete seconds that nobody took; `None` if nobody will.
    closed: Option<VecDeque<Closed>>,
    /// What was handed in late and is not among what is kept for those that take seconds.
    late: Window,
    /// No second is completed any more.
    finished: bool,
}

/// A complete second of a run over several nodes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Closed {
    /// When it ended.
    pub until: Duration,
    /// Users running at its end, on all nodes.
    pub running: u64,
    /// What was measured in it, on all nodes.
    pub window: Window,
}

#[derive(Debug, Default)]
struct Second {
    window: Window,
    /// How many users there were at its end, by node.
    activity: Vec<(usize, Activity)>,
}

/// A node's part in a run, as long as it takes part without a break.
#[derive(Debug, Default)]
struct NodePart {
    /// The interval that comes in, or came in last.
    number: u64,
    /// The second it belongs to; `None` before the first.
    second: Option<u64>,
    /// Whether all of it came.
    complete: bool,
    /// Up to when all it measured came.
    until: Option<Duration>,
    /// Users in the last complete second.
    activity: Activity,
    /// What was under way there when it was last heard of.
    waiting: BTreeMap<Arc<str>, Waited>,
    /// What came of an interval that is handed in late.
    late: Option<Box<Window>>,
    gone: bool,
}

/// Stands for a node's part in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeIndex(usize);

#[cfg(test)]
impl NodeIndex {
    pub(super) fn of(number: usize) -> Self {
        Self(number)
    }
}

/// A part of an interval of a node.
#[derive(Debug)]
pub struct Arrival {
    /// Whose.
    pub node: NodeIndex,
    /// Which interval of that node; all parts of one come before the next.
    pub number: u64,
    /// When the interval ended.
    pub until: Duration,
    /// How much later than the run the clock of that node's gauges began.
    pub later: Duration,
    /// Users there at its end.
    pub activity: Activity,
    /// Whether this is the last part of the interval.
    pub complete: bool,
    /// What was measured.
    pub part: Checked,
}

impl Gathered {
    /// A node takes part from now on, and is waited for; again, if it did before.
    pub fn join(&mut self) -> NodeIndex {
        self.nodes.push(NodePart::default());
        NodeIndex(self.nodes.len() - 1)
    }

    /// That node takes part no longer: nobody waits for it. What still comes of it counts.
    pub fn leave(&mut self, node: NodeIndex) {
        if let Some(node) = self.nodes.get_mut(node.0) {
            node.gone = true;
        }
    }

    /// Adds what a node measured, exactly; `now` is the time that it came.
    pub fn add(&mut self, arrival: &Arrival, now: Duration) {
        let at = arrival.node.0;
        let Some(node) = self.nodes.get_mut(at) else { return };
        let begins = node.second.is_none() || node.number != arrival.number;
        if begins {
            let second = second_of(arrival.until, node.second);
            let late = second < self.next && now > end_of(second) + LATE;
            let late = late || self.finished;
            let open = self.next..=self.next.max(now.as_secs() + AHEAD);
            node.second =
                Some(if late { second } else { second.clamp(*open.start(), *open.end()) });
            node.late = late.then(Box::default);
            node.waiting.clear();
        } else if self.finished {
            node.late.get_or_insert_default();
        }
        arrival.part.add_waiting_to(&mut node.waiting);
        node.number = arrival.number;
        node.complete = arrival.complete;
        if arrival.complete {
            node.until = node.until.max(Some(arrival.until));
        }
        let second = node.second.unwrap_or(self.next);
        match &mut node.late {
            Some(late) => {
                let mut windows = [&mut self.total, &mut self.late, &mut **late];
                arrival.part.add_to(&mut windows, arrival.later);
                if arrival.complete {
                    node.activity = arrival.activity;
                    self.series.amend(end_of(second), late);
                    node.late = None;
                }
            }
            None => {
                let spare = &mut self.spare;
                let open = self.open.entry(second).or_insert_with(|| Second {
                    window: spare.take().unwrap_or_default(),
                    activity: Vec::new(),
                });
                arrival.part.add_to(&mut [&mut self.total, &mut open.window], arrival.later);
                if arrival.complete {
                    open.activity.retain(|(other, _)| *other != at);
                    open.activity.push((at, arrival.activity));
                }
            }
        }
        self.advance(now);
    }

    /// Completes the seconds that nobody is waited for any more.
    pub fn advance(&mut self, now: Duration) {
        while let Some((second, open)) = self.open.pop_first() {
            let told = |node: &NodePart| {
                let told = |at| at > second || at == second && node.complete;
                node.gone || node.second.is_some_and(told)
            };
            let end = end_of(second);
            if now < end + PATIENCE && !self.nodes.iter().all(told) {
                self.open.insert(second, open);
                return;
            }
            self.close(second, end, open);
        }
    }

    /// The run is over: all seconds are complete. What is handed in after that counts.
    pub fn finish(&mut self) {
        let end = self.nodes.iter().filter_map(|node| node.until).max().unwrap_or_default();
        while let Some((second, open)) = self.open.pop_first() {
            let whole = end_of(second);
            // The last second ends with the run.
            let cut = if self.open.is_empty() && end > self.ended { end } else { whole };
            self.close(second, whole.min(cut), open);
        }
        self.finished = true;
    }

    fn add_waiting_to_total(&mut self) {
        self.total.clear_waiting();
        for (name, waited) in self.nodes.iter().flat_map(|node| &node.waiting) {
            self.total.action(name).waiting.merge(waited);
        }
    }

    fn close(&mut self, second: u64, end: Duration, open: Second) {
        let Second { mut window, activity } = open;
        self.next = second + 1;
        window.span = end.saturating_sub(self.ended);
        self.ended = end;
        for (at, activity) in activity {
            self.nodes[at].activity = activity;
        }
        let mut sum = Activity::default();
        for node in &self.nodes {
            let running = if node.gone { 0 } else { node.activity.running };
            sum.running = sum.running.saturating_add(running);
            sum.started = sum.started.saturating_add(node.activity.started);
            sum.ended = sum.ended.saturating_add(node.activity.ended);
            sum.scheduled = sum.scheduled.saturating_add(node.activity.scheduled);
            sum.arrived = sum.arrived.saturating_add(node.activity.arrived);
            sum.dropped = sum.dropped.saturating_add(node.activity.dropped);
        }
        for (name, waited) in self.nodes.iter().flat_map(|node| &node.waiting) {
            window.action(name).waiting.merge(waited);
        }
        self.series.push(end, sum, &window);
        self.keep(end, sum.running, &window);
        mem::swap(&mut self.last, &mut window);
        window.reset();
        self.spare = Some(window);
    }

    /// Keeps seconds that are completed from now on for [`Gathered::take_closed`].
    pub fn keep_closed(&mut self) {
        self.closed.get_or_insert_default();
    }

    /// The seconds that were completed since this was last asked, each exactly once and in order;
    /// none without [`Gathered::keep_closed`].
    pub fn take_closed(&mut self) -> Vec<Closed> {
        if self.finished && !self.late.is_empty() {
            self.keep(self.ended, 0, &Window::default());
        }
        self.closed.as_mut().map_or_else(Vec::new, |closed| closed.drain(..).collect())
    }

    fn keep(&mut self, until: Duration, running: u64, window: &Window) {
        let late = mem::take(&mut self.late);
        let Some(closed) = &mut self.closed else { return };
        let mut window = Cow::Borrowed(window);
        if !late.is_empty() {
            // All windows here have the same bounds, and nothing else is refused.
            let _ = window.to_mut().merge(&late);
        }
        let full = closed.len() >= MOST_CLOSED;
        match closed.back_mut().filter(|_| full) {
            Some(last) => {
                let span = last.window.span + window.span;
                let _ = last.window.follow(&window);
                last.window.span = span;
                (last.until, last.running) = (until, running);
            }
            None => closed.push_back(Closed { until, running, window: window.into_owned() }),
        }
    }

    /// What was measured up to `now`, as far as it came.
    pub fn snapshot(&mut self, now: Duration) -> Snapshot {
        self.add_waiting_to_total();
        let mut total = Window { span: now, ..self.total.clone() };
        if self.finished {
            // What was under way on a node that was lost never came to an end, as far as is known.
            total.settle();
        }
        Snapshot { total, last: self.last.clone() }
    }

    /// How the run went over time, in complete seconds.
    pub fn series(&self) -> Series {
        self.series.clone()
    }

    /// Up to when all that this node measured came; `None` if nothing did.
    pub fn until(&self, node: NodeIndex) -> Option<Duration> {
        self.nodes.get(node.0)?.until
    }

    /// What has too many names since this was last asked, as sentences.
    pub fn overflows(&mut self) -> Vec<String> {
        self.overflows.news(&self.total)
    }
}

/// When that second ends.
fn end_of(second: u64) -> Duration {
    SECOND.saturating_mul(u32::try_from(second.saturating_add(1)).unwrap_or(u32::MAX))
}

/// The second that an interval belongs to which ends at `until`, after one of `before`.
fn second_of(until: Duration, before: Option<u64>) -> u64 {
    if let Some(expected) = before.map(|before| before + 1)
        && until.abs_diff(end_of(expected)) <= SLACK
    {
        return expected;
    }
    until.saturating_sub(SECOND / 2).as_secs()
}

#[cfg(test)]
mod tests;
