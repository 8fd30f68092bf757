//! Measuring.
use std::time::Duration;

use crate::failure::Failure;

/// One timed action.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// From send to answer.
    pub service: Duration,
    /// From when it should have started to answer.
    pub response: Duration,
    /// Its failure.
    pub failure: Option<&'a Failure>,
}
/// What failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A user ended with it.
    User,
    /// A timed action failed.
    Action,
    /// The scenario noted it.
    Noted,
}
/// Where measurements go. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Measure;
#[expect(missing_docs, reason = "skeleton")]
impl Measure {
    pub fn record(&self, _action: &str, _sample: Sample<'_>) {
        unimplemented!()
    }
    pub fn count(&self, _name: &str, _by: u64) {
        unimplemented!()
    }
    pub fn gauge(&self, _name: &str, _value: f64) {
        unimplemented!()
    }
    pub fn check(&self, _name: &str, _passed: bool) {
        unimplemented!()
    }
    pub fn failure(&self, _source: Source, _failure: &Failure) {
        unimplemented!()
    }
}
