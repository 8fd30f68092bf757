//! Adding up what several recorders measured. Sums and distributions are added, never averaged:
//! percentiles of a merged window are those of one recorder that had seen everything.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Source,
    names::{MAX_NAMES, MAX_REASONS, OTHER_NAMES, OTHER_REASONS},
    timing::Bounds,
    window::{ActionNumbers, CheckNumbers, FailureKey, GaugeNumbers, StallNumbers, Window},
};

/// Why two windows do not merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// Their distributions hold different ranges, so sums of them would be wrong.
    #[error(
        "distributions with different bounds do not merge: one holds {ours}, the other {theirs}; all nodes of a run must be given the same"
    )]
    Bounds {
        /// Bounds of the window merged into.
        ours: Bounds,
        /// Bounds of the other.
        theirs: Bounds,
    },
}

impl Window {
    /// Adds what somebody else measured over the same time. The span becomes the longer one.
    ///
    /// # Errors
    /// If the bounds differ; nothing is changed then.
    pub fn merge(&mut self, other: &Self) -> Result<(), MergeError> {
        if self.bounds != other.bounds {
            return Err(MergeError::Bounds { ours: self.bounds, theirs: other.bounds });
        }
        self.span = self.span.max(other.span);
        for (name, action) in &other.actions {
            self.action(name).merge(action);
        }
        for (name, sum) in &other.counters {
            let total = bounded(&mut self.counters, name);
            *total = total.saturating_add(*sum);
        }
        for (name, gauge) in &other.gauges {
            self.set_gauge(name, gauge);
        }
        for (name, check) in &other.checks {
            self.check(name).merge(*check);
        }
        for (key, count) in &other.failures {
            self.add_failure(key.clone(), *count);
        }
        for (key, example) in &other.examples {
            self.add_example(key, example);
        }
        self.stalls.merge(&other.stalls);
        self.lifetimes.merge(&other.lifetimes);
        Ok(())
    }

    /// Adds what was measured in the time that followed: what was under way before is not any more,
    /// or is among what was under way then.
    ///
    /// # Errors
    /// As [`Window::merge`].
    pub fn follow(&mut self, later: &Self) -> Result<(), MergeError> {
        if self.bounds == later.bounds {
            self.clear_waiting();
        }
        self.merge(later)
    }

    /// Forgets what was under way.
    pub fn clear_waiting(&mut self) {
        for action in self.actions.values_mut().filter(|action| !action.waiting.is_empty()) {
            Arc::make_mut(action).waiting.reset();
        }
    }

    /// Nothing comes any more: what was under way is unfinished.
    pub fn settle(&mut self) {
        for action in self.actions.values_mut().filter(|action| !action.waiting.is_empty()) {
            Arc::make_mut(action).settle();
        }
    }

    /// The numbers of that action.
    pub fn action(&mut self, name: &Arc<str>) -> &mut ActionNumbers {
        Arc::make_mut(bounded(&mut self.actions, name))
    }

    /// The counter of that name.
    pub fn counter(&mut self, name: &Arc<str>) -> &mut u64 {
        bounded(&mut self.counters, name)
    }

    /// The check of that name.
    pub fn check(&mut self, name: &Arc<str>) -> &mut CheckNumbers {
        bounded(&mut self.checks, name)
    }

    /// Takes a gauge's newer value.
    pub fn set_gauge(&mut self, name: &Arc<str>, gauge: &GaugeNumbers) {
        let name = bounded_name(&self.gauges, name);
        self.gauges.entry(name).and_modify(|known| known.merge(gauge)).or_insert(*gauge);
    }

    /// Keeps an example of failures that are counted here: of two the lesser, so that the order of
    /// merging does not matter.
    pub fn add_example(&mut self, key: &FailureKey, example: &Arc<str>) {
        let full = self.examples.len() >= Source::ALL.len() * MAX_REASONS;
        match self.examples.get_mut(key) {
            Some(known) if *known <= *example => {}
            Some(known) => *known = example.clone(),
            None if full => {}
            None => {
                self.examples.insert(key.clone(), example.clone());
            }
        }
    }

    /// Counts failures.
    pub fn add_failure(&mut self, key: FailureKey, count: u64) {
        if let Some(known) = self.failures.get_mut(&key) {
            *known = known.saturating_add(count);
            return;
        }
        let of_source = |source: Source| {
            self.failures
                .keys()
                .filter(|known| known.source == source && &*known.reason != OTHER_REASONS)
                .count()
        };
        let key = if &*key.reason != OTHER_REASONS && of_source(key.source) >= MAX_REASONS {
            FailureKey { action: None, reason: OTHER_REASONS.into(), ..key }
        } else {
            key
        };
        let known = self.failures.entry(key).or_default();
        *known = known.saturating_add(count);
    }
}

/// The name, or the one that stands for all others once there are too many.
fn bounded_name<V>(table: &BTreeMap<Arc<str>, V>, name: &Arc<str>) -> Arc<str> {
    let others = usize::from(table.contains_key(OTHER_NAMES));
    if table.len() - others >= MAX_NAMES && !table.contains_key(name) {
        OTHER_NAMES.into()
    } else {
        name.clone()
    }
}

fn bounded<'a, V: Default>(table: &'a mut BTreeMap<Arc<str>, V>, name: &Arc<str>) -> &'a mut V {
    let name = bounded_name(table, name);
    table.entry(name).or_default()
}

impl ActionNumbers {
    /// Adds what somebody else measured.
    pub fn merge(&mut self, other: &Self) {
        self.failed = self.failed.saturating_add(other.failed);
        self.service.merge(&other.service);
        self.response.merge(&other.response);
        self.unfinished.merge(&other.unfinished);
        self.waiting.merge(&other.waiting);
        self.phases.merge(&other.phases);
    }
}

impl GaugeNumbers {
    /// Adds what somebody else measured: the value set later stands; of two set at the same time
    /// the higher, so that the order of merging does not matter.
    pub fn merge(&mut self, other: &Self) {
        let later = (other.at, other.last) > (self.at, self.last);
        if later {
            (self.at, self.last) = (other.at, other.last);
        }
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

impl CheckNumbers {
    /// Adds what somebody else measured.
    pub fn merge(&mut self, other: Self) {
        self.passed = self.passed.saturating_add(other.passed);
        self.failed = self.failed.saturating_add(other.failed);
    }
}

impl StallNumbers {
    /// Adds what somebody else measured; the worst one keeps its name.
    pub fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        if (other.worst, &other.worst_name) > (self.worst, &self.worst_name) {
            self.worst = other.worst;
            self.worst_name.clone_from(&other.worst_name);
        }
    }
}
