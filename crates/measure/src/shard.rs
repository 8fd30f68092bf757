//! What one worker thread measured since it was last asked.

use std::{mem, sync::Arc, time::Duration};

use crowd_core::failure::{Failure, Owner};

use super::{
    Sample, Source,
    attempt::Phase,
    lifetimes::Lifetimes,
    names::{MAX_NAMES, MAX_REASONS, Named, OTHER_NAMES, OTHER_REASONS, clip},
    window::{ActionNumbers, CheckNumbers, FailureKey, GaugeNumbers, Window},
};

/// A worker's share of the measurements. Once drained it is empty but keeps its names and memory,
/// so that it can take the place of the next one.
#[derive(Debug)]
pub struct Shard {
    actions: Named<ActionCell>,
    counters: Named<u64>,
    gauges: Named<Option<GaugeNumbers>>,
    checks: Named<CheckNumbers>,
    /// By source, those that name no action.
    failures: [Reasons; 3],
    lifetimes: Lifetimes,
    room: Room,
}

#[derive(Debug, Default)]
struct ActionCell {
    numbers: ActionNumbers,
    reasons: Reasons,
}

/// How often it failed for which reason, by owner.
#[derive(Debug, Default)]
struct Reasons([Named<Reason>; 3]);

/// A reason: how often, and one case of it.
#[derive(Debug, Default)]
struct Reason {
    count: u64,
    example: Option<Arc<str>>,
}

/// How many more names each table takes.
#[derive(Debug)]
struct Room {
    actions: usize,
    counters: usize,
    gauges: usize,
    checks: usize,
    /// By source.
    reasons: [usize; 3],
}

impl Default for Shard {
    fn default() -> Self {
        Self {
            actions: Named::default(),
            counters: Named::default(),
            gauges: Named::default(),
            checks: Named::default(),
            failures: Default::default(),
            lifetimes: Lifetimes::default(),
            room: Room {
                actions: MAX_NAMES,
                counters: MAX_NAMES,
                gauges: MAX_NAMES,
                checks: MAX_NAMES,
                reasons: [MAX_REASONS; 3],
            },
        }
    }
}

impl Shard {
    /// Attempts at an action ended like this, so many of them.
    pub fn record(
        &mut self,
        action: &str,
        sample: &Sample<'_>,
        times: u64,
        phases: impl Iterator<Item = (Phase, Duration)>,
    ) {
        let cell = self.actions.cell(action, &mut self.room.actions, OTHER_NAMES);
        let numbers = &mut cell.numbers;
        if times == 1 {
            numbers.service.record(sample.service);
            numbers.response.record(sample.response);
        } else {
            numbers.service.record_times(sample.service, times);
            numbers.response.record_times(sample.response, times);
        }
        for (phase, took) in phases {
            numbers.phases.of(phase).record(took);
        }
        if let Some(failure) = sample.failure {
            numbers.failed += times;
            cell.reasons.add(failure, times, &mut self.room.reasons[Source::Action as usize]);
        }
    }

    /// An attempt at an action was given up after so long.
    pub fn unfinished(&mut self, action: &str, sample: &Sample<'_>) {
        let cell = self.actions.cell(action, &mut self.room.actions, OTHER_NAMES);
        cell.numbers.unfinished.record(sample.service, sample.response);
    }

    pub fn count(&mut self, name: &str, by: u64) {
        let sum = self.counters.cell(name, &mut self.room.counters, OTHER_NAMES);
        *sum = sum.saturating_add(by);
    }

    pub fn gauge(&mut self, name: &str, value: f64, at: Duration) {
        let gauge = self.gauges.cell(name, &mut self.room.gauges, OTHER_NAMES);
        match gauge {
            Some(known) => {
                (known.last, known.at) = (value, at);
                known.min = known.min.min(value);
                known.max = known.max.max(value);
            }
            None => *gauge = Some(GaugeNumbers::once(value, at)),
        }
    }

    pub fn check(&mut self, name: &str, passed: bool) {
        let check = self.checks.cell(name, &mut self.room.checks, OTHER_NAMES);
        if passed {
            check.passed += 1;
        } else {
            check.failed += 1;
        }
    }

    pub fn failure(&mut self, source: Source, failure: &Failure) {
        let at = source as usize;
        self.failures[at].add(failure, 1, &mut self.room.reasons[at]);
    }

    pub fn lifetime(&mut self, start: Duration, took: Duration) {
        self.lifetimes.record(start, took);
    }

    /// Adds everything to each of `windows` and forgets it.
    pub fn drain(&mut self, windows: &mut [&mut Window]) {
        for (name, cell) in self.actions.cells() {
            cell.reasons.drain(Source::Action, Some(name), windows);
            if cell.numbers.begun() == 0 {
                continue;
            }
            for window in windows.iter_mut() {
                window.action(name).merge(&cell.numbers);
            }
            cell.numbers.reset();
        }
        for (name, sum) in self.counters.cells() {
            let sum = mem::take(sum);
            if sum > 0 {
                for window in windows.iter_mut() {
                    let total = window.counter(name);
                    *total = total.saturating_add(sum);
                }
            }
        }
        for (name, gauge) in self.gauges.cells() {
            if let Some(gauge) = gauge.take() {
                windows.iter_mut().for_each(|window| window.set_gauge(name, &gauge));
            }
        }
        for (name, check) in self.checks.cells() {
            let check = mem::take(check);
            if check != CheckNumbers::default() {
                windows.iter_mut().for_each(|window| window.check(name).merge(check));
            }
        }
        if !self.lifetimes.is_empty() {
            for window in windows.iter_mut() {
                window.lifetimes.merge(&self.lifetimes);
            }
            self.lifetimes.clear();
        }
        for source in Source::ALL {
            self.failures[source as usize].drain(source, None, windows);
        }
    }
}

impl ActionNumbers {
    /// Forgets everything but keeps the memory.
    pub fn reset(&mut self) {
        self.failed = 0;
        self.service.reset();
        self.response.reset();
        self.unfinished.reset();
        self.waiting.reset();
        self.phases.reset();
    }
}

const OWNERS: [Owner; 3] = [Owner::Target, Owner::Scenario, Owner::Generator];

impl Reasons {
    fn add(&mut self, failure: &Failure, times: u64, room: &mut usize) {
        let owner = match failure.owner() {
            Owner::Target => 0,
            Owner::Scenario => 1,
            Owner::Generator => 2,
        };
        let reason = self.0[owner].cell(failure.reason(), room, OTHER_REASONS);
        reason.count += times;
        if reason.example.is_none() {
            reason.example = failure.example().map(|example| clip(example).into());
        }
    }

    fn drain(&mut self, source: Source, action: Option<&Arc<str>>, windows: &mut [&mut Window]) {
        for (owner, reasons) in OWNERS.into_iter().zip(&mut self.0) {
            for (reason, told) in reasons.cells() {
                let Reason { count, example } = mem::take(told);
                if count == 0 {
                    continue;
                }
                for window in windows.iter_mut() {
                    // All reasons without room of their own are one row for each owner.
                    let action = action.filter(|_| &**reason != OTHER_REASONS).cloned();
                    let key = FailureKey { source, owner, action, reason: reason.clone() };
                    window.add_failure(key.clone(), count);
                    if let Some(example) = &example {
                        window.add_example(&key, example);
                    }
                }
            }
        }
    }
}
