//! Pure: a load that is reached and then held.

use std::time::Duration;

use super::{Finding, Tick};
use crate::capacity::settings::Unit;

/// One user in so many may be missing from a load that is there.
const SLACK: u64 = 20;

/// A load that is to be held, and how far that has come.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hold {
    load: f64,
    /// When it was asked for.
    began: Option<Duration>,
    /// Since when it is there.
    since: Option<Duration>,
}

impl Hold {
    /// A load that nobody has asked for yet.
    pub(crate) fn new(load: f64) -> Self {
        Self { load, began: None, since: None }
    }

    /// The load.
    pub(crate) fn load(&self) -> f64 {
        self.load
    }

    /// Since when it is there, as of the last [`Hold::see`].
    pub(crate) fn since(&self) -> Option<Duration> {
        self.since
    }

    /// Looks whether it is there, and answers since when. A disturbance begins that anew.
    pub(crate) fn see(&mut self, tick: &Tick) -> Option<Duration> {
        let began = *self.began.get_or_insert(tick.now);
        if tick.disturbed {
            self.since = None;
        }
        let there = match tick.unit {
            // It is in force from the step after the one that asked for it.
            Unit::Rate => {
                tick.now > began
                    && tick.rate == Some(self.load)
                    && tick.active.is_some_and(|active| tick.waiting <= active / SLACK)
            }
            Unit::Users => {
                let wanted = self.load.round() as u64;
                // Users that end by themselves are replaced tick by tick; a few are always missing.
                let missing = wanted / SLACK;
                tick.waiting <= missing
                    && tick.active.is_some_and(|active| active.abs_diff(wanted) <= missing)
            }
        };
        if self.since.is_none() && there && !tick.disturbed {
            self.since = Some(tick.now);
        }
        self.since
    }

    /// Why it will not be reached, if it was not for too long.
    pub(crate) fn out_of_reach(&self, tick: &Tick, patience: Duration) -> Option<Finding> {
        let began = self.began.filter(|_| self.since.is_none())?;
        if tick.now.saturating_sub(began) < patience {
            return None;
        }
        let patience = humantime::format_duration(patience);
        if tick.unit == Unit::Rate {
            return Some(Finding::undecided(format!(
                "a load of {}/s was not reached within {patience}: it could not be set, or users \
                 wait to be admitted (`user_rate` says how fast they are)",
                self.load,
            )));
        }
        Some(Finding::undecided(format!(
            "a load of {} was not reached within {patience}: {} of {} users wait to be admitted \
             (`user_rate` says how fast they are), or end too soon",
            self.load,
            tick.waiting,
            tick.active.unwrap_or(0),
        )))
    }
}
