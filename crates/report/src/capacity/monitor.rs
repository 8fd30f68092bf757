//! Where a search's signals come from.

use std::{collections::VecDeque, time::Duration};

use crowd_measure::{
    timing::Timing,
    window::{ActionNumbers, CheckNumbers, Window},
};
use futures_util::future::BoxFuture;

use super::{
    observation::{Measured, Signal},
    settings::SearchSettings,
    signal::OwnSignal,
};

/// Something that tells signals, once a tick.
pub trait Monitor: Send {
    /// The signals as they are now. One that is still warming up is not among them.
    fn observe<'a>(&'a mut self, seen: Seen<'a>) -> BoxFuture<'a, Vec<Signal>>;
}

/// What a monitor is shown.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Since the search began.
    pub now: Duration,
    /// What was measured, as sums.
    pub history: &'a History,
}

/// What was measured since the run began, at each of the last ticks: the difference of two is what
/// was measured between them, each sample once.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The oldest first.
    sums: VecDeque<(Duration, Window)>,
    keep: Duration,
}

impl History {
    /// Remembers sums for so long.
    pub fn new(keep: Duration) -> Self {
        Self { sums: VecDeque::new(), keep }
    }

    /// Adds what was measured since the run began, as of now.
    pub fn push(&mut self, now: Duration, sum: Window) {
        self.sums.push_back((now, sum));
        // One that is as old as can be asked for stays, whoever comes a bit late.
        while self.sums.get(1).is_some_and(|(then, _)| now.saturating_sub(*then) >= self.keep) {
            self.sums.pop_front();
        }
    }

    /// What was measured over the last `span`, or since the first tick if that is not as long ago.
    pub fn over(&self, span: Duration) -> Window {
        let Some((now, newest)) = self.sums.back() else { return Window::default() };
        let old = |(then, _): &&(Duration, Window)| now.saturating_sub(*then) >= span;
        let from = self.sums.iter().rev().find(old).or(self.sums.front());
        from.map_or_else(Window::default, |(_, from)| since(newest, from))
    }

    /// What was measured since the last but one tick, of the actions that are wanted.
    pub fn last(&self, wanted: impl Fn(&str) -> bool) -> Measured {
        let mut newest = self.sums.iter().rev();
        let (Some((_, newest)), Some((_, from))) = (newest.next(), newest.next()) else {
            return Measured::default();
        };
        let window = since(newest, from);
        let mut measured = Measured { span: window.span, ..Measured::default() };
        for (_, action) in window.actions.iter().filter(|(name, _)| wanted(name)) {
            measured.count += action.count();
            measured.failed += action.failed;
            measured.response.merge(&action.response_so_far());
        }
        measured
    }

    /// How many requests have failed since the run began.
    pub fn failed(&self) -> u64 {
        let newest = self.sums.back();
        newest.map_or(0, |(_, sum)| sum.actions.values().map(|action| action.failed).sum())
    }
}

/// The actions, counters and checks between two sums; nothing else is looked at.
fn since(newest: &Window, from: &Window) -> Window {
    let nothing = ActionNumbers::default();
    let actions = newest.actions.iter().map(|(name, action)| {
        let before = from.actions.get(name).map_or(&nothing, |before| &**before);
        let between = |now: &Timing, before: &Timing| now.since(before);
        let numbers = ActionNumbers {
            failed: action.failed.saturating_sub(before.failed),
            service: between(&action.service, &before.service),
            response: between(&action.response, &before.response),
            unfinished: action.unfinished.since(&before.unfinished),
            waiting: action.waiting.clone(),
            ..ActionNumbers::default()
        };
        (name.clone(), numbers.into())
    });
    let counters = newest.counters.iter().map(|(name, count)| {
        let before = from.counters.get(name).copied().unwrap_or(0);
        (name.clone(), count.saturating_sub(before))
    });
    let checks = newest.checks.iter().map(|(name, check)| {
        let before = from.checks.get(name).copied().unwrap_or_default();
        let passed = check.passed.saturating_sub(before.passed);
        (name.clone(), CheckNumbers { passed, failed: check.failed.saturating_sub(before.failed) })
    });
    Window {
        span: newest.span.saturating_sub(from.span),
        actions: actions.collect(),
        counters: counters.collect(),
        checks: checks.collect(),
        ..Window::default()
    }
}

/// Signals of the run's own measurements.
#[derive(Debug)]
pub struct OwnMonitor {
    /// Each with how far back it looks.
    signals: Vec<(OwnSignal, Duration)>,
}

impl OwnMonitor {
    /// The signals these settings ask for.
    pub fn new(settings: &SearchSettings) -> Self {
        let signals = settings.signals.iter();
        let signals = signals.map(|signal| (signal.clone(), settings.span_of(signal)));
        Self { signals: signals.collect() }
    }
}

impl Monitor for OwnMonitor {
    fn observe<'a>(&'a mut self, seen: Seen<'a>) -> BoxFuture<'a, Vec<Signal>> {
        let signals = self.signals.iter();
        let signals = signals.map(|(signal, over)| signal.of(&seen.history.over(*over))).collect();
        Box::pin(std::future::ready(signals))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A run with a request a second, each slower than the one before; every third fails.
    fn run(seconds: u64) -> History {
        let mut history = History::new(10 * SECOND);
        let mut sum = Window::default();
        for second in 0..=seconds {
            history.push(SECOND * second as u32, sum.clone());
            sum.span += SECOND;
            let action = sum.action(&"get".into());
            action.service.record(Duration::from_millis(second + 1));
            action.response.record(Duration::from_millis(second + 1));
            action.failed += u64::from(second % 3 == 0);
        }
        history
    }

    #[test]
    fn a_sliding_window_holds_each_sample_of_its_time_once() {
        let history = run(30);
        let window = history.over(10 * SECOND);
        assert_eq!(window.span, 10 * SECOND);
        let get = &window.actions["get"];
        assert_eq!((get.count(), get.failed), (10, 3));
        assert_eq!((get.response.min().as_secs_f64() * 1e3).round(), 21.0);
        assert_eq!((get.response.max().as_secs_f64() * 1e3).round(), 30.0);
        assert_eq!(history.sums.len(), 11);
    }

    #[test]
    fn young_runs_are_judged_by_what_there_is() {
        assert_eq!(run(3).over(10 * SECOND).actions["get"].count(), 3);
        assert!(History::default().over(SECOND).is_empty());
        assert!(run(0).over(SECOND).is_empty());
    }

    #[test]
    fn each_tick_has_its_own() {
        let history = run(30);
        let last = history.last(|_| true);
        assert_eq!((last.count, last.failed, last.span), (1, 0, SECOND));
        assert_eq!(history.last(|name| name == "post").count, 0);
        assert_eq!(history.failed(), 10);
    }
}
