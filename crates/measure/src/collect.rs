//! What the shards measured, brought together on the node.

use std::{collections::BTreeMap, mem, sync::Arc, time::Duration};

use super::{
    names::{MAX_NAMES, MAX_REASONS, OTHER_NAMES, OTHER_REASONS},
    series::{Activity, Series},
    shard::Shard,
    under_way::Copied,
    window::{StallNumbers, Window},
};

/// The run so far, its current and its last interval.
#[derive(Debug, Default)]
pub struct Collector {
    total: Window,
    current: Window,
    last: Window,
    /// When the current interval began, since the start of the run.
    began: Duration,
    series: Series,
    /// Empty; takes the place of the shard that is collected next.
    spare: Shard,
    /// What was measured in complete intervals and not handed out; `None` until something is, as
    /// nothing has been then.
    unsent: Option<Window>,
    /// When it was last handed out, since the start of the run.
    taken: Duration,
    overflows: Overflows,
    /// What was under way in the lanes that are collected.
    under_way: Vec<Copied>,
}

/// What was measured and not handed out before: see [`super::Measure::take_unsent`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Unsent {
    /// What was measured. Its span is the time since it was last handed out.
    pub window: Window,
    /// Up to when, since the start of the run.
    pub until: Duration,
}

/// What was already said to have too many names.
#[derive(Debug, Default)]
pub(super) struct Overflows([bool; 5]);

impl Collector {
    /// Collects one shard. Whoever records into it waits for no longer than the two are swapped.
    pub fn collect(&mut self, swap: impl FnOnce(&mut Shard)) {
        swap(&mut self.spare);
        self.spare.drain(&mut [&mut self.total, &mut self.current]);
    }

    /// Adds what is under way now.
    pub fn collect_stalls(&mut self, stalls: &StallNumbers) {
        self.total.stalls.merge(stalls);
        self.current.stalls.merge(stalls);
    }

    /// What was under way in one lane when it was collected.
    pub(super) fn collect_waiting(&mut self, copied: Copied) {
        self.under_way.push(copied);
    }

    /// All lanes were collected at `now`, since the start of the run: what is under way by then is
    /// known from now on.
    pub(super) fn collected(&mut self, now: Duration) {
        let mut waiting = BTreeMap::new();
        for copied in self.under_way.drain(..) {
            copied.add_to(now, &mut waiting);
        }
        for window in [&mut self.total, &mut self.current] {
            window.clear_waiting();
            for (name, waited) in &waiting {
                window.action(name).waiting.merge(waited);
            }
        }
    }

    /// Ends the current interval at `now`, since the start of the run.
    pub fn close_interval(&mut self, now: Duration, activity: Activity) {
        self.current.span = now.saturating_sub(self.began);
        self.began = now;
        mem::swap(&mut self.current, &mut self.last);
        self.current.reset();
        if let Some(unsent) = &mut self.unsent {
            if unsent.actions.is_empty() && unsent.is_empty() {
                // Shares the distributions.
                *unsent = self.last.clone();
            } else {
                // All windows here have the same bounds, and nothing else is refused.
                let _ = unsent.follow(&self.last);
            }
        }
        self.series.push(now, activity, &self.last);
    }

    /// What was measured since the begin of the run.
    pub fn total(&self, now: Duration) -> Window {
        Window { span: now, ..self.total.clone() }
    }

    /// The last complete second.
    pub fn last(&self) -> Window {
        self.last.clone()
    }

    /// What was measured, second by second.
    pub fn series(&self) -> Series {
        self.series.clone()
    }

    /// The series with a row for the interval that is not complete.
    pub fn series_until(&self, now: Duration, activity: Activity) -> Series {
        let mut series = self.series.clone();
        let span = now.saturating_sub(self.began);
        series.close(now.max(self.began), activity, &Window { span, ..self.current.clone() });
        series
    }

    /// What has too many names since this was last asked, as sentences.
    pub fn overflows(&mut self) -> Vec<String> {
        self.overflows.news(&self.total)
    }

    /// Everything collected; its span means nothing.
    pub fn so_far(&self) -> &Window {
        &self.total
    }

    /// Hands out what complete intervals hold that was not handed out. To be called when an interval
    /// was just closed.
    pub fn take_unsent(&mut self) -> Unsent {
        let unsent = self.unsent.replace(Window::default());
        let mut window = unsent.unwrap_or_else(|| self.total.clone());
        window.span = self.began.saturating_sub(self.taken);
        self.taken = self.began;
        Unsent { window, until: self.began }
    }
}

impl Overflows {
    /// What has too many names in a run so far since this was last asked, as sentences.
    pub(super) fn news(&mut self, total: &Window) -> Vec<String> {
        let many = |what: &str| {
            format!(
                "more than {MAX_NAMES} names of {what}: the rest is counted as `{OTHER_NAMES}`; keep ids and times out of names"
            )
        };
        let kinds = [
            (total.actions.contains_key(OTHER_NAMES), many("actions")),
            (total.counters.contains_key(OTHER_NAMES), many("counters")),
            (total.gauges.contains_key(OTHER_NAMES), many("gauges")),
            (total.checks.contains_key(OTHER_NAMES), many("checks")),
            (
                total.failures.keys().any(|key| &*key.reason == OTHER_REASONS),
                format!(
                    "more than {MAX_REASONS} different reasons of failure: the rest is counted as `{OTHER_REASONS}`; keep ids and times out of reasons"
                ),
            ),
        ];
        let mut news = Vec::new();
        for (told, (overflows, sentence)) in self.0.iter_mut().zip(kinds) {
            if overflows && !*told {
                *told = true;
                news.push(sentence);
            }
        }
        news
    }
}

impl Window {
    /// Forgets everything but keeps the memory of distributions that nobody else looks at.
    pub(super) fn reset(&mut self) {
        self.span = Duration::ZERO;
        for action in self.actions.values_mut() {
            match Arc::get_mut(action) {
                Some(action) => action.reset(),
                None => *action = Arc::default(),
            }
        }
        self.counters.values_mut().for_each(|sum| *sum = 0);
        self.gauges = BTreeMap::new();
        self.checks = BTreeMap::new();
        self.failures = BTreeMap::new();
        self.examples = BTreeMap::new();
        self.stalls = StallNumbers::default();
        self.lifetimes.clear();
    }
}
