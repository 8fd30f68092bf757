//! Pure: what became of arrivals. scheduled = started + dropped + waiting, always; and nobody waits
//! once a run is over.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What became of the arrivals of a stage, or of several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Due by the plan.
    pub scheduled: u64,
    /// Begun by a user.
    pub started: u64,
    /// Lost because no user was free, and no more users were allowed.
    pub no_user: u64,
    /// Lost with a node that was not heard of any more, or for want of nodes.
    pub no_node: u64,
    /// Lost because the run was ended before a user was free.
    pub stopped: u64,
}

impl Tally {
    /// How many were lost, for whatever reason.
    pub fn dropped(&self) -> u64 {
        self.no_user + self.no_node + self.stopped
    }

    /// How many wait for a user.
    pub fn waiting(&self) -> u64 {
        self.scheduled.saturating_sub(self.started + self.dropped())
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        let Self { scheduled, started, no_user, no_node, stopped } = other;
        self.scheduled += scheduled;
        self.started += started;
        self.no_user += no_user;
        self.no_node += no_node;
        self.stopped += stopped;
    }
}

/// What became of the arrivals of each stage, by its number from 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tallies(pub BTreeMap<usize, Tally>);

impl Tallies {
    /// That of a stage, to be changed.
    pub fn of(&mut self, stage: usize) -> &mut Tally {
        self.0.entry(stage).or_default()
    }

    /// All of them together.
    pub fn total(&self) -> Tally {
        let mut total = Tally::default();
        self.0.values().for_each(|tally| total.add(tally));
        total
    }

    /// Adds others, stage by stage.
    pub fn add(&mut self, other: &Self) {
        for (stage, tally) in &other.0 {
            self.of(*stage).add(tally);
        }
    }
}
