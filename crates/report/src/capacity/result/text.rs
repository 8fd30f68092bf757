//! Results as text for people.

use std::fmt::Write;

use super::{Breach, CapacityResult, Interval, Limiting, Outcome};
use crate::capacity::settings::Unit;

impl Unit {
    /// So much of it, as people say it.
    pub fn of(self, load: f64) -> String {
        let number = if load.fract() == 0.0 || load >= 100.0 {
            format!("{load:.0}")
        } else {
            format!("{load:.1}")
        };
        match self {
            Self::Users if number == "1" => "1 user".to_owned(),
            Self::Users => format!("{number} users"),
            Self::Rate => format!("{number}/s"),
        }
    }
}

impl CapacityResult {
    /// The answer in one paragraph.
    pub fn answer(&self) -> String {
        let unit = self.unit;
        let mut text = match (self.outcome, self.supported, self.up_to) {
            (Outcome::NotLimited, _, Some(up_to)) => {
                format!("Not limited up to {}: nothing alerted there.", unit.of(up_to))
            }
            (Outcome::Found, Some(0.0), _) => "Not even the least load is supported.".to_owned(),
            (Outcome::Found, Some(supported), _) => format!("It supports {}.", unit.of(supported)),
            (_, Some(supported), _) => {
                format!(
                    "No final answer; as far as it is known, it supports {}.",
                    unit.of(supported)
                )
            }
            _ => "No answer.".to_owned(),
        };
        if let Some(Interval { low, high, confidence, .. }) = &self.interval {
            let [low, high] = [low, high].map(|end| unit.of((end * 10.0).round() / 10.0));
            let _ = match confidence {
                Some(confidence) => write!(
                    text,
                    " With {}% confidence the capacity is between {low} and {high}.",
                    trimmed(confidence * 100.0)
                ),
                None => write!(text, " The capacity is between {low} and {high}."),
            };
        }
        match (&self.breach, &self.limiting) {
            (Some(Breach { reason, failed_at, .. }), _) => {
                let _ = write!(text, " At {} it failed for `{reason}`.", unit.of(*failed_at));
            }
            (None, Some(Limiting { signal, .. })) if self.outcome != Outcome::NotLimited => {
                let _ = write!(text, " `{signal}` limits it.");
            }
            _ => {}
        }
        let _ = write!(
            text,
            " The search took {} and {:.0} {}.",
            humantime::format_duration(std::time::Duration::from_secs(self.seconds as u64)),
            self.load_seconds,
            match unit {
                Unit::Users => "user-seconds",
                Unit::Rate => "iterations",
            }
        );
        for note in &self.notes {
            let _ = write!(text, "\nNote: {note}.");
        }
        text
    }
}

/// Without digits that only arithmetic has put there.
fn trimmed(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}
