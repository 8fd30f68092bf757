//! Pure: how far a plan is, for people and programs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{plan::Plan, tally::Tally};

/// How far the load profile of a run is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PlanStatus {
    /// The stage it is in, from 1; the last one, once it is over.
    pub stage: usize,
    /// How many stages there are.
    pub stages: usize,
    /// That stage, as people write it.
    pub now: String,
    /// How long the profile goes on.
    pub elapsed: Duration,
    /// How long all of it takes.
    pub duration: Duration,
    /// How many users are to run now, but for those that arrive at a rate.
    pub target_users: u64,
    /// How many arrivals a second there are to be now.
    pub target_rate: f64,
    /// What became of arrivals so far.
    pub arrivals: Tally,
}

impl Plan {
    /// How far it is after that time, with what became of arrivals.
    pub fn status(&self, elapsed: Duration, arrivals: Tally) -> PlanStatus {
        let stages = self.profile().stages();
        let stage = self.profile().position(elapsed).map_or(stages.len() - 1, |at| at.stage);
        PlanStatus {
            stage: stage + 1,
            stages: stages.len(),
            now: stages[stage].to_string(),
            elapsed: elapsed.min(self.profile().duration()),
            duration: self.profile().duration(),
            target_users: self.profile().target_users(elapsed),
            target_rate: self.profile().target_rate(elapsed),
            arrivals,
        }
    }
}
