//! What was measured over a window of time: the whole run, or its last interval.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, LazyLock},
    time::Duration,
};

use crowd_core::failure::Owner;
use serde::{Deserialize, Serialize};

use super::{
    Source,
    attempt::Phase,
    lifetimes::Lifetimes,
    timing::{BOUNDS, Bounds, Timing},
};

/// What was measured over a window of time. Windows over the same time merge exactly, whoever
/// measured them: see [`Window::merge`].
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// How long the window is.
    pub span: Duration,
    /// What the distributions in it can hold.
    pub bounds: Bounds,
    /// Timed actions.
    pub actions: BTreeMap<Arc<str>, Arc<ActionNumbers>>,
    /// Counters, as their sums.
    pub counters: BTreeMap<Arc<str>, u64>,
    /// Gauges.
    pub gauges: BTreeMap<Arc<str>, GaugeNumbers>,
    /// Checks.
    pub checks: BTreeMap<Arc<str>, CheckNumbers>,
    /// How often what failed.
    pub failures: BTreeMap<FailureKey, u64>,
    /// One example each of failures whose reasons leave something out.
    pub examples: BTreeMap<FailureKey, Arc<str>>,
    /// User code that held up the event loop.
    pub stalls: StallNumbers,
    /// How long users took that ended in it, against when they started.
    pub lifetimes: Lifetimes,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            span: Duration::ZERO,
            bounds: BOUNDS,
            actions: BTreeMap::new(),
            counters: BTreeMap::new(),
            gauges: BTreeMap::new(),
            checks: BTreeMap::new(),
            failures: BTreeMap::new(),
            examples: BTreeMap::new(),
            stalls: StallNumbers::default(),
            lifetimes: Lifetimes::default(),
        }
    }
}

impl Window {
    /// `count` per second of this window.
    pub fn rate(&self, count: u64) -> f64 {
        per_second(count, self.span)
    }

    /// Whether nothing at all was measured.
    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.actions.values().all(|action| action.begun() == 0)
            && self.counters.is_empty()
            && self.gauges.is_empty()
            && self.checks.is_empty()
            && self.failures.is_empty()
            && self.stalls.count == 0
            && self.lifetimes.is_empty()
    }
}

/// `count` over `span`, per second; 0 for no time at all.
pub fn per_second(count: u64, span: Duration) -> f64 {
    if span.is_zero() { 0.0 } else { count as f64 / span.as_secs_f64() }
}

/// One timed action. Every attempt at it is in exactly one place: begun = ended (done or failed) +
/// unfinished + waiting.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ActionNumbers {
    /// How many failed.
    pub failed: u64,
    /// From send to answer, of those that ended: failed ones are timed too.
    pub service: Timing,
    /// From when it should have started to answer, of the same.
    pub response: Timing,
    /// Attempts that were given up before they ended, with how long they had waited by then.
    pub unfinished: Waited,
    /// Attempts that were under way when the window ended, with how long they had waited by then.
    pub waiting: Waited,
    /// What the ended ones spent in each phase.
    pub phases: Phases,
}

/// How long attempts have waited that did not end: each would have taken at least so long. Takes no
/// memory as long as there are none.
#[derive(Debug, Clone, Default)]
pub struct Waited(Option<Box<Waits>>);

#[derive(Debug, Clone, Default)]
struct Waits {
    service: Timing,
    response: Timing,
}

static NO_WAITS: LazyLock<Waits> = LazyLock::new(Waits::default);

impl Waited {
    /// How many.
    pub fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, |waits| waits.service.count())
    }

    /// Since they were sent.
    pub fn service(&self) -> &Timing {
        &self.0.as_ref().map_or(&*NO_WAITS, |waits| &**waits).service
    }

    /// Since they should have been.
    pub fn response(&self) -> &Timing {
        &self.0.as_ref().map_or(&*NO_WAITS, |waits| &**waits).response
    }

    /// Records one that succeeded.
    pub fn record(&mut self, service: Duration, response: Duration) {
        let (services, responses) = self.times_mut();
        services.record(service);
        responses.record(response);
    }

    /// Service and response times.
    pub fn times_mut(&mut self) -> (&mut Timing, &mut Timing) {
        let Waits { service, response } = &mut **self.0.get_or_insert_default();
        (service, response)
    }

    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Adds others.
    pub fn merge(&mut self, other: &Self) {
        if !other.is_empty() {
            let (service, response) = self.times_mut();
            service.merge(other.service());
            response.merge(other.response());
        }
    }

    /// Those since `earlier`, which these have grown from.
    pub fn since(&self, earlier: &Self) -> Self {
        if self.count() == earlier.count() {
            return Self::default();
        }
        let service = self.service().since(earlier.service());
        let response = self.response().since(earlier.response());
        Self(Some(Box::new(Waits { service, response })))
    }

    /// Forgets everything but keeps the memory.
    /// Forgets all.
    pub fn reset(&mut self) {
        if let Some(waits) = &mut self.0 {
            waits.service.reset();
            waits.response.reset();
        }
    }
}

impl PartialEq for Waited {
    fn eq(&self, other: &Self) -> bool {
        self.service() == other.service() && self.response() == other.response()
    }
}

/// What the attempts at an action spent in each [`Phase`]; nothing in those that it does not have.
#[derive(Debug, Clone, Default)]
pub struct Phases([Option<Box<Timing>>; Phase::COUNT]);

impl Phases {
    /// Those that something was measured of.
    pub fn iter(&self) -> impl Iterator<Item = (Phase, &Timing)> {
        let all = Phase::ALL.into_iter().zip(&self.0);
        all.filter_map(|(phase, timing)| Some((phase, &**timing.as_ref()?)))
            .filter(|(_, timing)| timing.count() > 0)
    }

    /// The times of that phase.
    pub fn of(&mut self, phase: Phase) -> &mut Timing {
        self.0[phase as usize].get_or_insert_default()
    }

    /// Adds those of another.
    pub fn merge(&mut self, other: &Self) {
        for (phase, timing) in other.iter() {
            self.of(phase).merge(timing);
        }
    }

    /// Forgets all.
    pub fn reset(&mut self) {
        self.0.iter_mut().flatten().for_each(|timing| timing.reset());
    }
}

impl PartialEq for Phases {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl ActionNumbers {
    /// How often it ended, done or failed.
    pub fn count(&self) -> u64 {
        self.service.count()
    }

    /// How often it was done without a failure.
    pub fn succeeded(&self) -> u64 {
        self.count().saturating_sub(self.failed)
    }

    /// How often it began.
    pub fn begun(&self) -> u64 {
        self.count() + self.unfinished.count() + self.waiting.count()
    }

    /// How many times were longer than the bounds allow.
    pub fn clamped(&self) -> u64 {
        self.service.clamped().saturating_add(self.response.clamped())
    }

    /// All service and all response times: of those that ended, and of those that did not, as long as
    /// they have waited.
    pub fn times(&self) -> (Cow<'_, Timing>, Cow<'_, Timing>) {
        let Self { service, response, unfinished, .. } = self;
        if unfinished.is_empty() {
            return (Cow::Borrowed(service), Cow::Borrowed(response));
        }
        let (mut services, mut responses) = (service.clone(), response.clone());
        services.merge(unfinished.service());
        responses.merge(unfinished.response());
        (Cow::Owned(services), Cow::Owned(responses))
    }

    /// Service times, with those of attempts that did not end as far as they have come: where one of
    /// these has waited longer than most took.
    pub fn service_so_far(&self) -> Cow<'_, Timing> {
        so_far(&self.service, self.unfinished.service(), self.waiting.service())
    }

    /// The same of response times.
    pub fn response_so_far(&self) -> Cow<'_, Timing> {
        so_far(&self.response, self.unfinished.response(), self.waiting.response())
    }

    /// Nothing comes any more: what was under way is unfinished.
    pub fn settle(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.unfinished.merge(&waiting);
    }
}

/// What is under way counts only where it has waited longer than half of the others took: before that
/// it tells nothing yet, and would make everything look faster.
fn so_far<'a>(ended: &'a Timing, unfinished: &Timing, waiting: &Timing) -> Cow<'a, Timing> {
    if unfinished.count() == 0 && waiting.count() == 0 {
        return Cow::Borrowed(ended);
    }
    let mut all = ended.clone();
    all.merge(unfinished);
    let usual = if all.count() > 0 { all.quantile(0.5) } else { Duration::ZERO };
    let usual = u64::try_from(usual.as_micros()).unwrap_or(u64::MAX);
    for (micros, count) in waiting.recorded().filter(|(micros, _)| *micros > usual) {
        all.add(micros, count);
    }
    Cow::Owned(all)
}

/// A gauge.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GaugeNumbers {
    /// The value set last.
    pub last: f64,
    /// When it was set, since the start of the run.
    pub at: Duration,
    /// The lowest value set.
    pub min: f64,
    /// The highest value set.
    pub max: f64,
}

impl GaugeNumbers {
    /// A gauge set once.
    pub fn once(value: f64, at: Duration) -> Self {
        Self { last: value, at, min: value, max: value }
    }
}

/// A check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckNumbers {
    /// How often it held.
    pub passed: u64,
    /// How often it did not.
    pub failed: u64,
}

/// What failures are counted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FailureKey {
    /// What failed.
    pub source: Source,
    /// Whose failure it is.
    pub owner: Owner,
    /// The action that failed; `None` for users and noted failures.
    pub action: Option<Arc<str>>,
    /// Why.
    pub reason: Arc<str>,
}

/// User code that ran on without awaiting and so held up everybody else.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StallNumbers {
    /// How often.
    pub count: u64,
    /// The longest.
    pub worst: Duration,
    /// Where that was.
    pub worst_name: String,
}

impl StallNumbers {
    /// Counts one.
    pub fn add(&mut self, name: &str, duration: Duration) {
        self.count += 1;
        if duration > self.worst {
            self.worst = duration;
            self.worst_name = super::names::clip(name).to_owned();
        }
    }
}
