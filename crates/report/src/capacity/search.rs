//! Pure: a search, whatever its strategy.
//!
//! ```text
//!   Observation, now ──► Search::step ──► Add, Remove, SetRate, Finish
//! ```

use std::{collections::BTreeMap, time::Duration};

use super::{
    bisect::Bisect,
    curve::Curve,
    equilibrium::Equilibrium,
    observation::{Observation, Verdict},
    result::{CapacityResult, Finding, Limiting, Outcome, SCHEMA},
    settings::{SearchSettings, Strategy, Unit},
    stress::Stress,
};

mod hold;

pub(super) use hold::Hold;

/// The most notes kept.
const MOST_NOTES: usize = 50;

/// What a search wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Add so many users; at least 1.
    Add(u64),
    /// Tell so many users to stop; at least 1.
    Remove(u64),
    /// Let all users together begin so many iterations a second.
    SetRate(f64),
    /// The search is over; nothing more comes of it.
    Finish(Box<CapacityResult>),
}

/// What a strategy is shown of an observation.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    /// Since the search began.
    pub(super) now: Duration,
    pub(super) active: Option<u64>,
    pub(super) waiting: u64,
    pub(super) verdict: Verdict,
    /// How far beyond its limit the worst signal is, as a factor.
    pub(super) excess: Option<f64>,
    /// The signal to blame.
    pub(super) culprit: Option<String>,
    /// Requests that ended since the last tick.
    pub(super) count: u64,
    /// What goes on is not the load's doing alone.
    pub(super) disturbed: bool,
    pub(super) unit: Unit,
    /// The rate in force, for searches by rate.
    pub(super) rate: Option<f64>,
}

/// What a strategy decides.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Decision {
    Nothing,
    Add(u64),
    Remove(u64),
    /// The load is to be this.
    Hold(f64),
    Finish(Finding),
}

/// A search that goes on, or is over.
#[derive(Debug, Clone)]
pub struct Search {
    settings: SearchSettings,
    way: Way,
    curve: Curve,
    /// When the last step was, and the load from then on.
    last: Option<(Duration, f64)>,
    load_seconds: f64,
    /// The rate in force, for searches by rate.
    rate: Option<f64>,
    blamed: BTreeMap<String, Limiting>,
    /// Since when nothing is known of some signal.
    blind_since: Option<Duration>,
    notes: Vec<String>,
    over: bool,
}

#[derive(Debug, Clone)]
enum Way {
    Equilibrium(Equilibrium),
    Stress(Stress),
    Bisect(Box<Bisect>),
}

impl Search {
    /// A search that has seen nothing.
    pub fn new(settings: SearchSettings) -> Self {
        let way = match settings.strategy {
            Strategy::Equilibrium => Way::Equilibrium(Equilibrium::new(settings.equilibrium())),
            Strategy::Stress => Way::Stress(Stress::new(settings.stress())),
            Strategy::Bisect => Way::Bisect(Box::new(Bisect::new(settings.bisect()))),
        };
        Self {
            settings,
            way,
            curve: Curve::default(),
            last: None,
            load_seconds: 0.0,
            rate: None,
            blamed: BTreeMap::new(),
            blind_since: None,
            notes: Vec::new(),
            over: false,
        }
    }

    /// Takes an observation in. `now` counts from any moment before the first step, and does not go
    /// back. Once the search is over there are no commands.
    pub fn step(&mut self, observation: &Observation, now: Duration) -> Vec<Command> {
        if self.over {
            return Vec::new();
        }
        let tick = self.tick(observation, now);
        self.account(observation, &tick);
        let decision = match self.blind(observation, &tick) {
            Some(finding) => Decision::Finish(finding),
            None => match &mut self.way {
                Way::Equilibrium(way) => way.step(&tick),
                Way::Stress(way) => way.step(&tick),
                Way::Bisect(way) => way.step(&tick),
            },
        };
        match decision {
            Decision::Nothing | Decision::Add(0) | Decision::Remove(0) => Vec::new(),
            Decision::Add(users) => vec![Command::Add(users)],
            Decision::Remove(users) => vec![Command::Remove(users)],
            Decision::Hold(load) => self.hold(load, tick.active),
            Decision::Finish(finding) => vec![Command::Finish(Box::new(self.end(finding, now)))],
        }
    }

    /// The commands of the last step could not be carried out.
    pub fn refused(&mut self) {
        self.rate = None;
        if let Way::Equilibrium(way) = &mut self.way {
            way.refused();
        }
    }

    /// Says something that belongs to the result.
    pub fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if self.notes.len() < MOST_NOTES && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Ends the search by hand: what is known by now.
    pub fn stop(&mut self, now: Duration) -> CapacityResult {
        self.cut(now, "stopped by hand")
    }

    /// Ends the search, which cannot go on: what is known by now.
    pub fn cut(&mut self, now: Duration, why: &str) -> CapacityResult {
        let after = humantime::format_duration(Duration::from_secs(now.as_secs()));
        let best = self.best();
        let known = if best.supported.is_some() {
            "what is told is what was known by then"
        } else {
            "nothing was known by then"
        };
        self.note(format!("{why} after {after}: {known}"));
        self.end(Finding { outcome: Outcome::Stopped, ..best }, now)
    }

    /// The load that is supported, as far as that is known.
    pub fn supported(&self) -> Option<f64> {
        self.best().supported
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// What it was told.
    pub fn settings(&self) -> &SearchSettings {
        &self.settings
    }

    fn best(&self) -> Finding {
        match &self.way {
            Way::Equilibrium(way) => way.best(),
            Way::Stress(way) => way.best(),
            Way::Bisect(way) => way.best(),
        }
    }

    fn tick(&mut self, observation: &Observation, now: Duration) -> Tick {
        let verdict = match observation.verdict(self.settings.missing) {
            // Without users there is nothing to be measured, and nothing to be blind for.
            Verdict::Unknown if observation.active == Some(0) && self.rate.is_none() => {
                Verdict::Healthy
            }
            verdict => verdict,
        };
        let culprit = observation.culprit(self.settings.missing);
        if let (Some(signal), Verdict::Alert) = (culprit, verdict) {
            let blamed = self.blamed.entry(signal.name.clone()).or_insert_with(|| Limiting {
                signal: signal.name.clone(),
                alerts: 0,
                value: None,
                limit: signal.limit,
            });
            blamed.alerts += 1;
            blamed.value = signal.value;
        }
        if let Some(what) = &observation.disturbed {
            let after = humantime::format_duration(Duration::from_secs(now.as_secs()));
            self.note(format!("after {after}: {what}"));
        }
        Tick {
            now,
            active: observation.active,
            waiting: observation.waiting,
            verdict,
            excess: observation.worst_excess(),
            culprit: culprit.map(|signal| signal.name.clone()),
            count: observation.measured.count,
            disturbed: observation.disturbed.is_some(),
            unit: self.settings.unit,
            rate: self.rate,
        }
    }

    /// Adds the time since the last step to what was put on the system, and what was measured to
    /// the curve.
    fn account(&mut self, observation: &Observation, tick: &Tick) {
        if let Some((then, load)) = self.last {
            self.load_seconds += load * tick.now.saturating_sub(then).as_secs_f64();
        }
        let load = match self.settings.unit {
            Unit::Users => tick.active.map(|active| active as f64),
            Unit::Rate => self.rate,
        };
        let load = load.or(self.last.map(|(_, load)| load)).unwrap_or(0.0);
        self.last = Some((tick.now, load));
        let settled = match &self.way {
            Way::Equilibrium(_) => true,
            Way::Stress(way) => way.is_settled(tick.now),
            Way::Bisect(way) => way.is_settled(tick.now),
        };
        if settled && load > 0.0 {
            self.curve.add(load, &observation.measured, tick.verdict);
        }
    }

    /// Gives up when nothing was known for too long.
    fn blind(&mut self, observation: &Observation, tick: &Tick) -> Option<Finding> {
        if tick.verdict != Verdict::Unknown {
            self.blind_since = None;
            return None;
        }
        let since = *self.blind_since.get_or_insert(tick.now);
        if tick.now.saturating_sub(since) < self.settings.patience {
            return None;
        }
        let lost: Vec<_> =
            observation.without_value().iter().map(|name| format!("`{name}`")).collect();
        let patience = humantime::format_duration(self.settings.patience);
        let why = format!("for {patience} there was no value of {}", lost.join(", "));
        let best = self.best();
        Some(Finding { outcome: Outcome::Undecided, notes: vec![why], ..best })
    }

    fn hold(&mut self, load: f64, active: Option<u64>) -> Vec<Command> {
        if self.settings.unit == Unit::Rate {
            // Users that have ended are missing from those that serve the rate.
            let missing = active.map_or(0, |active| self.settings.users().saturating_sub(active));
            let add = (missing > 0).then_some(Command::Add(missing));
            let set = (self.rate.replace(load) != Some(load)).then_some(Command::SetRate(load));
            return add.into_iter().chain(set).collect();
        }
        let (wanted, Some(active)) = (load.round() as u64, active) else { return Vec::new() };
        match wanted.checked_sub(active) {
            Some(0) => Vec::new(),
            Some(more) => vec![Command::Add(more)],
            None => vec![Command::Remove(active - wanted)],
        }
    }

    fn end(&mut self, finding: Finding, now: Duration) -> CapacityResult {
        self.over = true;
        let Finding { outcome, supported, up_to, interval, breach, notes } = finding;
        for note in notes {
            self.note(note);
        }
        // The first of those that were blamed most often.
        let limiting = self.blamed.values().rev().max_by_key(|limiting| limiting.alerts);
        CapacityResult {
            schema: SCHEMA.into(),
            strategy: self.settings.strategy,
            unit: self.settings.unit,
            outcome,
            supported,
            up_to,
            interval,
            limiting: limiting.filter(|_| outcome != Outcome::NotLimited).cloned(),
            breach,
            seconds: now.as_secs_f64(),
            load_seconds: self.load_seconds,
            curve: self.curve.points(),
            notes: std::mem::take(&mut self.notes),
        }
    }

    /// How many samples an `equilibrium` search keeps.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        match &self.way {
            Way::Equilibrium(way) => way.kept(),
            Way::Stress(_) | Way::Bisect(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests;
