//! What a node measured, as it travels to the master: exact, in parts of bounded size.
//!
//! A distribution travels as the buckets that hold something, each as the step from the bucket
//! before and its count, both as LEB128 numbers: two bytes for most. HdrHistogram's deflated V2
//! form, in which reports keep distributions, is somewhat smaller, but whoever adds it up has to
//! inflate it and to build each distribution first, which takes several times as long; and the master
//! does that for all nodes, beside all else it does. `benches/cluster_measure.rs` measures
//! both.
//!
//! Parts add up: any of them, in any order, added to any window. So a window is cut wherever a part
//! is full, within a distribution too.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    attempt::Phase,
    lifetimes::{BINS, MAX_COLUMNS, MAX_DOUBLINGS},
    merge::MergeError,
    names::MAX_TEXT,
    timing::{BOUNDS, Bounds, Timing},
    window::{CheckNumbers, FailureKey, GaugeNumbers, StallNumbers, Waited, Window},
};

mod buckets;

use buckets::Buckets;

/// A part takes about so many bytes at most.
pub const MOST_PART_BYTES: usize = 192 * 1024;

/// A piece of one distribution takes so many bytes at most.
const MOST_PIECE_BYTES: usize = 64 * 1024;

/// The largest count that is believed, for one bucket or name: so many that sums of them fit.
const MOST_COUNT: u64 = 1 << 53;

/// Why a part is refused. Nothing of it has been added then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireFault {
    /// Its distributions hold another range.
    #[error(transparent)]
    Bounds(#[from] MergeError),
    /// It is not what [`parts`] makes.
    #[error("these are no measurements: {0}")]
    Broken(&'static str),
}

/// A part of a window, as it travels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    bounds: Bounds,
    actions: Vec<ActionPart>,
    counters: Vec<(Arc<str>, u64)>,
    gauges: Vec<(Arc<str>, GaugeNumbers)>,
    checks: Vec<(Arc<str>, CheckNumbers)>,
    failures: Vec<(FailureKey, u64)>,
    examples: Vec<(FailureKey, Arc<str>)>,
    phases: Vec<PhasePart>,
    stalls: StallNumbers,
    lifetimes: LifetimesPart,
}

/// Cells of a grid that hold somebody: column, bin, count.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct LifetimesPart {
    doublings: u32,
    cells: Vec<(u8, u8, u64)>,
}

/// What was measured of an action, or a piece of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ActionPart {
    name: Arc<str>,
    of: Attempts,
    failed: u64,
    service: TimingPart,
    response: TimingPart,
}

/// Which attempts at an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Attempts {
    Ended,
    Unfinished,
    Waiting,
}

/// What was measured of a phase of an action, or a piece of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct PhasePart {
    name: Arc<str>,
    phase: Phase,
    times: TimingPart,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct TimingPart {
    clamped: u64,
    buckets: Buckets,
}

/// A part that was looked at: it can be added.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked(Part);

/// A window as parts, one at least. Its span is not among what they hold.
pub fn parts(window: &Window) -> Vec<Part> {
    let mut packer = Packer::new(window.bounds);
    packer.last.stalls = window.stalls.clone();
    for (name, action) in &window.actions {
        let attempts = [
            (Attempts::Ended, &action.service, &action.response),
            (Attempts::Unfinished, action.unfinished.service(), action.unfinished.response()),
            (Attempts::Waiting, action.waiting.service(), action.waiting.response()),
        ];
        for (of, service, response) in attempts {
            let mut failed = if of == Attempts::Ended { action.failed } else { 0 };
            if service.count() == 0 && failed == 0 {
                continue;
            }
            let (mut service, mut response) =
                (pieces(service).into_iter(), pieces(response).into_iter());
            loop {
                let (one, other) = (service.next(), response.next());
                if one.is_none() && other.is_none() {
                    break;
                }
                let (service, response) = (one.unwrap_or_default(), other.unwrap_or_default());
                let bytes = name.len() + service.buckets.len() + response.buckets.len();
                let failed = std::mem::take(&mut failed);
                let piece = ActionPart { name: name.clone(), of, failed, service, response };
                packer.room(bytes).actions.push(piece);
            }
        }
        for (phase, timing) in action.phases.iter() {
            for times in pieces(timing) {
                let bytes = name.len() + times.buckets.len();
                packer.room(bytes).phases.push(PhasePart { name: name.clone(), phase, times });
            }
        }
    }
    for (name, sum) in window.counters.iter().filter(|(_, sum)| **sum > 0) {
        packer.room(name.len()).counters.push((name.clone(), *sum));
    }
    for (name, gauge) in &window.gauges {
        packer.room(name.len()).gauges.push((name.clone(), *gauge));
    }
    for (name, check) in &window.checks {
        packer.room(name.len()).checks.push((name.clone(), *check));
    }
    for (key, count) in &window.failures {
        let bytes = key.reason.len() + key.action.as_ref().map_or(0, |action| action.len());
        packer.room(bytes).failures.push((key.clone(), *count));
    }
    for (key, example) in &window.examples {
        let action = key.action.as_ref().map_or(0, |action| action.len());
        let bytes = key.reason.len() + example.len() + action;
        packer.room(bytes).examples.push((key.clone(), example.clone()));
    }
    let (doublings, cells) = window.lifetimes.raw();
    let cells: Vec<_> = cells.collect();
    for piece in cells.chunks(MOST_CELLS) {
        let room = packer.lifetimes_room(piece.len() * CELL_BYTES);
        room.lifetimes = LifetimesPart { doublings, cells: piece.to_vec() };
    }
    packer.finish()
}

/// A distribution in pieces, one at least.
fn pieces(timing: &Timing) -> Vec<TimingPart> {
    let mut pieces = Vec::new();
    let mut piece = TimingPart { clamped: timing.clamped(), ..TimingPart::default() };
    let mut last = 0;
    for (value, count) in timing.recorded() {
        if piece.buckets.len() >= MOST_PIECE_BYTES {
            pieces.push(std::mem::take(&mut piece));
            last = 0;
        }
        piece.buckets.push(&mut last, value, count);
    }
    pieces.push(piece);
    pieces
}

/// Fills one part after the other.
struct Packer {
    full: Vec<Part>,
    last: Part,
    bytes: usize,
}

/// So many cells of a grid travel in one part at most.
const MOST_CELLS: usize = 4_000;

/// What a cell takes, generously: two bytes and a number.
const CELL_BYTES: usize = 11;

/// What an item takes besides its texts and buckets, generously.
const ITEM_BYTES: usize = 64;

impl Packer {
    fn new(bounds: Bounds) -> Self {
        Self { full: Vec::new(), last: Part::empty(bounds), bytes: 0 }
    }

    /// The part that has room for an item.
    fn room(&mut self, bytes: usize) -> &mut Part {
        let bytes = bytes + ITEM_BYTES;
        if self.bytes > 0 && self.bytes + bytes > MOST_PART_BYTES {
            let next = Part::empty(self.last.bounds);
            self.full.push(std::mem::replace(&mut self.last, next));
            self.bytes = 0;
        }
        self.bytes += bytes;
        &mut self.last
    }

    /// The part that has room for cells and holds none.
    fn lifetimes_room(&mut self, bytes: usize) -> &mut Part {
        if !self.last.lifetimes.cells.is_empty() {
            self.bytes = MOST_PART_BYTES;
        }
        self.room(bytes)
    }

    fn finish(mut self) -> Vec<Part> {
        self.full.push(self.last);
        self.full
    }
}

impl Part {
    fn empty(bounds: Bounds) -> Self {
        Self {
            bounds,
            actions: Vec::new(),
            counters: Vec::new(),
            gauges: Vec::new(),
            checks: Vec::new(),
            failures: Vec::new(),
            examples: Vec::new(),
            phases: Vec::new(),
            stalls: StallNumbers::default(),
            lifetimes: LifetimesPart::default(),
        }
    }

    /// Looks at all of a part, so that it is added as a whole or not at all.
    ///
    /// # Errors
    /// If its distributions have other bounds, or if it is not what [`parts`] makes: never panics.
    pub fn check(self) -> Result<Checked, WireFault> {
        if self.bounds != BOUNDS {
            let (ours, theirs) = (BOUNDS, self.bounds);
            return Err(MergeError::Bounds { ours, theirs }.into());
        }
        for action in &self.actions {
            fits_text(&action.name)?;
            fits_count(action.failed)?;
            for timing in [&action.service, &action.response] {
                fits_count(timing.clamped)?;
                timing.buckets.check()?;
            }
        }
        for phase in &self.phases {
            fits_text(&phase.name)?;
            fits_count(phase.times.clamped)?;
            phase.times.buckets.check()?;
        }
        for (key, example) in &self.examples {
            fits_text(&key.reason)?;
            fits_text(key.action.as_deref().unwrap_or(""))?;
            fits_text(example)?;
        }
        // Counters may be as large as they like: they stop at the largest number.
        for (name, _) in &self.counters {
            fits_text(name)?;
        }
        for (name, gauge) in &self.gauges {
            fits_text(name)?;
            if ![gauge.last, gauge.min, gauge.max].iter().all(|value| value.is_finite()) {
                return Err(WireFault::Broken("a gauge is no finite number"));
            }
        }
        for (name, check) in &self.checks {
            fits_text(name)?;
            fits_count(check.passed)?;
            fits_count(check.failed)?;
        }
        for (key, count) in &self.failures {
            fits_text(&key.reason)?;
            fits_text(key.action.as_deref().unwrap_or(""))?;
            fits_count(*count)?;
        }
        fits_text(&self.stalls.worst_name)?;
        fits_count(self.stalls.count)?;
        if self.lifetimes.doublings > MAX_DOUBLINGS {
            return Err(WireFault::Broken("a grid is wider than time"));
        }
        for (column, bin, count) in &self.lifetimes.cells {
            fits_count(*count)?;
            if u64::from(*column) >= MAX_COLUMNS || *bin >= BINS || *count == 0 {
                return Err(WireFault::Broken("a grid has cells that there are not"));
            }
        }
        Ok(Checked(self))
    }
}

impl Checked {
    /// Adds the part to each of `windows`. `later` is how much later than the run the clock began
    /// that the times of its gauges and users count from.
    pub fn add_to(&self, windows: &mut [&mut Window], later: Duration) {
        let part = &self.0;
        for window in windows {
            for piece in &part.actions {
                let action = window.action(&piece.name);
                action.failed = action.failed.saturating_add(piece.failed);
                let (service, response) = match piece.of {
                    Attempts::Ended => (&mut action.service, &mut action.response),
                    Attempts::Unfinished => action.unfinished.times_mut(),
                    Attempts::Waiting => continue,
                };
                piece.service.add_to(service);
                piece.response.add_to(response);
            }
            for piece in &part.phases {
                piece.times.add_to(window.action(&piece.name).phases.of(piece.phase));
            }
            for (name, sum) in &part.counters {
                let total = window.counter(name);
                *total = total.saturating_add(*sum);
            }
            for (name, gauge) in &part.gauges {
                let at = gauge.at.saturating_add(later);
                window.set_gauge(name, &GaugeNumbers { at, ..*gauge });
            }
            for (name, check) in &part.checks {
                window.check(name).merge(*check);
            }
            for (key, count) in &part.failures {
                window.add_failure(key.clone(), *count);
            }
            for (key, example) in &part.examples {
                window.add_example(key, example);
            }
            window.stalls.merge(&part.stalls);
            for cell in &part.lifetimes.cells {
                window.lifetimes.add_raw(part.lifetimes.doublings, *cell, later);
            }
        }
    }
}

impl Checked {
    /// Adds what was under way when the interval ended, by action. It is no sum over time, so it is
    /// not among what [`Checked::add_to`] adds.
    pub fn add_waiting_to(&self, waiting: &mut BTreeMap<Arc<str>, Waited>) {
        for piece in self.0.actions.iter().filter(|piece| piece.of == Attempts::Waiting) {
            let waited = waiting.entry(piece.name.clone()).or_default();
            let (service, response) = waited.times_mut();
            piece.service.add_to(service);
            piece.response.add_to(response);
        }
    }
}

impl TimingPart {
    fn add_to(&self, timing: &mut Timing) {
        self.buckets.each(|value, count| timing.add(value, count));
        timing.add_clamped(self.clamped);
    }
}

/// Names and reasons are cut where they are recorded.
fn fits_text(text: &str) -> Result<(), WireFault> {
    match text.len() <= MAX_TEXT || text.chars().count() <= MAX_TEXT {
        true => Ok(()),
        false => Err(WireFault::Broken("a name is too long")),
    }
}

fn fits_count(count: u64) -> Result<(), WireFault> {
    match count <= MOST_COUNT {
        true => Ok(()),
        false => Err(WireFault::Broken("a count is too large")),
    }
}

#[cfg(test)]
mod tests;
